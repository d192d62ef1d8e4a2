/** For checks that a pause of a shared machine at the wrong moment can spoil, although nothing is wrong. */

const SCALES = [1, 8, 40];

/**
 * Runs `check` until it holds, at most three times: with 1, 8 and 40, by which it may multiply the times it gives to others.
 * What the last one says is the failure. Only for what must hold each time on a machine without pauses, never for races
 * of the code under test.
 */
export async function patiently<T>(check: (scale: number) => Promise<T>): Promise<T> {
  for (const scale of SCALES.slice(0, -1)) {
    try {
      return await check(scale);
    } catch {
      // Once more, with more time.
    }
  }
  return await check(SCALES.at(-1) as number); // the list is not empty
}
