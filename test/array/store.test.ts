/** Arrays into targets and Zarr stores, and back; Zarr stores beside dask.array. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import * as array from "../../src/array/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { useInlineRunner } from "../run-inline.ts";

const runner = useInlineRunner();
const folder = mkdtempSync(join(tmpdir(), "rsdat-store-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A matrix in memory that takes blocks. */
class Matrix implements array.StoreTarget {
  readonly values: number[][];
  readonly regions: array.StoreRegion[] = [];
  constructor(rows: number, columns: number) {
    this.values = Array.from({ length: rows }, () => new Array<number>(columns).fill(-1));
  }
  async set(region: array.StoreRegion, block: NDArray): Promise<void> {
    await Promise.resolve();
    this.regions.push(region);
    const [[y0], [x0]] = region as [[number, number], [number, number]];
    for (const [r, row] of (block.toArray() as number[][]).entries())
      for (const [c, v] of row.entries()) (this.values[y0 + r] as number[])[x0 + c] = v;
  }
}

const x = array.arange(24, { dtype: "float64", chunks: 5 }).mul(2).reshape([4, 6]).rechunk([3, 4]);
const VALUES = [0, 1, 2, 3].map((r) => [0, 1, 2, 3, 4, 5].map((c) => 2 * (6 * r + c)));

describe("store", () => {
  test("one block after another, in C order", async () => {
    const target = new Matrix(4, 6);
    await array.store(x, target);
    expect(target.values).toEqual(VALUES);
    expect(target.regions).toEqual([
      [
        [0, 3],
        [0, 4],
      ],
      [
        [0, 3],
        [4, 6],
      ],
      [
        [3, 4],
        [0, 4],
      ],
      [
        [3, 4],
        [4, 6],
      ],
    ]);
  });

  test("several arrays in one graph, into regions", async () => {
    const [a, b] = [new Matrix(6, 8), new Matrix(6, 8)];
    const before = runner.plans.length;
    const region = [
      [1, 5],
      [2, 8],
    ] as const;
    await array.store([x, x.neg()], [a, b], { regions: [region, region] });
    expect(runner.plans.length - before).toBe(1);
    expect(a.values[1]?.slice(2)).toEqual(VALUES[0]);
    expect(b.values[4]?.slice(2)).toEqual(VALUES[3]?.map((v) => -v));
    expect(a.values[0]).toEqual(new Array(8).fill(-1));
    const c = new Matrix(6, 8);
    await x.store(c, { regions: region });
    expect(c.values).toEqual(a.values);
  });

  test("lazily, and with others", async () => {
    const target = new Matrix(4, 6);
    const lazy = array.store(x, target, { compute: false });
    expect(target.regions).toEqual([]);
    const [nothing, sum] = await array.computeAll([lazy, x.sum()]);
    expect(nothing).toBeUndefined();
    expect(sum.item()).toBe(552);
    expect(target.values).toEqual(VALUES);
  });

  test("large arrays go in bands of blocks", async () => {
    const before = runner.plans.length;
    const sizes: number[] = [];
    const big = array.zeros([5, 2 ** 24], { dtype: "float64", chunks: [1, 2 ** 24] });
    await array.store(big, {
      set: (region, block) => {
        sizes.push(region[0]?.[0] ?? -1, block.nbytes);
      },
    });
    expect(sizes).toEqual([0, 1, 2, 3, 4].flatMap((k) => [k, 2 ** 27]));
    expect(runner.plans.length - before).toBe(3);
  });

  test("misuse is refused", () => {
    const target = new Matrix(4, 6);
    expect(() => array.store([x, x], [target])).toThrow(expect.objectContaining({ code: "argument" }));
    expect(() => array.store(x, {} as never)).toThrow(expect.objectContaining({ code: "argument" }));
    expect(() =>
      array.store(x, target, {
        regions: [
          [0, 3],
          [0, 6],
        ],
      }),
    ).toThrow(expect.objectContaining({ code: "shape" }));
    expect(() =>
      array.store([x, x], [target, target], {
        regions: [
          [
            [0, 4],
            [0, 6],
          ],
        ],
      }),
    ).toThrow(expect.objectContaining({ code: "argument" }));
  });
});

describe("toZarr and fromZarr", () => {
  test("what is written is read, whatever the blocks", async () => {
    const url = join(folder, "a.zarr");
    const written = await x.toZarr(url, { chunks: [2, 4], attributes: { units: "m" } });
    expect(written).toMatchObject({ url, tasks: 4 });
    const again = await array.fromZarr(url);
    expect(again.dtype).toBe("float64");
    expect((await again.compute()).toArray()).toEqual(VALUES);
    const cut = await array.fromZarr(url, { component: "data", chunks: [3, -1] });
    expect(cut.chunks).toEqual([[3, 1], [6]]);
    expect((await cut.slice("1:3, ::-2").compute()).toArray()).toEqual(
      VALUES.slice(1, 3).map((r) => [r[5], r[3], r[1]]),
    );
    expect((await (await array.fromZarr(join(url, "data"))).compute()).toArray()).toEqual(VALUES);
  });

  test("arrays are added to a group, and named", async () => {
    const url = join(folder, "b.zarr");
    const lazy = await array.toZarr(x, url, { component: "one", compute: false });
    await expect(array.fromZarr(url)).rejects.toMatchObject({ code: "not-found" });
    await lazy.compute();
    await array.toZarr(NDArray.of(Int16Array.of(1, 2, 3)), url, { component: "two", mode: "a" });
    expect((await (await array.fromZarr(url, { component: "two" })).compute()).toArray()).toEqual([1, 2, 3]);
    await expect(array.fromZarr(url)).rejects.toMatchObject({
      code: "argument",
      message: expect.stringContaining("one, two"),
    });
    await expect(array.fromZarr(url, { component: "three" })).rejects.toThrow();
    await expect(x.toZarr(url)).rejects.toMatchObject({ code: "exists" });
    await expect(x.toZarr(join(folder, "c.zarr"), { component: "a/b" })).rejects.toMatchObject({ code: "argument" });
    await expect(x.toZarr(join(folder, "c.zarr"), { chunks: [[1, 3], -1] })).rejects.toMatchObject({ code: "shape" });
  });
});
