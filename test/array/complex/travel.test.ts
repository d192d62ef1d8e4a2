import { expect, test } from "vitest";
import { type ChunkedArray, fromArray, full } from "../../../src/array/index.ts";
import { onWarning } from "../../../src/base/index.ts";
import { NDArray } from "../../../src/ndarray/index.ts";
import { decodeBlock, encodeBlock } from "../../../src/protocol/numpy.ts";
import { describeNumpy } from "../../oracle/numpy-live.ts";
import { useInlineRunner } from "../../run-inline.ts";
import { numbers } from "./values.ts";

useInlineRunner();

test("blocks hold pairs: items, nesting, views, text", () => {
  const z = new NDArray("complex64", Float32Array.of(1, 2, 3, -4, 5, 6, 7, 8), [2, 2]);
  expect(z.item(0, 1)).toEqual({ re: 3, im: -4 });
  expect(z.transpose().toArray()).toEqual([
    [
      { re: 1, im: 2 },
      { re: 5, im: 6 },
    ],
    [
      { re: 3, im: -4 },
      { re: 7, im: 8 },
    ],
  ]);
  expect(String(z)).toContain("3-4i");
  expect([z.size, z.nbytes]).toEqual([4, 32]);
});

test("a repeated complex value, slices, transposes and rechunks keep the pairs together", async () => {
  const x = numbers("complex128", [6, 5]);
  const lazy = fromArray(x, { chunks: [4, 2] });
  const got = await lazy.rechunk([3, 5]).slice("::-2", "1:").transpose().compute();
  const want = Array.from({ length: 4 }, (_, j) => [5, 3, 1].map((i) => x.item(i, j + 1)));
  expect(got.toArray()).toEqual(want);
  expect((await full([2], { re: 1, im: -1 }, { dtype: "complex64" }).compute()).toArray()).toEqual([
    { re: 1, im: -1 },
    { re: 1, im: -1 },
  ]);
  expect(() => full([2], { re: 1, im: -1 }, { dtype: "float64" })).toThrow(expect.objectContaining({ code: "dtype" }));
});

test("members: real, imag, conj", async () => {
  const z: ChunkedArray = fromArray(new NDArray("complex128", Float64Array.of(1, 2, 3, -4), [2]));
  expect((await z.real.compute()).toArray()).toEqual([1, 3]);
  expect((await z.imag.compute()).toArray()).toEqual([2, -4]);
  expect((await z.conj().compute()).toArray()).toEqual([
    { re: 1, im: -2 },
    { re: 3, im: 4 },
  ]);
});

test("a cast that discards imaginary parts says so", () => {
  const told: string[] = [];
  const before = onWarning((name, message) => void told.push(`${name}: ${message}`));
  fromArray(numbers("complex64", [2])).astype("float32");
  fromArray(numbers("complex64", [2])).astype("bool");
  onWarning(before);
  expect(told).toHaveLength(1);
  expect(told[0]).toMatch(/^CastWarning: .*imaginary/);
});

describeNumpy("complex arrays on the wire", (numpy) => {
  test("what NumPy reads is what was sent, for every layout", async () => {
    const x = numbers("complex64", [3, 4]);
    const views = [x, x.transpose(), new NDArray("complex64", x.data, [2, 2], [4, -2], 3)];
    for (const view of views) {
      const { fields, frame } = encodeBlock(view);
      const header = new Map(Object.entries(fields["sub-header"] as Record<string, unknown>));
      const bytes = NDArray.of(new Uint8Array(frame));
      const [, code] = header.get("dtype") as [number, string];
      const read = await numpy.call(
        "lambda b, code, shape, strides: np.lib.stride_tricks.as_strided(np.frombuffer(b.tobytes(), code), shape, strides)",
        [bytes, code, header.get("shape") as number[], header.get("strides") as number[]],
      );
      expect([read.dtype, read.toArray()]).toEqual(["complex64", view.toArray()]);
      expect(decodeBlock(header, frame).toArray()).toEqual(view.toArray());
    }
  });
});
