/** Vector code that moves E elements between memory and lanes, by kind of access. See kernels.md §3.6. */
import type { DType } from "../../dtype/index.ts";
import {
  type Address,
  type I32,
  i32,
  type Local,
  loadLane,
  loadScalar,
  loadVector,
  scalar2,
  scalarCompare,
  shuffle,
  vector2,
} from "../wasm/builder.ts";
import { type LaneCode, type Lanes, pattern, type V, type Width, widthOf } from "./lanes.ts";

/** Contiguous, repeated (step 0), reversed, any other step. */
export type AccessKind = "c" | "s" | "r" | "g";

/** One operand as a module sees it. */
export interface Access {
  readonly dtype: DType;
  readonly kind: AccessKind;
  /** Index of the imported memory. */
  readonly memory: number;
}

/** Kind of an operand whose elements are `step` apart (in elements). */
export function accessKind(step: number, isOutput: boolean): AccessKind {
  if (step === 1) return "c";
  if (isOutput) return "g";
  return step === 0 ? "s" : step === -1 ? "r" : "g";
}

function lanesOf(code: LaneCode, dtype: DType, v: readonly V[]): Lanes {
  if (dtype !== "bool") return { dtype, width: widthOf(dtype), v };
  const zero = code.f.constant(new Uint8Array(16));
  return { dtype, width: 1, v: v.map((x) => code.let(vector2("i8x16.ne", x, zero))) };
}

/** E elements that follow each other upwards from `at`. */
export function loadContiguous(code: LaneCode, dtype: DType, at: Address): Lanes {
  return lanesOf(code, dtype, loadWhole(code, widthOf(dtype), at));
}

function loadWhole(code: LaneCode, width: Width, at: Address): V[] {
  if (code.elements * width < 16) return [code.let(loadVector("v128.load64_zero", at))];
  return Array.from({ length: code.count(width) }, (_, k) =>
    code.let(loadVector("v128.load", { ...at, offset: at.offset + 16 * k })),
  );
}

/** E float32 elements upwards from `at`, two to a vector, as a widening to float64 reads them in one instruction. */
export function loadHalves(code: LaneCode, at: Address): V[] {
  return Array.from({ length: code.elements / 2 }, (_, k) =>
    code.let(loadVector("v128.load64_zero", { ...at, offset: at.offset + 8 * k })),
  );
}

/** One element in every lane. */
export function loadSplat(code: LaneCode, dtype: DType, at: Address): Lanes {
  const width = widthOf(dtype);
  const name = (
    { 1: "v128.load8_splat", 2: "v128.load16_splat", 4: "v128.load32_splat", 8: "v128.load64_splat" } as const
  )[width];
  const x = code.let(loadVector(name, at));
  code.splats.add(x);
  return lanesOf(
    code,
    dtype,
    Array.from({ length: code.count(width) }, () => x),
  );
}

/** E elements that follow each other downwards from `at`. */
export function loadReversed(code: LaneCode, dtype: DType, at: Address): Lanes {
  const width = widthOf(dtype);
  const bytes = code.elements * width;
  const low = { ...at, base: scalar2("i32.sub", at.base, i32(bytes - width)) };
  const whole = loadWhole(code, width, low);
  const used = Math.min(16, bytes);
  const lanes = Array.from({ length: 16 }, (_, k) =>
    k < used ? used - width * (Math.floor(k / width) + 1) + (k % width) : 0,
  );
  return lanesOf(
    code,
    dtype,
    whole.map((_, k) => {
      const x = whole[whole.length - 1 - k] as V; // within the list
      return code.let(shuffle(x, x, lanes));
    }),
  );
}

/** E elements `step` bytes apart, lane by lane. */
export function loadStrided(code: LaneCode, dtype: DType, at: Address, step: I32): Lanes {
  const width = widthOf(dtype);
  const next = code.f.let(at.base);
  const perVector = Math.min(code.elements, 16 / width);
  const zero = code.f.constant(new Uint8Array(16));
  return lanesOf(
    code,
    dtype,
    Array.from({ length: code.count(width) }, () => {
      const x = code.let(zero);
      for (let lane = 0; lane < perVector; lane++) {
        code.f.set(x, loadLane(width, { ...at, base: next }, x, lane));
        code.f.set(next, scalar2("i32.add", next, step));
      }
      return x;
    }),
  );
}

/** What is stored for `x`: bools become bytes 0 and 1. */
export function stored(code: LaneCode, x: Lanes): readonly V[] {
  if (x.dtype !== "bool") return x.v;
  const one = code.splat(1, pattern(1, 1n));
  return code.map2("v128.and", code.mask(x, 1), one);
}

/** Store E elements upwards from `at`, the last ones first: V8 widens pairs of stores, and in the other order repeats the lower one. */
export function storeContiguous(code: LaneCode, x: Lanes, at: Address): void {
  const v = stored(code, x);
  if (code.elements * widthOf(x.dtype) < 16) code.f.storeLane(8, at, v[0] as V, 0);
  else
    for (const [k, part] of [...v.entries()].reverse()) code.f.storeVector({ ...at, offset: at.offset + 16 * k }, part);
}

/** Store E elements `step` bytes apart. */
export function storeStrided(code: LaneCode, x: Lanes, at: Address, step: I32): void {
  const width = widthOf(x.dtype);
  const perVector = Math.min(code.elements, 16 / width);
  const next = code.f.let(at.base);
  for (const part of stored(code, x)) {
    for (let lane = 0; lane < perVector; lane++) {
      code.f.storeLane(width, { ...at, base: next }, part, lane);
      code.f.set(next, scalar2("i32.add", next, step));
    }
  }
}

const MOVES = {
  1: ["i32.load8_u", "i32.store8"],
  2: ["i32.load16_u", "i32.store16"],
  4: ["i32.load", "i32.store"],
  8: ["i64.load", "i64.store"],
} as const;

/** Scalar loop: `count` (at least 1) elements of `width` bytes from one stepping address to another. */
export function moveElements(
  code: LaneCode,
  width: Width,
  to: Address & { readonly step: I32 },
  from: Address & { readonly step: I32 },
  count: I32,
): void {
  const { f } = code;
  const [load, store] = MOVES[width];
  const source = f.let(from.base);
  const target = f.let(to.base);
  const left: Local<"i32"> = f.let(count);
  f.doWhile(
    () => scalarCompare("i32.gt_u", left, i32(0)),
    () => {
      f.storeScalar(store, { ...to, base: target }, loadScalar(load, { ...from, base: source }));
      f.set(source, scalar2("i32.add", source, from.step));
      f.set(target, scalar2("i32.add", target, to.step));
      f.set(left, scalar2("i32.sub", left, i32(1)));
    },
  );
}
