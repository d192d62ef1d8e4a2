/** Plans of what does not fit the memory: what they say, and which is chosen. */
import { describe, expect, test } from "vitest";
import { type ChunkedArray, random } from "../../src/array/index.ts";
import { isRsdatError } from "../../src/base/index.ts";
import { planGraph } from "../../src/graph/index.ts";

const MIB = 2 ** 20;
const DISK = 2 ** 30;

/** 8 MiB in blocks of 1 MiB. */
const blocks = (): ChunkedArray => random.defaultRng(1).random([8, MIB / 8], { chunks: [1, -1] });

function plan(x: ChunkedArray, memoryBytes: number, more: { spillBytes?: number; workers?: number } = {}) {
  return planGraph([x.node], { threads: 1, memoryBytes, ...more });
}

describe("a graph that needs more than memory", () => {
  // Every block is needed again when the mean of all is known: seven wait while the eighth is made.
  const anomaly = (): ChunkedArray => {
    const x = blocks();
    return x.sub(x.mean()).sum();
  };

  test("is refused without a disk", () => {
    expect(() => plan(anomaly(), 4 * MIB + 65536)).toThrow(/at least 8.00 MiB/);
  });

  test("spills as many blocks as have no room, once, where there is one", () => {
    const { plan: found } = plan(anomaly(), 4 * MIB + 65536, { spillBytes: DISK });
    expect(found.bytesSpilled).toBe(4 * MIB);
    expect(found.peakWorkerBytes).toBeLessThanOrEqual(4 * MIB + 65536);
    expect(found.leastBytes).toBeGreaterThanOrEqual(8 * MIB);
    expect(found.warnings.join()).toMatch(/4.00 MiB are written to disk and 4.00 MiB read back/);
    expect(String(found)).toMatch(/spilled\s+4.00 MiB/);
  });

  test("spills nothing where memory is enough, and says so", () => {
    const { plan: found } = plan(anomaly(), 9 * MIB, { spillBytes: DISK });
    expect(found).toMatchObject({ bytesSpilled: 0, warnings: [] });
  });

  test("is refused where memory and disk together are too small, or one task alone does not fit", () => {
    expect(() => plan(anomaly(), 4 * MIB, { spillBytes: 2 * MIB })).toThrow(/at least/);
    try {
      plan(blocks().rechunk([8, -1]).add(1), 4 * MIB, { spillBytes: DISK });
      expect.unreachable();
    } catch (error) {
      expect(isRsdatError(error, "memory-budget")).toBe(true);
    }
  });
});

describe("a plan that is refused", () => {
  /** The difference from a mean along the cut axis, in columns of `columns`. */
  const work = (columns: number): ChunkedArray => {
    const x = random.defaultRng(1).random([8, MIB / 8], { chunks: [8, columns] });
    return x.sub(x.mean(0)).sum();
  };

  test("names the array, its chunks, the bytes, and a cut that fits", () => {
    for (const spillBytes of [0, DISK]) {
      try {
        plan(work(MIB / 8), 4 * MIB, { spillBytes });
        expect.unreachable();
      } catch (error) {
        if (!isRsdatError(error, "memory-budget")) throw error;
        expect(error.message).toMatch(/needs at least \d+\.\d\d MiB but 4\.00 MiB are allowed/);
        expect(error.message).toMatch(/random-[0-9a-f]+ \(8 × 131072, float64\) has chunks of 8 × 131072/);
        const fits = /rechunk\(\[8, (\d+)\]\) fit/.exec(error.message)?.[1];
        const { plan: found } = plan(work(Number(fits)), 4 * MIB);
        expect(found.leastBytes).toBeLessThanOrEqual(4 * MIB);
        expect(found.bytesSpilled).toBe(0);
      }
    }
  });

  test("because a task of it is too large, although others would fit, says so of that task's array", () => {
    expect(() => plan(blocks().rechunk([8, -1]).cumsum(0).sum(), 4 * MIB, { spillBytes: DISK })).toThrow(
      /^one of its tasks needs at least .* but 4\.00 MiB are allowed/,
    );
  });
});

describe("a rechunk that needs all of its input for one block", () => {
  const swap = (): ChunkedArray =>
    random
      .defaultRng(1)
      .random([1024, 1024], { chunks: [16, 1024] })
      .rechunk([1024, 16]);

  test("goes through tiles, and its tasks fit", () => {
    const found = plan(swap().sum(), 2 * MIB, { spillBytes: DISK });
    expect(found.plan.largestTaskBytes).toBeLessThanOrEqual(2 * MIB);
    expect(found.plan.layers.map(({ name }) => name.replace(/-[0-9a-f]+$/, ""))).toContain("rechunk-tiles");
    // 8 MiB, of which a quarter stays.
    expect(found.plan.bytesSpilled).toBeGreaterThan(5 * MIB);
    expect(found.plan.bytesSpilled).toBeLessThan(9 * MIB);
  });

  test("does not, where memory holds it", () => {
    const found = plan(swap().sum(), 32 * MIB, { spillBytes: DISK });
    expect(found.plan.layers.some(({ name }) => name.startsWith("rechunk-tiles"))).toBe(false);
  });

  test("says what moves between workers: half of what two workers read", () => {
    const { plan: found } = plan(swap().sum(), 32 * MIB, { workers: 2 });
    expect(found.bytesMoved).toBeGreaterThan(3 * MIB);
    expect(found.bytesMoved).toBeLessThanOrEqual(8 * MIB);
    expect(plan(swap().sum(), 32 * MIB, { workers: 1 }).plan.bytesMoved).toBe(0);
    expect(plan(blocks().sum(), 32 * MIB, { workers: 2 }).plan.bytesMoved).toBeLessThan(1024);
  });
});
