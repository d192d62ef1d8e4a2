/** Which blocks of a worker leave first: those whose next use is furthest in the order of their graph. */
import { expect, test } from "vitest";
import { random } from "../../src/array/index.ts";
import type { BlockHandle } from "../../src/executor/index.ts";
import { buildGraph, Graph, type Key, keyOfValue, type Layer, taskOrder } from "../../src/graph/index.ts";
import { SpillOrder } from "../../src/worker/spill.ts";

const block = (id: number): BlockHandle => ({ id, nbytes: 8, dtype: "float64", shape: [1] });

/** Four blocks that are all needed for their mean, and then again, one after another. */
const x = random.defaultRng(1).random([4, 8], { chunks: [1, 8] });
const graph = buildGraph([x.sub(x.mean()).sum().node]);
const layer = graph.layers.findIndex(({ name }) => name.startsWith("random-"));
const keys = [0, 1, 2, 3].map((k) => graph.key(graph.base(layer) + k));

function order(held: readonly (readonly [Key, BlockHandle])[], graphs = [graph]): number[] {
  const spill = new SpillOrder();
  expect(spill.blocks()).toEqual([]);
  spill.attach({ blocks: () => held, graphs: () => graphs });
  return spill.blocks().map(({ id }) => id);
}

const ranks = taskOrder(graph);
const rankOf = (k: number): number => ranks.indexOf(graph.base(layer) + k);

/** Blocks by the rank of the first task after the last of `held` that reads them, latest first; by looking at every task. */
function expected(held: readonly number[]): number[] {
  const now = Math.max(...held.map(rankOf));
  const next = (k: number): number =>
    ranks.findIndex((task, rank) => rank > now && graph.expand(task).dependencies.includes(graph.base(layer) + k));
  return [...held].sort((a, b) => next(b) - next(a));
}

test("blocks of a graph by their next use, furthest first, whatever the order in which they came", () => {
  const late = expected([2, 0, 3, 1]);
  expect(new Set(late)).toEqual(new Set([0, 1, 2, 3]));
  expect(order([2, 0, 3, 1].map((k) => [keys[k] as Key, block(k)] as const))).toEqual(late);
});

test("what no known graph has leaves before, the oldest first", () => {
  const foreign = ["a", "b"].map((name, k) => [keyOfValue(name), block(10 + k)] as const);
  const own = [0, 1, 2, 3].map((k) => [keys[k] as Key, block(k)] as const);
  expect(order([...own, ...foreign])).toEqual([10, 11, ...expected([0, 1, 2, 3])]);
  expect(order([...own, ...foreign], [])).toEqual([0, 1, 2, 3, 10, 11]);
});

test("blocks of layers that stay in memory never leave, also of graphs that are too large to be ordered", () => {
  const layers = graph.layers.map((each, k) => (k === layer ? { ...each, inMemory: true } : each));
  const staying = new Graph(layers, graph.outputs);
  const own = [0, 1, 2, 3].map((k) => [keys[k] as Key, block(k)] as const);
  const foreign = [[keyOfValue("a"), block(10)]] as const;
  expect(order([...own, ...foreign], [staying])).toEqual([10]);
  const large = new Graph([{ ...(staying.layer(layer) as Layer), chunks: [new Array(300_001).fill(1), [8]] }], [0]);
  expect(order([...own, ...foreign], [large])).toEqual([10]);
});
