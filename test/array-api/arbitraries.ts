/** Random dtypes, shapes, values and cuts, after the strategies of the public suite; and arrays read element by element. */
import fc from "fast-check";
import { expect } from "vitest";
import * as namespace from "../../src/array/index.ts";
import { allocate, DTYPES, type DType, dtypeInfo } from "../../src/dtype/index.ts";
import { NDArray, sizeOf } from "../../src/ndarray/index.ts";
import { lookUp } from "../array/grid/cases.ts";

export const BOOL: readonly DType[] = ["bool"];
export const SIGNED: readonly DType[] = ["int8", "int16", "int32", "int64"];
export const UNSIGNED: readonly DType[] = ["uint8", "uint16", "uint32", "uint64"];
export const INTEGERS: readonly DType[] = [...SIGNED, ...UNSIGNED];
export const FLOATS: readonly DType[] = ["float32", "float64"];
export const COMPLEX: readonly DType[] = ["complex64", "complex128"];
export const REAL: readonly DType[] = [...INTEGERS, ...FLOATS];
export const NUMERIC: readonly DType[] = [...REAL, ...COMPLEX];
export const ALL: readonly DType[] = [...BOOL, ...NUMERIC];

/** A complex element as blocks give it. */
export interface Pair {
  readonly re: number;
  readonly im: number;
}
export type Element = number | bigint | boolean | Pair;

/** A function of the namespace by the standard's name (snake case), or by ours. */
export function xp(name: string, ...args: readonly unknown[]): namespace.ChunkedArray {
  const found = lookUp(ours(name));
  if (!found) throw new TypeError(`the namespace has no ${ours(name)}`);
  // callers know what the function gives
  return found(...args) as namespace.ChunkedArray;
}

