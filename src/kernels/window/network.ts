/** Sorting and selection networks as lists of comparators. */

/** Leaves the smaller of two places at `low`; an end that nobody reads is null. */
export interface Comparator {
  readonly low: number;
  readonly high: number;
  readonly keepsLow: boolean;
  readonly keepsHigh: boolean;
}

/**
 * Comparators that bring the elements of the given ranks to their places among `n`.
 *
 * Batcher's merge-exchange sort (Knuth, The Art of Computer Programming 3, 5.2.2, algorithm M) without what those ranks
 * do not need.
 */
export function selectionNetwork(n: number, ranks: readonly number[]): Comparator[] {
  const pairs: [number, number][] = [];
  const top = n > 1 ? 2 ** (Math.ceil(Math.log2(n)) - 1) : 0;
  for (let p = top; p > 0; p >>= 1) {
    let [q, r, d] = [top, 0, p];
    for (;;) {
      for (let i = 0; i < n - d; i++) if ((i & p) === r) pairs.push([i, i + d]);
      if (q === p) break;
      [d, q, r] = [q - p, q >> 1, p];
    }
  }
  const needed = new Set(ranks);
  const out: Comparator[] = [];
  for (const [low, high] of pairs.reverse()) {
    const [keepsLow, keepsHigh] = [needed.has(low), needed.has(high)];
    if (!keepsLow && !keepsHigh) continue;
    needed.add(low).add(high);
    out.push({ low, high, keepsLow, keepsHigh });
  }
  return out.reverse();
}
