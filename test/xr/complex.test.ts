import { expect, test } from "vitest";
import { fromArray } from "../../src/array/index.ts";
import { dataArray } from "../../src/xr/index.ts";
import { distance, numbers } from "../array/complex/values.ts";
import { describeNumpy } from "../oracle/numpy-live.ts";
import { useInlineRunner } from "../run-inline.ts";

useInlineRunner();

describeNumpy("labelled complex arrays", (numpy) => {
  test("where keeps both parts, and reductions skip what is missing", async () => {
    for (const dtype of ["complex64", "complex128"] as const) {
      const x = numbers(dtype, [5, 7]);
      const cube = dataArray(fromArray(x, { chunks: [2, 3] }), { dims: ["time", "x"] });
      const kept = cube.where(cube.abs().gt(2));
      const want = await numpy.call("lambda x: np.where(abs(x) > 2, x, x.dtype.type(complex('nan+nanj')))", [x]);
      const got = (await kept.compute()).values;
      expect([got.dtype, distance(got, want)]).toEqual([dtype, 0]);
      for (const op of ["sum", "mean", "std", "var", "min", "max"] as const) {
        const name = op === "sum" ? "np.nansum" : `np.nan${op}`;
        const ours = (await kept[op]("time").compute()).values;
        const theirs = await numpy.call(`lambda x, name: wider(lambda v: ${name}(v, axis=0), x)`, [want, op]);
        expect([op, ours.dtype]).toEqual([op, theirs.dtype]);
        expect([op, distance(ours, theirs)]).toEqual([
          op,
          expect.toSatisfy((v: number) => v < (dtype === "complex64" ? 1e-6 : 1e-14)),
        ]);
      }
      expect((await kept.count("time").compute()).values.toArray()).toEqual(
        (await numpy.call("lambda x: np.sum(~np.isnan(x), axis=0)", [want])).toArray(),
      );
      const few = (await kept.sum("time", { minCount: 4 }).compute()).values;
      const missing = await numpy.call(
        "lambda x: np.where(np.sum(~np.isnan(x), axis=0) < 4, np.nan, np.nansum(x, axis=0))",
        [want],
      );
      expect(Array.from({ length: 7 }, (_, k) => Number.isNaN(few.data[2 * k]))).toEqual(
        Array.from({ length: 7 }, (_, k) => Number.isNaN(missing.data[2 * k])),
      );
    }
  });
});
