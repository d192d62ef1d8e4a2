/** Which requests fetch a set of byte ranges of one object (io.md §8.2). Pure. */

/** Bytes `[offset, offset + length)` of an object. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** A request that serves several ranges; `members` are indices into the input. */
export interface MergedRange extends ByteRange {
  readonly members: readonly number[];
}

/** When neighbours become one request. */
export interface MergeRule {
  /** Bridge gaps up to this many bytes. */
  readonly gapBytes: number;
  /** A request does not grow beyond this by merging; a single range may be larger. */
  readonly lengthMax: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;
/** Files: a gap costs less to read than a call. */
export const FILE_MERGE: MergeRule = { gapBytes: 32 * KIB, lengthMax: 2 * MIB };
/** Web servers: what most of them send while a new request would be on its way. */
export const WEB_MERGE: MergeRule = { gapBytes: 64 * KIB, lengthMax: 16 * MIB };
const WASTE_FRACTION_MAX = 0.25;
const WASTE_FREE_BYTES = MIB;
const SPLIT_ABOVE = 16 * MIB;
const SPLIT_MIN = 4 * MIB;

/**
 * Requests in order of offset that together cover all `ranges`. Beyond 1 MiB of a request at most a quarter of the
 * useful bytes is waste. Ranges may overlap or repeat; empty ones belong to no request.
 */
export function mergeRanges(ranges: readonly ByteRange[], rule: MergeRule): MergedRange[] {
  const order = ranges.map((_, i) => i).filter((i) => ranges[i]!.length > 0);
  order.sort((a, b) => ranges[a]!.offset - ranges[b]!.offset || ranges[a]!.length - ranges[b]!.length);
  const merged: MergedRange[] = [];
  let members: number[] = [];
  let start = 0;
  let end = 0;
  let waste = 0;
  const flush = (): void => {
    if (members.length > 0) merged.push({ offset: start, length: end - start, members });
  };
  for (const i of order) {
    const { offset, length } = ranges[i]!;
    const gap = Math.max(0, offset - end);
    const grown = Math.max(end, offset + length) - start;
    const isCheap = grown <= WASTE_FREE_BYTES || waste + gap <= WASTE_FRACTION_MAX * (grown - waste - gap);
    const overlaps = members.length > 0 && offset < end;
    if (members.length > 0 && (overlaps || (gap <= rule.gapBytes && grown <= rule.lengthMax && isCheap))) {
      members.push(i);
      waste += gap;
      end = Math.max(end, offset + length);
      continue;
    }
    flush();
    members = [i];
    start = offset;
    end = offset + length;
    waste = 0;
  }
  flush();
  return merged;
}

/** Parts of at least 4 MiB of a range above 16 MiB, so that several connections share it; else the range itself. */
export function splitRange(range: ByteRange): ByteRange[] {
  if (range.length <= SPLIT_ABOVE) return [range];
  const count = Math.floor(range.length / SPLIT_MIN);
  const step = Math.ceil(range.length / count);
  const parts: ByteRange[] = [];
  for (let at = 0; at < range.length; at += step) {
    parts.push({ offset: range.offset + at, length: Math.min(step, range.length - at) });
  }
  return parts;
}
