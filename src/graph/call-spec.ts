/** Calls of users' functions outside arrays: each is one task, a native spec with one `call` step. */
import { ArgumentError, ClosureError, shownKind } from "../base/index.ts";
import { ascontiguous, NDArray } from "../ndarray/index.ts";
import type { Key } from "./keys.ts";
import type { Plain, Step, TaskSpec } from "./task.ts";

/** A Python function by its dotted name, for Python workers. */
export class PyFunction {
  /** Dotted name that the workers, and a Python scheduler, can import. */
  readonly path: string;
  constructor(path: string) {
    this.path = path;
  }
}

/** Stands for the result of another task among the arguments of a call. */
export class KeyRef {
  readonly key: Key;
  constructor(key: Key) {
    this.key = key;
  }
}

/** A call that a {@link import("./runner.ts").Runner} runs: `fn(...args)`, with {@link KeyRef}s for results of other calls. */
export interface CallTask {
  readonly key: Key;
  /** Text of a function expression, or a Python function. */
  readonly fn: string | PyFunction;
  readonly args: readonly unknown[];
  /** Named arguments, of Python functions only. */
  readonly kwargs?: Readonly<Record<string, unknown>>;
}

/** A native spec, and the keys of its inputs in order. */
export interface CallSpec {
  readonly spec: TaskSpec;
  readonly dependencies: readonly Key[];
}

/** Fields by which the `call` step knows inputs and arrays. */
const MARKS: ReadonlySet<string> = new Set(["input", "$ndarray", "$typed"]);

/**
 * The spec that calls `text` with `args`: results of other tasks, for which `keyOf` gives the key, become inputs, arrays
 * in memory literals before the call.
 * @throws {ArgumentError} {ClosureError} an argument that cannot travel
 */
export function callSpec(text: string, args: readonly unknown[], keyOf: (value: unknown) => Key | null): CallSpec {
  const keys: Key[] = [];
  const arrays: NDArray[] = [];
  const found: Found = { keys, arrays, keyOf, binaryBytes: 0 };
  collect(args, found, arrays);
  const placed = place(args, found) as Plain; // an array of plain values: `place` refuses others
  const literals: Step[] = arrays.map((array) => ({
    do: "literal",
    dtype: array.dtype,
    shape: array.shape,
    bytes: bytesOf(array),
  }));
  const inputs = Array.from({ length: keys.length + arrays.length }, (_, i) => i);
  const spec: TaskSpec = {
    v: 1,
    inputs: keys.length,
    steps: [...literals, { do: "call", dtype: "float64", shape: [], text, inputs, args: placed, mac: null }],
    out: { dtype: "float64", shape: [], nbytes: 8 },
    workspace: arrays.reduce((sum, array) => sum + array.nbytes, 0),
    scratch: 0,
  };
  return { spec, dependencies: keys };
}

/** Arguments of one call in the form of a `call` step, arrays among them, and the keys of its inputs in order. */
export interface PlacedCall {
  readonly args: Plain;
  readonly dependencies: readonly Key[];
  /** Bytes of arrays and of other binary data in `args`. */
  readonly binaryBytes: number;
}

/**
 * As {@link callSpec}, without a spec: for layers of calls.
 * @throws {ArgumentError} {ClosureError} an argument that cannot travel
 */
export function placeCall(args: readonly unknown[], keyOf: (value: unknown) => Key | null): PlacedCall {
  const found: Found = { keys: [], arrays: null, keyOf, binaryBytes: 0 };
  const placed = place(args, found) as Plain; // an array of plain values: `place` refuses others
  return { args: placed, dependencies: found.keys, binaryBytes: found.binaryBytes };
}

interface Found {
  readonly keys: Key[];
  /** Arrays that are literals before the call; null: they stand among the arguments. */
  readonly arrays: NDArray[] | null;
  binaryBytes: number;
  readonly keyOf: (value: unknown) => Key | null;
}

function collect(value: unknown, found: Found, arrays: NDArray[]): void {
  if (value === null || typeof value !== "object") return;
  const key = found.keyOf(value);
  if (key !== null) {
    if (!found.keys.includes(key)) found.keys.push(key);
  } else if (value instanceof NDArray) {
    if (!arrays.includes(value)) arrays.push(value);
  } else if (Array.isArray(value)) for (const item of value) collect(item, found, arrays);
  else if (isPlainObject(value)) for (const item of Object.values(value)) collect(item, found, arrays);
}

/** Arguments with inputs in the places of keys and arrays, as the `call` step reads them. */
function place(value: unknown, found: Found): unknown {
  if (value === undefined || value === null) return null;
  if (typeof value !== "object") return checkScalar(value);
  const key = found.keyOf(value);
  if (key !== null) return { input: numberOf(key, found.keys) };
  if (value instanceof NDArray) return placeArray(value, found);
  if (Array.isArray(value)) return value.map((item) => place(item, found));
  if (value instanceof Uint8Array) {
    found.binaryBytes += value.byteLength;
    return value;
  }
  if (!isPlainObject(value))
    throw new ArgumentError(
      `${shownKind(value)} cannot travel as an argument; ${value instanceof Promise ? "await it, as what submit gave: " : ""}expected plain data, an NDArray or a Future`,
    );
  const names = Object.keys(value);
  const [only = ""] = names;
  if (names.length === 1 && MARKS.has(only))
    throw new ArgumentError(
      `an argument { ${only}: … } cannot travel: that form has a meaning of its own; add a field or rename it`,
    );
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, place(item, found)]));
}

function numberOf(key: Key, keys: Key[]): number {
  const known = keys.indexOf(key);
  return known >= 0 ? known : keys.push(key) - 1;
}

function placeArray(array: NDArray, found: Found): unknown {
  if (found.arrays) return { input: found.keys.length + found.arrays.indexOf(array) };
  found.binaryBytes += array.nbytes;
  return { $ndarray: [array.dtype, array.shape, bytesOf(array)] };
}

function checkScalar(value: unknown): unknown {
  if (typeof value === "function")
    throw new ClosureError("a function among the arguments cannot travel; call it inside the submitted function");
  if (typeof value === "symbol") throw new ArgumentError("a symbol cannot travel as an argument");
  return value;
}

/**
 * The arguments of one call as data that has an identity, for keys: results of other tasks by key, arrays by value.
 */
export function argumentIdentity(args: readonly unknown[], keyOf: (value: unknown) => Key | null): unknown {
  const identity = (value: unknown): unknown => {
    if (value === null || typeof value !== "object" || value instanceof Uint8Array) return value;
    const key = keyOf(value);
    if (key !== null) return { future: key };
    if (value instanceof NDArray) return { array: value.dtype, shape: value.shape, bytes: bytesOf(value) };
    if (Array.isArray(value)) return value.map(identity);
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, identity(item)]));
  };
  return args.map(identity);
}

function isPlainObject(value: object): value is Record<string, unknown> {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Elements of an array in C order. */
function bytesOf(array: NDArray): Uint8Array {
  const whole = ascontiguous(array);
  const itemBytes =
    whole.nbytes /
    Math.max(
      1,
      whole.shape.reduce((a, b) => a * b, 1),
    );
  return new Uint8Array(whole.data.buffer, whole.data.byteOffset + whole.offset * itemBytes, whole.nbytes);
}
