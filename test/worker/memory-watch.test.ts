/** When a worker pauses: by hand-made figures. */
import { expect, test } from "vitest";
import { mustPause } from "../../src/worker/memory-watch.ts";

const MiB = 2 ** 20;
const LIMIT = { limitBytes: 1000 * MiB, budgetBytes: 700 * MiB, pauseFraction: 0.8 };
const figures = (residentMiB: number, liveMiB: number, touchedMiB = liveMiB, heapMiB = 50) => ({
  residentBytes: residentMiB * MiB,
  touchedBytes: touchedMiB * MiB,
  liveBytes: liveMiB * MiB,
  heapBytes: heapMiB * MiB,
});

test("under a scheduler that does not count bytes all memory counts, as in Dask", () => {
  const bounds = { ...LIMIT, isForeign: true };
  expect(mustPause(figures(900, 700), bounds)).toBe(false); // 750 of 800
  expect(mustPause(figures(900, 760), bounds)).toBe(true); // 810
});

test("where bytes are admitted, planned blocks alone never pause a worker", () => {
  const bounds = { ...LIMIT, isForeign: false };
  // The whole budget is live, and the runtime takes what it is given: 700 + 230.
  expect(mustPause(figures(930, 700), bounds)).toBe(false);
  // Somewhat more than the 300 left to it: within a seventh of the limit.
  expect(mustPause(figures(1010, 700), bounds)).toBe(false);
  // 460 MiB that nobody planned.
  expect(mustPause(figures(1160, 700), bounds)).toBe(true);
  // The same 460 with little else: memory is not nearly full.
  expect(mustPause(figures(660, 200), bounds)).toBe(false);
  // Memory of the arena that was used and is free again can be used again.
  expect(mustPause(figures(950, 100, 700), bounds)).toBe(false);
  // One user's heap fills the process.
  expect(mustPause(figures(900, 10), bounds)).toBe(true);
});
