/** One block in memory: typed-array data with shape and strides. */
import { AxisError, inspectAsText, SelectionError } from "../base/index.ts";
import {
  allocate,
  type Complex,
  DTYPES,
  type DType,
  dtypeOfArray,
  isComplex,
  type Scalar,
  type TypedArray,
  viewOf,
} from "../dtype/index.ts";
import { contiguousStride, sizeOf } from "./shape.ts";
import { type AxisIndex, parseIndex, type SliceArg } from "./slicing.ts";

/** Value with nesting by axis, as `toArray` gives it. */
export type Nested = number | bigint | boolean | Complex | Nested[];

/**
 * A block: `data[offset + Σ index[k] * stride[k]]`. Strides count elements and may be 0 (broadcast) or negative.
 *
 * The shape `{ data, shape, stride }` is zarrita's chunk, so blocks with `offset` 0 pass to it without a copy.
 * Bool blocks hold 0 and 1 in a Uint8Array; complex blocks interleave real and imaginary parts.
 */
export class NDArray<D extends DType = DType> {
  readonly dtype: D;
  readonly data: TypedArray;
  readonly shape: readonly number[];
  readonly stride: readonly number[];
  /** Element of `data` that index (0, …, 0) names. */
  readonly offset: number;

  constructor(
    dtype: D,
    data: TypedArray,
    shape: readonly number[],
    stride: readonly number[] = contiguousStride(shape),
    offset = 0,
  ) {
    this.dtype = dtype;
    this.data = data;
    this.shape = shape;
    this.stride = stride;
    this.offset = offset;
  }

  /** Zeroed block in C order. */
  static zeros<D extends DType>(dtype: D, shape: readonly number[]): NDArray<D> {
    return new NDArray(dtype, allocate(dtype, sizeOf(shape)), shape);
  }

  /** Block over a typed array in C order; `dtype` defaults to the array's own. */
  static of(data: TypedArray, shape?: readonly number[], dtype: DType = dtypeOfArray(data)): NDArray {
    return new NDArray(dtype, data, shape ?? [data.length / DTYPES[dtype].components]);
  }

  /** Block over bytes in C order; `bytes` must be aligned to the item size. */
  static view<D extends DType>(
    dtype: D,
    buffer: ArrayBufferLike,
    byteOffset: number,
    shape: readonly number[],
  ): NDArray<D> {
    return new NDArray(dtype, viewOf(dtype, buffer, byteOffset, sizeOf(shape)), shape);
  }

