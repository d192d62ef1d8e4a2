import { expect, test } from "vitest";
import * as transforms from "../../src/array/fft.ts";
import { type ChunkedArray, fromArray } from "../../src/array/index.ts";
import type { DType } from "../../src/dtype/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { describeNumpy, type NumpyLive, type PythonArgument, tuple } from "../oracle/numpy-live.ts";
import { useInlineRunner } from "../run-inline.ts";
import { numbers, relativeRms } from "./complex/values.ts";

useInlineRunner();
/** The functions by name. */
const fft: typeof transforms = { ...transforms };

const SINGLE: readonly DType[] = ["float32", "complex64", "float16"];
const ONE_AXIS = ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"] as const;
const REAL_ONLY: readonly string[] = ["rfft", "ihfft", "rfft2", "rfftn"];

async function same(
  numpy: NumpyLive,
  lazy: ChunkedArray,
  name: string,
  args: readonly PythonArgument[],
  more: Record<string, PythonArgument> = {},
): Promise<void> {
  const [got, want] = [await lazy.compute(), await numpy.call(`np.fft.${name}`, args, more)];
  const x = args[0] as NDArray;
  const note = `${name} ${x.dtype}(${x.shape}) ${JSON.stringify(more)}`;
  expect([note, got.dtype, got.shape]).toEqual([note, want.dtype, want.shape]);
  const bound = got.dtype === "float16" ? 2e-3 : SINGLE.includes(x.dtype) ? 3e-7 : 1e-15;
  expect([note, relativeRms(got, want)]).toEqual([note, expect.toSatisfy((v: number) => v <= bound)]);
}

describeNumpy("transforms against NumPy", (numpy) => {
  const SIZES = [
    ...Array.from({ length: 64 }, (_, k) => k + 1),
    67,
    97,
    101,
    128,
    211,
    243,
    625,
    720,
    1000,
    1009,
    1024,
    2310,
    4096,
    6007,
    10007,
  ];

  test.each(ONE_AXIS)("%s of every length, primes too", async (name) => {
    for (const n of SIZES) {
      const x = numbers(REAL_ONLY.includes(name) ? "float64" : "complex128", [n]);
      if (n === 1 && (name === "irfft" || name === "hfft")) continue;
      await same(numpy, fft[name](fromArray(x)), name, [x]);
    }
  });

  test.each(ONE_AXIS)("%s of all dtypes, axes, lengths and norms", async (name) => {
    const dtypes: DType[] = [
      "bool",
      "int8",
      "uint16",
      "int64",
      "float16",
      "float32",
      "float64",
      "complex64",
      "complex128",
    ];
    for (const dtype of dtypes.filter((d) => !(REAL_ONLY.includes(name) && d.startsWith("complex")))) {
      const x = numbers(dtype, [5, 6, 4]);
      for (const axis of [-1, 0, 1]) {
        const chunks = x.shape.map((n, k) => (k === (axis + 3) % 3 ? n : 2));
        for (const n of [null, 3, 9]) {
          for (const norm of ["backward", "ortho", "forward"] as const)
            await same(numpy, fft[name](fromArray(x, { chunks }), n, { axis, norm }), name, [x], { n, axis, norm });
        }
      }
    }
  });

  test.each(["fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn", "irfftn"] as const)("%s", async (name) => {
    for (const dtype of (REAL_ONLY.includes(name) ? ["float32", "float64"] : ["float32", "complex128"]) as DType[]) {
      const x = numbers(dtype, [3, 6, 5]);
      const lazy = fromArray(x, { chunks: -1 });
      await same(numpy, fft[name](lazy), name, [x]);
      await same(numpy, fft[name](lazy, { s: [4, 6], axes: [0, 2], norm: "ortho" }), name, [x], {
        s: tuple(4, 6),
        axes: tuple(0, 2),
        norm: "ortho",
      });
      await same(numpy, fft[name](lazy, { axes: [1, 0] }), name, [x], { axes: tuple(1, 0) });
    }
  });

  test("frequencies and shifts are NumPy's to the bit", async () => {
    for (const n of [1, 2, 5, 8, 101]) {
      for (const d of [1, 0.1, 0.25, 3]) {
        expect((await fft.fftfreq(n, { d, chunks: 3 }).compute()).toArray()).toEqual(
          (await numpy.call("np.fft.fftfreq", [n], { d })).toArray(),
        );
        expect((await fft.rfftfreq(n, { d, chunks: 3 }).compute()).toArray()).toEqual(
          (await numpy.call("np.fft.rfftfreq", [n], { d })).toArray(),
        );
      }
    }
    const x = numbers("int16", [5, 6]);
    for (const axes of [null, 0, -1, [1, 0]] as const) {
      for (const name of ["fftshift", "ifftshift"] as const) {
        const lazy = fft[name](fromArray(x, { chunks: [2, 4] }), { axes });
        expect(lazy.chunks).toEqual([
          [2, 2, 1],
          [4, 2],
        ]);
        const want = await numpy.call(`np.fft.${name}`, [x], {
          axes: axes === null ? null : typeof axes === "number" ? axes : tuple(...axes),
        });
        expect((await lazy.compute()).toArray()).toEqual(want.toArray());
      }
    }
  });
});

test("back and forth gives the values, for lengths with every kind of factor", async () => {
  for (const n of [1, 12, 30, 77, 961, 2 * 10007, 65536]) {
    const x = numbers("complex128", [2, n], n);
    const back = await fft.ifft(fft.fft(fromArray(x, { chunks: [1, -1] }))).compute();
    expect(relativeRms(back, x)).toBeLessThan(1e-15);
  }
});

test("a cut axis, no points and complex values for a real transform are refused", () => {
  const x = fromArray(numbers("float64", [6]), { chunks: 4 });
  expect(() => fft.fft(x)).toThrow(expect.objectContaining({ code: "chunk" }));
  expect(() => fft.fft(x)).toThrow("rechunk({ 0: -1 })");
  expect(() => fft.fft(x.rechunk(-1), 0)).toThrow(expect.objectContaining({ code: "shape" }));
  expect(() => fft.fft(fromArray(NDArray.zeros("float64", [0])))).toThrow(expect.objectContaining({ code: "shape" }));
  expect(() => fft.rfft(fromArray(numbers("complex64", [4])))).toThrow(expect.objectContaining({ code: "dtype" }));
  expect(() => fft.fft(x.rechunk(-1), { axis: 1 })).toThrow(expect.objectContaining({ code: "axis" }));
  expect(() => fft.fft(x.rechunk(-1), { norm: "none" as "ortho" })).toThrow(/expected "backward"/);
});
