/** Creating, extending and finishing Zarr stores: metadata first, objects by tasks, consolidated metadata last. */
import {
  ArgumentError,
  ChunkError,
  DTypeError,
  ExistsError,
  NotFoundError,
  ShapeError,
  UnsupportedError,
} from "../../base/index.ts";
import { type ByteKernels, plainByteKernels } from "../codecs/index.ts";
import type { SourceSpec } from "../source.ts";
import { toUrl } from "../store/open-store.ts";
import type { SyncStore } from "../store/store.ts";
import { abortZarr, finishZarr, readJson, removeAll, writableStore, writeJson } from "./finish.ts";
import { adviseWhenInterrupted } from "./interrupt.ts";
import {
  beginLedger,
  finishedObjects,
  hasLedger,
  ledgerAt,
  objectCount,
  recordedObjects,
  sweepLedgers,
} from "./ledger.ts";
import { infoOf, openZarrGroup, type ZarrArrayInfo } from "./open.ts";
import {
  checkPlace,
  hasOtherStage,
  isOwn,
  isTaken,
  makeStage,
  requireOwn,
  restoreFolder,
  stageUrl,
  takeStage,
} from "./stage.ts";
import type { ZarrTarget, ZarrWriteMode } from "./target.ts";
import { arrayDocument, groupDocument, modelOf, type ZarrArraySpec, type ZarrStoreSpec } from "./write-metadata.ts";
import { writeWholeArray } from "./write-object.ts";

/** Options of {@link createZarr} and {@link planZarr}. */
export interface CreateZarrOptions {
  /** Default `w-`. */
  readonly mode?: ZarrWriteMode;
  /** Content key of the write, eight hex digits: names the folder that a new store is written to; default one per URL. */
  readonly key?: string;
  /**
   * Keep account of finished objects, and go on where an earlier run with the same `key` stopped; then `mode` does not
   * matter. Files only.
   */
  readonly resume?: boolean;
  /** For the arrays that are written at once; default the plain ones. */
  readonly kernels?: ByteKernels;
}

/** A write that has been checked; nothing is written before it begins. */
export interface ZarrWrite {
  /** Plain data for the tasks that will write. */
  readonly target: ZarrTarget;
  /** What an earlier run has finished; see {@link finishedObjects}. */
  readonly finished: Readonly<Record<string, Float64Array>>;
  /** Beside the target lies the account of another write, of other inputs or options. */
  readonly hasOther: boolean;
  /** Write the metadata and the arrays whose data are given. @throws {ExistsError | WriteError} nothing remains */
  readonly begin: () => Promise<void>;
  /** See {@link finishZarr}. @throws {WriteError} also when another run has begun to write there */
  readonly finish: () => Promise<void>;
  /** See {@link abortZarr}; what another run has begun stays, and what can be resumed. */
  readonly abandon: () => Promise<void>;
}

function folderHref(url: string | URL): string {
  const { href } = toUrl(url);
  return href.endsWith("/") ? href : `${href}/`;
}

/**
 * Check the whole specification of a store and the place where it will be; nothing is written.
 *
 * Modes `r+` and `a` leave the attributes of what exists as they are. On a file system a new store (`w-`, `w`) is written
 * to a folder beside its place and appears only when finished. A target has one writer at a time.
 * @throws {ExistsError} mode `w-` and something is there
 * @throws {NotFoundError} mode `r+` and the store or array is not there
 * @throws {ShapeError | ChunkError | DTypeError} `r+` or `a` and an existing array is another one
 * @throws {WriteError} its folder takes no files
 */
export async function planZarr(
  url: string | URL,
  spec: ZarrStoreSpec,
  options: CreateZarrOptions = {},
): Promise<ZarrWrite> {
  const { mode = "w-" } = options;
  if (!["w-", "w", "r+", "a"].includes(mode))
    throw new ArgumentError(`mode ${JSON.stringify(mode)} is unknown; expected "w-", "w", "r+" or "a"`);
  const href = folderHref(url);
  const store = writableStore(href);
  const documents = Object.entries(spec.arrays).map(([name, array]) => ({
    name,
    array,
    document: arrayDocument(name, array),
  }));
  if (href.startsWith("file:")) {
    restoreFolder(href);
    sweepLedgers(href);
  }
  const key = options.key?.slice(0, 8);
  if (options.resume && !href.startsWith("file:"))
    throw new UnsupportedError(`resume: ${href} is no local path; accounts of finished objects are kept in files`, {
      details: { url: href },
    });
  const exists = await isThere(store, href);
  if (!exists && mode === "r+")
    throw new NotFoundError(`${href} does not exist; mode "r+" writes into an existing store`, {
      details: { url: href },
    });
  const kernels = options.kernels ?? plainByteKernels;
  const job: Job = { href, spec, mode, documents, kernels, key, resume: options.resume ?? false };
  if (exists && (mode === "a" || mode === "r+")) return advised(await extendStore(store, job), job);
  await requireFree(store, job);
  return advised(await newStore(store, job), job);
}

