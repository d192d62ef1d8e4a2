/** Graphs that are seen to need no optimising, and plans whose figures are worked out later, are those of the long way. */
import { describe, expect, it, test } from "vitest";
import * as array from "../../src/array/index.ts";
import { optimisedGraph } from "../../src/graph/fuse.ts";
import { buildGraph, heldNode, type LayerNode, literalNode, planGraph, planToRun } from "../../src/graph/index.ts";
import { leastBytesIfMade, surelyFits } from "../../src/graph/late-plan.ts";
import { settledNodes } from "../../src/graph/settled.ts";

const OPTIONS = { threads: 2, memoryBytes: 2 ** 30, spillBytes: 0, workers: 1 };

function held(name: string, chunks: readonly (readonly number[])[]): array.ChunkedArray {
  return new array.ChunkedArray(heldNode(literalNode("a", "float32", chunks, new Uint8Array(4)), name));
}

const x = held("x", [[64], [32]]);
const y = held("y", [[64], [32]]);
const cut = held("cut", [[32, 32], [32]]);

const SETTLED: Readonly<Record<string, array.ChunkedArray>> = {
  held: x,
  negative: array.negative(x),
  "two inputs": array.add(x, y),
  "one input twice": array.multiply(x, x),
  "with numbers": array.clip(x, 0, 1),
  reduction: array.max(x),
  "reduction of blocks": array.sum(cut, 0),
  "reduction whose partials are no smaller": array.sum(cut, 1),
  argmin: array.argmin(cut),
  transposed: array.transpose(x),
  joined: array.concatenate([x, cut]),
  sorted: array.sort(x, -1),
  median: array.median(x, 0),
  ravel: array.ravel(x),
};

const OTHERS: Readonly<Record<string, array.ChunkedArray>> = {
  chain: array.negative(array.add(x, y)),
  "into a reduction": array.max(array.negative(x)),
  "view of a view": array.transpose(array.transpose(x)),
  "view of work": array.flip(array.negative(x), 0),
  "equal layers": array.concatenate([array.sort(x, 0), array.sort(held("x", [[64], [32]]), 0)]),
  created: array.flip(array.zeros([4, 4]), 0),
};

describe("what optimising would leave as it is", () => {
  for (const [name, { outputs }] of Object.entries(SETTLED))
    it(`is seen: ${name}`, () => {
      expect(settledNodes(outputs)).not.toBeNull();
      for (const recompute of [0, 1, 2] as const) {
        const want = optimisedGraph(outputs, { recompute, smallTasks: false });
        const got = buildGraph(outputs, recompute);
        expect(got.layers).toEqual(want.layers);
        expect(got.outputs).toEqual(want.outputs);
        expect(got.fusion).toEqual(want.fusion);
      }
    });
  for (const [name, { outputs }] of Object.entries(OTHERS))
    it(`is told from: ${name}`, () => expect(settledNodes(outputs)).toBeNull());
  it("is not looked for in long chains", () => {
    let node: array.ChunkedArray = x;
    for (let k = 0; k < 2_000; k++) node = array.sort(node, 0);
    expect(settledNodes(node.outputs)).toBeNull();
  });
});

describe("a plan to run", () => {
  for (const [name, { outputs }] of Object.entries({ ...SETTLED, ...OTHERS }))
    it(`tells what a plan tells: ${name}`, () => {
      const [late, plan] = [planToRun(outputs, OPTIONS), planGraph(outputs, OPTIONS)];
      expect(late.graph.layers).toEqual(plan.graph.layers);
      expect(late.order).toEqual(plan.order);
      expect(late.edges).toEqual(plan.edges);
      const { toString: _, ...figures } = plan.plan;
      for (const [figure, value] of Object.entries(figures))
        expect(late.plan[figure as keyof typeof figures]).toEqual(value);
      expect(late.plan.bytesSpilled).toBe(0);
      expect(String(late.plan)).toBe(String(plan.plan));
    });
});

test("what is taken to fit at a glance needs no more than that, and in less memory the plan is made", () => {
  const all: LayerNode[] = Object.values({ ...SETTLED, ...OTHERS }).flatMap((a) => a.outputs);
  for (const node of all) {
    const graph = buildGraph([node]);
    const { plan } = planGraph([node], { ...OPTIONS, threads: 64 });
    const bytes = surelyFits(graph, Math.max(plan.peakWorkerBytes, plan.largestTaskBytes) - 1);
    expect(bytes !== null && plan.peakWorkerBytes > 0).toBe(false);
  }
  expect(surelyFits(buildGraph(array.negative(x).outputs), 2 ** 20)).toBe(0);
  expect(() => planToRun(array.negative(x).outputs, { ...OPTIONS, memoryBytes: 1000 })).toThrow("needs at least");
});

/** Of more tasks than are looked at without their programs. */
const MANY: Readonly<Record<string, array.ChunkedArray>> = {
  "blocks of one kind": array.ones([100, 8], { chunks: [1, 8] }).add(1),
  "ends of two axes": array.ones([100, 100], { chunks: [9, 9] }).mul(2),
  "a larger end": array.ones([103], { chunks: [[...new Array<number>(100).fill(1), 3]] }).add(1),
  reduction: array.ones([500], { chunks: 1 }).add(1).sum(),
  "a reduction along one axis": array.ones([900, 96], { chunks: [9, 8] }).std(0),
};

describe("a graph of many small tasks", () => {
  for (const [name, { outputs }] of Object.entries(MANY))
    it(`is known to fit memory that holds all tasks four times, and no less: ${name}`, () => {
      const { plan, graph } = planGraph(outputs, { ...OPTIONS, threads: 100_000 });
      // So many threads have all tasks under way at once.
      const bytes = surelyFits(graph, 2 ** 30);
      expect(bytes).not.toBeNull();
      expect(plan.peakWorkerBytes).toBeLessThanOrEqual(bytes as number);
      expect(surelyFits(graph, 4 * (bytes as number))).toBe(bytes);
      expect(surelyFits(graph, 4 * (bytes as number) - 1)).toBeNull();
      const late = planToRun(outputs, OPTIONS);
      expect(leastBytesIfMade(late.plan)).toBe(bytes);
      expect(String(late.plan)).toBe(String(planGraph(outputs, OPTIONS).plan));
    });
  it("of blocks of many sizes is planned", () => {
    const chunks = [Array.from({ length: 100 }, (_, k) => 1 + (k % 7))];
    const { outputs } = array.ones([chunks[0]?.reduce((a, b) => a + b, 0) ?? 0], { chunks }).add(1);
    expect(surelyFits(buildGraph(outputs), 2 ** 30)).toBeNull();
    const planned = planToRun(outputs, OPTIONS);
    expect(leastBytesIfMade(planned.plan)).toBe(planned.plan.leastBytes);
  });
});
