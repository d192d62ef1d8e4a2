import { expect, test } from "vitest";
import { DTYPES, type DType } from "../../src/dtype/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { describeDask, describeNumpy, dtype, NumpyLive, pySlice, tuple } from "./numpy-live.ts";

describeNumpy("the live oracle", (numpy) => {
  test("arrays of every dtype go there and back bit for bit", async () => {
    for (const name of Object.keys(DTYPES) as DType[]) {
      const bytes = Uint8Array.from({ length: 6 * DTYPES[name].itemsize }, (_, i) =>
        name === "bool" ? i % 2 : i * 37,
      );
      const x = NDArray.view(name, bytes.buffer, 0, [2, 3]);
      const back = await numpy.call("lambda x: x", [x]);
      expect([name, back.dtype, back.shape]).toEqual([name, name, [2, 3]]);
      expect(new Uint8Array(back.data.buffer)).toEqual(bytes);
    }
  });

  test("views travel as the values they name", async () => {
    const x = NDArray.of(Int16Array.of(1, 2, 3, 4, 5, 6), [2, 3]);
    const reversed = new NDArray("int16", x.data, [2, 3], [-3, -1], 5);
    expect((await numpy.call("lambda x: x", [reversed])).toArray()).toEqual([
      [6, 5, 4],
      [3, 2, 1],
    ]);
  });

  test("calls take paths, methods, keywords, dtypes, slices and scalars", async () => {
    const x = NDArray.of(Float32Array.of(3, 4), [2]);
    expect((await numpy.call("np.linalg.norm", [x])).item()).toBe(5);
    expect((await numpy.call(".astype", [x, dtype("int8")])).dtype).toBe("int8");
    expect((await numpy.call("operator.getitem", [x, tuple(pySlice(null, null, -1))])).toArray()).toEqual([4, 3]);
    expect((await numpy.call("np.add", [x, -0])).dtype).toBe("float32");
    expect((await numpy.call("np.copysign", [1, { $float: -0 }])).item()).toBe(-1);
    expect((await numpy.call("np.sum", [x], { axis: tuple(0), keepdims: true })).shape).toEqual([1]);
    expect((await numpy.call("np.add", [9007199254740993n, 0])).item()).toBe(9007199254740993n);
    expect(await numpy.ask("np.result_type", [x, dtype("int32")])).toBe("float64");
    expect(await numpy.ask("np.shape", [x])).toMatchObject([{ shape: [], dtype: "int64" }]);
  });

  test("a refusal is an answer, and questions need not wait for each other", async () => {
    const x = NDArray.zeros("int8", [0]);
    const [refused, sum] = await Promise.all([numpy.attempt("np.max", [x]), numpy.call("np.sum", [x])]);
    expect(refused).toMatchObject({ type: "ValueError" });
    expect(sum.item()).toBe(0n);
    await expect(numpy.call("np.nothing", [])).rejects.toMatchObject({ type: "AttributeError" });
  });

  test("a process that dies fails what waits", async () => {
    const other = new NumpyLive();
    await expect(other.ask("lambda: __import__('os')._exit(3)", [])).rejects.toThrow("ended early");
  });
});

describeDask("the live oracle's dask.array", (dask) => {
  test("arrays come in the chunks that are told, results computed", async () => {
    const x = NDArray.of(Int32Array.of(1, 2, 3, 4, 5));
    const got = await dask.ask("lambda x: (x.numblocks[0], x.sum())", [x], {}, [[[2, 3]]]);
    expect((got as NDArray[]).map((v) => v.item())).toEqual([2n, 15n]);
    expect((await dask.call("da.cumsum", [x], { axis: 0 })).toArray()).toEqual([1n, 3n, 6n, 10n, 15n]);
  });
});
