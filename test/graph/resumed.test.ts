/** A write that goes on where an earlier one stopped: nothing is computed for objects that are there. */
import { expect, test } from "vitest";
import { zeros } from "../../src/array/index.ts";
import {
  buildGraph,
  decodeGraph,
  encodeGraph,
  type Graph,
  type LayerNode,
  taskEdges,
  taskOrder,
  writeZarrNode,
} from "../../src/graph/index.ts";

/** Four blocks, each the sum of eight sums of four. */
const blocks: LayerNode = zeros([16, 32], { dtype: "float32", chunks: [4, 1] }).sum(1).node;

function graphOf(done?: Float64Array): Graph {
  return buildGraph([writeZarrNode(blocks, { url: "mem:" }, "data", done)]);
}

/** Kinds and block numbers of the tasks that run. */
function ran(graph: Graph): string[] {
  return Array.from(taskOrder(graph), (task) => {
    const { layer, index } = graph.locate(task);
    return `${graph.layer(layer).kind} ${index}`;
  }).sort();
}

test("the inputs of written objects alone are not read", () => {
  const done = Float64Array.of(Number.NaN, 120, 0, Number.NaN);
  const all = ran(graphOf());
  const rest = ran(graphOf(done));
  // Block i is combined from eight blocks of its own row: half the blocks, half the work, but for the writes themselves.
  expect(rest.length - 4).toBe((all.length - 4) / 2);
  expect(rest).toEqual(expect.arrayContaining([0, 1, 2, 3].map((i) => `write-zarr ${i}`)));
  const graph = graphOf(done);
  const writes = graph.wanted()[0] as number[]; // one output
  const edges = taskEdges(graph);
  const inputs = writes.map((task) => (edges.start[task + 1] as number) - (edges.start[task] as number)); // tasks of the graph
  expect(inputs.map((n) => n > 0)).toEqual([true, false, false, true]);
  expect(graph.expand(writes[1] as number).spec.steps).toEqual([
    { do: "literal", dtype: "float64", shape: [1], bytes: new Uint8Array(Float64Array.of(120).buffer) },
  ]);
});

test("travels, and another number of objects is refused", () => {
  const graph = graphOf(Float64Array.of(1, 2, Number.NaN, Number.NaN));
  expect(ran(decodeGraph(encodeGraph(graph)))).toEqual(ran(graph));
  expect(() => decodeGraph(encodeGraph(graphOf(Float64Array.of(1, 2))))).toThrow(/8 bytes of what is done/);
});
