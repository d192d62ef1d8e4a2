/** Graphs that are seen to need no optimising, and plans whose figures are worked out later, are those of the long way. */
import { describe, expect, it, test } from "vitest";
import * as array from "../../src/array/index.ts";
import { optimisedGraph } from "../../src/graph/fuse.ts";
import { buildGraph, heldNode, type LayerNode, literalNode, planGraph, planToRun } from "../../src/graph/index.ts";
import { surelyFits } from "../../src/graph/late-plan.ts";
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
    const isSure = surelyFits(graph, Math.max(plan.peakWorkerBytes, plan.largestTaskBytes) - 1);
    expect(isSure && plan.peakWorkerBytes > 0).toBe(false);
  }
  expect(surelyFits(buildGraph(array.negative(x).outputs), 2 ** 20)).toBe(true);
  expect(() => planToRun(array.negative(x).outputs, { ...OPTIONS, memoryBytes: 1000 })).toThrow("needs at least");
});
