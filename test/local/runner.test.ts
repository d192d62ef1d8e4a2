import { getEventListeners } from "node:events";
import { afterAll, describe, expect, it } from "vitest";
import { arange, type ChunkedArray, random, stack, zeros } from "../../src/array/index.ts";
import { type Random, seededRandom } from "../../src/base/index.ts";
import { runTask, runtimeReserveBytes } from "../../src/executor/index.ts";
import {
  callNode,
  Graph,
  type LayerNode,
  leastBytesIfMade,
  type PlannedGraph,
  planGraph,
  type RunProgress,
  runSequential,
} from "../../src/graph/index.ts";
import { LatePlanned } from "../../src/graph/late-plan.ts";
import { localRunner } from "../../src/local/index.ts";
import type { NDArray } from "../../src/ndarray/index.ts";

const MIB = 2 ** 20;
const runner = localRunner({ threads: 2, memoryLimitBytes: 512 * MIB });
afterAll(() => runner[Symbol.asyncDispose]());

function planned(nodes: readonly LayerNode[], memoryBytes = 256 * MIB): PlannedGraph {
  return planGraph(nodes, { threads: 2, memoryBytes });
}

async function oracle({ graph }: PlannedGraph): Promise<unknown> {
  return plain(
    await runSequential(graph, async (spec, inputs) => (await runTask(spec, inputs, { trusted: true })) as NDArray),
  ); // native tasks give blocks
}

function plain(blocks: readonly (readonly NDArray[])[]): unknown {
  return blocks.map((output) => output.map((block) => [block.dtype, block.toArray()]));
}

/** One task of JavaScript, for what native tasks do not do: wait, fail. */
function call(text: string, ...inputs: readonly LayerNode[]): LayerNode {
  return callNode("call", {
    dtype: "float64",
    chunks: [[2]],
    text,
    inputs: inputs.map((layer) => ({ layer, axes: [null] })),
    lists: false,
    args: null,
  });
}

function randomChunks(random: Random, n: number): number[] {
  const sizes: number[] = [];
  for (let left = n; left > 0; left -= sizes.at(-1) as number) sizes.push(1 + random.below(left));
  return sizes;
}

/** A random pipeline: elementwise, slices, transposes, rechunks, stacks and reductions over shared inputs. */
function randomPipeline(random: Random): ChunkedArray[] {
  const [h, w] = [3 + random.below(20), 3 + random.below(20)];
  const base = arange(h, { dtype: "float64" })
    .mul(w)
    .slice(":", null)
    .add(arange(w, { dtype: "float64" }));
  let pool: ChunkedArray[] = [base.rechunk([randomChunks(random, h), randomChunks(random, w)])];
  for (let k = 0; k < 6; k++) {
    const a = pool[random.below(pool.length)] as ChunkedArray;
    const b = pool[random.below(pool.length)] as ChunkedArray;
    const made = [
      () => a.add(b),
      () => a.mul(b).sub(3),
      () => a.rechunk([randomChunks(random, h), randomChunks(random, w)]),
      () => a.slice("::-1", ":"),
      () => a.sub(a.mean(random.below(2), { keepdims: true })),
      () => stack([a, b]).max(0),
    ][random.below(6)]?.();
    if (made) pool = [...pool, made];
  }
  const last = pool.at(-1) as ChunkedArray;
  return [last, last.transpose(), last.sum(random.below(2))];
}

it("runs a small graph whose plan nobody asks for without making it", async () => {
  const { node } = arange(64, { dtype: "float64", chunks: 16 }).add(1).sum();
  let made = 0;
  const late = new LatePlanned(planned([node]).graph, 0, () => {
    made++;
    return planned([node]);
  });
  const blocks = await runner.run(late.graph, late.plan, {});
  expect([plain(blocks), made]).toEqual([[[["float64", 2080]]], 0]);
  expect([leastBytesIfMade(late.plan), late.plan.leastBytes > 0, made]).toEqual([0, true, 1]);
  expect(leastBytesIfMade(late.plan)).toBe(late.plan.leastBytes);
});

