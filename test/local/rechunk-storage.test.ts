/** `distributed.p2p.storage.disk` on threads: false keeps what rechunks cut off the disk, or refuses the graph. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test, vi } from "vitest";
import { type ChunkedArray, explainAll, random } from "../../src/array/index.ts";
import { isRsdatError } from "../../src/base/index.ts";
import { config } from "../../src/config/index.ts";
import { type BlockHandle, budgetBytesWithin, runtimeReserveBytes } from "../../src/executor/index.ts";
import { planGraph, pushRunner } from "../../src/graph/index.ts";
import { Coordinator } from "../../src/local/coordinator.ts";
import { localRunner } from "../../src/local/index.ts";
import type { FromCoordinator } from "../../src/local/messages.ts";

const MIB = 2 ** 20;
const THREADS = 2;
const LIMIT = runtimeReserveBytes(THREADS) + 13 * MIB;
/** Some 8.5 MiB. */
const BUDGET = budgetBytesWithin(LIMIT, THREADS);

/** Blocks that were offered to the disk. */
const offered = vi.hoisted(() => [] as BlockHandle[]);
vi.mock("../../src/executor/index.ts", async (original) => {
  const executor = await original<typeof import("../../src/executor/index.ts")>();
  const createExecutor: typeof executor.createExecutor = (options) => {
    const { spill } = options;
    if (!spill) return executor.createExecutor(options);
    const order = (): Iterable<BlockHandle> => {
      const blocks = Array.from(spill.order());
      offered.push(...blocks);
      return blocks;
    };
    return executor.createExecutor({ ...options, spill: { ...spill, order } });
  };
  return { ...executor, createExecutor };
});

const folder = mkdtempSync(join(tmpdir(), "rsdat-rechunk-storage-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** 20 MiB in blocks of 1 MiB, and 5 MiB in rows of 640 KiB that a rechunk cuts; all are needed for a mean, and then again. */
const CUT = [80, 1024];
function job(): ChunkedArray {
  const x = random.defaultRng(2).random([20, MIB / 8], { chunks: [1, -1] });
  const part = random.defaultRng(3).random([640, 1024], { chunks: CUT });
  const mean = x.mean().add(part.mean());
  return x
    .sub(mean)
    .abs()
    .sum()
    .add(part.rechunk([-1, 64]).sub(mean).abs().sum());
}

/** The job on threads of this process's coordinator; its value, and the shapes of blocks that might have gone to disk. */
async function run(rechunksOnDisk: boolean): Promise<{ value: number; shapes: Set<string>; spilledBytes: number }> {
  const planned = planGraph([job().node], {
    threads: THREADS,
    memoryBytes: BUDGET,
    spillBytes: 2 ** 30,
    rechunksOnDisk,
  });
  const told: FromCoordinator[] = [];
  const coordinator = new Coordinator(
    {
      threads: THREADS,
      limitBytes: LIMIT,
      budgetBytes: BUDGET,
      spill: { folder, limitBytes: 2 ** 30 },
      admission: true,
    },
    (messages) => void told.push(...messages),
  );
  offered.length = 0;
  const { layers, outputs } = planned.graph;
  coordinator.handle({
    type: "run",
    groups: [{ id: 1, outputs: [0], listens: true }],
    layers,
    outputs,
    leastBytes: planned.plan.leastBytes,
    memoryBytes: null,
    retries: 0,
    priority: 0,
    keeps: false,
  });
  await expect
    .poll(() => told.find(({ type }) => type === "done" || type === "failed"), { timeout: 60_000 })
    .toBeDefined();
  expect(told.filter(({ type }) => type === "failed")).toEqual([]);
  const [found] = told.flatMap((message) => (message.type === "blocks" ? message.blocks : []));
  const spilled = told.flatMap((message) =>
    message.type === "progress" ? [message.progress.memory?.spilledBytes ?? 0] : [],
  );
  const value = found && "length" in found.from ? Number(found.from[0]) : Number.NaN;
  const shapes = new Set(offered.map(({ shape }) => shape.join()));
  return { value, shapes, spilledBytes: spilled.at(-1) ?? 0 };
}

describe("what a rechunk cuts", () => {
  test("goes to disk like other blocks by default; with the disk off it stays, and others go", async () => {
    const byDefault = await run(true);
    expect(byDefault.shapes).toContain(CUT.join());
    const held = await run(false);
    expect(held.shapes).not.toContain(CUT.join());
    expect(held.shapes).toContain(`1,${MIB / 8}`);
    expect(held.spilledBytes).toBeGreaterThan(14 * MIB);
    expect(held.value).toBe(byDefault.value);
    expect(held.value).toBeGreaterThan(0);
  }, 120_000);

  test("is refused where memory is too small for it, when it is explained as when it is computed", async () => {
    const swap = random
      .defaultRng(1)
      .random([1024, 2048], { chunks: [16, 2048] })
      .rechunk([1024, 32])
      .max(0)
      .sum();
    await using runner = localRunner({ threads: THREADS, memoryLimitBytes: LIMIT });
    const pop = pushRunner(runner);
    try {
      expect((await explainAll([swap])).bytesSpilled).toBeGreaterThan(0);
      using _set = config.set({ "distributed.p2p.storage.disk": false });
      for (const ask of [() => explainAll([swap]), () => swap.compute()]) {
        const refused: unknown = await ask().then(
          () => null,
          (error: unknown) => error,
        );
        expect(isRsdatError(refused, "memory-budget")).toBe(true);
        expect(String(refused)).toMatch(/stays in memory, because distributed\.p2p\.storage\.disk is false/);
      }
    } finally {
      pop();
    }
  }, 60_000);
});
