/** Keys of blocks, found by the name of their layer and their place. */
import { expect, test } from "vitest";
import { blockwiseNode, type Key, sourceNode } from "../../../src/graph/index.ts";
import { graphOf, sumCall } from "../../sim/random-graph.ts";
import { Driver } from "./drive.ts";
import { submit } from "./layers.ts";

test("keys of blocks lead to their tasks, and what only looks like one leads nowhere", () => {
  const chunks = [new Array<number>(12).fill(2), [3, 3]];
  const source = sourceNode({ source: "s", dtype: "float32", chunks, scratchBytes: 0 });
  const graph = graphOf([blockwiseNode("a", sumCall(1), [{ layer: source, axes: [0, 1] }], chunks)]);
  const driver = new Driver();
  submit(driver, graph);
  const { layerNames } = driver.core;
  const tasks = Array.from({ length: graph.taskCount }, (_, task) => task);
  expect(tasks.map((task) => layerNames.find(graph.key(task))?.task)).toEqual(tasks);
  const text = String(graph.key(13)); // \0["name",1,1] of the second layer
  const ends = [
    ",1]",
    ",1,1",
    ",1,1,1]",
    ",12,0]",
    ",0,2]",
    ",-1,0]",
    ",,0]",
    ",1,1]]",
    '","1",1]',
    ",1.0,1]",
    "x,1,1]",
    ",1,99999999999999999999]",
  ];
  const begin = text.slice(0, text.indexOf('",') + 1);
  const found = [...ends.map((end) => begin + end), text.slice(1), "", "\0[1,1]", '\0["nobody",1,1]'];
  expect(found.map((key) => layerNames.find(key as Key))).toEqual(found.map(() => undefined));
});
