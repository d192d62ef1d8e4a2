/** Where a write is kept until it is whole: beside its target; and what killed runs have left there. */
import { accessSync, constants, existsSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { isTemporaryName, writeFailed } from "./file-store.ts";

/** Place to write what will become `path`: beside it, so that a rename suffices; the same for the same `key`. */
export function stagePath(path: string, key: string): string {
  return join(dirname(path), `.${basename(path)}.rsdat-${key}`);
}

/** Where the store at `path` waits while its successor, written at `staged`, takes its place. */
export function asidePath(staged: string): string {
  return `${staged}.old`;
}

const STAGE = /^\.rsdat-[0-9a-f]{8}(\.old)?$/;

/** Names beside `path` that unfinished writes of it have, without those of other targets. */
function leftoversOf(path: string): { readonly staged: readonly string[]; readonly aside: readonly string[] } {
  const folder = dirname(path);
  const dotted = `.${basename(path)}`;
  const names = namesIn(folder).filter((name) => name.startsWith(dotted));
  const rest = (name: string): string => name.slice(dotted.length);
  const own = names.filter((name) => STAGE.test(rest(name)) || (isTemporaryName(name) && /^\.\d+\./.test(rest(name))));
  const isAside = (name: string): boolean => name.endsWith(".old");
  const at = (name: string): string => join(folder, name);
  return { staged: own.filter((n) => !isAside(n)).map(at), aside: own.filter(isAside).map(at) };
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // A folder that cannot be listed is refused, with its reason, by the write itself.
  }
}

/**
 * Bring back what stood at `path`, where a run was killed between moving it aside and putting its successor there.
 * False: there was nothing to do. A run that is alive needs no time for that step, so `olderMs` tells it from a dead one.
 * @throws {WriteError} the file system refuses
 */
export function restoreAside(path: string, olderMs = 0): boolean {
  if (existsSync(path)) return false;
  const changed = (at: string): number => statSync(at).ctimeMs;
  const [newest] = leftoversOf(path)
    .aside.filter((at) => Date.now() - changed(at) >= olderMs)
    .sort((a, b) => changed(b) - changed(a));
  if (newest === undefined) return false;
  try {
    renameSync(newest, path);
  } catch (e) {
    throw writeFailed(path, e, 0);
  }
  return true;
}

/**
 * Remove what earlier writes of `path` have left beside it. A target has one writer at a time: another that is under way
 * is taken for dead, and fails by name.
 * What lies at `keep` stays.
 * @throws {WriteError} the file system refuses
 */
export function sweepLeftovers(path: string, keep?: string): void {
  restoreAside(path);
  const { staged, aside } = leftoversOf(path);
  try {
    for (const at of [...staged, ...aside]) if (at !== keep) rmSync(at, { recursive: true, force: true });
  } catch (e) {
    throw writeFailed(path, e, 0);
  }
}

/** Remove the unfinished files that killed writers have left anywhere below `folder`. @throws {WriteError} */
export function sweepUnfinished(folder: string): void {
  try {
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true }))
      if (entry.isFile() && isTemporaryName(entry.name)) rmSync(join(entry.parentPath, entry.name), { force: true });
  } catch (e) {
    throw writeFailed(folder, e, 0);
  }
}

/** Folders beside `path` in which unfinished writes of it lie. */
export function stagesOf(path: string): readonly string[] {
  return leftoversOf(path).staged.filter((at) => statSync(at, { throwIfNoEntry: false })?.isDirectory());
}

/**
 * Refuse early what would fail at the end: the nearest folder above `path` that exists takes no files.
 * @throws {WriteError}
 */
export function checkFolderOf(path: string): void {
  let folder = dirname(path);
  while (!existsSync(folder) && folder !== dirname(folder)) folder = dirname(folder);
  try {
    if (!statSync(folder).isDirectory()) throw Object.assign(new Error(`${folder} is no folder`), { code: "ENOTDIR" });
    accessSync(folder, constants.W_OK);
  } catch (e) {
    throw writeFailed(path, e, 0);
  }
}
