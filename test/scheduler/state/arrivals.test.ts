/** Pairs of blocks and workers are those of a map of maps, whatever comes and goes. */
import { expect, test } from "vitest";
import { seededRandom } from "../../../src/base/index.ts";
import { Arrivals } from "../../../src/scheduler/state/arrivals.ts";

test("reasons are counted for each pair, and pairs that go leave the others findable", () => {
  const random = seededRandom(7);
  const arrivals = new Arrivals();
  const oracle = new Map<string, number>();
  for (let step = 0; step < 4_000; step++) {
    const [slot, worker] = [random.below(60) * 64, random.below(12)];
    const name = `${slot} ${worker}`;
    const known = oracle.get(name) ?? 0;
    // More comes than goes, then the other way round.
    const isComing = random.below(4) < (Math.floor(step / 1_000) % 2 === 0 ? 3 : 1);
    if (isComing) {
      expect(arrivals.add(slot, worker)).toBe(known === 0);
      oracle.set(name, known + 1);
    } else if (random.below(4) === 0) {
      expect(arrivals.delete(slot, worker)).toBe(known > 0);
      oracle.delete(name);
    } else {
      expect(arrivals.drop(slot, worker)).toBe(known === 1);
      if (known > 1) oracle.set(name, known - 1);
      else oracle.delete(name);
    }
    expect(arrivals.has(slot, worker)).toBe(oracle.has(name));
    expect(arrivals.size).toBe(oracle.size);
  }
  expect(Array.from(arrivals.pairs(), (pair) => `${pair.slot} ${pair.worker}`).sort()).toEqual(
    [...oracle.keys()].sort(),
  );
  for (let slot = 0; slot < 60 * 64; slot += 64)
    expect(arrivals.workersOf(slot).sort()).toEqual(
      Array.from({ length: 12 }, (_, worker) => worker)
        .filter((worker) => oracle.has(`${slot} ${worker}`))
        .sort(),
    );
});