describe("runs on threads", () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])("give what one task after another gives (seed %i)", async (seed) => {
    const arrays = randomPipeline(seededRandom(seed));
    const graph = planned(arrays.map((a) => a.node));
    const blocks = await runner.run(graph.graph, graph.plan, {});
    expect(plain(blocks)).toEqual(await oracle(graph));
  });

  it("several at once, sharing layers, each with its own results", async () => {
    const base = arange(40_000, { chunks: [1000], dtype: "float64" }).rechunk([700]);
    const graphs = [base.add(1), base.add(1), base, base.mul(2).sum(0)].map((a) => planned([a.node]));
    const results = await Promise.all(graphs.map((g) => runner.run(g.graph, g.plan, {})));
    for (const [k, g] of graphs.entries()) expect(plain(results[k] as NDArray[][])).toEqual(await oracle(g));
  });

  it("give blocks of one output asked for twice, and of outputs that other outputs read", async () => {
    const base = arange(100, { chunks: [30], dtype: "float64" }).rechunk([45]);
    const graph = planned([base.node, base.add(1).node, base.node]);
    expect(plain(await runner.run(graph.graph, graph.plan, {}))).toEqual(await oracle(graph));
  });

  it("hand over ordinary memory", async () => {
    const graph = planned([arange(10, { chunks: [5] }).node]);
    const [[block] = []] = await runner.run(graph.graph, graph.plan, {});
    expect(block?.data.buffer).toBeInstanceOf(ArrayBuffer);
  });

  it("within less memory than the runner has, if asked", async () => {
    const graph = planned(
      [
        arange(100_000, { chunks: [10_000], dtype: "float64" })
          .add(1)
          .sum().node,
      ],
      MIB,
    );
    const [small, usual] = await Promise.all([
      runner.run(graph.graph, graph.plan, { memoryBytes: MIB }),
      runner.run(graph.graph, graph.plan, {}),
    ]);
    expect(plain(small)).toEqual(plain(usual));
  });

  it("tell their progress, at the end all of it", async () => {
    const seen: RunProgress[] = [];
    const graph = planned([
      arange(100_000, { chunks: [100], dtype: "float64" })
        .rechunk([150])
        .add(1).node,
    ]);
    const started = performance.now();
    await runner.run(graph.graph, graph.plan, { onProgress: (p) => seen.push(p) });
    const seconds = (performance.now() - started) / 1000;
    expect(seen.at(-1)).toMatchObject({ done: graph.order.length, total: graph.order.length });
    expect(seen.length).toBeLessThanOrEqual(10 * seconds + 2);
  });
});

