/** Ending the write of a Zarr store: made whole and put in its place, or given up. */
import { MetadataError, UnsupportedError } from "../../base/index.ts";
import { openStore } from "../store/open-store.ts";
import { isSyncStore, type SyncStore } from "../store/store.ts";
import { type LooseObject, parseLooseJson, writeLooseJson } from "./json.ts";
import { endLedger, removeLedger } from "./ledger.ts";
import { METADATA_BYTES_MAX } from "./model.ts";
import { publishFolder, removeFolder } from "./stage.ts";
import type { ZarrTarget } from "./target.ts";
import { groupDocument } from "./write-metadata.ts";

/** The store at a URL, if it can be written. @throws {UnsupportedError} */
export function writableStore(url: string): SyncStore {
  const store = openStore(url);
  if (store.can.write && isSyncStore(store)) return store;
  throw new UnsupportedError(`writing Zarr to ${new URL(url).protocol}// is not supported; write to a local path`, {
    details: { url },
  });
}

/** Remove all that a store holds. */
export async function removeAll(store: SyncStore): Promise<void> {
  // Metadata first: a reader then finds nothing, never a mixture.
  store.deleteSync("zarr.json");
  const keys: string[] = [];
  for await (const { key } of store.list("")) keys.push(key);
  for (const key of keys) store.deleteSync(key);
}

/** Write a metadata document. */
export function writeJson(store: SyncStore, key: string, document: unknown): void {
  store.writeSync(key, [writeLooseJson(document)]);
}

/** A metadata document of a store; null where there is none. */
export function readJson(store: SyncStore, key: string): LooseObject | null {
  const found = store.readSync(key, { maxBytes: METADATA_BYTES_MAX });
  return found && parseLooseJson(found.bytes, `${store.url.href}${key}`);
}

/**
 * End a write: consolidated metadata last, then the new store takes its place.
 * @throws {ExistsError} mode `w-` and something has come there meanwhile
 * @throws {WriteError} the store refuses
 */
export async function finishZarr(target: ZarrTarget): Promise<void> {
  const store = writableStore(target.writeUrl);
  if (target.consolidated && target.created.length > 0) consolidate(store, target);
  if (target.ledger) endLedger(target.ledger);
  if (target.writeUrl !== target.url) publishFolder(target.writeUrl, target.url, target.mode === "w");
  // Last: a run that is killed before has lost nothing.
  if (target.ledger) removeLedger(target.ledger.folder.replace(target.writeUrl, target.url));
}

/** Copy the arrays' documents into the group's; those that others consolidated before stay. */
function consolidate(store: SyncStore, target: ZarrTarget): void {
  const group = readJson(store, "zarr.json");
  if (!group)
    throw new MetadataError(
      `${store.url.href}zarr.json has gone while the store was written`,
      { details: { url: target.url } },
      "zarr-metadata",
    );
  const inline = group["consolidated_metadata"] as { readonly metadata?: LooseObject } | null | undefined; // written by us, or read as such before
  const members: Record<string, unknown> = { ...inline?.metadata };
  for (const name of target.created) members[name] = readJson(store, `${name}/zarr.json`);
  const attributes = (group["attributes"] ?? {}) as LooseObject; // an object: parsed when opened
  writeJson(store, "zarr.json", groupDocument(attributes, members));
}

/** Give up a write: a new store vanishes, arrays that were added are removed; chunks of old arrays stay as written. */
export async function abortZarr(target: ZarrTarget): Promise<void> {
  if (target.writeUrl !== target.url) {
    removeFolder(target.writeUrl);
    return;
  }
  const store = writableStore(target.writeUrl);
  if (target.ledger) removeLedger(target.ledger.folder);
  if (target.isFresh) {
    await removeAll(store);
    return;
  }
  for (const name of target.created) {
    const keys: string[] = [];
    for await (const { key } of store.list(`${name}/`)) keys.push(key);
    for (const key of keys) store.deleteSync(key);
    if (target.url.startsWith("file:")) removeFolder(new URL(`${encodeURIComponent(name)}/`, target.url).href);
  }
}
