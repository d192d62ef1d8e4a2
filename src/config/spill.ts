/** Where blocks may be spilled to, and how many bytes of them. */
import { statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { ConfigError } from "../base/index.ts";
import { compressionSetting } from "./comm.ts";
import { type Config, config } from "./config.ts";

/** A folder for spilled blocks, and the bytes that may lie there. */
export interface SpillSetting {
  readonly folder: string;
  readonly limitBytes: number;
}

/** The same of a worker. */
export interface WorkerSpillSetting extends SpillSetting {
  /** Compression of the blocks there; null: none. */
  readonly compression: "zlib" | "zstd" | null;
}

/** Share of the disk's free bytes that is taken where nothing else is said. */
const FREE_SHARE = 0.8;
/** Memory that calls itself a file system (`TMPFS_MAGIC`, `RAMFS_MAGIC`). */
const MEMORY_FILE_SYSTEMS: ReadonlySet<number> = new Set([0x01021994, 0x858458f6]);

/**
 * Folder and bytes for spilled blocks: `folder`, else `temporary-directory`, else the system's, there only on a real disk;
 * at most `rsdat.spill.limit` and what is free now. Null: nothing is spilled.
 *
 * @throws {ConfigError} a folder that was named does not exist, or is none
 */
export function spillSetting(folder?: string | null, from: Config = config): SpillSetting | null {
  return settingWithin(folder, from.bytes("rsdat.spill.limit"), from);
}

/**
 * The same of a worker, which obeys Dask's settings too: without `distributed.worker.memory.target` and `.spill` (both
 * false) nothing is spilled, no more than `distributed.worker.memory.max-spill`, and compressed as `.spill-compression` says.
 *
 * @throws {ConfigError} a folder that was named does not exist, or is none; an unknown compression
 */
export function workerSpillSetting(folder?: string | null, from: Config = config): WorkerSpillSetting | null {
  const isOff = (["target", "spill"] as const).every(
    (name) => from.fraction(`distributed.worker.memory.${name}`) === null,
  );
  if (isOff) return null;
  const most =
    from.get("distributed.worker.memory.max-spill") === false
      ? null
      : from.bytes("distributed.worker.memory.max-spill");
  const limit = from.bytes("rsdat.spill.limit");
  const setting = settingWithin(folder, most === null ? limit : Math.min(limit ?? most, most), from);
  return (
    setting && {
      ...setting,
      compression: compressionSetting("distributed.worker.memory.spill-compression", from),
    }
  );
}

function settingWithin(folder: string | null | undefined, limit: number | null, from: Config): SpillSetting | null {
  if (limit === 0) return null;
  const named = folder ?? from.text("temporary-directory");
  try {
    const { type, bavail, bsize } = statfsSync(named ?? tmpdir());
    if (named === null && MEMORY_FILE_SYSTEMS.has(type)) return null;
    const limitBytes = Math.floor(Math.min(limit ?? Number.POSITIVE_INFINITY, bavail * bsize * FREE_SHARE));
    return limitBytes > 0 ? { folder: named ?? tmpdir(), limitBytes } : null;
  } catch (cause) {
    if (named === null) return null; // nobody asked for it: the bytes of memory bound what is admitted
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(`blocks cannot be spilled to ${named}: ${why}`, { cause, details: { folder: named } });
  }
}
