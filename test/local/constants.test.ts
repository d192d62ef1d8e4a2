/** Results of one value throughout, which no thread makes. */
import { afterAll, describe, expect, it } from "vitest";
import { type ChunkedArray, full, ones, zeros } from "../../src/array/index.ts";
import type { DType } from "../../src/dtype/index.ts";
import { runTask } from "../../src/executor/index.ts";
import { type PlannedGraph, planGraph, pushRunner, type RunProgress, runSequential } from "../../src/graph/index.ts";
import { constantResults } from "../../src/local/constants.ts";
import { localRunner } from "../../src/local/index.ts";
import type { NDArray } from "../../src/ndarray/index.ts";

const runner = localRunner({ threads: 1, memoryLimitBytes: 512 * 2 ** 20 });
const leave = pushRunner(runner);
afterAll(() => {
  leave();
  return runner[Symbol.asyncDispose]();
});

function planned(...arrays: readonly ChunkedArray[]): PlannedGraph {
  return planGraph(
    arrays.flatMap((each) => each.outputs),
    { threads: 1, memoryBytes: 256 * 2 ** 20 },
  );
}

/** Elements bit by bit, block by block in C order. */
function plain(results: readonly (readonly NDArray[])[]): unknown {
  return results.map((blocks) => blocks.map((block) => [block.dtype, block.shape, block.toArray()]));
}

async function oracle({ graph }: PlannedGraph): Promise<unknown> {
  return plain(await runSequential(graph, async (spec, inputs) => (await runTask(spec, inputs)) as NDArray)); // tasks of arrays give blocks
}

const VALUES: readonly (readonly [DType, number | bigint | { re: number; im: number }])[] = [
  ["bool", 1],
  ["int8", -3],
  ["uint16", 65535],
  ["float16", 0.5],
  ["float32", Number.NaN],
  ["int32", -7],
  ["float64", -0],
  ["int64", -(2n ** 63n)],
  ["complex64", { re: 1, im: -2 }],
  ["complex128", { re: Number.POSITIVE_INFINITY, im: 0.1 }],
];

describe("an array of one value", () => {
  it.each(VALUES)("of %s is what tasks would make of it", async (dtype, value) => {
    const plan = planned(full([5, 7], value as never, { dtype, chunks: [2, 3] }), zeros([3], { dtype })); // of that dtype
    const results = constantResults(plan.graph);
    expect(plain(results ?? [])).toEqual(await oracle(plan));
    expect(plain(await runner.run(plan.graph, plan.plan, {}))).toEqual(plain(results ?? []));
  });

  it("is one array in the caller's own memory, whatever its chunks", async () => {
    const first = await ones([4, 6], { chunks: [3, 2] }).compute();
    expect(first.isContiguous && first.data.length).toBe(24);
    first.data.fill(7 as never); // of float64
    expect((await ones([4, 6], { chunks: [3, 2] }).compute()).toArray()).toEqual(
      new Array(4).fill(new Array(6).fill(1)),
    );
  });

  it("has no elements where its shape says so", async () => {
    const plan = planned(ones([0, 3], { dtype: "complex128" }), ones([0], { dtype: "float32" }));
    expect(plain(constantResults(plan.graph) ?? [])).toEqual(await oracle(plan));
  });
});

describe("the threads make", () => {
  it("what is not constant, and what is too much to fill while the caller waits", () => {
    expect(constantResults(planned(ones([4]).add(1)).graph)).toBeNull();
    expect(constantResults(planned(ones([4]), ones([4]).cumsum(0)).graph)).toBeNull();
    expect(constantResults(planned(ones([9 * 2 ** 20], { dtype: "float64" })).graph)).toBeNull();
    expect(constantResults(planned(ones([5000], { chunks: 1 })).graph)).toBeNull();
  });

  it("what somebody watches", async () => {
    const seen: RunProgress[] = [];
    const { graph, plan } = planned(ones([4]));
    await runner.run(graph, plan, { onProgress: (progress) => seen.push(progress) });
    expect(seen.at(-1)).toMatchObject({ done: 1, total: 1 });
  });
});
