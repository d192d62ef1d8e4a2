/** S-C18: how much of a worker's disk counts, and what is said of the next use of a block. */
import { expect, test } from "vitest";
import { blockwiseNode, Graph, reduceNode, sourceNode } from "../../../src/graph/index.ts";
import { ANYWHERE } from "../../../src/scheduler/state/index.ts";
import { graphOf, sumCall } from "../../sim/random-graph.ts";
import { Driver } from "./drive.ts";

/** Ten blocks of 800 bytes, all wanted: 8000 at the least. */
function tenBlocks(): Graph {
  const chunks = [new Array<number>(10).fill(200)];
  return graphOf([sourceNode({ source: "s", dtype: "float32", chunks, scratchBytes: 0 })]);
}

function submit(driver: Driver, graph: Graph, leastBytes: number): void {
  driver.client();
  driver.feed({
    type: "submit-layers",
    client: "alice",
    graph,
    wanted: graph.wanted().flat(),
    leastBytes,
    placement: ANYWHERE,
    retries: 0,
    priority: 0,
  });
}

/** Tasks that a worker of eight threads is given at once. */
function given(budgetBytes: number, spillBytes: number, graph: Graph = tenBlocks()): number {
  const driver = new Driver({ sendAhead: 0 });
  driver.worker("w", { nthreads: 8, budgetBytes, spillBytes });
  submit(driver, graph, 8000);
  return driver.orders.length;
}

test("S-C18: beyond S a quarter of memory is for what runs ahead, as far as the disk goes", () => {
  // The head, and as many of 800 bytes as a quarter of the memory holds.
  expect(given(4000, 1e6)).toBe(1 + 1);
  expect(given(7200, 1e6)).toBe(1 + 2);
  // Memory and disk together leave 900 beyond S.
  expect(given(7200, 1700)).toBe(1 + 1);
  expect(given(7200, 800)).toBe(1);
});

test("S-C18: nothing runs ahead where memory does not hold S and some blocks may not leave it", () => {
  const graph = tenBlocks();
  const staying = new Graph(
    graph.layers.map((layer) => ({ ...layer, inMemory: true })),
    graph.outputs,
  );
  expect(given(7200, 1e6, staying)).toBe(1);
  // What memory holds beyond S is for whoever comes.
  expect(given(9700, 1e6, staying)).toBe(1 + 2);
});

test("S-C18: without a disk, and where memory holds more than that, memory counts", () => {
  expect(given(4000, 0)).toBe(1);
  expect(given(9700, 0)).toBe(1 + 2);
  expect(given(12_000, 1e6)).toBe(1 + 5);
});

test("S-C18: the next use of a block is the rank of the first dependent that has not run; none for what nobody needs", () => {
  const driver = new Driver({ sendAhead: 0 });
  driver.worker("w", { nthreads: 1 });
  const chunks = [[2, 2]];
  const source = sourceNode({ source: "s", dtype: "float32", chunks, scratchBytes: 0 });
  const copy = blockwiseNode("copy", sumCall(1), [{ layer: source, axes: [0] }], chunks);
  const spec = { op: "sum", from: "float32", dtype: "float32", ddof: 0, minCount: 0, empty: null } as const;
  const layout = { reduced: [0], keepdims: true, splitEvery: 2 };
  const total = reduceNode("sum", sumCall(1), spec, [{ layer: copy, axes: [0] }], chunks, layout);
  // The copies are needed again when the sum of all is known.
  const graph = graphOf([
    blockwiseNode(
      "both",
      sumCall(2),
      [
        { layer: copy, axes: [0] },
        { layer: total, axes: [null] },
      ],
      chunks,
    ),
  ]);
  submit(driver, graph, 0);
  const keys = graph.layers.map((_, layer) => graph.key(graph.base(layer)));
  const at = (name: string): number => graph.layers.findIndex((layer) => layer.name.startsWith(name));
  const use = (name: string): number => driver.views.nextUse(keys[at(name)] as (typeof keys)[number]);
  const before = use("copy");
  expect(Number.isFinite(before)).toBe(true);
  const seen = new Set([before]);
  for (let order = driver.orders.shift(); order; order = driver.orders.shift()) {
    driver.answer(order, 8);
    seen.add(use("copy"));
  }
  // Read by its part of the sum, then by the difference, then by nobody; nobody needs a result.
  expect(use("copy")).toBe(Number.POSITIVE_INFINITY);
  expect(use("both")).toBe(Number.POSITIVE_INFINITY);
  const finite = [...seen].filter(Number.isFinite);
  expect(finite).toEqual([...finite].sort((a, b) => a - b));
  expect(finite.length).toBeGreaterThan(1);
});
