import { describe, expect, test } from "vitest";
import { arange, array, concatenate, ones, stack } from "../../src/array/index.ts";
import { seededRandom } from "../../src/base/index.ts";
import {
  buildGraph,
  decodeGraph,
  decodeTaskSpec,
  encodeGraph,
  encodeTaskSpec,
  type Graph,
  planGraph,
  signTaskSpec,
  type TaskSpec,
  taskOrder,
  verifyTaskSpec,
} from "../../src/graph/index.ts";
import { useInlineRunner } from "../run-inline.ts";

useInlineRunner();

const kinds = (g: Graph): string[] => g.layers.filter((l) => !l.inline).map((l) => l.kind);
const read = ones([1000, 1000], { chunks: 100 });

describe("fusion", () => {
  test("a chain of elementwise operations is one layer of one task per block", () => {
    const g = buildGraph([read.add(1).mul(2).sub(read).clip(0, 10).node]);
    expect(kinds(g)).toEqual(["blockwise"]);
    expect(g.taskCount).toBe(100);
  });

  test("a map goes into the reduction that alone consumes it; partials of inline inputs go into their combination", () => {
    const g = buildGraph([read.mul(3).sum().node]);
    expect(kinds(g)).toEqual(["combine", "combine"]);
    // 10 × 10 blocks, 4 per axis: 3 × 3 groups, then one.
    expect(g.taskCount).toBe(9 + 1);
  });

  test("a reduction of blocks that other tasks make stays apart, so that they do not wait for each other", () => {
    const stacked = stack([1, 2, 3, 4].map((k) => read.add(k)));
    const { graph, plan } = planGraph([stacked.sum().node], {
      threads: 1,
      memoryBytes: 1e9,
      readCost: () => ({ bytes: 0, requests: 0 }),
    });
    expect(kinds(graph)).toContain("reduce");
    // A block of 100 × 100 float64 is 80 000 bytes: far from the 16 that one combination takes together.
    expect(plan.leastBytes).toBeLessThan(8 * 80_000);
  });

  test("a value that two layers need is made once", () => {
    const shared = read.add(1);
    const g = buildGraph([shared.sum().node, shared.mul(2).node]);
    expect(kinds(g).filter((k) => k === "blockwise")).toHaveLength(2);
  });

  test("equal layers built twice are one", () => {
    const g = buildGraph([read.add(1).node, ones([1000, 1000], { chunks: 100 }).add(1).node]);
    expect(g.outputs[0]).toBe(g.outputs[1]);
    expect(g.taskCount).toBe(100);
  });

  test("building costs layers, not tasks: a million blocks are a few hundred bytes", () => {
    const g = buildGraph([
      ones([1_000_000, 1000], { chunks: [1000, 1] })
        .add(1)
        .sum().node,
    ]);
    expect(g.layers.length).toBeLessThan(20);
    expect(g.count(0)).toBe(1_000_000);
    expect(encodeGraph(g).length).toBeLessThan(8000);
  });

  test("off-by-one slices do not splinter into small blocks", () => {
    const x = ones([400, 400], { chunks: 20 });
    const d = x.slice("1:, 1:").sub(x.slice(":-1, :-1"));
    expect(Math.max(...d.numblocks)).toBeLessThanOrEqual(21);
  });
});

