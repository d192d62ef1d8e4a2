/** Calls made in one tick are one graph: shared work is done once, and each call fails, or is given up, by itself. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { planAll } from "../../src/array/compute.ts";
import { arange, type ChunkedArray, type Computable, computeAll, ones } from "../../src/array/index.ts";
import {
  type Hold,
  heldNode,
  type LayerNode,
  pushRunner,
  type Runner,
  type RunProgress,
} from "../../src/graph/index.ts";
import { localRunner } from "../../src/local/index.ts";
import { dataArray } from "../../src/xr/index.ts";

const runner = localRunner({ threads: 2, memoryLimitBytes: 512 * 2 ** 20 });
/** Tasks of each graph that the runner got. */
const graphs: number[] = [];
const counting: Runner = {
  name: "counting",
  limits: () => runner.limits(),
  run: (graph, plan, options) => {
    graphs.push(plan.tasks);
    return runner.run(graph, plan, options);
  },
  runGroups: (graph, plan, groups, options) => {
    graphs.push(plan.tasks);
    return runner.runGroups(graph, plan, groups, options);
  },
  hold: (graph, plan, options) => {
    graphs.push(plan.tasks);
    return runner.hold(graph, plan, options);
  },
  holdGroups: (graph, plan, groups, options) => {
    graphs.push(plan.tasks);
    return runner.holdGroups(graph, plan, groups, options);
  },
};
const leave = pushRunner(counting);
afterAll(async () => {
  leave();
  await runner[Symbol.asyncDispose]();
});

/** Random numbers: the same only where they come from the same task. */
function noise(): ChunkedArray {
  const random = (block: { shape: readonly number[] }): Float64Array =>
    Float64Array.from({ length: block.shape[0] as number }, () => Math.random());
  return arange(20, { chunks: 5 }).mapBlocks(random as never, { dtype: "float64" });
}
const failing = (x: ChunkedArray): ChunkedArray =>
  x.mapBlocks(
    () => {
      throw new Error("no such band");
    },
    { dtype: "float64" },
  );
const values = async (x: ChunkedArray, options = {}): Promise<unknown> => (await x.compute(options)).toArray();