/** A write that can be resumed says how, when a signal ends it. */
function advised(write: ZarrWrite, job: Job): ZarrWrite {
  const { ledger, arrays } = write.target;
  if (!ledger) return write;
  const total = Object.values(writtenByTasks(job, arrays)).reduce((sum, source) => sum + objectCount(source), 0);
  let leave = (): void => undefined;
  return {
    ...write,
    begin: async () => {
      await write.begin();
      leave = adviseWhenInterrupted(
        () =>
          `${job.href}: interrupted, ${recordedObjects(ledger)} of ${total} objects are written and kept; run the same again, with resume: true, to go on`,
      );
    },
    finish: () => write.finish().finally(() => leave()),
    abandon: () => write.abandon().finally(() => leave()),
  };
}

/** {@link planZarr}, begun: a failure later on is the caller's to clean up, by {@link abortZarr}. */
export async function createZarr(
  url: string | URL,
  spec: ZarrStoreSpec,
  options: CreateZarrOptions = {},
): Promise<ZarrTarget> {
  const { target, begin } = await planZarr(url, spec, options);
  await begin();
  return target;
}

/** A new store may come to be there. */
async function requireFree(store: SyncStore, { href, mode }: Job): Promise<void> {
  if (!(await isThere(store, href))) return;
  if (mode === "w") refuseForeign(store, href);
  else
    throw new ExistsError(`${href} exists already; use mode "w" to replace it, "a" or "r+" to write into it`, {
      details: { url: href },
    });
}

/** Mode `w` replaces stores, not whatever folder or file a mistyped path names. */
function refuseForeign(store: SyncStore, href: string): void {
  const marks = ["zarr.json", ".zgroup", ".zarray", ".zmetadata"];
  if (marks.some((key) => store.headSync(key) !== null)) return;
  throw new ExistsError(`${href} exists and is no Zarr store; mode "w" replaces Zarr stores only`, {
    details: { url: href },
  });
}

interface Job {
  readonly href: string;
  readonly spec: ZarrStoreSpec;
  readonly mode: ZarrWriteMode;
  readonly documents: readonly {
    readonly name: string;
    readonly array: ZarrArraySpec;
    readonly document: Readonly<Record<string, unknown>>;
  }[];
  readonly kernels: ByteKernels;
  readonly key: string | undefined;
  readonly resume: boolean;
}

const NOTHING: Readonly<Record<string, Float64Array>> = {};

async function isThere(store: SyncStore, href: string): Promise<boolean> {
  if (href.startsWith("file:")) return isTaken(href);
  for await (const _ of store.list("")) return true;
  return false;
}

/** Those without data: an earlier run of the same write had the same ones, whatever the store has got since. */
function writtenByTasks(job: Job, arrays: Readonly<Record<string, SourceSpec>>): Readonly<Record<string, SourceSpec>> {
  const names = new Set(job.documents.filter(({ array }) => !array.data).map(({ name }) => name));
  return Object.fromEntries(Object.entries(arrays).filter(([name]) => names.has(name)));
}

async function newStore(store: SyncStore, job: Job): Promise<ZarrWrite> {
  const { href, spec, mode, documents, key } = job;
  const isStaged = store.can.rename && href.startsWith("file:");
  const writeUrl = isStaged ? stageUrl(href, key) : href;
  if (isStaged) checkPlace(href);
  const arrays = Object.fromEntries(
    documents.map(({ name, document }) => [name, sourceAt(writeUrl, name, document)] as const),
  );
  const ledger = job.resume ? ledgerAt(writeUrl, key ?? "write", writtenByTasks(job, arrays)) : undefined;
  const isResumed = ledger !== undefined && hasLedger(ledger);
  const target: ZarrTarget = {
    url: href,
    writeUrl,
    mode,
    isFresh: !isResumed,
    consolidated: spec.consolidated ?? true,
    arrays,
    created: documents.map((d) => d.name),
    ...(ledger && { ledger }),
  };
  let isBegun = false;
  let run = "";
  const begin = async (): Promise<void> => {
    await requireFree(store, job);
    isBegun = true;
    if (isResumed) {
      run = takeStage(writeUrl, href);
      return;
    }
    if (isStaged) run = makeStage(writeUrl, href);
    try {
      if (ledger) beginLedger(ledger);
      if (!isStaged) await removeAll(store);
      const to = writableStore(writeUrl);
      writeJson(to, "zarr.json", groupDocument(spec.attributes ?? {}));
      for (const { name, array, document } of documents)
        writeArray(to, target, { name, array, document, kernels: job.kernels });
    } catch (e) {
      await abortZarr(target);
      throw e;
    }
  };
  return {
    target,
    finished: isResumed ? await finishedObjects(ledger, arrays) : NOTHING,
    hasOther: job.resume && !isResumed && hasOtherStage(href, writeUrl),
    begin,
    finish: async () => {
      if (isStaged) requireOwn(writeUrl, run, href);
      await finishZarr(target);
    },
    abandon: async () => {
      if (!isBegun || (isStaged && !isOwn(writeUrl, run)) || (ledger && hasLedger(ledger))) return;
      await abortZarr(target);
    },
  };
}

