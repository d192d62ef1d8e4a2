/** Bytes of tasks by the kind of their block, against the program of each. */
import { expect, test } from "vitest";
import { type Chunks, Graph, mapInputs, rechunkNode, sourceNode } from "../../src/graph/index.ts";
import { TaskNeeds } from "../../src/graph/needs.ts";

const many = Array.from({ length: 40 }, (_, i) => 1 + ((i * 7) % 40));
const total = many.reduce((a, b) => a + b, 0);
const few = [3, 5, 3, 5, 4];

function graphOf(chunks: Chunks, to: Chunks): Graph {
  const source = sourceNode({ source: "s", dtype: "float32", chunks, scratchBytes: 16 });
  const { layer } = rechunkNode(source, to);
  return new Graph(
    [source.layer, layer].map((each) => ({ ...mapInputs(each, () => 0), inline: false })),
    [1],
  );
}

test.each<[string, Chunks, Chunks]>([
  ["more kinds along an axis than have a place of their own", [many, few], [[total], [2, 9, 9]]],
  ["many kinds on both sides", [many], [many.toReversed()]],
  ["more axes than have", [few, [1, 2], [2, 1], few], [[20], [3], [3], [10, 10]]],
  ["few kinds along three axes", [few, few, [1, 2]], [[4, 7, 9], [20], [2, 1]]],
])("%s", (_, chunks, to) => {
  const graph = graphOf(chunks, to);
  const needs = new TaskNeeds(graph);
  for (let round = 0; round < 2; round++) {
    for (let layer = 0; layer < 2; layer++) {
      for (let task = graph.base(layer); task < graph.base(layer) + graph.count(layer); task++) {
        const { spec } = graph.expand(task);
        const { nbytes } = spec.out;
        expect(needs.of(layer, task), `task ${task}`).toEqual({ nbytes, need: nbytes + spec.workspace });
      }
    }
  }
});
