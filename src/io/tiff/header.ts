/** From the first bytes of a TIFF to its directories, or to the ranges that are still needed (io.md §5.2). Pure. */
import { type ByteRange, mergeRanges } from "../range/merge.ts";
import { LIMIT, TAG, TYPE_BYTES, tiffError } from "./codes.ts";
import { type TiffDirectory, toDirectory } from "./directory.ts";
import { type Entry, type FileWindow, HeaderReader } from "./header-reader.ts";

/** All directories of a file, in the order of the chain, each followed by its SubIFDs. */
export interface TiffHeader {
  readonly isLittleEndian: boolean;
  readonly isBig: boolean;
  readonly directories: readonly TiffDirectory[];
}

/** Either the header, or what to fetch before asking again. */
export type HeaderResult =
  | { readonly kind: "header"; readonly header: TiffHeader }
  | { readonly kind: "need"; readonly ranges: readonly ByteRange[] };

/** A directory beyond the fetched bytes is asked for with this much after it: its small values often follow. */
const DIRECTORY_AHEAD_BYTES = 8 * 1024;
const NEED_GAP_BYTES = 32 * 1024;

/** Tags whose values are read. */
const WANTED: ReadonlySet<number> = new Set(Object.values(TAG));

/**
 * Parse what is there.
 *
 * @param windows parts of the file; the first one starts at 0
 * @param size bytes of the whole file
 * @throws {MetadataError} code `tiff-*`: not a TIFF, loops, counts, offsets or sizes beyond the limits
 */
export function parseHeader(windows: readonly FileWindow[], size: number): HeaderResult {
  const reader = new HeaderReader(windows, size);
  const directories: TiffDirectory[] = [];
  const queue: number[] = [];
  const seen = new Set<number>();
  const first = reader.firstDirectory();
  if (first !== null) queue.push(first);
  let valueBytes = 0;
  while (queue.length > 0) {
    const offset = queue.shift()!;
    if (offset === 0) continue;
    if (seen.has(offset)) throw tiffError("loop", `the directory at ${offset} is linked twice`, { offset });
    if (seen.size >= LIMIT.directories)
      throw tiffError("loop", `more than ${LIMIT.directories} directories`, { limit: LIMIT.directories });
    seen.add(offset);
    const raw = readDirectory(reader, offset);
    if (!raw) continue;
    valueBytes += raw.valueBytes;
    if (valueBytes > LIMIT.headerBytes) {
      throw tiffError("size", `the header has more than ${LIMIT.headerBytes} bytes`, {
        limit: LIMIT.headerBytes,
        offset,
      });
    }
    const isHere = [...raw.entries.values()].map((e) => reader.has(e)).every(Boolean);
    if (isHere) {
      const subIfds = raw.entries.get(TAG.subIfds);
      directories.push(toDirectory(reader, raw.entries, offset));
      if (subIfds) queue.unshift(...reader.numbers(subIfds));
    }
    queue.push(raw.next);
  }
  if (reader.needs.length > 0) {
    const ranges = mergeRanges(reader.needs, { gapBytes: NEED_GAP_BYTES, lengthMax: LIMIT.headerBytes });
    return { kind: "need", ranges };
  }
  if (directories.length === 0) throw tiffError("magic", "the TIFF has no directory");
  return { kind: "header", header: { isLittleEndian: reader.isLittleEndian, isBig: reader.isBig, directories } };
}

interface RawDirectory {
  readonly entries: ReadonlyMap<number, Entry>;
  readonly next: number;
  readonly valueBytes: number;
}

/** Entries of one directory that are wanted; null when its bytes are not there. */
function readDirectory(reader: HeaderReader, offset: number): RawDirectory | null {
  const { isBig, isLittleEndian: little } = reader;
  const countBytes = isBig ? 8 : 2;
  const entryBytes = isBig ? 20 : 12;
  const pointerBytes = isBig ? 8 : 4;
  const head = reader.view(offset, countBytes, DIRECTORY_AHEAD_BYTES);
  if (!head) return null;
  const count = isBig ? reader.uint64(head, 0) : head.getUint16(0, little);
  if (count === 0 || count > LIMIT.entries) {
    throw tiffError("count", `the directory at ${offset} claims ${count} entries; expected 1 to ${LIMIT.entries}`, {
      offset,
      count,
    });
  }
  const view = reader.view(offset + countBytes, count * entryBytes + pointerBytes, DIRECTORY_AHEAD_BYTES);
  if (!view) return null;
  const entries = new Map<number, Entry>();
  let valueBytes = 0;
  for (let i = 0, at = 0; i < count; i++, at += entryBytes) {
    const tag = view.getUint16(at, little);
    const type = view.getUint16(at + 2, little);
    const size = TYPE_BYTES[type] ?? 0;
    if (!WANTED.has(tag) || size === 0 || entries.has(tag)) continue;
    const n = isBig ? reader.uint64(view, at + 4) : view.getUint32(at + 4, little);
    if (n === 0) continue;
    const isInline = n * size <= pointerBytes;
    const valueAt = at + (isBig ? 12 : 8);
    const where = isInline
      ? offset + countBytes + valueAt
      : isBig
        ? reader.uint64(view, valueAt)
        : view.getUint32(valueAt, little);
    if (!isInline && where + n * size > reader.size) {
      const message = `tag ${tag}: ${n} values at ${where} lie beyond the end of the file at ${reader.size}`;
      throw tiffError("offset", message, { tag, count: n, offset: where, size: reader.size });
    }
    if (n * size > LIMIT.headerBytes) {
      throw tiffError("size", `tag ${tag} has ${n} values; at most ${LIMIT.headerBytes} bytes are read`, {
        tag,
        count: n,
        offset: where,
      });
    }
    valueBytes += isInline ? 0 : n * size;
    entries.set(tag, { tag, type, count: n, at: where });
  }
  const end = count * entryBytes;
  return { entries, next: isBig ? reader.uint64(view, end) : view.getUint32(end, little), valueBytes };
}
