/** What rechunks cut, and plans in which that never goes to disk. */
import { describe, expect, test } from "vitest";
import { type ChunkedArray, concatenate, random } from "../../src/array/index.ts";
import { isRsdatError } from "../../src/base/index.ts";
import {
  buildGraph,
  decodeGraph,
  encodeGraph,
  Graph,
  type Layer,
  planGraph,
  planToRun,
  rechunkInputs,
  simulatePeaks,
  simulateSpill,
  taskEdges,
  taskOrder,
} from "../../src/graph/index.ts";

const MIB = 2 ** 20;
const DISK = 2 ** 30;

/** 8 MiB in rows of 128 KiB. */
const rows = (): ChunkedArray => random.defaultRng(1).random([1024, 1024], { chunks: [16, 1024] });
const swap = (): ChunkedArray => rows().rechunk([1024, 16]);

/** Names of the layers that the graph's rechunks cut, without their tokens. */
function cutOf(...arrays: ChunkedArray[]): string[] {
  const graph = buildGraph(arrays.map(({ node }) => node));
  return Array.from(rechunkInputs(graph), (k) => graph.layer(k).name.replace(/-[0-9a-f]+$/, ""));
}

describe("rechunks cut", () => {
  test("the blocks of other cuts from which theirs are put together", () => {
    expect(cutOf(swap())).toEqual(["random"]);
    expect(cutOf(swap().add(1).sum())).toEqual(["random"]);
    expect(cutOf(rows().transpose().rechunk([16, 1024]))).toEqual(["random"]);
    expect(cutOf(swap().abs(), rows().cumsum(0))).toContain("random");
  });

  test("nothing where blocks are copied, turned, parted or joined as they are cut", () => {
    expect(cutOf(rows())).toEqual([]);
    expect(cutOf(rows().transpose())).toEqual([]);
    expect(cutOf(rows().slice([0, 32]))).toEqual([]);
    expect(cutOf(concatenate([rows(), rows().add(1)]))).toEqual([]);
  });

  test("what an inline layer between is made from", () => {
    const walk = [{ axis: 0, start: 0, step: 1 }];
    const gather = (layer: number, chunks: number[], inline: boolean): Layer => ({
      kind: "gather",
      name: `g${layer}`,
      dtype: "float64",
      chunks: [chunks],
      inline,
      parts: [{ layer, lo: [0], hi: [4], walk }],
    });
    const first: Layer = {
      kind: "arange",
      name: "a",
      dtype: "float64",
      chunks: [[2, 2]],
      start: 0,
      step: 1,
      inline: false,
    };
    const found = (...layers: Layer[]): number[] => Array.from(rechunkInputs(new Graph(layers, [layers.length - 1])));
    expect(found(first, gather(0, [2, 2], true), gather(1, [4], false))).toEqual([0]);
    expect(found(first, gather(0, [2, 2], true), gather(1, [2, 2], false))).toEqual([]);
    expect(found(first, gather(0, [4], true), gather(1, [4], false))).toEqual([0]);
    expect(found(first, gather(0, [4], false), gather(1, [1, 3], false))).toEqual([0, 1]);
  });
});

describe("a plan whose rechunks stay in memory", () => {
  const plan = (x: ChunkedArray, memoryBytes: number, rechunksOnDisk?: boolean) =>
    planGraph([x.node], {
      threads: 1,
      memoryBytes,
      spillBytes: DISK,
      ...(rechunksOnDisk === undefined ? {} : { rechunksOnDisk }),
    });

  test("is refused where they would need the disk; the error says which setting keeps them from it", () => {
    expect(plan(swap().sum(), 4 * MIB).plan.bytesSpilled).toBeGreaterThan(3 * MIB);
    expect(plan(swap().sum(), 4 * MIB, true).plan.bytesSpilled).toBeGreaterThan(3 * MIB);
    let needed = 0;
    try {
      plan(swap().sum(), 4 * MIB, false);
      expect.unreachable();
    } catch (error) {
      if (!isRsdatError(error, "memory-budget")) throw error;
      expect(error.message).toMatch(/distributed\.p2p\.storage\.disk is false/);
      expect(error.details).toMatchObject({ allowed: 4 * MIB, key: "distributed.p2p.storage.disk" });
      needed = Number(error.details?.["needed"]);
    }
    // All of the array is there when the first of its columns is put together.
    expect(needed).toBeGreaterThanOrEqual(8 * MIB);
    expect(needed).toBeLessThan(9 * MIB);
    expect(plan(swap().sum(), 9 * MIB, false).plan.bytesSpilled).toBe(0);
  });

  test("spills other blocks", () => {
    const anomaly = (): ChunkedArray => {
      const x = random.defaultRng(2).random([16, MIB / 8], { chunks: [1, -1] });
      const small = random.defaultRng(3).random([512, 256], { chunks: [64, -1] });
      const mean = x.mean().add(small.mean());
      return x
        .sub(mean)
        .sum()
        .add(small.rechunk([-1, 32]).sub(mean).sum());
    };
    const { graph, plan: found } = plan(anomaly(), 6 * MIB, false);
    expect(found.bytesSpilled).toBeGreaterThan(9 * MIB);
    expect(found.bytesSpilled).toBeLessThan(16 * MIB);
    const staying = graph.layers.filter(({ inMemory }) => inMemory);
    expect(staying.map(({ chunks }) => chunks.map((sizes) => sizes[0]))).toEqual([[64, 256]]);
    expect(decodeGraph(encodeGraph(graph)).layers.map(({ inMemory }) => inMemory)).toEqual(
      graph.layers.map(({ inMemory }) => inMemory),
    );
    const lie = graph.layers.map((layer) => ({ ...layer, inMemory: "yes" }) as unknown as Layer); // no layer of ours
    expect(() => decodeGraph(encodeGraph(new Graph(lie, graph.outputs)))).toThrow(/flags/);
    expect(plan(anomaly(), 6 * MIB).graph.layers.some(({ inMemory }) => inMemory)).toBe(false);
  });

  test("says so also where it fits at a glance, since other graphs may run beside it", () => {
    const options = { threads: 1, memoryBytes: DISK, spillBytes: DISK, rechunksOnDisk: false };
    const small = random.defaultRng(3).random([8, 8], { chunks: [2, 8] });
    const { graph } = planToRun([small.rechunk([8, 2]).node], options);
    expect(graph.layers.map(({ inMemory }) => inMemory)).toEqual([true, undefined]);
  });
});

test("where no block may leave, what is lacking is what an order needs beyond the memory", () => {
  for (const x of [swap().sum(), rows().sub(rows().mean()).sum()]) {
    const graph = buildGraph([x.node]);
    const staying = new Graph(
      graph.layers.map((layer) => ({ ...layer, inMemory: true })),
      graph.outputs,
    );
    const [order, edges] = [taskOrder(staying), taskEdges(staying)];
    const workspace = new Float64Array(staying.taskCount);
    const { least } = simulatePeaks(staying, order, edges, workspace);
    const spill = (memory: number) => simulateSpill(staying, { order, edges }, (task) => staying.nbytes(task), memory);
    expect(spill(2 * MIB)).toEqual({ written: 0, read: 0, onDisk: 0, lacking: least - 2 * MIB });
    expect(spill(least)).toEqual({ written: 0, read: 0, onDisk: 0, lacking: 0 });
  }
});
