/** Answers told as a first task and a shape are those that are told task by task. */
import { expect, test } from "vitest";
import { type Random, seededRandom } from "../../src/base/index.ts";
import { type EdgeRows, NO_SHAPE, sizeOfShape, spread } from "../../src/graph/edge-rows.ts";
import { GraphEdges } from "../../src/graph/edges.ts";
import { type Chunks, type Graph, type LayerNode, rechunkNode, reduceNode, sourceNode } from "../../src/graph/index.ts";
import { graphOf, sumCall } from "../sim/random-graph.ts";

const SUM = { op: "sum", from: "float32", dtype: "float32", ddof: 0, minCount: 0, empty: null } as const;

const cuts = (random: Random, shape: readonly number[]): Chunks =>
  shape.map((size) => {
    const out: number[] = [];
    for (let left = size; left > 0; left -= out.at(-1) as number) out.push(Math.min(left, 1 + random.below(4)));
    return out;
  });

/** Rechunks over each other, and a sum along one axis. */
function randomGraph(random: Random, axes: number): Graph {
  const shape = Array.from({ length: axes }, () => 1 + random.below(12));
  let node: LayerNode = sourceNode({ source: "s", dtype: "float32", chunks: cuts(random, shape), scratchBytes: 0 });
  for (let i = 0; i < 3; i++) node = rechunkNode(node, cuts(random, shape));
  const inputs = [{ layer: node, axes: shape.map((_, axis) => axis) }];
  const of = { reduced: [random.below(axes)], keepdims: true, splitEvery: 2 + random.below(3) };
  return graphOf([reduceNode("sum", sumCall(1), SUM, inputs, node.layer.chunks, of)]);
}

/** Ask all tasks of a layer in runs of `run` neighbours; gives how many had a shape. */
function compare(
  rows: EdgeRows,
  { base, count, run }: { readonly base: number; readonly count: number; readonly run: number },
  told: (task: number, out: number[]) => number,
): number {
  const [STEP, AT] = [4, 3];
  let shaped = 0;
  for (let first = base; first < base + count; first += run) {
    const many = Math.min(run, base + count - first);
    const out = new Int32Array(AT + many * STEP).fill(-7);
    rows.shapes(first, many, out, AT, STEP);
    for (let k = 0; k < many; k++) {
      const [start, shape] = [out[AT + k * STEP] as number, out[AT + k * STEP + 1] as number];
      const [want, got]: [number[], number[]] = [[], []];
      want.length = told(first + k, want);
      expect([out[AT + k * STEP - 1], out[AT + k * STEP + 2] ?? -7]).toEqual([-7, -7]);
      if (shape === NO_SHAPE) continue;
      shaped++;
      got.length = spread(start, shape, rows.strides, got);
      expect(got).toEqual(want);
      expect(sizeOfShape(shape)).toBe(want.length);
    }
  }
  return shaped;
}

test.each([1, 2, 3])("in runs of neighbours, along %i axes", (axes) => {
  const random = seededRandom(axes);
  let shaped = 0;
  for (let round = 0; round < 40; round++) {
    const graph = randomGraph(random, axes);
    const edges = new GraphEdges(graph);
    for (const [index, layer] of graph.layers.entries()) {
      if (layer.inline) continue;
      const of = { base: graph.base(index), count: graph.count(index), run: 1 + random.below(40) };
      const [inputs, users] = [edges.inputRows(index), edges.userRows(index)];
      if (inputs) shaped += compare(inputs, of, (task, out) => edges.inputs(task, out));
      if (users) shaped += compare(users, of, (task, out) => edges.dependents(task, out));
    }
  }
  expect(shaped).toBeGreaterThan(500);
});

test("what is wider than a shape can say is to be asked for", () => {
  const long = new Array<number>(1500).fill(1);
  const source = sourceNode({ source: "s", dtype: "float32", chunks: [long], scratchBytes: 0 });
  const graph = graphOf([rechunkNode(source, [[1000, 500]])]);
  const edges = new GraphEdges(graph);
  const index = graph.outputs[0] as number;
  const out = new Int32Array(4);
  edges.inputRows(index)?.shapes(graph.base(index), 2, out, 0, 2);
  expect(sizeOfShape(out[1] as number)).toBe(1000);
  expect(out[2]).toBe((out[0] as number) + 1000);
  expect(sizeOfShape(out[3] as number)).toBe(500);
  const wider = graphOf([rechunkNode(source, [[1500]])]);
  const last = wider.outputs[0] as number;
  new GraphEdges(wider).inputRows(last)?.shapes(wider.base(last), 1, out, 0, 2);
  expect(out[1]).toBe(NO_SHAPE);
});
