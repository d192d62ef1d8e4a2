/** Functions that travel: JavaScript as text with the cluster's mac, Python by name. */
import { ArgumentError, ClosureError } from "../base/index.ts";
import { encodeTaskSpec, type Key, type Plain, type Step, signTaskSpec, type TaskSpec } from "../graph/index.ts";
import { ascontiguous, NDArray } from "../ndarray/index.ts";
import { PyCall, type PyValue, pyGlobal, pyNativeTask, pyTask, pyTaskRef, pyValueOf } from "../protocol/index.ts";
import { Future } from "./future.ts";

/** A Python function by name, for Python workers. */
export class PyFunction {
  /** Dotted name that the workers, and a Python scheduler, can import. */
  readonly path: string;
  constructor(path: string) {
    this.path = path;
  }
}

/**
 * A Python function by name: `py("numpy.sum")`, `py("mypkg.mod:func")`.
 * @throws {ArgumentError} no dotted name
 */
export function py(path: string): PyFunction {
  const dotted = path.replace(":", ".");
  if (!/^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$/.test(dotted))
    throw new ArgumentError(
      `${JSON.stringify(path)} is no name of a Python function; expected e.g. "numpy.sum" or "pkg.mod:func"`,
    );
  return new PyFunction(dotted);
}

/** What `submit` and `map` take. A JavaScript function must be self-contained: its text travels, its surroundings do not. */
export type Submittable<A extends readonly unknown[] = readonly never[], R = unknown> =
  | PyFunction
  | ((...args: A) => R);

/** A task ready for a graph. */
export interface BuiltTask {
  readonly task: PyCall;
  readonly dependencies: readonly Future[];
  readonly isPython: boolean;
}

/** Readable name of a function, for keys. */
export function functionName(fn: Submittable): string {
  if (fn instanceof PyFunction) return fn.path.split(".").at(-1) ?? fn.path;
  return fn.name || "lambda";
}

/** The arguments of one call, as data that has an identity: futures by key, the rest by value. */
export function argumentToken(args: readonly unknown[]): unknown {
  const token = (value: unknown): unknown => {
    if (value instanceof Future) return { future: value.key };
    if (value instanceof NDArray) return { array: value.dtype, shape: value.shape, bytes: bytesOf(value) };
    if (Array.isArray(value)) return value.map(token);
    if (value !== null && typeof value === "object" && !(value instanceof Uint8Array))
      return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, token(v)]));
    return value;
  };
  return args.map(token);
}

/** A task that calls a Python function. */
export function pythonTask(
  key: Key,
  fn: PyFunction,
  { args, kwargs = {} }: { readonly args: readonly unknown[]; readonly kwargs?: Readonly<Record<string, unknown>> },
): BuiltTask {
  const dependencies: Future[] = [];
  const put = (value: unknown): PyValue => {
    if (value instanceof Future) {
      dependencies.push(value);
      return pyTaskRef(value.key);
    }
    if (Array.isArray(value) && containsFuture(value))
      return new PyCall(pyGlobal("dask._task_spec.List"), value.map(put));
    return pyValueOf(value);
  };
  const task = pyTask(key, {
    func: pyGlobal(fn.path),
    args: args.map(put),
    kwargs: Object.fromEntries(Object.entries(kwargs).map(([name, value]) => [name, put(value)])),
  });
  return { task, dependencies, isPython: true };
}

function containsFuture(value: unknown): boolean {
  if (value instanceof Future) return true;
  return Array.isArray(value) && value.some(containsFuture);
}

/** A task that runs JavaScript text: a native spec with one `call` step, arrays among the arguments as literals before it. */
export function nativeTask(
  key: Key,
  text: string,
  { args, token }: { readonly args: readonly unknown[]; readonly token: string | null },
): BuiltTask {
  const dependencies: Future[] = [];
  const arrays: NDArray[] = [];
  collect(args, dependencies, arrays);
  const placed = place(args, dependencies, arrays) as Plain; // an array of plain values: `place` refuses others
  const literals: Step[] = arrays.map((array) => ({
    do: "literal",
    dtype: array.dtype,
    shape: array.shape,
    bytes: bytesOf(array),
  }));
  const inputs = Array.from({ length: dependencies.length + arrays.length }, (_, i) => i);
  const spec: TaskSpec = {
    v: 1,
    inputs: dependencies.length,
    steps: [...literals, { do: "call", dtype: "float64", shape: [], text, inputs, args: placed, mac: null }],
    out: { dtype: "float64", shape: [], nbytes: 8 },
    workspace: arrays.reduce((sum, array) => sum + array.nbytes, 0),
    scratch: 0,
  };
  return {
    task: pyNativeTask(
      key,
      encodeTaskSpec(token === null ? spec : signTaskSpec(spec, token)),
      dependencies.map((future) => future.key),
    ),
    dependencies,
    isPython: false,
  };
}

function collect(value: unknown, futures: Future[], arrays: NDArray[]): void {
  if (value instanceof Future) {
    if (!futures.some((known) => known.key === value.key)) futures.push(value);
  } else if (value instanceof NDArray) arrays.push(value);
  else if (Array.isArray(value)) for (const item of value) collect(item, futures, arrays);
  else if (isPlainObject(value)) for (const item of Object.values(value)) collect(item, futures, arrays);
}

/** Fields by which the `call` step knows inputs and arrays. */
const MARKS: ReadonlySet<string> = new Set(["input", "$ndarray", "$typed"]);

/** Arguments with inputs in the places of futures and arrays, as the `call` step reads them. */
function place(value: unknown, futures: readonly Future[], arrays: readonly NDArray[]): unknown {
  if (value instanceof Future) return { input: futures.findIndex((known) => known.key === value.key) };
  if (value instanceof NDArray) return { input: futures.length + arrays.indexOf(value) };
  if (Array.isArray(value)) return value.map((item) => place(item, futures, arrays));
  if (value === undefined) return null;
  if (isPlainObject(value)) {
    const names = Object.keys(value);
    const [only = ""] = names;
    if (names.length === 1 && MARKS.has(only))
      throw new ArgumentError(
        `an argument { ${only}: … } cannot travel: that form has a meaning of its own; add a field or rename it`,
      );
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, place(item, futures, arrays)]));
  }
  if (typeof value === "function")
    throw new ClosureError("a function among the arguments cannot travel; call it inside the submitted function");
  if (typeof value === "object" && value !== null && !(value instanceof Uint8Array))
    throw new ArgumentError(
      `a ${value.constructor.name} cannot travel as an argument; expected plain data, an NDArray or a Future`,
    );
  if (typeof value === "symbol") throw new ArgumentError("a symbol cannot travel as an argument");
  return value;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (value === null || typeof value !== "object") return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

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

/** The expression's annotations for Dask: `resources`, `workers`, … */
export function pyAnnotations(entries: Readonly<Record<string, unknown>>): Map<PyValue, PyValue> {
  const out = new Map<PyValue, PyValue>();
  for (const [name, value] of Object.entries(entries))
    if (value !== undefined && value !== null) out.set(name, pyValueOf(value));
  return out;
}
