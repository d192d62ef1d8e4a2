import { expect, test } from "vitest";
import type { DType } from "../../src/dtype/index.ts";
import { runBlock } from "../../src/kernels/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { describeNumpy } from "../oracle/numpy-live.ts";
import { bitsOf, blockOf, emptyBlock, type Layout, type Place, resetSegments, valuesOf } from "./layouts.ts";

type Affine = readonly [number, number, number, number, number, number];
type Method = "nearest" | "bilinear";

let state = 11;
function random(): number {
  state = (Math.imul(state, 1664525) + 1013904223) | 0;
  return (state >>> 0) / 2 ** 32;
}

const [HEIGHT, WIDTH] = [57, 83];
const AFFINES: Readonly<Record<string, Affine>> = {
  identity: [1, 0, 0, 0, 1, 0],
  shifted: [1, 0, 0.25, 0, 1, -1.5],
  finer: [0.37, 0, -2.3, 0, 0.41, -1.1],
  coarser: [2.7, 0, 1.2, 0, 3.1, 0.4],
  rotated: [0.8, 0.3, -3, -0.25, 0.9, 8],
  flipped: [-1, 0, 82, 0, -0.5, 56],
  outside: [1, 0, 500, 0, 1, 0],
};

function source(dtype: DType, missing: number, gap = Number.NaN): NDArray {
  const x = NDArray.zeros(dtype, [HEIGHT, WIDTH]);
  for (let i = 0; i < x.size; i++) x.data[i] = (random() < missing ? gap : random() * 200) as never; // numbers
  return x;
}

/** The definition in warp.ts, pixel by pixel. */
function twin(x: NDArray, affine: Affine, method: Method, [i, j]: readonly [number, number]): number {
  const round = x.dtype === "float32" ? Math.fround : (v: number): number => v;
  const [a, b, c, d, e, f] = affine;
  const [u, v] = [c + b * i + a * j, f + e * i + d * j];
  const pixel = (row: number, column: number): number =>
    row < 0 || column < 0 || row >= HEIGHT || column >= WIDTH ? Number.NaN : Number(x.data[row * WIDTH + column]);
  if (method === "nearest") return pixel(Math.ceil(v - 0.5), Math.ceil(u - 0.5));
  const [column, row] = [Math.floor(u), Math.floor(v)];
  const [p, q] = [round(u - column), round(v - row)];
  const four = [
    pixel(row, column),
    pixel(row, column + 1),
    pixel(row + 1, column),
    pixel(row + 1, column + 1),
  ] as const;
  const mix = (s: number, t: number, w: number): number => round(round(s * round(1 - w)) + round(t * w));
  const whole = mix(mix(four[0], four[1], p), mix(four[2], four[3], p), q);
  if (!Number.isNaN(whole)) return whole;
  const [left, top] = [round(1 - p), round(1 - q)];
  const weights = [round(left * top), round(p * top), round(left * q), round(p * q)];
  let [sum, total] = [0, 0];
  for (const [k, value] of four.entries()) {
    const w = weights[k] as number;
    if (Number.isNaN(value) || w === 0) continue;
    [sum, total] = [round(sum + round(value * w)), round(total + w)];
  }
  return total >= 0.5 ? round(sum / total) : Number.NaN;
}

function warp(
  x: NDArray,
  o: { affine: Affine; method: Method; shape: readonly [number, number]; nodata?: number | null; out?: DType },
  [layout, place]: readonly [Layout, Place] = ["contiguous", 0],
): NDArray {
  const out = emptyBlock(o.out ?? x.dtype, o.shape, "contiguous", place);
  const { affine, method, nodata = null } = o;
  const params = { affine, method, nodata, source: [HEIGHT, WIDTH], starts: [[0], [0]] };
  const block = blockOf(x.dtype, valuesOf(x), x.shape, layout, place);
  runBlock("warp", [block], out, params, { at: [0, 0], position: [0, 0] });
  return out;
}

function bits(x: NDArray): string[] {
  return Array.from(valuesOf(x) as unknown as ArrayLike<number>, bitsOf);
}

const CASES = Object.entries(AFFINES).flatMap(([name, affine]) =>
  (["nearest", "bilinear"] as const).map((method) => ({ name, affine, method })),
);

test.each(CASES)("$method on the $name grid equals the definition, every layout and memory", ({ affine, method }) => {
  for (const dtype of ["float32", "float64"] as const) {
    for (const missing of [0, 0.2]) {
      for (const shape of [
        [1, 1],
        [3, 2],
        [70, 91],
      ] as const) {
        resetSegments();
        const x = source(dtype, missing);
        const want = Array.from({ length: shape[0] * shape[1] }, (_, k) =>
          bitsOf(twin(x, affine, method, [Math.floor(k / shape[1]), k % shape[1]])),
        );
        for (const way of [
          ["contiguous", 0],
          ["strided", 1],
          ["contiguous", "ordinary"],
        ] as const)
          expect(bits(warp(x, { affine, method, shape }, way)), way.join()).toEqual(want);
      }
    }
  }
});

