/**
 * Correlation with weights of rows × columns: `out[…, i, j] = Σ weights[y, x] · input[…, i + y, j + x]`, direct form.
 *
 * Order of operations: row by row, left to right, from zero, in float32 for a float32 (float16) result and in float64
 * otherwise; every product and sum is rounded. `skipna`: sums of value · weight and of weight over the valid pixels,
 * then the quotient; no valid one gives NaN. Bytes an element: input and output once.
 */
import { invariant, UnsupportedError } from "../../base/index.ts";
import { DTYPES, viewOf } from "../../dtype/index.ts";
import type { NDArray } from "../../ndarray/index.ts";
import { shapeOf } from "../map/lanes.ts";
import { type I32, i32, type Local, loadVector, scalar2, type Vector, vector2 } from "../wasm/builder.ts";
import { SCRATCH, scratch } from "../wasm/runtime.ts";
import { quieted, whereNaN } from "./lanes.ts";
import { overPlane } from "./over-plane.ts";
import { type Iteration, type RowKernel, runRows, type Size, type Surface, sizeOfItem } from "./surface.ts";

type V = Local<"v128">;
type Float = "float32" | "float64";

/** Windows of at most so many weights are straight-line code. */
const UNROLL_MAX = 100;
/** Vectors of results in flight. */
const VECTORS = 4;
/** Weights lie behind the kernel's words. */
const WEIGHTS_AT = 64;

/** Results of one row in the making, and the weights that took part. */
interface Sums {
  readonly values: V[];
  readonly weights: V[];
}

/** Weight by row and column of the window. */
type WeightOf = (y: number, x: number) => V;

/** Add the products of one weight, at the pixel that `base` plus `offset` bytes names. */
function addProducts(
  i: Iteration,
  dtype: Float,
  sums: Sums,
  o: { base: Local<"i32">; offset: number; weight: V },
): void {
  const { f } = i;
  const shape = shapeOf(dtype) as "f32x4" | "f64x2"; // floats only
  for (const [v, sum] of sums.values.entries()) {
    let x = f.let(loadVector("v128.load", { memory: i.places.from, base: o.base, offset: o.offset + 16 * v }));
    const weight = sums.weights[v];
    if (weight !== undefined) {
      const valid = f.let(vector2(`${shape}.eq`, x, x));
      x = f.let(vector2("v128.and", x, valid));
      f.set(weight, vector2(`${shape}.add`, weight, vector2("v128.and", o.weight, valid)));
    }
    f.set(sum, vector2(`${shape}.add`, sum, vector2(`${shape}.mul`, x, o.weight)));
  }
}

/** Weights in straight line: those of few are kept in locals. */
function weightOf(i: Iteration, dtype: Float, window: Size): WeightOf {
  const splat = dtype === "float32" ? "v128.load32_splat" : "v128.load64_splat";
  return (y, x) => {
    const load = (): Vector => loadVector(splat, i.own(WEIGHTS_AT + (y * window.columns + x) * sizeOfItem(dtype)));
    return window.rows * window.columns <= 9 ? i.f.hoist(`weight ${y} ${x}`, load) : i.f.let(load());
  };
}

/** All weights in straight line. */
function unrolled(i: Iteration, dtype: Float, window: Size, sums: Sums): void {
  const { f } = i;
  const item = sizeOfItem(dtype);
  const weight = weightOf(i, dtype, window);
  const row = f.let(i.at);
  for (let y = 0; y < window.rows; y++) {
    if (y > 0) f.set(row, scalar2("i32.add", row, i.pitch));
    for (let x = 0; x < window.columns; x++)
      addProducts(i, dtype, sums, { base: row, offset: x * item, weight: weight(y, x) });
  }
}

/** Two rows of results at once: every pixel is loaded once for both. */
function twoRows(i: Iteration, dtype: Float, window: Size, [upper, lower]: readonly [Sums, Sums]): void {
  const { f } = i;
  const shape = shapeOf(dtype) as "f32x4" | "f64x2"; // floats only
  const weight = weightOf(i, dtype, window);
  const row = f.let(i.at);
  const add = (to: V, x: V, w: V): void => f.set(to, vector2(`${shape}.add`, to, vector2(`${shape}.mul`, x, w)));
  for (let y = 0; y <= window.rows; y++) {
    if (y > 0) f.set(row, scalar2("i32.add", row, i.pitch));
    for (let x = 0; x < window.columns; x++) {
      const [above, below] = [y < window.rows ? weight(y, x) : null, y > 0 ? weight(y - 1, x) : null];
      for (const v of upper.values.keys()) {
        const offset = x * sizeOfItem(dtype) + 16 * v;
        const pixel = f.let(loadVector("v128.load", { memory: i.places.from, base: row, offset }));
        if (above !== null) add(upper.values[v] as V, pixel, above); // as many vectors each
        if (below !== null) add(lower.values[v] as V, pixel, below);
      }
    }
  }
}

