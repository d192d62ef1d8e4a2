/** Graphs ten times as large as memory, on threads: they end, in the memory they were given, with the right values. */
import { afterAll, describe, expect, it } from "vitest";
import { type ChunkedArray, explainAll, random } from "../../src/array/index.ts";
import { budgetBytesWithin, runtimeReserveBytes } from "../../src/executor/index.ts";
import { pushRunner, type RunProgress } from "../../src/graph/index.ts";
import { localRunner } from "../../src/local/index.ts";

const MIB = 2 ** 20;
const THREADS = 2;
/** Leaves some 8.5 MiB for blocks. */
const LIMIT = runtimeReserveBytes(THREADS) + 13 * MIB;
const BUDGET = budgetBytesWithin(LIMIT, THREADS);
/** 84.5 MiB of float64. */
const N = 3328;

const runner = localRunner({ threads: THREADS, memoryLimitBytes: LIMIT });
const unlimited = localRunner({ threads: THREADS, memoryLimitBytes: runtimeReserveBytes(THREADS) + 512 * MIB });
afterAll(async () => {
  await runner[Symbol.asyncDispose]();
  await unlimited[Symbol.asyncDispose]();
});

interface Outcome {
  readonly value: number;
  readonly memory: NonNullable<RunProgress["memory"]>;
  readonly planned: { readonly peak: number; readonly spilled: number };
}

async function outcomeOn(on: typeof runner, x: ChunkedArray): Promise<Outcome> {
  const pop = pushRunner(on);
  try {
    let memory = { peakBytes: 0, spilledBytes: 0 };
    const onProgress = (progress: RunProgress): void => {
      memory = progress.memory ?? memory;
    };
    const plan = await explainAll([x]);
    const value = Number((await x.compute({ onProgress })).item());
    return { value, memory, planned: { peak: plan.peakWorkerBytes, spilled: plan.bytesSpilled } };
  } finally {
    pop();
  }
}

const rows = (): ChunkedArray => random.defaultRng(3).random([N, N], { chunks: [32, N] });

describe("arrays ten times as large as memory", () => {
  it("swap rows for columns", async () => {
    const job = (): ChunkedArray => rows().rechunk([N, 32]).max(0).sum();
    const spilled = await outcomeOn(runner, job());
    expect(spilled.memory.peakBytes).toBeLessThanOrEqual(BUDGET);
    expect(spilled.memory.spilledBytes).toBeGreaterThan(N * N * 8 - 2 * BUDGET);
    // What the plan says of memory and disk, within a fifth.
    expect(Math.abs(spilled.memory.peakBytes / spilled.planned.peak - 1)).toBeLessThan(0.2);
    expect(Math.abs(spilled.memory.spilledBytes / spilled.planned.spilled - 1)).toBeLessThan(0.2);
    const held = await outcomeOn(unlimited, job());
    expect(held.planned.spilled).toBe(0);
    expect(held.memory.spilledBytes).toBe(0);
    expect(spilled.value).toBe(held.value);
    // By columns, without a rechunk: maxima are the same in any order, and so is their sum by the same tree.
    expect(held.value).toBe((await outcomeOn(unlimited, rows().max(0).rechunk(32).sum())).value);
  }, 480_000);

  it.each([MIB, 16 * 1024])(
    "are held where they are needed twice, in blocks of %d bytes",
    async (bytes) => {
      const job = (): ChunkedArray => {
        const x = random.defaultRng(4).random([(85 * MIB) / bytes, bytes / 8], { chunks: [1, bytes / 8] });
        return x.sub(x.mean()).abs().sum();
      };
      const spilled = await outcomeOn(runner, job());
      expect(spilled.memory.peakBytes).toBeLessThanOrEqual(BUDGET);
      expect(spilled.memory.spilledBytes).toBeGreaterThan(70 * MIB);
      expect(Math.abs(spilled.memory.peakBytes / spilled.planned.peak - 1)).toBeLessThan(0.2);
      expect(spilled.value).toBe((await outcomeOn(unlimited, job())).value);
    },
    480_000,
  );
});
