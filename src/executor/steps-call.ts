/** The `call` step: a user's JavaScript text, run only where its sender is trusted, and what becomes of its result. */
import { DTypeMismatchError, ShapeError, TaskError, UnsupportedError } from "../base/index.ts";
import {
  canHold,
  castScalar,
  type DType,
  dtypeInfo,
  dtypeOfArray,
  isDType,
  type Scalar,
  type TypedArray,
  viewOf,
} from "../dtype/index.ts";
import type { Plain } from "../graph/index.ts";
import { copyStrided } from "../kernels/index.ts";
import { ascontiguous, contiguousStride, NDArray, sizeOf } from "../ndarray/index.ts";

const FUNCTIONS = new Map<string, (...args: unknown[]) => unknown>();
const FUNCTIONS_MAX = 256;

/** The value of an object's only field, if it is called `name`. */
function only(value: unknown, name: string): unknown {
  if (value === null || typeof value !== "object") return undefined;
  const names = Object.keys(value);
  return names.length === 1 && names[0] === name ? (value as Record<string, unknown>)[name] : undefined;
}

/**
 * Positional arguments of a call. With `args` null they are the inputs; else `args` lists them, and at any depth
 * `{ input: k }` stands for input `k`, `{ $ndarray: [dtype, shape, bytes] }` for a block, `{ $typed: [dtype, bytes] }`
 * for a typed array.
 */
export function callArguments(args: Plain, inputs: readonly unknown[]): unknown[] {
  if (args === null) return [...inputs];
  const put = (value: unknown): unknown => {
    const input = only(value, "input");
    if (typeof input === "number") return inputs[input];
    const block = only(value, "$ndarray");
    if (Array.isArray(block)) return NDArray.view(block[0], ownBytes(block[2]), 0, block[1]);
    const typed = only(value, "$typed");
    if (Array.isArray(typed)) return typedArray(typed[0], typed[1]);
    if (Array.isArray(value)) return value.map(put);
    if (value === null || typeof value !== "object" || value instanceof Uint8Array) return value;
    return Object.fromEntries(Object.entries(value).map(([name, v]) => [name, put(v)]));
  };
  return Array.isArray(args) ? args.map(put) : [put(args)];
}

function ownBytes(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer; // a copy: aligned, and the function's own
}

function typedArray(dtype: DType, bytes: Uint8Array): TypedArray {
  return viewOf(dtype, ownBytes(bytes), 0, bytes.length / dtypeInfo(dtype).itemsize);
}

/** A block in C order whose `data` holds its elements and nothing else, so that `block.data[i]` is what it seems. */
export function compactBlock(value: unknown): unknown {
  if (!(value instanceof NDArray)) return value;
  const block = ascontiguous(value);
  const { components } = dtypeInfo(block.dtype);
  const n = block.size * components;
  if (block.offset === 0 && block.data.length === n) return block;
  const start = block.offset * components;
  return new NDArray(block.dtype, block.data.subarray(start, start + n) as TypedArray, block.shape);
}

/**
 * What `text`, a function expression, returns for `args`; a promise where it is async.
 * @throws {TaskError} code `untrusted`: nobody vouches for the text
 * @throws {UnsupportedError} the text is no function expression
 */
export function callText(text: string, args: readonly unknown[], trusted: boolean): unknown {
  if (!trusted) {
    throw new TaskError(
      "untrusted",
      "this worker runs JavaScript only with the cluster's mac; start it with the cluster's token, or with --allow-insecure",
    );
  }
  return compiled(text)(...args);
}

/** What stands on the first line of a compiled function before its own text. */
export const BEFORE_TEXT: string = '"use strict"; return (';

function compiled(text: string): (...args: unknown[]) => unknown {
  const known = FUNCTIONS.get(text);
  if (known) return known;
  let made: unknown;
  try {
    made = new Function(`${BEFORE_TEXT}${text}\n);`)();
  } catch (cause) {
    throw new UnsupportedError(`the text of a function does not compile: ${excerpt(text)}`, { cause });
  }
  if (typeof made !== "function") throw new UnsupportedError(`${excerpt(text)} is no function expression`);
  if (FUNCTIONS.size >= FUNCTIONS_MAX) FUNCTIONS.delete(FUNCTIONS.keys().next().value as string); // not empty
  const f = made as (...args: unknown[]) => unknown; // typeof says so
  FUNCTIONS.set(text, f);
  return f;
}

