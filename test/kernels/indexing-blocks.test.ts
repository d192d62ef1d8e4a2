/** Block kernels of ranges, selections and repeats: each against one element after another, whatever the strides. */
import { expect, test } from "vitest";
import { allocate, type DType, dtypeInfo } from "../../src/dtype/index.ts";
import { createSegment, fillRange, runBlock, takePicks } from "../../src/kernels/index.ts";
import { NDArray, type Nested } from "../../src/ndarray/index.ts";

const DTYPES: readonly DType[] = ["bool", "uint8", "int16", "float16", "float32", "int64", "complex64", "complex128"];
const PLACE = { at: [0], position: [0] };

/** Values that differ, in a segment or in ordinary memory, seen through other strides. */
function strided(dtype: DType, shape: readonly [number, number], how: "plain" | "turned" | "reversed"): NDArray {
  const [n, m] = shape;
  const { components, big, itemsize } = dtypeInfo(dtype);
  const data =
    how === "turned"
      ? NDArray.view(dtype, createSegment(n * m * itemsize).buffer, 0, [n * m]).data
      : allocate(dtype, n * m);
  for (let i = 0; i < n * m * components; i++)
    data[i] = (big ? BigInt(i * 3) - 7n : dtype === "bool" ? i % 2 : i * 3 - 7) as never; // the dtype's array class
  if (how === "turned") return new NDArray(dtype, data, shape, [1, n]);
  return how === "reversed" ? new NDArray(dtype, data, shape, [-m, 1], (n - 1) * m) : new NDArray(dtype, data, shape);
}

function elements(x: NDArray): unknown[] {
  const { components } = dtypeInfo(x.dtype);
  const out: unknown[] = [];
  const walk = (k: number, at: number): void => {
    if (k === x.ndim) out.push(Array.from({ length: components }, (_, c) => x.data[at * components + c]).join());
    else for (let i = 0; i < (x.shape[k] as number); i++) walk(k + 1, at + i * (x.stride[k] as number));
  };
  walk(0, x.offset);
  return out;
}

test.each(["plain", "turned", "reversed"] as const)("selections, repeats and points of every width, %s", (how) => {
  for (const dtype of DTYPES) {
    const x = strided(dtype, [5, 7], how);
    const rows = Array.from({ length: 5 }, (_, r) => elements(x).slice(r * 7, r * 7 + 7));
    const run = (kernel: string, inputs: readonly NDArray[], shape: readonly number[], params: unknown): unknown[] => {
      const out = NDArray.zeros(dtype, shape);
      runBlock(kernel, inputs, out, params as never, PLACE);
      return elements(out);
    };
    const flags = NDArray.of(Uint8Array.of(1, 0, 1, 1, 0), [5], "bool");
    const columns = NDArray.of(Uint8Array.of(0, 1, 0, 1, 1, 0, 0), [7], "bool");
    expect(run("compress", [x, flags], [3, 7], { axis: 0 })).toEqual([rows[0], rows[2], rows[3]].flat());
    expect(run("compress", [x, columns], [5, 3], { axis: 1 })).toEqual(rows.flatMap((r) => [r[1], r[3], r[4]]));
    const all = NDArray.of(
      Uint8Array.from({ length: 35 }, (_, i) => (i % 4 === 1 ? 1 : 0)),
      [5, 7],
      "bool",
    );
    expect(run("compress-flat", [x, all], [9], null)).toEqual(elements(x).filter((_, i) => i % 4 === 1));
    for (const times of [1, 3]) {
      expect(run("repeat", [x], [5, 7 * times], { axis: 1 })).toEqual(
        elements(x).flatMap((v) => new Array<unknown>(times).fill(v)),
      );
      expect(run("repeat", [x], [5 * times, 7], { axis: 0 })).toEqual(
        rows.flatMap((r) => new Array<unknown[]>(times).fill(r)).flat(),
      );
    }
    const at = new Uint8Array(Int32Array.of(4, 0, 2, 6, 1, 1).buffer);
    expect(run("points", [x], [3], { axes: [0, 1], at })).toEqual([rows[4]?.[6], rows[0]?.[1], rows[2]?.[1]]);
    expect(run("points", [x], [6, 5], { axes: [1], at })).toEqual(
      [4, 0, 2, 6, 1, 1].flatMap((c) => rows.map((r) => r[c])),
    );
    const list = NDArray.of(BigInt64Array.of(-1n, 2n, 2n));
    expect(run("take", [x, list], [3, 7], { axis: 0 })).toEqual([rows[4], rows[2], rows[2]].flat());
  }
});

test.each(["plain", "turned", "reversed"] as const)("elements along an axis of several blocks, %s", (how) => {
  for (const dtype of DTYPES)
    for (const [n, m] of [
      [5, 7],
      [4, 40],
      [40, 3],
    ] as const) {
      const blocks = [strided(dtype, [n, m], how), strided(dtype, [n, m], "plain")];
      const values = blocks.map(elements);
      for (const axis of [0, 1]) {
        const extent = axis === 0 ? n : m;
        const picks = Int32Array.from([0, 1, 0, 2, 1, 0, 1, 0, 0, extent - 1, 1, extent - 2, 1, extent - 1]);
        const count = picks.length / 2;
        const out = NDArray.zeros(dtype, axis === 0 ? [count, m] : [n, count]);
        takePicks(picks, axis, blocks, out);
        const at = (i: number, j: number): unknown =>
          values[picks[2 * i] as number]?.[
            axis === 0 ? (picks[2 * i + 1] as number) * m + j : j * m + (picks[2 * i + 1] as number)
          ];
        const want =
          axis === 0
            ? Array.from({ length: count * m }, (_, k) => at(Math.floor(k / m), k % m))
            : Array.from({ length: n * count }, (_, k) => at(k % count, Math.floor(k / count)));
        expect(elements(out)).toEqual(want);
      }
    }
});

