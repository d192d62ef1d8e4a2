/** Rechunks and transpositions by tiles: the same values, and less of the input at once. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { random } from "../../src/array/index.ts";
import { runTask } from "../../src/executor/index.ts";
import {
  buildGraph,
  type Graph,
  type LayerNode,
  rechunkNode,
  runSequential,
  stageRechunks,
  taskEdges,
  transposeNode,
} from "../../src/graph/index.ts";
import type { NDArray } from "../../src/ndarray/index.ts";

/** Values of all blocks of the only output, in order. */
async function values(graph: Graph): Promise<number[][]> {
  const [blocks = []] = await runSequential(
    graph,
    async (spec, inputs) => (await runTask(spec, inputs)) as NDArray, // no task of these gives anything else
  );
  return blocks.map((block) => Array.from(block.data as Float64Array)); // as random numbers are
}

/** Most bytes of inputs that one task has. */
function widest(graph: Graph): number {
  const edges = taskEdges(graph);
  return Math.max(
    ...Array.from({ length: graph.taskCount }, (_, t) => {
      const inputs = edges.dependencies.subarray(edges.start[t] as number, edges.start[t + 1] as number);
      return inputs.reduce((sum, input) => sum + graph.nbytes(input), 0);
    }),
  );
}

const cuts = (n: number): fc.Arbitrary<number[]> =>
  fc.array(fc.integer({ min: 1, max: n }), { minLength: 1, maxLength: n }).map((sizes) => {
    const out: number[] = [];
    for (let at = 0, k = 0; at < n; k++) {
      const size = Math.min(sizes[k % sizes.length] as number, n - at);
      out.push(size);
      at += size;
    }
    return out;
  });

const cases = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 2, maxLength: 3 }).chain((shape) =>
  fc.record({
    from: fc.tuple(...shape.map(cuts)),
    to: fc.tuple(...shape.map(cuts)),
    order: fc.constantFrom(...[shape.map((_, k) => k), shape.map((_, k) => k).reverse()]),
    groupBytes: fc.integer({ min: 8, max: 8 * 200 }),
  }),
);

test("tiles change neither values nor bits", async () => {
  let staged = 0;
  await fc.assert(
    fc.asyncProperty(cases, async ({ from, to, order, groupBytes }) => {
      const x = random.defaultRng(7).random(
        from.map((sizes) => sizes.reduce((a, b) => a + b, 0)),
        { chunks: from },
      );
      const cut: LayerNode = rechunkNode(
        transposeNode(x.node, order),
        order.map((k) => to[k] as number[]),
      );
      const graph = buildGraph([cut]);
      const tiled = stageRechunks(graph, groupBytes, 8);
      if (tiled === null) return;
      staged++;
      expect(await values(tiled)).toEqual(await values(graph));
      expect(tiled.layer(tiled.outputs[0] as number).name).toBe(graph.layer(graph.outputs[0] as number).name);
    }),
    { numRuns: 150 },
  );
  expect(staged).toBeGreaterThan(5);
});

test("rows to columns: a step has one group of rows or of columns, not the whole array", () => {
  const [n, rows] = [256, 4];
  const x = random.defaultRng(7).random([n, n], { chunks: [rows, n] });
  const graph = buildGraph([x.rechunk([n, rows]).node]);
  expect(widest(graph)).toBe(8 * n * n);
  const tiled = stageRechunks(graph, (8 * n * n) / 8, 8) as Graph;
  // 32 rows of 256, tiles of 32 x 32, groups of 8 tiles.
  expect(tiled.layers.map((layer) => layer.chunks.map((sizes) => sizes.length))).toEqual([
    [64, 1],
    [8, 8],
    [1, 64],
  ]);
  expect(widest(tiled)).toBe((8 * n * n) / 8);
});

test("what needs no more than it may is left alone", () => {
  const x = random.defaultRng(7).random([64, 64], { chunks: [4, 64] });
  expect(stageRechunks(buildGraph([x.rechunk([64, 4]).node]), 8 * 64 * 64, 8)).toBeNull();
  expect(stageRechunks(buildGraph([x.rechunk([16, 64]).node]), 8 * 16 * 64, 8)).toBeNull();
});