describe("runs that fail", () => {
  const good = (): PlannedGraph => planned([arange(10, { chunks: [5], dtype: "float64" }).add(1).node]);

  it("reject with the task's own error, its key and layer; others go on", async () => {
    const bad = planned([call("() => { throw Object.assign(new RangeError('no such band'), { code: 'band' }); }")]);
    const other = good();
    const [failed, fine] = await Promise.allSettled([
      runner.run(bad.graph, bad.plan, {}),
      runner.run(other.graph, other.plan, {}),
    ]);
    expect(failed).toMatchObject({
      status: "rejected",
      reason: { name: "RangeError", code: "band", message: "no such band" },
    });
    const { layer, key } = failed.status === "rejected" ? failed.reason.details : {};
    expect(layer).toMatch(/^call-/);
    expect(key).toContain(layer);
    expect(fine.status).toBe("fulfilled");
  });

  it("reject when a function gives no array", async () => {
    const graph = planned([call("() => 'text'")]);
    await expect(runner.run(graph.graph, graph.plan, {})).rejects.toMatchObject({ code: "shape" });
  });

  it("try again as often as asked", async () => {
    const block = arange(2, { chunks: [2], dtype: "float64" }).node;
    const failing = (name: string): PlannedGraph =>
      planned([
        call(
          `(x) => { globalThis.${name} = (globalThis.${name} ?? 0) + 1; if (globalThis.${name} === 1) throw new Error("not yet"); return new x.constructor("float64", x.data.map((v) => v + 1), [2]); }`,
          block,
        ),
      ]);
    const once = failing("once");
    await expect(runner.run(once.graph, once.plan, {})).rejects.toMatchObject({ message: "not yet" });
    // Each of two threads may fail once before either is well.
    const thrice = failing("thrice");
    expect(plain(await runner.run(thrice.graph, thrice.plan, { retries: 2 }))).toEqual([[["float64", [1, 2]]]]);
  });

  it("end when aborted, before, while waiting and while running, and leave the runner usable", async () => {
    const graph = planned([
      arange(2_000_000_000, { chunks: [1_000_000], dtype: "float64" })
        .div(3)
        .sum().node,
    ]);
    await expect(runner.run(graph.graph, graph.plan, { signal: AbortSignal.abort("no") })).rejects.toMatchObject({
      code: "cancelled",
      cause: "no",
    });
    const stop = new AbortController();
    const onProgress = (): void => stop.abort("enough");
    const running = runner.run(graph.graph, graph.plan, { signal: stop.signal, onProgress });
    const waiting = runner.run(graph.graph, graph.plan, { signal: stop.signal, memoryBytes: 64 * MIB });
    const reason = { code: "cancelled", cause: "enough" };
    expect(await Promise.allSettled([running, waiting])).toMatchObject([{ reason }, { reason }]);
    const after = good();
    expect(plain(await runner.run(after.graph, after.plan, {}))).toEqual(await oracle(after));
  });

  it("reject when the runner is closed; a later run starts anew", async () => {
    const own = localRunner({ threads: 1, memoryLimitBytes: 512 * MIB });
    const graph = planned([
      arange(2_000_000_000, { chunks: [1_000_000], dtype: "float64" })
        .div(3)
        .sum().node,
    ]);
    const running = own.run(graph.graph, graph.plan, {});
    const rejected = expect(running).rejects.toMatchObject({ code: "cancelled" });
    await own[Symbol.asyncDispose]();
    await rejected;
    const after = good();
    expect(plain(await own.run(after.graph, after.plan, {}))).toEqual(await oracle(after));
    await own[Symbol.asyncDispose]();
  });

  it("do not wait behind one that was given up", async () => {
    const stop = [new AbortController(), new AbortController()] as const;
    const [endless, other, next] = [planned([call("() => { while (true) {} }")]), good(), good()];
    const running = runner.run(endless.graph, endless.plan, { signal: stop[0].signal });
    // Another bound on memory waits for the end of what runs, and the next one behind it.
    const waiting = runner.run(other.graph, other.plan, { signal: stop[1].signal, memoryBytes: 64 * MIB });
    const last = runner.run(next.graph, next.plan, {});
    stop[1].abort();
    await expect(waiting).rejects.toMatchObject({ code: "cancelled" });
    expect(plain(await last)).toEqual(await oracle(next));
    stop[0].abort();
    await expect(running).rejects.toMatchObject({ code: "cancelled" });
  });

  it("that begin while the runner is being closed are not its former ones", async () => {
    await using own = localRunner({ threads: 1, memoryLimitBytes: 512 * MIB });
    const { graph, plan } = planned([
      arange(8)
        .rechunk([[4, 4]])
        .add(1).node,
    ]);
    const before = own.runGroups(graph, plan, [{ outputs: [0] }], {})[0]?.catch(({ code }) => code);
    const closing = own[Symbol.asyncDispose]();
    const after = own.runGroups(graph, plan, [{ outputs: [0] }], {})[0];
    await closing;
    expect(await before).toBe("cancelled");
    expect((await after)?.flat()).toHaveLength(2);
  });

  it("that cannot be told to the threads reject, and keep nothing", async () => {
    await using own = localRunner({ threads: 1, memoryLimitBytes: 512 * MIB });
    const bytes = new Uint8Array(16);
    const layer = { kind: "literal", name: "a", dtype: "float64", chunks: [[2]], inline: false, bytes } as const;
    const graph = new Graph([layer], [0]);
    const plan = planned([arange(8).node]).plan;
    const { memoryBytes } = await own.limits();
    const { signal } = new AbortController();
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] }); // now it is nobody's
    const [run] = own.runGroups(graph, plan, [{ outputs: [0], signal }], {});
    await expect(run).rejects.toThrow("detached");
    const [hold] = await own.holdGroups(graph, plan, [{ outputs: [0], signal }], {});
    await expect(hold?.wait()).rejects.toThrow("detached");
    expect((await own.limits()).memoryBytes).toBe(memoryBytes);
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });

  it("do not wait for room that a small result keeps which waits for others to go with", async () => {
    // x fills half of the memory, its sums lie behind it, and y fits only where both were.
    const memoryBytes = 56 * MIB;
    const own = localRunner({ threads: 1, memoryLimitBytes: runtimeReserveBytes(1) + 64 * MIB });
    const numbers = (seed: number, mib: number): ChunkedArray =>
      random.defaultRng(seed).random([(mib * MIB) / 8], { chunks: -1 });
    const [x, y] = [numbers(1, 26), numbers(2, 45)];
    const nodes = [x.sub(1).sum().node, x.max().node, y.sub(1).sum().node, y.max().node];
    const graph = planGraph(nodes, { threads: 1, memoryBytes });
    const got = await own.run(graph.graph, graph.plan, { memoryBytes });
    expect(plain(got)).toEqual(await oracle(graph));
    await own[Symbol.asyncDispose]();
  });

  it("whose result is larger than any memory are refused, and others go on", async () => {
    const huge = planned([zeros([2 ** 47], { dtype: "int8", chunks: 2 ** 26 }).add(1).node], 2 ** 50); // 128 TiB
    const refused = runner.run(huge.graph, huge.plan, {});
    await expect(refused).rejects.toMatchObject({ code: "memory-budget", details: { needed: 2 ** 47 } });
    const after = good();
    expect(plain(await runner.run(after.graph, after.plan, {}))).toEqual(await oracle(after));
  });

  it("do not start under a limit that the runtime itself would pass", async () => {
    await expect(localRunner({ threads: 2, memoryLimitBytes: 64 * MIB }).limits()).rejects.toMatchObject({
      code: "config",
    });
  });
});