function sourceAt(root: string, name: string, document: Readonly<Record<string, unknown>>): SourceSpec {
  const url = new URL(`${encodeURIComponent(name)}/`, root).href;
  return infoOf(modelOf(document, url), name, { url, version: null }).source;
}

interface NewArray {
  readonly name: string;
  readonly array: ZarrArraySpec;
  readonly document: Readonly<Record<string, unknown>>;
  readonly kernels: ByteKernels;
}

function writeArray(store: SyncStore, target: ZarrTarget, added: NewArray): void {
  const { name, array, document, kernels } = added;
  writeJson(store, `${name}/zarr.json`, document);
  if (array.data) writeWholeArray(target, name, array.data, { kernels });
}

/** Write into an existing store: arrays that are there must be the ones asked for. */
async function extendStore(store: SyncStore, job: Job): Promise<ZarrWrite> {
  const { href, mode, documents, key } = job;
  const group = await openZarrGroup(href, { consolidated: false });
  const isAbsent = (name: string): boolean => !group.arrays.has(name) && !group.unreadable.has(name);
  const added = documents.filter((d) => isAbsent(d.name));
  if (mode === "r+" && added.length > 0) {
    throw new NotFoundError(
      `${href} has no array ${added.map((d) => JSON.stringify(d.name)).join(", ")}; mode "a" adds arrays`,
      { details: { url: href } },
    );
  }
  if (added.length > 0 && group.zarrFormat === 2)
    throw new UnsupportedError(`adding arrays to a Zarr v2 store is not supported (${href})`, {
      details: { url: href },
    });
  const arrays: Record<string, SourceSpec> = {};
  for (const { name, array, document } of documents) {
    if (isAbsent(name)) arrays[name] = sourceAt(href, name, document);
    else {
      arrays[name] = group.source(name);
      checkSame(group.arrays.get(name)!, array); // source() has thrown where it is unreadable
    }
  }
  const consolidated = group.zarrFormat === 3 && (await isConsolidated(store));
  const ledger = job.resume ? ledgerAt(href, key ?? "write", writtenByTasks(job, arrays)) : undefined;
  const isResumed = ledger !== undefined && hasLedger(ledger);
  const target: ZarrTarget = {
    url: href,
    writeUrl: href,
    mode,
    isFresh: false,
    consolidated,
    arrays,
    // What an earlier run has added is not consolidated yet.
    created: (isResumed && group.zarrFormat === 3 ? documents : added).map((d) => d.name),
    ...(ledger && { ledger }),
  };
  const begin = async (): Promise<void> => {
    try {
      if (ledger) beginLedger(ledger);
      for (const { name, array, document } of documents) {
        if (isAbsent(name)) writeArray(store, target, { name, array, document, kernels: job.kernels });
        else if (array.data) writeWholeArray(target, name, array.data, { kernels: job.kernels });
      }
    } catch (e) {
      await abortZarr(target);
      throw e;
    }
  };
  return {
    target,
    finished: isResumed ? await finishedObjects(ledger, arrays) : NOTHING,
    hasOther: false,
    begin,
    finish: () => finishZarr(target),
    abandon: async () => {
      if (!(ledger && hasLedger(ledger))) await abortZarr(target);
    },
  };
}

function checkSame(found: ZarrArrayInfo, wanted: ZarrArraySpec): void {
  const text = (s: readonly number[]): string => `(${s.join(", ")})`;
  if (found.dtype !== wanted.dtype)
    throw new DTypeError(`${found.url} is ${found.dtype}, the data are ${wanted.dtype}`);
  if (text(found.shape) !== text(wanted.shape))
    throw new ShapeError(`${found.url} has shape ${text(found.shape)}, the data ${text(wanted.shape)}`);
  if (text(found.objectShape) !== text(wanted.chunks)) {
    throw new ChunkError(
      `${found.url} has objects of ${text(found.objectShape)}, the data chunks of ${text(wanted.chunks)}; rechunk to the former`,
    );
  }
}

async function isConsolidated(store: SyncStore): Promise<boolean> {
  return (readJson(store, "zarr.json")?.["consolidated_metadata"] ?? null) !== null;
}
