/** delayed: graphs of calls on threads of this process, and arrays made of them. Expected values are arithmetic. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { arange, concatenate, DelayedCall, delayed, fromDelayed, toDelayed } from "../../src/array/index.ts";
import { py } from "../../src/client/index.ts";
import { pushRunner } from "../../src/graph/index.ts";
import { LocalRunner } from "../../src/local/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";

const runner = new LocalRunner({ threads: 2, memoryLimitBytes: 2 ** 30 });
let leave: () => void;
beforeAll(() => {
  leave = pushRunner(runner);
});
afterAll(async () => {
  leave();
  await runner[Symbol.asyncDispose]();
});

const add = delayed((a: number, b: number) => a + b);

describe("calls", () => {
  test("of calls, at any depth of lists and objects", async () => {
    const one = add(0, 1);
    const sum = delayed((list: readonly number[], more: { readonly deep: readonly number[] }) =>
      [...list, ...more.deep].reduce((a, b) => a + b, 0),
    );
    expect(await sum([one, add(one, one), 5], { deep: [add(one, 9)] }).compute()).toBe(1 + 2 + 5 + 10);
  });

  test("each is made once, whatever needs it", async () => {
    const noisy = delayed(() => Math.random());
    const one = noisy();
    const pair = delayed((a: number, b: number) => [a, b]);
    const [a, b] = await pair(one, one).compute();
    expect(a).toBe(b);
    const [c, d] = await pair(noisy(), noisy()).compute();
    expect(c).not.toBe(d);
  });

  test("equal pure calls are one task", () => {
    const pure = delayed((a: number) => a, { pure: true, name: "same" });
    expect(pure(1).key).toBe(pure(1).key);
    expect(pure(1).key).not.toBe(pure(2).key);
    expect(pure(1).key).toMatch(/^same-/);
    expect(add(1, 2).key).not.toBe(add(1, 2).key);
    expect(add(1, 2)).toBeInstanceOf(DelayedCall);
  });

  test("async functions, arrays in and out", async () => {
    const make = delayed(async (n: number) => Float64Array.from({ length: n }, (_, i) => i));
    const total = delayed((values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0));
    expect(await total(make(5)).compute()).toBe(10);
    const blockSum = delayed((block: { readonly data: ArrayLike<number>; readonly shape: readonly number[] }) => [
      block.shape,
      Array.from(block.data).reduce((a, b) => a + b, 0),
    ]);
    const x = arange(24, { chunks: 5, dtype: "float64" }).reshape(4, 6);
    expect(await blockSum(x.mul(2)).compute()).toEqual([[4, 6], 24 * 23]);
    const [first] = toDelayed(x.rechunk([2, 3]));
    expect(await blockSum(first as NonNullable<typeof first>).compute()).toEqual([[2, 3], 0 + 1 + 2 + 6 + 7 + 8]);
    expect(await blockSum(NDArray.of(Float64Array.of(1, 2))).compute()).toEqual([[2], 3]);
  });

  test("a failure names the key and the function's own words; other calls end", async () => {
    const bad = delayed((n: number) => {
      if (n === 2) throw new RangeError("no such season");
      return n;
    });
    await expect(add(bad(1), bad(2)).compute()).rejects.toMatchObject({
      message: expect.stringContaining("no such season"),
    });
    expect(await add(bad(1), bad(3)).compute()).toBe(4);
  });

  test("what cannot travel, or has nowhere to run, is refused", async () => {
    const outer = 3;
    expect(() => delayed((a: number) => a + outer)).toThrow(expect.objectContaining({ code: "closure" }));
    await expect(delayed(py("numpy.sum"))([1, 2]).compute()).rejects.toMatchObject({ code: "unsupported" });
    await expect(delayed((d: unknown) => d)(new Date()).compute()).rejects.toMatchObject({ code: "argument" });
  });

  test("a signal ends the run, one that never ends too, and the threads go on", async () => {
    const stop = new AbortController();
    const endless = delayed((n: number) => {
      for (;;) if (n < 0) return n;
    });
    const run = endless(1).compute({ signal: stop.signal });
    setTimeout(() => stop.abort(new Error("enough")), 50);
    await expect(run).rejects.toMatchObject({ code: "cancelled", message: expect.stringContaining("enough") });
    expect(await add(20, 22).compute()).toBe(42);
  });
});

describe("fromDelayed of calls", () => {
  test("arrays of files, one block each", async () => {
    const load = delayed((k: number) => Float32Array.from({ length: 6 }, (_, i) => 10 * k + i));
    const blocks = [0, 1, 2].map((k) => fromDelayed(load(k), { shape: [2, 3], dtype: "float32" }));
    const x = concatenate(blocks, { axis: 0 });
    expect([x.shape, x.dtype, x.numblocks]).toEqual([[6, 3], "float32", [3, 1]]);
    expect((await x.sum(0).compute()).toArray()).toEqual([69, 69 + 6, 69 + 12]);
  });

  test("calls of calls and arrays go along", async () => {
    const x = arange(6, { chunks: 2, dtype: "float64" });
    const scale = delayed((block: { readonly data: ArrayLike<number> }, by: number) =>
      Float64Array.from(block.data, (v) => v * by),
    );
    const y = fromDelayed(scale(x, add(1, 2)), { shape: [6], dtype: "float64" });
    expect((await y.add(x).compute()).toArray()).toEqual([0, 4, 8, 12, 16, 20]);
    const point = fromDelayed(add(20, 22), { shape: [], dtype: "int16" });
    expect((await point.compute()).item()).toBe(42);
  });

  test("another shape or dtype than said is refused when it is made", async () => {
    const make = delayed(() => Float32Array.of(1, 2));
    await expect(fromDelayed(make(), { shape: [3], dtype: "float32" }).compute()).rejects.toMatchObject({
      code: "shape",
    });
    expect(() => fromDelayed(make(), { shape: [2] })).toThrow(expect.objectContaining({ code: "argument" }));
    expect(() => fromDelayed(delayed(py("numpy.ones"))(3), { shape: [3], dtype: "float64" })).toThrow(
      expect.objectContaining({ code: "unsupported" }),
    );
  });
});
