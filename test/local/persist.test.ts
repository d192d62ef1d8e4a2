/** Arrays whose blocks stay on the threads: computed once, counted against the limit, gone when nobody names them. */
import { afterAll, describe, expect, test } from "vitest";
import { arange, type ChunkedArray, floor, ones, real } from "../../src/array/index.ts";
import { pushRunner } from "../../src/graph/index.ts";
import { localRunner } from "../../src/local/index.ts";
import { dataArray, dataset, persist } from "../../src/xr/index.ts";

const runner = localRunner({ threads: 2, memoryLimitBytes: 512 * 2 ** 20 });
const leave = pushRunner(runner);
afterAll(async () => {
  leave();
  await runner[Symbol.asyncDispose]();
});

/** Blocks of random numbers: two runs never give the same. */
function noisy(x: ChunkedArray): ChunkedArray {
  return x.mapBlocks((block) => Float64Array.from({ length: block.shape[0] as number }, () => Math.random()), {
    dtype: "float64",
  });
}

const values = async (x: ChunkedArray): Promise<unknown> => (await x.compute()).toArray();

describe("a persisted array", () => {
  test("is computed once, whatever follows from it", async () => {
    const x = await noisy(arange(40, { chunks: 10 })).persist();
    const first = await values(x);
    expect(await values(x)).toEqual(first);
    expect(await values(x.add(0))).toEqual(first);
    const [a, b] = await Promise.all([values(x.slice([5, 25])), values(x.rechunk(40))]);
    expect(a).toEqual((first as number[]).slice(5, 25));
    expect(b).toEqual(first);
    expect((await x.explain()).tasks).toBe(0);
    expect((await x.sum().explain()).tasks).toBe(5);
  });

  test("fuses into nothing before it and everything after it", async () => {
    const x = await ones([40], { chunks: 10 }).add(1).persist();
    await x.wait();
    const plan = await x.mul(3).sub(1).explain();
    expect(plan.layers.map((l) => l.kind)).toEqual(["held", "blockwise"]);
    expect(await values(x.mul(3).sub(1))).toEqual(new Array(40).fill(5));
  });

  test("persisted again, as it is or by a call that changes nothing, is what it was", async () => {
    const x = await noisy(arange(40, { chunks: 10 })).persist();
    const first = await values(x);
    const integers = await arange(12, { chunks: 3 }).mul(2).persist(); // of which floor and real make no layer
    const [again, whole, more] = await persist([x, floor(integers), x.add(0)] as const);
    expect(await values(again)).toEqual(first);
    expect(await values(more)).toEqual(first);
    expect(await values(whole)).toEqual(await values(integers));
    expect(await values(await real(integers).persist())).toEqual(await values(integers));
  });

  test("counts against the memory limit until it is released", async () => {
    // Threads of its own: those of the other tests give back what is collected as garbage, whenever that is.
    await using own = localRunner({ threads: 1, memoryLimitBytes: 512 * 2 ** 20 });
    const before = (await own.limits()).memoryBytes;
    const held = await own.hold(...(await planned(ones([2 ** 20], { chunks: 2 ** 18 }))));
    expect((await own.limits()).memoryBytes).toBe(before - 8 * 2 ** 20);
    await held.wait();
    held.release();
    held.release();
    expect((await own.limits()).memoryBytes).toBe(before);
  });

  test("is itself, whatever else was persisted that names the same layers", async () => {
    const x = arange(12, { chunks: 3 }).mul(2);
    const empty = await x.slice([2, 1]).persist(); // its graph names x, and computes nothing of it
    const [half, whole] = [await x.slice([0, 6]).persist(), await x.persist()];
    const want = Array.from({ length: 12 }, (_, i) => BigInt(2 * i));
    expect(await values(whole)).toEqual(want);
    expect(await values(half.add(whole.slice([0, 6])))).toEqual(want.slice(0, 6).map((v) => 2n * v));
    expect(await values(empty)).toEqual([]);
    expect(await values(x)).toEqual(want);
  });

  test("tells its own failure to what needs it", async () => {
    const bad = await arange(4, { chunks: 2 })
      .mapBlocks(
        () => {
          throw new Error("no such band");
        },
        { dtype: "float64" },
      )
      .persist();
    await expect(bad.wait()).rejects.toThrow(/no such band/);
    await expect(values(bad.add(1))).rejects.toThrow(/no such band/);
  });
});

test("a block that fails ends the run, whatever else there is to do", async () => {
  const x = arange(8192, { chunks: 1 }).mapBlocks(
    (block) => {
      if (Number(block.item()) === 3) throw new Error("no such band");
      return block;
    },
    { dtype: "int64" },
  );
  const seen = { done: 0, total: 0 };
  const run = x
    .sub(x.mean())
    .sum()
    .compute({ onProgress: ({ done, total }) => void Object.assign(seen, { done, total }) });
  await expect(run).rejects.toThrow(/no such band/);
  // Nothing of the differences can be made before the mean, and that not at all.
  expect(seen.total).toBeGreaterThan(2 * 8192);
  expect(seen.done).toBeLessThan(8192);
});

async function planned(x: ChunkedArray): Promise<Parameters<typeof runner.hold>> {
  const { planAll } = await import("../../src/array/compute.ts");
  const { graph, plan } = await planAll([x], {});
  return [graph, plan, {}];
}

describe("persisted labelled arrays", () => {
  test("keep their labels, and a dataset its variables", async () => {
    const red = dataArray(ones([4, 6], { chunks: 2 }), { dims: ["y", "x"], name: "red" });
    const nir = dataArray(ones([4, 6], { chunks: 2 }).mul(3), { dims: ["y", "x"], name: "nir" });
    const [held, both] = await persist([red, dataset({ red, nir })]);
    await Promise.all([held.wait(), both.wait()]);
    expect([held.name, held.dims, both.vars.nir.name]).toEqual(["red", ["y", "x"], "nir"]);
    expect((await both.vars.nir.sub(held).mean().compute()).values.item()).toBe(2);
    expect((await both.explain()).tasks).toBe(0);
  });
});
