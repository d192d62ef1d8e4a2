/** What a plan says of memory on threads, and what a run takes. */
import { expect, test } from "vitest";
import { type ChunkedArray, explainAll, random } from "../../src/array/index.ts";
import { runtimeReserveBytes } from "../../src/executor/index.ts";
import { pushRunner, type RunProgress } from "../../src/graph/index.ts";
import { localRunner } from "../../src/local/index.ts";

const MIB = 2 ** 20;
const THREADS = 2;
/** Elements of a block of 2 MiB. */
const BLOCK = MIB / 4;
const LIMIT = runtimeReserveBytes(THREADS) + 512 * MIB;

/** Peaks in MiB; a runner tells its peak since it was started, so that each run has one of its own. */
async function peakOf(x: ChunkedArray): Promise<{ readonly planned: number; readonly seen: number }> {
  const runner = localRunner({ threads: THREADS, memoryLimitBytes: LIMIT });
  const pop = pushRunner(runner);
  try {
    let seen = 0;
    const onProgress = ({ memory }: RunProgress): void => {
      seen = Math.max(seen, memory?.peakBytes ?? 0);
    };
    const { peakWorkerBytes } = await explainAll([x]);
    await x.compute({ onProgress });
    return { planned: peakWorkerBytes / MIB, seen: seen / MIB };
  } finally {
    pop();
    await runner[Symbol.asyncDispose]();
  }
}

/**
 * Runs whose median counts: threads end in another order each time, and a peak is one or two blocks more or less (of
 * 32 runs of halos one was four of 18 blocks above the plan).
 */
const RUNS = 5;

const rows = (count: number): ChunkedArray => random.defaultRng(5).random([count, BLOCK], { chunks: [1, -1] });

test("a tree of sums has a block on each thread and one beside them, however short sums are", async () => {
  const { planned, seen } = await peakOf(rows(96).sum());
  expect(planned).toBeCloseTo(3 * 2, 2);
  expect(seen).toBeGreaterThan(2 * 2);
  expect(seen).toBeLessThan(3 * 2 + 0.01);
}, 120_000);

const squares = (): ChunkedArray => random.defaultRng(5).random([2048, 2048], { chunks: [512, 512] });

test.each([
  [
    "a function with halos",
    () =>
      squares()
        .mapOverlap((block) => block, { depth: 1, boundary: "none", dtype: "float64" })
        .sum(),
  ],
  ["differences from a mean, whose blocks are all needed twice", () => rows(32).sub(rows(32).mean(0)).mean(0).sum()],
])(
  "%s takes what the plan says, within a fifth (median of runs)",
  async (_, job) => {
    const runs = [];
    for (let run = 0; run < RUNS; run += 1) runs.push(await peakOf(job()));
    const planned = runs[0]?.planned ?? 0;
    const seen = runs.map((run) => run.seen).sort((a, b) => a - b)[(RUNS - 1) / 2] ?? 0;
    expect(planned).toBeGreaterThan(30);
    expect(Math.abs(seen / planned - 1)).toBeLessThan(0.2);
  },
  120_000,
);