  get ndim(): number {
    return this.shape.length;
  }

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.shape);
  }

  /** Bytes of the elements, as if in C order. */
  get nbytes(): number {
    return this.size * DTYPES[this.dtype].itemsize;
  }

  /** True when the elements lie in C order without gaps, from `offset` on. */
  get isContiguous(): boolean {
    let expected = 1;
    for (let k = this.ndim - 1; k >= 0; k--) {
      const n = this.shape[k] as number; // k < ndim
      if (n !== 1 && this.stride[k] !== expected) return this.size === 0;
      expected *= n;
    }
    return true;
  }

  /**
   * One element; without indices the only element of a size-1 block. bool gives true/false, a complex number `{ re, im }`.
   * @throws {SelectionError} an index outside the shape, or none given for more than one element
   */
  item(...index: readonly number[]): Scalar | Complex {
    if (index.length === 0 && this.size !== 1)
      throw new SelectionError(`item() of ${this.size} elements needs an index`);
    if (index.length !== 0 && index.length !== this.ndim) {
      throw new SelectionError(`item(${index.join(", ")}): expected ${this.ndim} indices`);
    }
    let at = this.offset;
    index.forEach((given, k) => {
      const n = this.shape[k] as number; // lengths agree
      const i = given < 0 ? given + n : given;
      if (!Number.isInteger(i) || i < 0 || i >= n)
        throw new SelectionError(`index ${given} is outside axis ${k} of size ${n}`);
      at += i * (this.stride[k] as number);
    });
    return this.#value(at);
  }

  /** Nested arrays of values; 64-bit integers give bigint, or numbers with `{ bigint: false }`. */
  toArray(options: { readonly bigint?: boolean } = {}): Nested {
    const walk = (axis: number, at: number): Nested => {
      if (axis === this.ndim) {
        const v = this.#value(at);
        if (typeof v !== "bigint" || options.bigint !== false) return v;
        if (!Number.isSafeInteger(Number(v))) throw new SelectionError(`${v} is beyond 2^53; read it as bigint`);
        return Number(v);
      }
      const out: Nested[] = [];
      const step = this.stride[axis] as number; // axis < ndim
      for (let i = 0; i < (this.shape[axis] as number); i++) out.push(walk(axis + 1, at + i * step));
      return out;
    };
    return walk(0, this.offset);
  }

  /** The same elements with axes permuted; a view. */
  transpose(axes: readonly number[] = this.shape.map((_, k) => this.ndim - 1 - k)): NDArray<D> {
    if (axes.length !== this.ndim || new Set(axes).size !== this.ndim || axes.some((a) => !(a >= 0 && a < this.ndim))) {
      throw new AxisError(`transpose(${axes.join(", ")}): expected a permutation of ${this.ndim} axes`);
    }
    const pick = (of: readonly number[]): number[] => axes.map((a) => of[a] as number);
    return new NDArray(this.dtype, this.data, pick(this.shape), pick(this.stride), this.offset);
  }

  /**
   * Basic indexing as NumPy's, a view: `x.slice("1:3, ::-1")`, `x.slice([1, 3], 0, null, "...")`.
   * @throws {SelectionError} out of bounds or no slice
   */
  slice(...index: readonly SliceArg[]): NDArray<D> {
    return this.select(parseIndex(index, this.shape));
  }

  /** The elements that a parsed index names, as a view. */
  select(index: readonly AxisIndex[]): NDArray<D> {
    const shape: number[] = [];
    const stride: number[] = [];
    let { offset } = this;
    let axis = 0;
    for (const part of index) {
      if (part.kind === "newaxis") {
        shape.push(1);
        stride.push(0);
        continue;
      }
      const step = this.stride[axis++] as number; // one index per axis
      if (part.kind === "element") offset += part.at * step;
      else {
        offset += part.count > 0 ? part.start * step : 0;
        shape.push(part.count);
        stride.push(step * part.step);
      }
    }
    return new NDArray(this.dtype, this.data, shape, stride, offset);
  }

  /** Element (of one axis) or view (of more) number `index` along the first axis, from the end if negative; undefined where there is none. As `Array.prototype.at`. */
  at(index: number): Scalar | Complex | NDArray<D> | undefined {
    const [n] = this.shape;
    const i = index < 0 ? index + (n ?? 0) : index;
    if (n === undefined || !Number.isInteger(i) || i < 0 || i >= n) return undefined;
    return this.ndim === 1 ? this.item(i) : this.slice(i);
  }

  /** Elements of one axis, views of the others along the first. @throws {SelectionError} a block without axes */
  *[Symbol.iterator](): Generator<Scalar | Complex | NDArray<D>, void, undefined> {
    if (this.ndim === 0) throw new SelectionError("iteration over a block without axes; use item()");
    for (let i = 0; i < (this.shape[0] as number); i++) yield this.at(i) as Scalar | Complex | NDArray<D>; // i < size
  }

  #value(at: number): Scalar | Complex {
    const { components } = DTYPES[this.dtype];
    const v = this.data[at * components] as number | bigint; // in range by construction
    if (components === 2) return { re: Number(v), im: Number(this.data[at * 2 + 1]) };
    return this.dtype === "bool" ? v !== 0 : v;
  }

  toString(): string {
    return `NDArray { dtype: ${this.dtype}, shape: [${this.shape.join(", ")}] }${this.size <= 64 ? ` ${nestedText(this.toArray())}` : ""}`;
  }
}

inspectAsText(NDArray.prototype);

function nestedText(v: Nested): string {
  if (Array.isArray(v)) return `[${v.map(nestedText).join(", ")}]`;
  return isComplex(v) ? `${v.re}${v.im < 0 || Object.is(v.im, -0) ? "-" : "+"}${Math.abs(v.im)}i` : String(v);
}
