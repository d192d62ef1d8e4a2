import { expect, test } from "vitest";
import { coarsen } from "../../src/kernels/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";

function halved(from: NDArray, method: "average" | "nearest" | "mode", nodata: number | bigint | null): NDArray {
  const shape = from.shape.map((n, k) => (k < from.ndim - 2 ? n : Math.ceil(n / 2)));
  const out = NDArray.zeros(from.dtype, shape);
  coarsen(from, out, method, nodata);
  return out;
}

test("average of integers rounds half away from zero and skips nodata", () => {
  // Means by hand: (1+2+3+4)/4 = 2.5; (5+6)/2 = 5.5 with two missing; all missing; edges of one or two pixels.
  const x = NDArray.of(Int16Array.of(1, 2, 5, -9, -1, 3, 4, 6, -9, -2, -9, -9, -9, 8, 7), [3, 5]);
  expect(halved(x, "average", -9).toArray()).toEqual([
    [3, 6, -2],
    [-9, 8, 7],
  ]);
});

test("a mean that equals nodata moves to the next value", () => {
  const x = NDArray.of(Uint8Array.of(1, 3, 1, 3), [2, 2]);
  expect(halved(x, "average", 2).toArray()).toEqual([[3]]);
  const top = NDArray.of(Uint8Array.of(254, 255, 255, 254), [2, 2]);
  expect(halved(top, "average", null).toArray()).toEqual([[255]]);
});

test("average of floats skips NaN; 64-bit integers stay exact", () => {
  const x = NDArray.of(Float32Array.of(1, Number.NaN, 2, 4.5, Number.NaN, Number.NaN), [2, 3]);
  expect(halved(x, "average", null).toArray()).toEqual([[2.75, 2]]);
  const big = NDArray.of(BigInt64Array.of(2n ** 62n, 2n ** 62n + 1n, 2n ** 62n, 2n ** 62n + 2n), [2, 2]);
  expect(halved(big, "average", null).toArray()).toEqual([[2n ** 62n + 1n]]);
});

test("nearest takes the upper left pixel, mode the most frequent valid value", () => {
  const x = NDArray.of(Uint8Array.of(4, 5, 0, 9, 5, 6, 9, 0), [2, 4]);
  expect(halved(x, "nearest", null).toArray()).toEqual([[4, 0]]);
  expect(halved(x, "mode", 0).toArray()).toEqual([[5, 9]]);
});

test("strips with even starts give the bytes of the whole", () => {
  const [height, width] = [37, 23];
  const data = Float32Array.from({ length: 2 * height * width }, (_, i) =>
    i % 11 === 0 ? Number.NaN : Math.fround(Math.sin(i) * 1e4),
  );
  const whole = halved(NDArray.of(data, [2, height, width]), "average", null);
  for (let start = 0; start < height; start += 10) {
    const rows = Math.min(10, height - start);
    const strip = new NDArray("float32", data, [2, rows, width], [height * width, width, 1], start * width);
    const part = halved(strip, "average", null);
    for (let b = 0; b < 2; b++) {
      for (let i = 0; i < part.shape[1]!; i++) {
        for (let j = 0; j < part.shape[2]!; j++) expect(part.item(b, i, j)).toBe(whole.item(b, start / 2 + i, j));
      }
    }
  }
});

test("all means of four 16-bit values round as integer arithmetic says", () => {
  // Oracle: BigInt arithmetic. Every residue of the sum, near both ends of the range, with 0 to 3 pixels missing.
  for (const [dtype, low] of [
    ["int16", -32768],
    ["uint16", 0],
  ] as const) {
    const rows: number[][] = [[], []];
    for (let k = 0; k < 4000; k++) {
      const base = k % 2 === 0 ? low + k * 16 : low + 65535 - k * 3;
      const cell = [0, 1, 2, 3].map((q) => Math.min(Math.max(base + ((k * (q + 3)) % 7), low + 1), low + 65535));
      for (let q = 0; q < k % 4; q++) cell[q] = low;
      rows[0]?.push(cell[0] as number, cell[1] as number);
      rows[1]?.push(cell[2] as number, cell[3] as number);
    }
    const x = NDArray.zeros(dtype, [2, 8000]);
    x.data.set(rows.flat() as never);
    const got = halved(x, "average", low);
    for (let k = 0; k < 4000; k++) {
      const cell = [0, 1, 8000, 8001].map((at) => x.data[2 * k + at] as number).filter((v) => v !== low);
      const [sum, n] = [cell.reduce((a, b) => a + b, 0), cell.length];
      const rounded = Number((BigInt(2 * Math.abs(sum)) + BigInt(n)) / BigInt(2 * n)) * Math.sign(sum);
      expect(got.item(0, k), `cell ${k}: ${cell}`).toBe(rounded === low ? low + 1 : rounded + 0);
    }
  }
});