function excerpt(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 77)}...` : text);
}

/**
 * Put what a function gave into the block that it should have given: an array of this shape and dtype (anything with
 * `data`, `shape` and perhaps `stride`), a typed array of as many elements in C order, nested lists of numbers, or one
 * number for a block of one element.
 * @param info the function's own `info`, for the block's location
 * @throws {DTypeMismatchError} elements of another dtype  @throws {ShapeError} another shape
 */
export function storeResult(given: unknown, out: NDArray, info: unknown): NDArray {
  const where = `block ${locationOf(info)}`;
  if (ArrayBuffer.isView(given) && !(given instanceof DataView)) storeTyped(given as TypedArray, out, where);
  else if (isBlockLike(given)) storeBlock(given, out, where);
  else storeNested(given, out, where);
  return out;
}

function locationOf(info: unknown): string {
  const output = (info as { output?: { chunkLocation?: readonly number[] } } | undefined)?.output;
  return `(${output?.chunkLocation?.join(", ") ?? ""})`;
}

interface BlockLike {
  readonly data: TypedArray;
  readonly shape: readonly number[];
  readonly stride?: readonly number[];
  readonly offset?: number;
  readonly dtype?: string;
}

function isBlockLike(value: unknown): value is BlockLike {
  if (value === null || typeof value !== "object" || !("data" in value) || !("shape" in value)) return false;
  return ArrayBuffer.isView(value.data) && Array.isArray(value.shape);
}

/** True where elements of `data` are what a block of `dtype` holds (bool is held in bytes, complex as pairs). */
function holds(data: TypedArray, out: NDArray, dtype: string | undefined): boolean {
  if (dtype !== undefined && isDType(dtype) && dtype !== out.dtype) return false;
  return data.constructor === out.data.constructor;
}

function mismatch(given: string, out: NDArray, where: string): Error {
  return new DTypeMismatchError(
    `${where}: the function gave ${given}, and ${out.dtype} was declared; name the dtype that it gives with the option dtype, or convert`,
    { details: { given, declared: out.dtype } },
  );
}

function wrongShape(given: readonly number[], out: NDArray, where: string): Error {
  return new ShapeError(
    `${where}: the function gave shape (${given.join(", ")}), and (${out.shape.join(", ")}) was declared; see the options chunks, dropAxis and newAxis`,
    { details: { given, declared: out.shape } },
  );
}

function storeTyped(data: TypedArray, out: NDArray, where: string): void {
  if (!holds(data, out, undefined)) throw mismatch(dtypeOfArray(data), out, where);
  const { components } = dtypeInfo(out.dtype);
  if (data.length !== out.size * components) throw wrongShape([data.length / components], out, where);
  copyStrided(out, new NDArray(out.dtype, data, out.shape));
}

function storeBlock(block: BlockLike, out: NDArray, where: string): void {
  if (!holds(block.data, out, block.dtype)) throw mismatch(block.dtype ?? dtypeOfArray(block.data), out, where);
  const { shape, stride = contiguousStride(block.shape), offset = 0 } = block;
  if (shape.length !== out.ndim || shape.some((n, k) => n !== out.shape[k])) throw wrongShape(shape, out, where);
  copyStrided(out, new NDArray(out.dtype, block.data, shape, stride, offset));
}

function storeNested(given: unknown, out: NDArray, where: string): void {
  const shape: number[] = [];
  for (let v = given; Array.isArray(v); v = v[0]) shape.push(v.length);
  const flat: unknown[] = Array.isArray(given) ? given.flat(Number.POSITIVE_INFINITY) : [given];
  const isOne = shape.length === 0 && out.size === 1;
  const agrees =
    shape.length === out.ndim && shape.every((n, k) => n === out.shape[k]) && flat.length === sizeOf(shape);
  if (!isOne && !agrees) throw wrongShape(shape, out, where);
  if (dtypeInfo(out.dtype).components !== 1) throw mismatch("plain values", out, where);
  flat.forEach((value, i) => {
    const isScalar = typeof value === "number" || typeof value === "bigint" || typeof value === "boolean";
    if (!isScalar) throw mismatch(value === undefined ? "nothing" : `a ${typeof value}`, out, where);
    if (!canHold(out.dtype, value)) throw mismatch(`the value ${value}`, out, where);
    out.data[out.offset + i] = castScalar(value as Scalar, out.dtype) as never; // castScalar gives what the array class takes
  });
}
