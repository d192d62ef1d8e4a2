/** The file that blocks are spilled to: extents of one file that nobody else can name, bounded by a limit. */
import { closeSync, ftruncateSync, mkdtempSync, openSync, read, rmdirSync, unlinkSync, write } from "node:fs";
import { join } from "node:path";
import { ConfigError } from "../base/index.ts";
import { footprintOf, SegmentAllocator } from "./allocator.ts";

/** Where a block's bytes lie. */
export interface SavedPlace {
  readonly offset: number;
  readonly nbytes: number;
}

/** A part of `bytes`, from `from` on, and where in the file it goes or comes from. */
interface Part {
  readonly bytes: Uint8Array;
  readonly from: number;
  readonly position: number;
}

/** Gives how many bytes were written. */
function writePart(fd: number, { bytes, from, position }: Part): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, bytes, from, bytes.length - from, position, (error, done) => (error ? reject(error) : resolve(done)));
  });
}

/** Gives how many bytes were read. */
function readPart(fd: number, { bytes, from, position }: Part): Promise<number> {
  return new Promise((resolve, reject) => {
    read(fd, bytes, from, bytes.length - from, position, (error, done) => (error ? reject(error) : resolve(done)));
  });
}

/** Bytes that nobody needs go back to the disk. */
function giveBack(how: () => void): void {
  try {
    how();
  } catch {
    // A network's file system may refuse. Then they go with the process: whoever let go of a block has no part in it.
  }
}

/** What tells that the disk, or our share of it, is full. */
const FULL: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);
/**
 * Whole blocks in one file. The file has no name once it is open, so it goes with the process, however that ends.
 * A full disk lowers the limit to what lies there; nothing that was written is lost.
 */
export class SpillFile {
  readonly folder: string;
  readonly #fd: number;
  readonly #allocator = new SegmentAllocator(Number.MAX_SAFE_INTEGER);
  #limit: number;
  /** The error of the write that found the disk full. */
  #full: Error | null = null;
  #moving = 0;
  #isClosed = false;

  /** @throws {ConfigError} the folder is missing, is none, or may not be written */
  constructor(folder: string, limitBytes: number) {
    this.folder = folder;
    this.#limit = limitBytes;
    try {
      const own = mkdtempSync(join(folder, "rsdat-spill-"));
      const path = join(own, "blocks");
      this.#fd = openSync(path, "wx+", 0o600);
      unlinkSync(path);
      rmdirSync(own);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new ConfigError(
        `blocks cannot be spilled to ${folder}: ${why}; give another folder (temporary-directory, --local-directory), or none to spill nothing (rsdat.spill.limit 0)`,
        { cause, details: { folder } },
      );
    }
  }

  /** Bytes that may lie here; less than at first once the disk was found full. */
  get limitBytes(): number {
    return this.#limit;
  }

  get usedBytes(): number {
    return this.#allocator.live;
  }

  /** Why no more can be written than lies here, if that is so. */
  get fullBecause(): Error | null {
    return this.#full;
  }

  /** Write `bytes`; null when there is no room for them, or it is closed. @throws as `write` does, but for a full disk */
  async write(bytes: Uint8Array): Promise<SavedPlace | null> {
    if (this.#isClosed) return null; // its descriptor may be another file's by now
    const size = footprintOf(bytes.length);
    const offset = this.#place(size);
    if (offset < 0) return null;
    this.#moving++;
    try {
      for (let done = 0; done < bytes.length; ) {
        done += await writePart(this.#fd, { bytes, from: done, position: offset + done });
      }
      return { offset, nbytes: bytes.length };
    } catch (error) {
      this.#allocator.release(offset);
      if (!(error instanceof Error && "code" in error && FULL.has(String(error.code)))) throw error;
      this.#limit = this.#allocator.live;
      this.#full = error;
      return null;
    } finally {
      this.#ended();
    }
  }

  /** Where `size` bytes go, or -1. */
  #place(size: number): number {
    if (this.#allocator.live + size > this.#limit) return -1;
    const exact = this.#allocator.takeExact(size);
    if (exact >= 0) return exact;
    const cut = this.#allocator.takeFree(size);
    return cut >= 0 ? cut : this.#allocator.takeTop(size, this.#limit - this.#allocator.touched);
  }

  /** Read a block's bytes into `into`, which is as long. */
  async read({ offset, nbytes }: SavedPlace, into: Uint8Array): Promise<void> {
    if (this.#isClosed) throw new Error(`the spilled blocks in ${this.folder} are closed`);
    this.#moving++;
    try {
      for (let done = 0; done < nbytes; ) {
        const moved = await readPart(this.#fd, { bytes: into, from: done, position: offset + done });
        if (moved === 0) throw new Error(`the spilled blocks in ${this.folder} end at ${offset + done}`);
        done += moved;
      }
    } finally {
      this.#ended();
    }
  }

  free({ offset }: SavedPlace): void {
    this.#allocator.release(offset);
    if (this.#allocator.live === 0 && this.#moving === 0 && !this.#isClosed) giveBack(() => ftruncateSync(this.#fd, 0));
  }

  /** Let the disk have its bytes back; what is under way ends first. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#moving === 0) giveBack(() => closeSync(this.#fd));
  }

  #ended(): void {
    this.#moving--;
    if (this.#isClosed && this.#moving === 0) giveBack(() => closeSync(this.#fd));
  }
}
