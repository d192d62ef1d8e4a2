/** Parts on disk and their assembly into one file, atomically (io.md §6.2). */
import { closeSync, existsSync, openSync, readSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ExistsError, invariant, MetadataError } from "../../base/index.ts";
import type { NDArray } from "../../ndarray/index.ts";
import { tallyOf } from "../store/counters.ts";
import { writeAll, writeFileAtomic } from "../store/file-store.ts";
import { checkFolderOf, sweepLeftovers } from "../store/leftovers.ts";
import { type EncodeContext, encodePartSync } from "./encode.ts";
import { type LevelTiles, tileArrayIndex, writeHeader } from "./header.ts";
import type { CogPlan } from "./plan.ts";

/** A spooled part: which tiles, and how large each is compressed (0: left out). */
export interface CogPartRef {
  readonly level: number;
  readonly firstTile: number;
  readonly tileSizes: ArrayLike<number>;
}

/** What a write of a part or a file did. */
export interface CogWriteStats {
  readonly bytes: number;
}

const COPY_BYTES = 8 * 2 ** 20;
const FRAME_BYTES = 8;

/**
 * Refuse early what would fail at the end: the target exists and may not be replaced, or its folder cannot be written.
 * @throws {ExistsError | WriteError}
 */
export function checkCogTarget(plan: CogPlan): void {
  if (!plan.overwrite && existsSync(plan.path)) throw exists(plan);
  checkFolderOf(plan.path);
}

/**
 * Begin a file: check its place again, and remove what killed runs have left beside it. A target has one writer at a time.
 * @throws {ExistsError | WriteError}
 */
export function beginCog(plan: CogPlan): void {
  checkCogTarget(plan);
  sweepLeftovers(plan.path);
}

/** Encode a band of pixels (see `encodePartSync`) and put it into the spool folder, atomically. */
export function writePartSync(
  plan: CogPlan,
  level: number,
  firstTile: number,
  block: NDArray,
  context: EncodeContext,
): CogWriteStats & { readonly tileSizes: Uint32Array } {
  const part = encodePartSync(plan, level, firstTile, block, context);
  const path = partPath(plan, { level, firstTile, tileSizes: part.tileSizes });
  writeFileAtomic(path, (fd) => writeAll(fd, part.chunks), { nbytes: part.nbytes });
  tallyOf("file:").bytesWritten += part.nbytes;
  return { bytes: part.nbytes, tileSizes: part.tileSizes };
}

/**
 * Write header and parts to the target in COG order, under another name until complete; then remove the spool folder.
 * Memory: 12 bytes per tile and 8 MiB.
 * @throws {ExistsError} the target appeared meanwhile and may not be replaced
 * @throws {WriteError} code `no-space`, `read-only` or `write`
 */
export function assembleCogSync(plan: CogPlan, parts: readonly CogPartRef[]): CogWriteStats {
  const order = partsInFileOrder(plan, parts);
  const { tiles, end } = placeTiles(plan, order);
  const header = writeHeader(plan, tiles);
  const copy = new Uint8Array(COPY_BYTES);
  const fill = (fd: number): void => {
    writeAll(fd, [header]);
    for (const part of order) copyPart(fd, plan, part, copy);
  };
  if (!plan.overwrite && existsSync(plan.path)) throw exists(plan);
  writeFileAtomic(plan.path, fill, { ifAbsent: !plan.overwrite, fsync: plan.fsync, nbytes: end });
  tallyOf("file:").bytesWritten += end;
  abortCog(plan);
  return { bytes: end };
}

/** Remove the spool folder: after success, or to give up. */
export function abortCog(plan: CogPlan): void {
  rmSync(plan.spool, { recursive: true, force: true });
}

function exists(plan: CogPlan): Error {
  return new ExistsError(`${plan.path} exists already; use mode "w" to replace it`, { details: { path: plan.path } });
}

function partPath(plan: CogPlan, part: CogPartRef): string {
  return join(plan.spool, `L${part.level}-${part.firstTile}-${part.tileSizes.length}.part`);
}

/** Smallest overview first, full resolution last, tiles ascending; every tile exactly once. */
function partsInFileOrder(plan: CogPlan, parts: readonly CogPartRef[]): CogPartRef[] {
  const order = [...parts].sort((a, b) => b.level - a.level || a.firstTile - b.firstTile);
  const next = plan.levels.map(() => 0);
  for (const { level, firstTile, tileSizes } of order) {
    invariant(next[level] === firstTile, `level ${level}: part at tile ${firstTile}, expected tile ${next[level]}`);
    next[level] = firstTile + tileSizes.length;
  }
  plan.levels.forEach((level, k) => {
    invariant(next[k] === level.tiles, `level ${k}: ${next[k]} of ${level.tiles} tiles`);
  });
  return order;
}

function placeTiles(
  plan: CogPlan,
  order: readonly CogPartRef[],
): { readonly tiles: LevelTiles[]; readonly end: number } {
  const tiles = plan.levels.map((l) => ({ offsets: new Float64Array(l.tiles), counts: new Uint32Array(l.tiles) }));
  let at = plan.headerBytes;
  for (const { level, firstTile, tileSizes } of order) {
    const { offsets, counts } = tiles[level]!;
    for (let i = 0; i < tileSizes.length; i++) {
      const size = tileSizes[i]!;
      if (size === 0) continue;
      const index = tileArrayIndex(plan, plan.levels[level]!, firstTile + i);
      offsets[index] = at + 4;
      counts[index] = size;
      at += size + FRAME_BYTES;
    }
  }
  invariant(plan.isBig || at <= 2 ** 32 - 1, `${at} bytes do not fit a classic TIFF`);
  return { tiles, end: at };
}

function copyPart(fd: number, plan: CogPlan, part: CogPartRef, copy: Uint8Array): void {
  const path = partPath(plan, part);
  let expected = 0;
  for (let i = 0; i < part.tileSizes.length; i++)
    expected += part.tileSizes[i]! > 0 ? part.tileSizes[i]! + FRAME_BYTES : 0;
  let from: number;
  try {
    from = openSync(path, "r");
  } catch (e) {
    throw new MetadataError(`part ${path} is missing`, { cause: e, details: { path } }, "cog-part");
  }
  try {
    let done = 0;
    for (;;) {
      const n = readSync(from, copy, 0, copy.length, null);
      if (n === 0) break;
      done += n;
      writeAll(fd, [copy.subarray(0, n)]);
    }
    if (done !== expected) {
      throw new MetadataError(
        `part ${path} has ${done} bytes, its tiles take ${expected}`,
        { details: { path, done, expected } },
        "cog-part",
      );
    }
  } finally {
    closeSync(from);
  }
}
