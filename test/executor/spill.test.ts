/** Blocks beyond the budget lie on disk: what leaves, what comes back, and what happens when the disk is no help. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, vi } from "vitest";
import { isRsdatError } from "../../src/base/index.ts";
import { type BlockHandle, createExecutor, type Executor, type TaskOutcome } from "../../src/executor/index.ts";
import type { TaskSpec } from "../../src/graph/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { describePeer } from "../peers.ts";
import { mountTmpfs } from "../tmpfs.ts";
import { addBoth, counting, keyOf } from "./specs.ts";

/** What a write of this process's main thread ends with, if it is not null. */
const disk = vi.hoisted(() => ({ error: null as Error | null }));
vi.mock("node:fs", async (original) => {
  const fs = await original<typeof import("node:fs")>();
  const write = (...args: readonly unknown[]): void => {
    if (disk.error)
      queueMicrotask(() => (args.at(-1) as (error: Error | null) => void)(disk.error)); // its callback
    else Reflect.apply(fs.write, fs, args);
  };
  return { ...fs, write };
});

const MIB = 2 ** 20;
/** Elements of a block of 1 MiB. */
const N = MIB / 8;
const BUDGET = 8 * MIB;
const folder = mkdtempSync(join(tmpdir(), "rsdat-test-spill-"));
afterAll(() => rmSync(folder, { recursive: true }));

interface Spilling extends AsyncDisposable {
  readonly executor: Executor;
  /** In which order blocks leave: the first here first. */
  readonly order: BlockHandle[];
}

function spilling(limitBytes: number, into = folder): Spilling {
  const order: BlockHandle[] = [];
  const executor = createExecutor({
    threads: 1,
    budgetBytes: BUDGET,
    spill: { folder: into, limitBytes, order: () => order },
  });
  return { executor, order, [Symbol.asyncDispose]: () => executor[Symbol.asyncDispose]() };
}

async function run(executor: Executor, spec: TaskSpec, inputs: readonly BlockHandle[] = []): Promise<TaskOutcome> {
  return executor.run({ key: keyOf("t", 0), spec, inputs });
}

async function block(executor: Executor, spec: TaskSpec, inputs: readonly BlockHandle[] = []): Promise<BlockHandle> {
  const outcome = await run(executor, spec, inputs);
  if (outcome.status !== "ok") throw new Error(JSON.stringify(outcome));
  return outcome.output;
}

/** Blocks k, k + 1, k + 2, … for k of 0 … count - 1. */
async function fill({ executor, order }: Spilling, count: number): Promise<BlockHandle[]> {
  const blocks: BlockHandle[] = [];
  for (let k = 0; k < count; k++) {
    const made = await block(executor, counting(N, k));
    blocks.push(made);
    order.push(made);
  }
  return blocks;
}

