/** How a sum or an extreme over n neighbours is made of few passes. */

/** One pass over rows or columns. */
export interface Pass {
  /** Distances into what the pass before made (the first one: into the input) of the terms, in order. */
  readonly taps: readonly number[];
  /** Distance into the input of one last term; null for none. */
  readonly rest: number | null;
  /** Neighbours that the result covers. */
  readonly length: number;
}

/** Longest sum made in one pass although it has no small factor. */
const DIRECT = 13;

function range(n: number, step: number): number[] {
  return Array.from({ length: n }, (_, k) => k * step);
}

/**
 * Passes that add up `n` neighbours, by factors. The order of additions depends on distances from the window's first
 * element alone, so the bits do not depend on where a block was cut; and unlike in running sums nothing is subtracted.
 */
export function sumPasses(n: number): Pass[] {
  const factor = [5, 4, 3, 2].find((f) => n % f === 0);
  if (n === factor || n === 1 || (factor === undefined && n <= DIRECT))
    return [{ taps: range(n, 1), rest: null, length: n }];
  if (factor === undefined) {
    const even = sumPasses(n - 1);
    const last = even.pop() as Pass; // there is one
    return [...even, { ...last, rest: n - 1, length: n }];
  }
  const length = n / factor;
  return [...sumPasses(length), { taps: range(factor, length), rest: null, length: n }];
}

/** Passes that find the extreme of `n` neighbours; parts may overlap. */
export function extremePasses(n: number): Pass[] {
  if (n <= 5) return [{ taps: range(n, 1), rest: null, length: n }];
  const length = Math.ceil(n / 3);
  const parts = Math.ceil(n / length);
  return [...extremePasses(length), { taps: [...range(parts - 1, length), n - length], rest: null, length: n }];
}