test("places of true elements, from anywhere in the flat order", () => {
  const shape = [3, 4, 5];
  const flags = Uint8Array.from({ length: 60 }, (_, i) => (i % 7 === 3 || i % 5 === 0 ? 1 : 0));
  for (const [start, stop] of [
    [0, 60],
    [20, 40],
    [7, 31],
    [59, 60],
    [12, 12],
  ] as const) {
    const mask = NDArray.of(flags.subarray(start, stop), [stop - start], "bool");
    const where = Array.from({ length: stop - start }, (_, i) => start + i).filter((i) => flags[i]);
    const first = NDArray.of(Float64Array.of(start));
    [(i: number) => Math.floor(i / 20), (i: number) => Math.floor(i / 5) % 4, (i: number) => i % 5].forEach(
      (coordinate, axis) => {
        const out = NDArray.zeros("int64", [where.length]);
        runBlock("true-at", [mask, first], out, { shape, axis }, PLACE);
        expect(out.toArray({ bigint: false })).toEqual(where.map(coordinate));
      },
    );
  }
});

test.each(["ordinary memory", "a segment"])("ranges are start + step * i, each operation rounded, in %s", (where) => {
  const segment = createSegment(1 << 20);
  const block = <D extends "int64" | "float64">(dtype: D, n: number): NDArray<D> =>
    where === "a segment" ? NDArray.view(dtype, segment.buffer, 24, [n]) : NDArray.zeros(dtype, [n]);
  for (const n of [0, 1, 5, 64, 71, 4095, 9000]) {
    for (const [start, step, first] of [
      [0, 1, 0],
      [5, -3, 100],
      [2 ** 40, 7, 3],
      [-(2 ** 33), 2 ** 20, 11],
    ] as const) {
      const out = block("int64", n);
      fillRange(out, start, step, first);
      const want = Array.from({ length: n }, (_, i) => BigInt(start + step * (first + i)));
      expect(out.toArray() as Nested[]).toEqual(want);
    }
    for (const [start, step, first] of [
      [0, 0.1, 0],
      [1 / 3, -0.7, 5000],
      [1e9, 1e-7, 12],
    ] as const) {
      const out = block("float64", n);
      fillRange(out, start, step, first);
      expect(out.toArray()).toEqual(Array.from({ length: n }, (_, i) => start + step * (first + i)));
    }
  }
});

test("what is not there is refused with a typed error", () => {
  const x = NDArray.of(Float32Array.of(1, 2, 3));
  const out: NDArray = NDArray.zeros("float32", [1]);
  const attempt =
    (kernel: string, inputs: readonly NDArray[], params: object, to = out) =>
    () =>
      runBlock(kernel, inputs, to, params as never, PLACE);
  expect(attempt("take", [x, NDArray.of(Int8Array.of(3))], { axis: 0 })).toThrow(/index 3 .* size 3/);
  expect(attempt("take", [x, NDArray.of(Int8Array.of(-4))], { axis: 0 })).toThrow(/index -4/);
  expect(attempt("demand-some", [x, NDArray.of(BigInt64Array.of(0n, 1n, 1n))], { op: "max" })).toThrow(
    /max of an empty selection/,
  );
});

test.each(DTYPES)("repeats of %s in a segment, in pieces", (dtype) => {
  const n = 70_001;
  const { itemsize, components, big } = dtypeInfo(dtype);
  const { buffer } = createSegment(5 * n * itemsize + 4096);
  for (const times of [1, 3]) {
    const x = NDArray.view(dtype, buffer, 0, [n]);
    for (let i = 0; i < n * components; i++)
      x.data[i] = (big ? BigInt(i) : dtype === "bool" ? i % 2 : i % 251) as never; // the dtype's array class
    const out = NDArray.view(dtype, buffer, Math.ceil((n * itemsize) / 64) * 64, [n * times]);
    runBlock("repeat", [x], out, { axis: 0 }, PLACE);
    const picks = [0, 1, 2, 199_999, 65_535 * times, 65_536 * times, n * times - 1].filter((i) => i < n * times);
    for (const i of picks)
      for (let c = 0; c < components; c++)
        expect(out.data[i * components + c]).toBe(x.data[Math.floor(i / times) * components + c]);
  }
});

test.each(DTYPES)("long rows of %s are kept where a mask says so", (dtype) => {
  const x = strided(dtype, [9, 40], "plain");
  const mask = NDArray.of(Uint8Array.of(1, 1, 0, 0, 1, 0, 1, 1, 1), [9], "bool");
  const out = NDArray.zeros(dtype, [6, 40]);
  runBlock("compress", [x, mask], out, { axis: 0 }, PLACE);
  const all = elements(x);
  expect(elements(out)).toEqual([0, 1, 4, 6, 7, 8].flatMap((r) => all.slice(40 * r, 40 * (r + 1))));
});