describe("blocks that find no room", () => {
  it("lie on disk, are inputs as before, and memory never passes the budget", async () => {
    await using spill = spilling(64 * MIB);
    const { executor } = spill;
    const blocks = await fill(spill, 24);
    expect(executor.stats().spill.bytesOnDisk).toBeGreaterThanOrEqual(16 * MIB);
    // Furthest apart: one of them is on disk for sure.
    const sum = await block(executor, addBoth(N), [blocks[0] as BlockHandle, blocks[23] as BlockHandle]);
    const { data } = await executor.load(sum);
    expect([data[0], data[1], data[N - 1]]).toEqual([23, 26, 23 + 3 * (N - 1)]);
    for (const [k, each] of blocks.entries()) {
      const loaded = await executor.load(each);
      expect([loaded.data[0], loaded.data[N - 1]]).toEqual([k, k + N - 1]);
    }
    const { bytesPeak, spill: figures } = executor.stats();
    expect(bytesPeak).toBeLessThanOrEqual(BUDGET);
    expect(figures.bytesWritten).toBeGreaterThanOrEqual(16 * MIB);
    // What is given back takes its bytes on disk with it.
    for (const each of [...blocks, sum]) executor.release(each);
    expect(executor.stats()).toMatchObject({ bytesLive: 0, blocks: 0, spill: { bytesOnDisk: 0 } });
  });

  it("leave in the order that is asked for, those in use apart", async () => {
    await using spill = spilling(64 * MIB);
    const { executor, order } = spill;
    const blocks = await fill(spill, 7);
    order.reverse();
    executor.pin(blocks[6] as BlockHandle);
    // Two blocks' bytes, of which one is free; a sixteenth of the budget more is made free than is asked for.
    const more = await block(executor, counting(2 * N));
    // The task begins when the first of the two has left; the other one may still be on its way.
    const resident = (): boolean[] => blocks.map((each) => executor.isResident(each));
    await expect.poll(resident).toEqual([true, true, true, true, false, false, true]);
    executor.unpin(blocks[6] as BlockHandle);
    executor.release(more);
  });

  it("are written once, however often they leave", async () => {
    await using spill = spilling(64 * MIB);
    const { executor } = spill;
    const blocks = await fill(spill, 16);
    const pair = async (a: number, b: number): Promise<void> =>
      executor.release(await block(executor, addBoth(N), [blocks[a] as BlockHandle, blocks[b] as BlockHandle]));
    for (let round = 0; round < 3; round++) for (let k = 0; k < 16; k += 2) await pair(k, k + 1);
    const { bytesWritten, bytesRead, writes, reads, writeSeconds, readSeconds } = executor.stats().spill;
    expect(bytesWritten).toBeLessThanOrEqual(16 * MIB);
    expect(bytesRead).toBeGreaterThan(16 * MIB);
    expect([writes, reads]).toEqual([bytesWritten / MIB, bytesRead / MIB]); // blocks of 1 MiB
    expect(Math.min(writeSeconds, readSeconds)).toBeGreaterThan(0);
  });

  it("have no file that could stay behind", async () => {
    await using spill = spilling(64 * MIB);
    await fill(spill, 12);
    expect(spill.executor.stats().spill.bytesOnDisk).toBeGreaterThan(0);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("make room for an array that came when there was none", async () => {
    await using spill = spilling(64 * MIB);
    const { executor } = spill;
    const [first] = await fill(spill, 8);
    const late = NDArray.of(Float64Array.from({ length: N }, (_, i) => 2 * i));
    const outcome = await executor.run({
      key: keyOf("t", 0),
      spec: addBoth(N),
      inputs: [first as BlockHandle, { value: late }],
    });
    if (outcome.status !== "ok") throw new Error(JSON.stringify(outcome));
    expect((await executor.load(outcome.output)).data[N - 1]).toBe(4 * (N - 1));
    expect(executor.stats().bytesPeak).toBeLessThanOrEqual(BUDGET);
  });

  it("make room also where they are small, and lie in every part of memory", async () => {
    await using spill = spilling(64 * MIB);
    const { executor, order } = spill;
    const small = N / 64;
    const blocks: BlockHandle[] = [];
    for (let i = 0; i < 512; i++) blocks.push(await block(executor, counting(small, i)));
    expect(executor.stats().bytesLive).toBe(BUDGET);
    // One of 32 stays the longest: there is room for 6 MiB by then, but no gap.
    order.push(...blocks.filter((_, i) => i % 32 !== 0), ...blocks.filter((_, i) => i % 32 === 0));
    executor.release(await block(executor, counting(6 * N)));
    for (const [i, each] of blocks.entries()) expect((await executor.load(each)).data[small - 1]).toBe(i + small - 1);
    expect(executor.stats().bytesPeak).toBeLessThanOrEqual(BUDGET);
  });

  it("make room for what peers send", async () => {
    await using spill = spilling(64 * MIB);
    const { executor } = spill;
    const blocks = await fill(spill, 8);
    expect(await executor.makeRoom(3 * MIB)).toBe(true);
    expect(executor.stats().bytesLive).toBeLessThanOrEqual(5 * MIB);
    for (const each of blocks) if (executor.isResident(each)) executor.pin(each);
    expect(await executor.makeRoom(BUDGET)).toBe(false);
  });
});

describe("where the disk is no help", () => {
  it("a task waits a little for blocks of which nobody knows yet, and is given up then", async () => {
    await using spill = spilling(64 * MIB);
    const { executor, order } = spill;
    const blocks = await fill(spill, 8);
    order.length = 0; // as of blocks that have come, and are not told yet
    const late = run(executor, counting(N, 8));
    setTimeout(() => order.push(...blocks), 100);
    expect((await late).status).toBe("ok");
    order.length = 0;
    const outcomes = await Promise.all([run(executor, counting(N, 9)), run(executor, counting(N, 10))]);
    expect(outcomes).toMatchObject([
      { status: "ok" }, // in the room of the little more that was made
      {
        status: "error",
        error: { code: "memory-budget", message: expect.stringMatching(/^no room for 1.00 MiB within/) },
      },
    ]);
  });

  it.each([
    ["starts when they are told of", true, "ok"],
    ["is given up when they cannot leave", false, "error"],
  ])("a task waits for as long as blocks are being brought, and %s", async (_, isTold, status) => {
    await using spill = spilling(64 * MIB);
    const { executor, order } = spill;
    const blocks = await fill(spill, 8);
    order.length = 0;
    const bringing = executor.bringing();
    const late = run(executor, counting(N, 8));
    const longer = new Promise((resolve) => setTimeout(resolve, 1500, "waits"));
    expect(await Promise.race([late, longer])).toBe("waits");
    if (isTold) order.push(...blocks);
    bringing[Symbol.dispose]();
    expect((await late).status).toBe(status);
  });

  it("a task that needs more than its limit and memory fails with the numbers; nothing is lost", async () => {
    await using spill = spilling(4 * MIB + 4096);
    const { executor } = spill;
    const blocks = await fill(spill, 11);
    const outcome = await run(executor, counting(4 * N));
    if (outcome.status !== "error") throw new Error(outcome.status);
    expect(outcome.error.code).toBe("memory-budget");
    expect(outcome.error.message).toContain("4.00 MiB");
    expect(outcome.error.message).toContain(folder);
    for (const [k, each] of blocks.entries()) expect((await executor.load(each)).data[N - 1]).toBe(k + N - 1);
    // With less to hold it goes on.
    for (const each of blocks.slice(0, 6)) executor.release(each);
    executor.release(await block(executor, counting(4 * N)));
  });

  it("a disk that fails is told of by its own error; what is in memory is still there", async () => {
    await using spill = spilling(64 * MIB);
    const { executor } = spill;
    const blocks = await fill(spill, 6);
    disk.error = Object.assign(new Error("EIO: i/o error, write"), { code: "EIO" });
    const outcome = await run(executor, counting(4 * N));
    if (outcome.status !== "error") throw new Error(outcome.status);
    expect(outcome.error).toMatchObject({ code: "memory-budget", message: expect.stringContaining("EIO") });
    disk.error = null;
    for (const [k, each] of blocks.entries()) expect((await executor.load(each)).data[N - 1]).toBe(k + N - 1);
    for (const each of blocks.slice(0, 4)) executor.release(each);
    executor.release(await block(executor, counting(4 * N)));
  });

  it("a folder that is not there is told of at the start", () => {
    const missing = join(folder, "missing");
    try {
      spilling(64 * MIB, missing);
      expect.unreachable();
    } catch (error) {
      expect(isRsdatError(error, "config")).toBe(true);
      expect((error as Error).message).toContain(missing);
    }
  });
});

describePeer("a disk that fills up", "tmpfs", () => {
  it("lowers what may lie there to what does; every block is still there", async () => {
    using small = mountTmpfs(4 * MIB + 64 * 1024);
    await using spill = spilling(64 * MIB, small.path);
    const { executor } = spill;
    const blocks = await fill(spill, 11);
    const outcome = await run(executor, counting(4 * N));
    if (outcome.status !== "error") throw new Error(outcome.status);
    expect(outcome.error.code).toBe("memory-budget");
    expect(outcome.error.message).toMatch(/ENOSPC/);
    for (const [k, each] of blocks.entries()) expect((await executor.load(each)).data[N - 1]).toBe(k + N - 1);
    for (const each of blocks.slice(0, 6)) executor.release(each);
    executor.release(await block(executor, counting(4 * N)));
  });
});