describe("calls of one tick", () => {
  test("share what they need, as one graph", async () => {
    graphs.length = 0;
    const x = noise();
    const [whole, doubled, total] = await Promise.all([values(x), values(x.mul(2)), values(x.sum())]);
    expect(doubled).toEqual((whole as number[]).map((v) => 2 * v));
    expect(total).toBeCloseTo(
      (whole as number[]).reduce((a, b) => a + b, 0),
      12,
    );
    expect(graphs).toHaveLength(1);
  });

  test("of persist are one graph too; each keeps its own until nobody uses it", async () => {
    graphs.length = 0;
    const x = noise();
    const [whole, doubled] = await Promise.all([x.persist(), x.mul(2).persist()]);
    expect(graphs).toEqual([8]); // noise, which is kept, and what follows from it
    const all = (await values(whole)) as number[];
    expect(await values(doubled)).toEqual(all.map((v) => 2 * v));
    expect(await values(whole.add(1))).toEqual(all.map((v) => v + 1));
    // One that fails, and one that does not.
    graphs.length = 0;
    const [bad, good] = await Promise.all([failing(x).persist(), x.add(5).persist()]);
    expect(graphs).toHaveLength(1);
    await expect(bad.compute()).rejects.toThrow("no such band");
    expect(await values(good.sub(good))).toEqual(Array(20).fill(0));
    // What one lets go stays with the other.
    const limit = async (): Promise<number> => (await runner.limits()).memoryBytes;
    const before = await limit();
    const { graph, plan } = await planAll([x, x.mul(3)], {});
    const wants = [{ outputs: [0] }, { outputs: [0, 1] }];
    const [first, second] = (await runner.holdGroups(graph, plan, wants, {})) as [Hold, Hold]; // one for each
    await Promise.all([first.wait(), second.wait()]);
    expect(await limit()).toBe(before - 3 * 160); // twenty numbers of 8 bytes each
    first.release();
    const held = second.names.map((name) => x.over([heldNode(x.outputs[0] as LayerNode, name)]));
    const [one, three] = (await Promise.all(held.map((each) => values(each)))) as [number[], number[]];
    expect(three).toEqual(one.map((v) => 3 * v));
    second.release();
    expect(await limit()).toBe(before);
  });

  test("of compute and persist share what they need, and each ends by itself", async () => {
    graphs.length = 0;
    const x = noise();
    const stop = new AbortController();
    const [kept, doubled, total, given, failed] = await Promise.allSettled([
      x.persist(),
      values(x.mul(2)),
      values(x.sum()),
      values(x.add(1), { signal: AbortSignal.abort() }),
      values(failing(x)),
    ]);
    // One graph with all, and three that fetch what is there: two of them have something.
    expect(graphs[0]).toBeGreaterThan(12);
    expect(graphs.slice(1)).toEqual([0, 0]);
    if (kept?.status !== "fulfilled") throw kept?.reason;
    const all = (await values(kept.value)) as number[];
    expect(doubled).toEqual({ status: "fulfilled", value: all.map((v) => 2 * v) });
    expect(total).toMatchObject({
      value: expect.closeTo(
        all.reduce((a, b) => a + b, 0),
        12,
      ),
    });
    expect(given).toMatchObject({ reason: { code: "cancelled" } });
    expect(failed).toMatchObject({ reason: { message: expect.stringContaining("no such band") } });
    // Given up while it runs: the other goes on.
    const slow = x.mapBlocks((block: { data: unknown }) => {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
      return block.data as never;
    });
    const [later, gone] = [slow.persist(), values(slow.add(1), { signal: stop.signal })];
    gone.catch(() => undefined);
    const held = await later;
    stop.abort();
    await expect(gone).rejects.toMatchObject({ code: "cancelled" });
    expect(await values(held)).toHaveLength(20);
    // Progress is of a run: who listens has one of his own.
    graphs.length = 0;
    let heard = 0;
    await Promise.all([x.persist(), values(x.sum(), { onProgress: () => heard++ })]);
    expect([graphs.length, heard > 0]).toEqual([2, true]);
  });

  test("are apart where one says so, or where options differ", async () => {
    graphs.length = 0;
    const x = ones([4], { chunks: 2 });
    await Promise.all([
      x.compute({ merge: false }),
      x.compute({ merge: false }),
      x.compute(),
      x.compute({ priority: 2 }),
      x.compute({ resources: { GPU: 1 } }),
      x.compute({ workers: "a" }),
      x.compute({ workers: "a", allowOtherWorkers: true }),
      x.persist({ merge: false }),
    ]);
    expect(graphs).toHaveLength(8);
  });

  test("of different ticks are different graphs", async () => {
    graphs.length = 0;
    await ones([4]).compute();
    await ones([4]).compute();
    expect(graphs).toHaveLength(2);
  });

  test("fail each by itself, after what it shares with others", async () => {
    graphs.length = 0;
    const x = noise();
    const [good, bad, after] = await Promise.allSettled([values(x), values(failing(x)), values(x.add(failing(x)))]);
    expect(good).toMatchObject({ status: "fulfilled" });
    for (const each of [bad, after])
      expect(each).toMatchObject({ status: "rejected", reason: { message: expect.stringContaining("no such band") } });
    expect(graphs).toHaveLength(1);
    expect(await values(ones([3]))).toEqual([1, 1, 1]);
  });

  test("are given up each by its own signal, before and while they run", async () => {
    const x = noise();
    const stop = new AbortController();
    const slow = arange(2, { chunks: 1 }).mapBlocks(
      (block) => {
        const until = Date.now() + 15_000; // far longer than it takes to give it up
        while (Date.now() < until);
        return block.data;
      },
      { dtype: "int64" },
    );
    setTimeout(() => stop.abort(new Error("enough")), 50);
    const ended = await Promise.allSettled([
      values(x),
      values(slow, { signal: stop.signal }),
      values(x, { signal: AbortSignal.abort() }),
    ]);
    expect(ended.map((e) => e.status)).toEqual(["fulfilled", "rejected", "rejected"]);
    for (const each of ended.slice(1)) expect(each).toMatchObject({ reason: { code: "cancelled" } });
  });

  test("run one after the other where they do not fit together", async () => {
    graphs.length = 0;
    const [a, b] = [1, 2].map((v) => ones([2 ** 18], { chunks: 2 ** 16 }).mul(v)) as [ChunkedArray, ChunkedArray];
    const memory = 3 * 2 ** 20; // results of 2 MiB each
    const [x, y] = await Promise.all([a.compute({ memory }), b.compute({ memory })]);
    expect([x.data.at(-1), y.data.at(-1)]).toEqual([1, 2]);
    expect(graphs).toHaveLength(2);
  });

  test("undo what they prepared when they fail, and only then; a call that cannot prepare leaves the others", async () => {
    const told: string[] = [];
    const item = (name: string, array: ChunkedArray, fails = false): Computable<string> => ({
      outputs: array.outputs,
      prepare: async () => {
        told.push(`prepare ${name}`);
        if (fails) throw new Error("the target is there already");
      },
      assemble: () => `${name} done`,
      abandon: async () => {
        told.push(`abandon ${name}`);
      },
    });
    const x = ones([4], { chunks: 2 });
    const ended = await Promise.allSettled([
      computeAll([item("first", x)]),
      computeAll([item("second", x, true)]),
      computeAll([item("third", failing(x))]),
    ]);
    expect(ended.map((e) => (e.status === "fulfilled" ? e.value : String(e.reason)))).toEqual([
      ["first done"],
      "Error: the target is there already",
      expect.stringContaining("no such band"),
    ]);
    expect(told).toEqual(["prepare first", "prepare second", "abandon second", "prepare third", "abandon third"]);
  });

  test("of writers read what they share once", async () => {
    graphs.length = 0;
    const folder = mkdtempSync(join(tmpdir(), "rsdat-together-"));
    try {
      const dem = dataArray(ones([64, 64], { chunks: 32, dtype: "float32" }), { dims: ["y", "x"], name: "dem" });
      const urls = ["a", "b"].map((name) => join(folder, `${name}.zarr`));
      const [a, b] = await Promise.all([dem.toZarr(urls[0] as string), dem.mul(2).toZarr(urls[1] as string)]);
      expect([a, b].map((w) => w.bytes > 0)).toEqual([true, true]);
      expect(graphs).toHaveLength(1);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("tell each the progress of the whole", async () => {
    const heard: RunProgress[][] = [[], []];
    const x = ones([8], { chunks: 1 });
    await Promise.all([
      x.compute({ onProgress: (p) => heard[0]?.push(p) }),
      x.add(1).compute({ onProgress: (p) => heard[1]?.push(p) }),
    ]);
    const last = heard.map((each) => each.at(-1) as RunProgress); // each heard something
    expect(last.map((p) => p.total)).toEqual([16, 16]);
    expect(Math.max(...last.map((p) => p.done))).toBe(16); // the other may end before
  });
});