/** The standard's name as it is spelled here. */
export function ours(name: string): string {
  if (name === "__array_namespace_info__") return "arrayNamespaceInfo";
  return name.replace(/_+([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** One of `dtypes`. */
export const dtype = (dtypes: readonly DType[]): fc.Arbitrary<DType> => fc.constantFrom(...dtypes);

export interface ShapeLimits {
  readonly minDims?: number;
  readonly maxDims?: number;
  readonly minSide?: number;
  readonly maxSide?: number;
}

export function shapes({
  minDims = 0,
  maxDims = 3,
  minSide = 0,
  maxSide = 5,
}: ShapeLimits = {}): fc.Arbitrary<number[]> {
  return fc.array(fc.integer({ min: minSide, max: maxSide }), { minLength: minDims, maxLength: maxDims });
}

/** Values of a dtype; `plain` keeps to finite numbers of moderate size. */
export function element(of: DType, plain = false): fc.Arbitrary<number | bigint> {
  const { kind, min = 0n, max = 1n, big } = dtypeInfo(of);
  if (kind === "b") return fc.constantFrom(0, 1);
  if (kind === "i" || kind === "u") {
    const small = fc.bigInt({ min: kind === "u" ? 0n : -20n, max: 20n });
    const any = plain ? small : fc.oneof(small, fc.bigInt({ min, max }));
    return big ? any : any.map(Number);
  }
  const narrow = of === "float32" || of === "complex64";
  const round = (v: number): number => (narrow ? Math.fround(v) : v);
  const moderate = fc.integer({ min: -4000, max: 4000 }).map((v) => round(v / 32));
  if (plain) return moderate;
  const special = fc.constantFrom(0, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1, -1);
  return fc.oneof(moderate, special, narrow ? fc.float() : fc.double());
}

/** A block in memory and how its lazy twin is cut. */
export interface Given {
  readonly block: NDArray;
  readonly lazy: namespace.ChunkedArray;
}

function cutAxis(n: number): fc.Arbitrary<number[]> {
  if (n < 2) return fc.constant([n]);
  return fc.uniqueArray(fc.integer({ min: 1, max: n - 1 }), { maxLength: 2 }).map((marks) => {
    const edges = [0, ...marks.sort((a, b) => a - b), n];
    return edges.slice(1).map((e, i) => e - (edges[i] as number));
  });
}

/** An array of a dtype and shape, cut anyhow. */
export function arrayOf(of: DType, shape: readonly number[], plain = false): fc.Arbitrary<Given> {
  const n = sizeOf(shape) * dtypeInfo(of).components;
  const cuts = shape.length === 0 ? fc.constant([]) : fc.tuple(...shape.map(cutAxis));
  return fc.tuple(fc.array(element(of, plain), { minLength: n, maxLength: n }), cuts).map(([list, chunks]) => {
    const data = allocate(of, sizeOf(shape));
    list.forEach((v, i) => {
      data[i] = v as never; // the array class of the dtype
    });
    const block = new NDArray(of, data, shape);
    return { block, lazy: namespace.fromArray(block, { chunks }) };
  });
}

/** An array of one of the dtypes. */
export function arrays(dtypes: readonly DType[], limits: ShapeLimits = {}, plain = false): fc.Arbitrary<Given> {
  return fc.tuple(dtype(dtypes), shapes(limits)).chain(([of, shape]) => arrayOf(of, shape, plain));
}

/** Two shapes that broadcast, with the shape they give. */
export const broadcastable: fc.Arbitrary<readonly [number[], number[], number[]]> = shapes().chain((full) => {
  const thin = fc
    .tuple(fc.integer({ min: 0, max: full.length }), fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }))
    .map(([drop, ones]) => full.slice(drop).map((n, k) => (ones[k] ? 1 : n)));
  return fc.tuple(thin, fc.boolean()).map(([a, swap]) => [swap ? a : full, swap ? full : a, full] as const);
});

/** Every index of a shape in C order. */
export function* indices(shape: readonly number[]): Generator<number[]> {
  const n = sizeOf(shape);
  for (let flat = 0; flat < n; flat++) {
    const index: number[] = [];
    let rest = flat;
    for (let k = shape.length - 1; k >= 0; k--) {
      const side = shape[k] as number; // k < rank
      index.unshift(rest % side);
      rest = Math.floor(rest / side);
    }
    yield index;
  }
}

/** An element; index entries of broadcast axes are ignored. */
export function at(block: NDArray, index: readonly number[]): Element {
  const own = index.slice(index.length - block.ndim).map((i, k) => (block.shape[k] === 1 ? 0 : i));
  // complex blocks give pairs, which the type of item() names elsewhere
  return (block.ndim === 0 ? block.item() : block.item(...own)) as Element;
}

/** Elements equal, NaN equal to NaN. */
export function same(a: Element, b: Element): boolean {
  if (typeof a === "object" && typeof b === "object") return same(a.re, b.re) && same(a.im, b.im);
  return a === b || (Number.isNaN(a) && Number.isNaN(b));
}

/** The standard's promotion of two dtypes; null where it leaves the result open. */
export function promoted(a: DType, b: DType): DType | null {
  const [x, y] = [DTYPES[a], DTYPES[b]];
  if (a === b) return a;
  const kinds = [x.kind, y.kind].sort().join("");
  if (kinds === "ii" || kinds === "uu" || kinds === "ff" || kinds === "cc") return x.itemsize > y.itemsize ? a : b;
  if (kinds === "iu") {
    const [signed, unsigned] = x.kind === "i" ? [x, y] : [y, x];
    if (signed.itemsize > unsigned.itemsize) return signed.name;
    const next = SIGNED.find((name) => DTYPES[name].itemsize > unsigned.itemsize);
    return next ?? null;
  }
  if (kinds === "cf")
    return a === "complex128" || b === "complex128" || a === "float64" || b === "float64" ? "complex128" : "complex64";
  return null;
}

/** Pairs of dtypes that promote. */
export const promotable = (dtypes: readonly DType[]): fc.Arbitrary<readonly [DType, DType]> =>
  fc.constantFrom(...dtypes.flatMap((a) => dtypes.filter((b) => promoted(a, b) !== null).map((b) => [a, b] as const)));

/** Where the elements of a result come from. */
export interface Origin {
  readonly of: DType;
  readonly from: (index: readonly number[]) => Element;
}

/** The result's dtype and shape, and every element by the index it comes from. */
export async function expectMoved(
  out: namespace.ChunkedArray,
  shape: readonly number[],
  { of, from }: Origin,
): Promise<void> {
  expect([out.dtype, out.shape]).toEqual([of, shape]);
  const got = await out.compute();
  for (const i of indices(shape)) expect([i, at(got, i), same(at(got, i), from(i))]).toEqual([i, at(got, i), true]);
}

/** Elements of `given` at other indices. */
export function moved({ block }: Given, from: (index: readonly number[]) => readonly number[]): Origin {
  return { of: block.dtype, from: (i) => at(block, from(i)) };
}