test.each(CASES)("$method on the $name grid: any chunks, the same bits", ({ affine, method }) => {
  const [a, b, c, d, e, f] = affine;
  const x = source("float32", 0.1);
  const made = warp(x, { affine, method, shape: [60, 90] });
  const whole = NDArray.of(valuesOf(made), made.shape); // outlives the segments' contents
  const [tops, lefts] = [
    [0, 7, 41],
    [0, 3, 50],
  ];
  for (const [r, top] of tops.entries()) {
    for (const [k, left] of lefts.entries()) {
      resetSegments();
      const size = [(tops[r + 1] ?? 60) - top, (lefts[k + 1] ?? 90) - left] as const;
      const corners = [top, top + size[0]].flatMap((i) => [left, left + size[1]].map((j) => [i, j] as const));
      const range = (of: (i: number, j: number) => number, n: number): [number, number] => {
        const all = corners.map(([i, j]) => of(i, j));
        const low = Math.min(n - 1, Math.max(0, Math.floor(Math.min(...all)) - 2));
        return [low, Math.max(low + 1, Math.min(n, Math.ceil(Math.max(...all)) + 3))];
      };
      const [y0, y1] = range((i, j) => f + e * i + d * j, HEIGHT);
      const [x0, x1] = range((i, j) => c + b * i + a * j, WIDTH);
      const seen = new NDArray("float32", x.data, [y1 - y0, x1 - x0], x.stride, y0 * WIDTH + x0);
      const out = emptyBlock("float32", size, "contiguous", 0);
      const input = emptyBlock("float32", seen.shape, "contiguous", 0);
      for (let i = 0; i < input.size; i++) input.data[i] = seen.item(Math.floor(i / (x1 - x0)), i % (x1 - x0)) as never; // a number
      const starts = [tops.map(() => y0), lefts.map(() => x0)];
      const params = { affine, method, nodata: null, source: [HEIGHT, WIDTH], starts };
      runBlock("warp", [input], out, params, { at: [top, left], position: [r, k] });
      const want = Array.from({ length: size[0] * size[1] }, (_, n) =>
        bitsOf(whole.item(top + Math.floor(n / size[1]), left + (n % size[1])) as number),
      );
      expect(bits(out), `${top}, ${left}`).toEqual(want);
    }
  }
});

test("integers keep nodata apart, and round half to even", () => {
  const x = NDArray.zeros("uint8", [HEIGHT, WIDTH]);
  x.data.fill(7 as never); // numbers
  x.data[1] = 8 as never;
  x.data[3] = 255 as never;
  const affine: Affine = [0.5, 0, 0, 0, 1, 0];
  const out = warp(x, { affine, method: "bilinear", shape: [1, 9], nodata: 255 });
  expect([...valuesOf(out)]).toEqual([7, 8, 8, 8, 7, 7, 255, 7, 7]);
  const far = warp(x, { affine: [1, 0, 80, 0, 1, 0], method: "nearest", shape: [1, 5], nodata: 255 });
  expect([...valuesOf(far)]).toEqual([7, 7, 7, 255, 255]);
});

test("an affine that shrinks the source reads it in tiles", () => {
  const [rows, columns] = [900, 3000];
  const x = NDArray.zeros("uint16", [rows, columns]);
  for (let i = 0; i < x.size; i++) x.data[i] = ((i % columns) + Math.floor(i / columns)) as never; // a number
  const out = NDArray.zeros("uint16", [9, 30]);
  const params = {
    affine: [100, 0, 50, 0, 100, 25],
    method: "nearest",
    nodata: 65535,
    source: [rows, columns],
    starts: [[0], [0]],
  };
  runBlock("warp", [x], out, params, { at: [0, 0], position: [0, 0] });
  expect(out.item(8, 29)).toBe(8 * 100 + 25 + 29 * 100 + 50);
  expect(out.item(0, 0)).toBe(75);
});

test("refuses blocks that do not hold what is read", () => {
  const [x, out] = [NDArray.zeros("float32", [10, 10]), NDArray.zeros("float32", [10, 10])];
  const params = {
    affine: [1, 0, 0, 0, 1, 0],
    method: "nearest",
    nodata: null,
    source: [100, 100],
    starts: [[5], [0]],
  };
  const go = (more: object) => () =>
    runBlock("warp", [x], out, { ...params, ...more }, { at: [0, 0], position: [0, 0] });
  expect(go({})).toThrow(/beyond its input at \(5, 0\)/);
  expect(go({ method: "lanczos" })).toThrow(/nearest or bilinear, not lanczos/);
  expect(go({ affine: [1, 0, Number.NaN, 0, 1, 0] })).toThrow(/finite numbers/);
  const whole = NDArray.zeros("int16", [10, 10]);
  expect(() =>
    runBlock("warp", [x], whole, { ...params, source: [10, 10], starts: [[0], [0]] }, { at: [0, 0], position: [0, 0] }),
  ).toThrow(/needs a nodata value/);
});

