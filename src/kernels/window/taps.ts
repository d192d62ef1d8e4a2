/** Passes of a window along one axis: every element of the result combines elements at fixed distances. */
import type { DType } from "../../dtype/index.ts";
import { highHalf, lowHalves, shapeOf } from "../map/lanes.ts";
import { type Address, type Local, loadVector, scalar2, type Vector2Name, vector1, vector2 } from "../wasm/builder.ts";
import { scratch } from "../wasm/runtime.ts";
import { extreme, quieted } from "./lanes.ts";
import { type Iteration, type RowKernel, runRows, type Size, type Step, type Surface, sizeOfItem } from "./surface.ts";

type V = Local<"v128">;

/** How two elements become one. */
export type Combine = "sum" | { readonly which: "min" | "max"; readonly skipna: boolean };

/** What a pass computes: dtype of its source (float32 widens into float64), of its arithmetic and of its result. */
export interface TapKernel {
  readonly combine: Combine;
  readonly from: DType;
  readonly dtype: DType;
  /** Equal to `dtype`, or float32 for scaled sums. */
  readonly to: DType;
  /** What becomes of the last pass's results: sums times a scale (float64) or divided by its inverse (float32), extremes with one quiet NaN. */
  readonly ending: "scaled" | "quieted" | null;
}

/** Word of the scale, behind the distances. */
const SCALE_WORD = 16;
/** Word of its inverse in float32, by which float32 is divided. */
const DIVISOR_WORD = SCALE_WORD + 2;

/** Elements per iteration. */
export function tapElements(dtype: DType): number {
  const size = sizeOfItem(dtype);
  return size === 8 ? 8 : size === 1 ? 32 : 16;
}

/** Elements from `at` on, in the kernel's arithmetic. */
function loadElements({ f, places }: Iteration, k: TapKernel, base: Local<"i32">): V[] {
  const vectors = (tapElements(k.dtype) * sizeOfItem(k.from)) / 16;
  const raw = Array.from({ length: vectors }, (_, n) =>
    f.let(loadVector("v128.load", { memory: places.from, base, offset: 16 * n })),
  );
  if (k.from === k.dtype) return raw;
  return promoted(f, raw);
}

/** Store the results of one iteration. */
export function storeElements(i: Iteration, k: TapKernel, values: readonly V[]): void {
  const { f, places, to } = i;
  const at = (n: number): Address => ({ memory: places.to, base: to, offset: 16 * n });
  if (k.ending !== "scaled") {
    for (const [n, x] of values.entries()) f.storeVector(at(n), k.ending === null ? x : quieted(f, k.dtype, x));
    return;
  }
  if (k.dtype === "float32") {
    const divisor = f.hoist("divisor", () => loadVector("v128.load32_splat", i.own(4 * DIVISOR_WORD)));
    for (const [n, x] of values.entries()) f.storeVector(at(n), vector2("f32x4.div", x, divisor));
    return;
  }
  const scale = f.hoist("scale", () => loadVector("v128.load64_splat", i.own(4 * SCALE_WORD)));
  const narrow = values.map((x) => f.let(vector1("f32x4.demote_f64x2_zero", vector2("f64x2.mul", x, scale))));
  for (let n = 0; n < narrow.length; n += 2) f.storeVector(at(n / 2), lowHalves(narrow[n] as V, narrow[n + 1] as V)); // an even count
}

/** float64 of float32. */
function promoted(f: Iteration["f"], values: readonly V[]): V[] {
  return values.flatMap((x) => [x, f.let(highHalf(x))].map((half) => f.let(vector1("f64x2.promote_low_f32x4", half))));
}

/** Two vectors combined. */
export function combined({ f }: Pick<Iteration, "f">, { combine, dtype }: TapKernel, a: V, b: V): V {
  if (combine !== "sum") return f.let(extreme(f, dtype, combine, a, b));
  return f.let(vector2(`${shapeOf(dtype)}.add` as Vector2Name, a, b)); // every shape has it
}

function rowKernel(k: TapKernel, terms: number): RowKernel {
  const step: Step = { elements: tapElements(k.dtype), fromSize: sizeOfItem(k.from), toSize: sizeOfItem(k.to) };
  const name = k.combine === "sum" ? "sum" : `${k.combine.which}${k.combine.skipna ? " skipna" : ""}`;
  return {
    key: `taps ${name} ${k.from} ${k.dtype} ${k.to} ${k.ending} ${terms}`,
    step,
    body: (i) => {
      let sums: readonly V[] = [];
      for (let n = 0; n < terms; n++) {
        const values = loadElements(i, k, i.f.let(scalar2("i32.add", i.at, i.word(n))));
        sums = n === 0 ? values : sums.map((s, v) => combined(i, k, s, values[v] as V)); // equal counts
      }
      storeElements(i, k, sums);
    },
  };
}

/** Run one pass; `distances` are bytes from an element of the source to its terms, in order. */
export function runTaps(
  k: TapKernel,
  { source, target }: { readonly source: Surface; readonly target: Surface },
  size: Size,
  { distances, scale = 1 }: { readonly distances: readonly number[]; readonly scale?: number },
): void {
  runRows(rowKernel(k, distances.length), source, target, size, (words, at) => {
    words.set(distances, at);
    writeScale(at, scale);
  });
}

/** Put the scale, the inverse of a small integer, behind a kernel's own words, which begin at word `at`. */
export function writeScale(at: number, scale: number): void {
  const view = new DataView(scratch().buffer);
  view.setFloat64(4 * (at + SCALE_WORD), scale, true);
  view.setFloat32(4 * (at + DIVISOR_WORD), 1 / scale, true);
}