describe("order and plan", () => {
  test("dependencies come first, every needed task once", () => {
    const x = array(
      Array.from({ length: 64 }, (_, i) => i),
      { chunks: 4 },
    );
    const g = buildGraph([x.add(1).rechunk(10).sum().node, x.max().node]);
    const order = [...taskOrder(g)];
    expect(new Set(order).size).toBe(order.length);
    const at = new Map(order.map((t, i) => [t, i]));
    for (const t of order)
      for (const d of g.expand(t).dependencies) expect(at.get(d)).toBeLessThan(at.get(t) as number);
  });

  test("blocks that come and go are counted for every thread, and for the one task that is ready behind them", () => {
    const block = 8_000 * 8;
    const { node } = arange(100 * 8_000, { chunks: 8_000, dtype: "float64" }).sum();
    for (const threads of [1, 2]) {
      const { plan } = planGraph([node], { threads, memoryBytes: 2 ** 30 });
      expect(plan.peakWorkerBytes).toBeGreaterThanOrEqual((threads + 1) * block);
      expect(plan.peakWorkerBytes).toBeLessThan((threads + 1.2) * block);
    }
  });

  test("a long reduction holds a few partials, not all blocks", () => {
    const x = arange(4_000_000, { chunks: 1000, dtype: "float64" });
    const { plan } = planGraph([x.add(1).rechunk(1000).sum().node], { threads: 1, memoryBytes: 2 ** 30 });
    expect(plan.leastBytes).toBeLessThan(200_000);
    expect(plan.peakWorkerBytes).toBeLessThan(200_000);
  });

  test("two outputs of one input are worked off together", () => {
    const shared = ones([100, 1000], { chunks: [1, 1000] })
      .add(1)
      .mul(2);
    const { plan } = planGraph([shared.sum(1).node, shared.max(1).node], { threads: 1, memoryBytes: 2 ** 30 });
    // One 8000-byte block at a time, beside 100 small results of each reduction.
    expect(plan.leastBytes).toBeLessThan(4 * 8000 + 2 * 100 * 8 * 4);
  });

  test("what does not fit when held is computed again, and the plan says so", () => {
    const x = ones([64, 1024], { chunks: [1, 1024] })
      .add(1)
      .mul(3);
    const anomaly = x.sub(x.mean(0)).sum();
    const roomy = planGraph([anomaly.node], { threads: 1, memoryBytes: 2 ** 30 });
    const tight = planGraph([anomaly.node], { threads: 1, memoryBytes: 200_000 });
    expect(roomy.plan.warnings).toEqual([]);
    expect(roomy.plan.leastBytes).toBeGreaterThan(64 * 1024 * 8);
    expect(tight.plan.leastBytes).toBeLessThanOrEqual(200_000);
    expect(tight.plan.warnings[0]).toMatch(/again by each consumer/);
  });
});

