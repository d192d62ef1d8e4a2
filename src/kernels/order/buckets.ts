/**
 * Places among many edges: buckets of equal width say where to look, so that a place costs two or three reads of memory
 * instead of one for each halving. The bucket of a number grows with the number, rounding included: edges of lower
 * buckets lie below it and those of higher ones above, so the places are those of a search among all.
 */

/** Edges per bucket, about. */
const PER_BUCKET = 2;

/** Sorted edges with their buckets. */
export interface Buckets {
  readonly edges: Float64Array;
  /** Edges that are numbers; NaN follow. */
  readonly count: number;
  readonly lowest: number;
  readonly scale: number;
  /** First edge of each bucket, and the end of the last. */
  readonly starts: Int32Array;
}

/** Buckets of sorted edges, the first `count` of them numbers; null where their range has no width that floats hold. */
export function bucketsOf(edges: Float64Array, count: number): Buckets | null {
  let [first, last] = [0, count - 1];
  while (first < last && !Number.isFinite(edges[first])) first++;
  while (last > first && !Number.isFinite(edges[last])) last--;
  const lowest = edges[first] as number; // there are edges
  const size = Math.max(1, Math.ceil(count / PER_BUCKET));
  const scale = size / ((edges[last] as number) - lowest);
  if (!(scale > 0) || !Number.isFinite(scale)) return null;
  const starts = new Int32Array(size + 1);
  let b = 0;
  for (let i = 0; i < count; i++) {
    const own = bucketOf(edges[i] as number, lowest, scale, size); // i < count
    while (b < own) starts[++b] = i;
  }
  while (b < size) starts[++b] = count;
  return { edges, count, lowest, scale, starts };
}

function bucketOf(x: number, lowest: number, scale: number, size: number): number {
  const b = (x - lowest) * scale;
  return b >= size ? size - 1 : b > 0 ? Math.trunc(b) : 0;
}

/** Numbers that are placed together. */
const BATCH = 4096;

/**
 * How many edges are below each of the first `n` numbers of `xs`, with `right` not above it; NaN is above all numbers.
 * Places go to `words` as the low words of 64-bit integers.
 */
export function placeInBuckets(
  buckets: Buckets,
  right: boolean,
  { xs, n, words }: { readonly xs: Float64Array; readonly n: number; readonly words: Uint32Array },
): void {
  const [from, to] = [new Int32Array(BATCH), new Int32Array(BATCH)];
  const firsts = new Float64Array(BATCH);
  for (let at = 0; at < n; at += BATCH) {
    const part = xs.subarray(at, Math.min(n, at + BATCH));
    // Reads of one kind after the other: a processor waits for many of them at once.
    findBuckets(buckets, part, from, to);
    for (let i = 0; i < part.length; i++) firsts[i] = buckets.edges[from[i] as number] as number; // NaN behind the last
    const own = words.subarray(2 * at);
    searchBuckets(buckets, right, { xs: part, from, to, firsts, words: own });
  }
}

function findBuckets({ lowest, scale, starts }: Buckets, xs: Float64Array, from: Int32Array, to: Int32Array): void {
  const size = starts.length - 1;
  for (let i = 0; i < xs.length; i++) {
    const b = ((xs[i] as number) - lowest) * scale;
    const own = b >= size ? size - 1 : b > 0 ? b | 0 : 0;
    from[i] = starts[own] as number; // within the buckets
    to[i] = starts[own + 1] as number;
  }
}

interface Search {
  readonly xs: Float64Array;
  readonly from: Int32Array;
  readonly to: Int32Array;
  /** First edge of each number's bucket. */
  readonly firsts: Float64Array;
  readonly words: Uint32Array;
}

function searchBuckets({ edges, count }: Buckets, right: boolean, { xs, from, to, firsts, words }: Search): void {
  for (let i = 0; i < xs.length; i++) {
    const x = xs[i] as number; // i < length
    let [lo, hi] = [from[i] as number, to[i] as number];
    const first = firsts[i] as number;
    if (Number.isNaN(x)) lo = right ? edges.length : count;
    else if (lo < hi && (right ? first <= x : first < x)) {
      // Equal edges often fill a bucket.
      const last = edges[hi - 1] as number; // in the bucket
      if (right ? last <= x : last < x) lo = hi;
      else {
        lo++;
        while (lo < hi) {
          const mid = (lo + hi) >> 1;
          const e = edges[mid] as number; // mid < count
          if (right ? e <= x : e < x) lo = mid + 1;
          else hi = mid;
        }
      }
    }
    words[2 * i] = lo;
    words[2 * i + 1] = 0;
  }
}