/** Two loops over the weights, whose extents are words 0 and 1. */
function looped(i: Iteration, dtype: Float, sums: Sums): void {
  const { f } = i;
  const item = sizeOfItem(dtype);
  const splat = dtype === "float32" ? "v128.load32_splat" : "v128.load64_splat";
  const [row, at, weights] = [f.let(i.at), f.local("i32"), f.let(i32(0))];
  const [rows, columns] = [f.let(i.word(0)), f.local("i32")];
  const bump = (x: Local<"i32">, by: I32): void => f.set(x, scalar2("i32.add", x, by));
  f.doWhile(
    () => rows,
    () => {
      f.set(at, row);
      f.set(columns, i.word(1));
      f.doWhile(
        () => columns,
        () => {
          const { memory, base, offset } = i.own(WEIGHTS_AT);
          const weight = f.let(loadVector(splat, { memory, base: f.let(scalar2("i32.add", base, weights)), offset }));
          addProducts(i, dtype, sums, { base: at, offset: 0, weight });
          bump(at, i32(item));
          bump(weights, i32(item));
          bump(columns, i32(-1));
        },
      );
      bump(row, i.pitch);
      bump(rows, i32(-1));
    },
  );
}

/** Store a row of results. */
function finish(i: Iteration, dtype: Float, sums: Sums, to: Local<"i32">): void {
  const { f } = i;
  const shape = shapeOf(dtype) as "f32x4" | "f64x2"; // floats only
  const values = sums.values.map((sum, v) => {
    const weight = sums.weights[v];
    return weight === undefined ? sum : f.let(vector2(`${shape}.div`, sum, weight));
  });
  whereNaN(f, dtype, values, () => {
    for (const value of values) f.set(value, quieted(f, dtype, value));
  });
  for (const [v, value] of values.entries()) f.storeVector({ memory: i.places.to, base: to, offset: 16 * v }, value);
}

function rowKernel(dtype: Float, window: Size, skipna: boolean, rows: 1 | 2): RowKernel {
  const item = sizeOfItem(dtype);
  const count = window.rows * window.columns;
  const name = count <= UNROLL_MAX ? `${window.rows} ${window.columns}` : "any";
  return {
    key: `correlate ${dtype} ${name} ${skipna} ${rows}`,
    step: { elements: (16 * VECTORS) / item, fromSize: item, toSize: item, rows },
    body: (i) => {
      const { f } = i;
      const zeros = (n: number): V[] => Array.from({ length: n }, () => f.let(f.constant(new Uint8Array(16))));
      const sums: Sums = { values: zeros(VECTORS), weights: zeros(skipna ? VECTORS : 0) };
      if (rows === 2) {
        const lower: Sums = { values: zeros(VECTORS), weights: [] };
        twoRows(i, dtype, window, [sums, lower]);
        finish(i, dtype, lower, f.let(scalar2("i32.add", i.to, i.toPitch)));
      } else if (count <= UNROLL_MAX) unrolled(i, dtype, window, sums);
      else looped(i, dtype, sums);
      finish(i, dtype, sums, i.to);
    },
  };
}

/** Correlate one plane; `weights` in C order. */
export function correlatePlane(
  input: NDArray,
  out: NDArray,
  window: Size,
  { weights, skipna }: { readonly weights: readonly number[]; readonly skipna: boolean },
): void {
  const dtype: Float = out.dtype === "float32" || out.dtype === "float16" ? "float32" : "float64";
  const item = sizeOfItem(dtype);
  invariant(
    weights.length === window.rows * window.columns,
    `${weights.length} weights for ${window.rows} x ${window.columns}`,
  );
  if (DTYPES[input.dtype].kind === "c")
    throw new UnsupportedError(`correlation of ${input.dtype} is not supported`, { details: { dtype: input.dtype } });
  if (WEIGHTS_AT + 32 + weights.length * item > SCRATCH.stage)
    throw new UnsupportedError(`a window of ${window.rows} x ${window.columns} weights is too large`);
  const one = rowKernel(dtype, window, skipna, 1);
  const two = skipna || weights.length > UNROLL_MAX ? one : rowKernel(dtype, window, false, 2);
  const run = (source: Surface, target: Surface, size: Size): void =>
    runRows(size.rows > 1 ? two : one, source, target, size, (words, at) => {
      words.set([window.rows, window.columns], at);
      viewOf(dtype, scratch().buffer, 4 * at + WEIGHTS_AT, weights.length).set(weights as never); // of a float dtype
    });
  overPlane({ dtype, elements: one.step.elements, window }, input, out, run);
}
