/** Results that need nothing, and that nothing needs, get their places in a loop of their own. */
import { expect, test } from "vitest";
import { seededRandom } from "../../src/base/index.ts";
import { type Chunks, Graph, type Layer, mapInputs, OrderCuts, sourceNode, TaskWalk } from "../../src/graph/index.ts";

const FLOAT32_BYTES = 4;
/** What a cut counts for a task beside its bytes (`TASK_BYTES` of `walk.ts`). */
const TASK_BYTES = 65_536;

function source(name: string, chunks: Chunks): Layer {
  const { layer } = sourceNode({ source: name, dtype: "float32", chunks, scratchBytes: 0 });
  return { ...mapInputs(layer, () => 0), inline: false }; // it has none
}

/** Bytes of each task of a graph of sources. */
function bytesOf(graph: Graph): number[] {
  return graph.layers.flatMap(({ chunks }) =>
    chunks.reduce<number[]>((all, sizes) => all.flatMap((n) => sizes.map((size) => n * size)), [FLOAT32_BYTES]),
  );
}

test.each([1, 2, 3, 4, 5, 6, 7, 8])("they come in the order in which they are wanted, each once: seed %i", (seed) => {
  const random = seededRandom(seed);
  const uneven = [3, 5, 3];
  const layers = [
    source("even", [new Array<number>(40).fill(10), new Array<number>(30).fill(2)]),
    source("uneven", [uneven, uneven]),
    source("more", [new Array<number>(7).fill(1)]),
  ];
  const graph = new Graph(layers, [0, 1, 2]);
  const bytes = bytesOf(graph);
  expect(bytes).toHaveLength(graph.taskCount);
  const all = graph.wanted().flat();
  const wanted = seed === 1 ? all : Array.from({ length: 900 }, () => all[random.below(all.length)] as number);
  const walk = new TaskWalk(graph, wanted);
  walk.cuts = new OrderCuts();
  const expected = [...new Set(wanted)];
  const order: number[] = [];
  while (!walk.isDone) {
    const most = 1 + random.below(300);
    const piece = new Uint32Array(most);
    const users = new Uint32Array(most).fill(7);
    const count = walk.next(piece, most, users);
    order.push(...piece.subarray(0, count));
    expect(users.subarray(0, count).every((n) => n === 0)).toBe(true);
  }
  expect(order).toEqual(expected);
  expect(walk.ranked).toBe(expected.length);
  // Results stay: each lives beside all before it.
  expect(walk.leastBytes).toBe(expected.reduce((sum, task) => sum + (bytes[task] as number), 0));
  let made = 0;
  expect(walk.cuts.count).toBe(expected.length);
  for (const [rank, task] of expected.entries()) {
    expect([walk.cuts.rank(rank), walk.cuts.bytes(rank), walk.cuts.work(rank)]).toEqual([
      rank,
      0,
      made + rank * TASK_BYTES,
    ]);
    made += bytes[task] as number;
    expect(walk.isRanked(task)).toBe(true);
  }
});
