/** Seeded random numbers for tests, jitter and tie-breaking; never for user data. */

/** Uniform numbers in [0, 1) and bounded integers from a 32-bit seed. */
export interface Random {
  next(): number;
  /** Integer in `[0, bound)`. */
  below(bound: number): number;
}

/** Mulberry32 (Tommy Ettinger, public domain): one 32-bit state word, period 2^32. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return { next, below: (bound) => Math.floor(next() * bound) };
}