describeNumpy("resampling beside NumPy", (numpy) => {
  test.each(CASES.filter((c) => c.method === "bilinear"))(
    "bilinear on the $name grid is the interpolation",
    async ({ affine, method }) => {
      const x = source("float64", 0);
      const shape = [40, 50] as const;
      const got = warp(x, { affine, method, shape });
      const [a, b, c, d, e, f] = affine;
      const want = await numpy.call(
        `lambda x, t, s: (lambda i, j: (lambda u, v: (lambda fu, fv: np.where(
        (u >= 0) & (v >= 0) & (u <= x.shape[1] - 1) & (v <= x.shape[0] - 1),
        (lambda r, k, r1, k1: x[r, k] * (1 - u + fu) * (1 - v + fv) + x[r, k1] * (u - fu) * (1 - v + fv)
          + x[r1, k] * (1 - u + fu) * (v - fv) + x[r1, k1] * (u - fu) * (v - fv))(
          np.clip(fv, 0, x.shape[0] - 1).astype(int), np.clip(fu, 0, x.shape[1] - 1).astype(int),
          np.clip(fv + 1, 0, x.shape[0] - 1).astype(int), np.clip(fu + 1, 0, x.shape[1] - 1).astype(int)), np.nan)
      )(np.floor(u), np.floor(v)))(t[2] + t[1] * i + t[0] * j, t[5] + t[4] * i + t[3] * j))(*np.mgrid[:s[0], :s[1]])`,
        [x, NDArray.of(Float64Array.of(a, b, c, d, e, f)), { $tuple: shape }],
      );
      const wrong = Array.from(want.data as Float64Array, (w, i) => [w, valuesOf(got)[i] as number] as const).filter(
        ([w, g]) => !Number.isNaN(w) && !(Math.abs(w - g) <= 1e-12 * 200),
      );
      expect(wrong).toEqual([]);
    },
  );
});

const GDAL = `lambda x, t, s, how: (lambda w, A, c, out: (w.reproject(x, out, src_transform=A(1, 0, 0, 0, 1, 0), src_crs=c,
  dst_transform=A(t[0], t[1], t[2] + (1 - t[0] - t[1]) / 2, t[3], t[4], t[5] + (1 - t[3] - t[4]) / 2), dst_crs=c,
  resampling=getattr(w.Resampling, how), dst_nodata=np.nan, tolerance=0), out)[1])(
  __import__("rasterio.warp", fromlist=["x"]), __import__("affine").Affine, __import__("rasterio.crs", fromlist=["x"]).CRS.from_epsg(3857),
  np.full(s, np.nan, "f4"))`;

describeNumpy("resampling beside GDAL", (numpy) => {
  // GDAL takes a grid's scale from its bounding box and widens the kernel where that is coarser, and its nearest pixel of a tie is the higher one
  test.each(
    CASES.filter(
      (c) => ["identity", "finer"].includes(c.name) || c.name === (c.method === "bilinear" ? "shifted" : "rotated"),
    ),
  )("$method on the $name grid", async ({ affine, method }) => {
    const x = source("float32", 0);
    const shape = [50, 70] as const;
    const got = valuesOf(warp(x, { affine, method, shape }));
    const want = await numpy.call(GDAL, [x, NDArray.of(Float64Array.from(affine)), { $tuple: shape }, method]);
    const [a, b, c, d, e, f] = affine;
    const isInside = (k: number): boolean => {
      const [i, j] = [Math.floor(k / shape[1]), k % shape[1]];
      const [u, v] = [c + b * i + a * j, f + e * i + d * j];
      const isTie = [u, v].some((x) => Math.abs(x - Math.floor(x) - 0.5) < 1e-9);
      return !(isTie && method === "nearest") && u >= 1 && v >= 1 && u <= WIDTH - 2 && v <= HEIGHT - 2;
    };
    const inside = Array.from({ length: got.length }, (_, k) => k).filter(isInside);
    expect(inside.length).toBeGreaterThan(500);
    const tolerance = method === "nearest" ? 0 : 200 * 1e-5;
    const wrong = inside.filter((k) => !(Math.abs(Number(got[k]) - Number(want.data[k])) <= tolerance));
    expect(wrong.map((k) => [k, got[k], want.data[k]])).toEqual([]);
  });
});
