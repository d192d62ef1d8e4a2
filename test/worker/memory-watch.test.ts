/** When a worker pauses, and collects garbage: by hand-made figures. */
import { expect, test } from "vitest";
import { config } from "../../src/config/index.ts";
import { CollectionTimes, collectGarbage, Relief } from "../../src/executor/index.ts";
import { isShort, mustPause, watchMemory } from "../../src/worker/memory-watch.ts";

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

test("garbage is collected before a worker pauses: where what nobody planned takes all that is left to it", () => {
  const bounds = { ...LIMIT, isForeign: false };
  expect(isShort(figures(990, 700), bounds)).toBe(false); // 290 of 300
  expect(isShort(figures(1010, 700), bounds)).toBe(true);
  expect(isShort(figures(950, 100, 700), bounds)).toBe(false);
  expect(isShort(figures(900, 760), { ...LIMIT, isForeign: true })).toBe(true); // Dask's rule is all there is
});

/** What a worker hears of `count` looks at figures in which a collection leaves `afterMiB` of residence. */
async function watched(afterMiB: number, count: number): Promise<{ changes: boolean[]; collections: number }> {
  using _set = config.set({
    "distributed.worker.memory.monitor-interval": "1ms",
    "distributed.worker.memory.pause": 0.8,
  });
  const stop = new AbortController();
  const changes: boolean[] = [];
  let [looks, collections] = [0, 0];
  const stats = (): never => undefined as never; // figures are given
  await watchMemory(
    { budgetBytes: LIMIT.budgetBytes, stats },
    { limitBytes: LIMIT.limitBytes, isForeign: false },
    {
      signal: stop.signal,
      onChange: (isFull) => void changes.push(isFull),
      look: () => {
        if (++looks >= count) stop.abort();
        return figures(collections > 0 ? afterMiB : 1160, 700);
      },
      collect: () => void collections++,
      now: () => looks, // a collection is due a second after one that was of no use: by the clock that would be luck
    },
  );
  return { changes, collections };
}

test("a collection that helps spares the pause; one that does not is not made again at once", async () => {
  expect(await watched(900, 5)).toEqual({ changes: [], collections: 1 });
  expect(await watched(1160, 5)).toEqual({ changes: [true], collections: 1 });
});

test("collections are rare: fifty times as long as one takes, and further apart where they free nothing", () => {
  const times = new CollectionTimes();
  expect(times.isTime(0, 0)).toBe(true);
  times.made(100, 100, { freedBytes: 10, unplannedBytes: 100, heapBytes: 50 });
  expect([times.isTime(5_099, 50), times.isTime(5_100, 50)]).toEqual([false, true]);
  times.made(6_000, 1, { freedBytes: 10, unplannedBytes: 100, heapBytes: 50 });
  expect([times.isTime(6_999, 50), times.isTime(7_000, 50)]).toEqual([false, true]);
  let [now, gaps] = [7_000, [] as number[]];
  for (let i = 0; i < 8; i++) {
    times.made(now, 1, { freedBytes: 1, unplannedBytes: 100, heapBytes: 50 });
    const began = now;
    while (!times.isTime(now, 50)) now += 1_000;
    gaps = [...gaps, now - began];
  }
  expect(gaps).toEqual([2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
});

test("a heap that has grown since may be collected again as soon as the last collection is paid for", () => {
  const times = new CollectionTimes();
  for (let i = 0; i < 8; i++) times.made(1_000, 100, { freedBytes: 0, unplannedBytes: 100, heapBytes: 50 });
  expect([times.isTime(5_999, 55), times.isTime(6_000, 54), times.isTime(6_000, 55)]).toEqual([false, false, true]);
});

test("what nobody refers to any more is collected", () => {
  const gone = new WeakRef(new Float64Array(1e6));
  return new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
    collectGarbage();
    expect(gone.deref()).toBe(undefined);
  });
});

test("a thread that waits while its process takes more than its limit collects", async () => {
  const gone = new WeakRef(new Float64Array(1e6));
  using _ = new Relief({ limitBytes: 1, budgetBytes: 1 }, () => true);
  await expect.poll(() => gone.deref() === undefined, { timeout: 10_000, interval: 50 }).toBe(true);
});

test("before blocks come that may fill the memory, the garbage of their plan goes, where memory is little; not twice in a second", async () => {
  const MIB = 2 ** 20;
  const collections = async (limitBytes: number, ...bytes: readonly number[]): Promise<number> => {
    let count = 0;
    using relief = new Relief(
      { limitBytes, budgetBytes: 100 * MIB },
      () => false,
      () => void count++,
    );
    for (const each of bytes) relief.expect(each);
    await new Promise<void>((resolve) => setImmediate(resolve));
    return count;
  };
  expect(await collections(512 * MIB, 50 * MIB)).toBe(1);
  expect(await collections(512 * MIB, 5_000 * MIB, 50 * MIB)).toBe(1);
  expect(await collections(512 * MIB, 49 * MIB)).toBe(0);
  expect(await collections(8192 * MIB, 5_000 * MIB)).toBe(0);
});