describe("plain bytes", () => {
  test("graphs and task specs survive, special numbers included", () => {
    const x = concatenate([array([Number.NaN, -0, 2 ** 60], { dtype: "float64" }), ones([5])]).where(
      array([true, false, true, true, true, true, true, true]),
      Number.NEGATIVE_INFINITY,
    );
    const y = stack([x, x.add(array([2n ** 63n - 1n, 0n, 0n, 0n, 0n, 0n, 0n, 0n]))]).mean(0);
    const g = buildGraph([y.node, x.isin([1, 2]).node]);
    const again = decodeGraph(encodeGraph(g));
    expect(again.layers).toEqual(g.layers);
    expect(again.outputs).toEqual(g.outputs);
    const { spec } = g.expand(0);
    expect(decodeTaskSpec(encodeTaskSpec(spec))).toEqual(spec);
  });

  test("what is no graph is refused with a typed error", () => {
    for (const text of [
      "",
      "{}",
      '{"v":2,"layers":[],"outputs":[]}',
      '{"v":1,"layers":[{"kind":"arange","chunks":[[5,1e12]]}],"outputs":[0]}',
    ]) {
      expect(() => decodeGraph(new TextEncoder().encode(text))).toThrow(
        expect.objectContaining({ code: "remote-protocol" }),
      );
    }
  });

  test("a user function's mac covers the whole spec: text, arguments, literals, inputs", () => {
    const call = {
      do: "call",
      dtype: "float64",
      shape: [],
      text: "x => x",
      inputs: [0],
      args: [1],
      mac: null,
    } as const;
    const literal = { do: "literal", dtype: "uint8", shape: [1], bytes: Uint8Array.of(7) } as const;
    const spec: TaskSpec = {
      v: 1,
      inputs: 0,
      steps: [literal, call],
      out: { dtype: "float64", shape: [], nbytes: 8 },
      workspace: 0,
      scratch: 0,
    };
    const signed = decodeTaskSpec(encodeTaskSpec(signTaskSpec(spec, "secret")));
    expect(verifyTaskSpec(signed, "secret")).toBe(true);
    expect(verifyTaskSpec(signed, "other")).toBe(false);
    expect(verifyTaskSpec(spec, "secret")).toBe(false);
    const [l, c] = signed.steps as [typeof literal, typeof call];
    for (const steps of [
      [l, { ...c, text: "x => y" }],
      [l, { ...c, args: [2] }],
      [l, { ...c, inputs: [] }],
      [{ ...l, bytes: Uint8Array.of(8) }, c],
      [l, l, c],
    ]) {
      expect(verifyTaskSpec({ ...signed, steps }, "secret")).toBe(false);
    }
  });

  test("a few bytes from a peer never become many: sizes are bounded before they are unpacked", () => {
    const bytes = (layers: unknown): Uint8Array =>
      new TextEncoder().encode(JSON.stringify({ v: 1, layers, outputs: [0] }));
    const layer = (...chunks: unknown[]): unknown => ({
      kind: "literal",
      name: "x",
      dtype: "uint8",
      inline: false,
      bytes: { $b: "AA==" },
      chunks,
    });
    const before = process.memoryUsage().rss;
    for (const layers of [
      [layer([1, 2 ** 26])],
      [layer([1, 2 ** 21], [1, 2 ** 21])],
      Array.from({ length: 40 }, (_, k) => layer([k + 1, 2 ** 21])),
      [layer(...Array.from({ length: 65 }, () => [1, 1]))],
      [layer([1, 1.5])],
      [layer([1])],
    ]) {
      expect(() => decodeGraph(bytes(layers))).toThrow(expect.objectContaining({ code: "remote-protocol" }));
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * 2 ** 20);
  });
});

test("a graph with any field changed is read or refused with a typed error, and its formulas hold", () => {
  const x = concatenate([ones([20, 6], { chunks: 3 }), ones([4, 6], { chunks: 3 })]).slice("::-1, 1:");
  const y = x.add(x.mean(0)).rechunk(4);
  const plain = JSON.parse(new TextDecoder().decode(encodeGraph(buildGraph([y.node, y.sum().node])))) as {
    layers: object[];
  };
  const random = seededRandom(7);
  const junk = [null, -1, 0, 1, 1.5, 1e9, "x", [], {}, [[1, 2 ** 20]], true];
  const paths: (readonly (string | number)[])[] = [];
  const walk = (value: unknown, path: readonly (string | number)[]): void => {
    if (path.length > 0) paths.push(path);
    if (typeof value !== "object" || value === null || path.length > 6) return;
    for (const [k, v] of Object.entries(value)) walk(v, [...path, k]);
  };
  walk(plain, []);
  let [read, refused] = [0, 0];
  for (let n = 0; n < 1500; n++) {
    const changed = structuredClone(plain) as Record<string | number, unknown>;
    const path = paths[random.below(paths.length)] as readonly (string | number)[];
    let at = changed;
    for (const k of path.slice(0, -1)) at = at[k] as Record<string | number, unknown>;
    at[path.at(-1) as string] = junk[random.below(junk.length)];
    let graph: Graph;
    try {
      graph = decodeGraph(new TextEncoder().encode(JSON.stringify(changed)));
    } catch (error) {
      refused++;
      expect(error, JSON.stringify(path)).toMatchObject({ code: "remote-protocol" });
      continue;
    }
    read++;
    if (graph.taskCount < 1000) expect(() => taskOrder(graph), JSON.stringify(path)).not.toThrow();
  }
  expect(Math.min(read, refused)).toBeGreaterThan(100);
});
