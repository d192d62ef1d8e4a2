/** Functions that travel: JavaScript as text with the cluster's mac, Python by name. */
import { ArgumentError } from "../base/index.ts";
import {
  argumentIdentity,
  callSpec,
  encodeTaskSpec,
  type Key,
  KeyRef,
  PyFunction,
  signTaskSpec,
} from "../graph/index.ts";
import {
  PyCall,
  type PyValue,
  pyFunction,
  pyGlobal,
  pyNativeTask,
  pyTask,
  pyTaskRef,
  pyValueOf,
} from "../protocol/index.ts";
import { Future } from "./future.ts";

export { PyFunction };

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
  readonly dependencies: readonly Key[];
  readonly isPython: boolean;
}

/** Readable name of a function, for keys. */
export function functionName(fn: Submittable): string {
  if (fn instanceof PyFunction) return fn.path.split(".").at(-1) ?? fn.path;
  return fn.name || "lambda";
}

/** The arguments of one call, as data that has an identity: futures by key, the rest by value. */
export function argumentToken(args: readonly unknown[]): unknown {
  return argumentIdentity(args, keyOfFuture);
}

/** Key of a future, or of what stands for one. */
export function keyOfFuture(value: unknown): Key | null {
  return value instanceof Future || value instanceof KeyRef ? value.key : null;
}

/** A task that calls a Python function. */
export function pythonTask(
  key: Key,
  fn: PyFunction,
  { args, kwargs = {} }: { readonly args: readonly unknown[]; readonly kwargs?: Readonly<Record<string, unknown>> },
): BuiltTask {
  const dependencies: Key[] = [];
  const put = (value: unknown): PyValue => {
    const ref = keyOfFuture(value);
    if (ref !== null) {
      dependencies.push(ref);
      return pyTaskRef(ref);
    }
    if (Array.isArray(value) && containsFuture(value))
      return new PyCall(pyGlobal("dask._task_spec.List"), value.map(put));
    if (containsFuture(value))
      return new PyCall(pyGlobal("dask._task_spec.Dict"), [
        new Map(Object.entries(value as object).map(([name, item]) => [name, put(item)])), // an object, as it contains some
      ]);
    return pyValueOf(value);
  };
  const task = pyTask(key, {
    func: pyFunction(fn.path),
    args: args.map(put),
    kwargs: Object.fromEntries(Object.entries(kwargs).map(([name, value]) => [name, put(value)])),
  });
  return { task, dependencies, isPython: true };
}

function containsFuture(value: unknown): boolean {
  if (keyOfFuture(value) !== null) return true;
  if (Array.isArray(value)) return value.some(containsFuture);
  return isPlainObject(value) && Object.values(value).some(containsFuture);
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** A task that runs JavaScript text: a native spec with one `call` step, signed with the cluster's token. */
export function nativeTask(
  key: Key,
  text: string,
  { args, token }: { readonly args: readonly unknown[]; readonly token: string | null },
): BuiltTask {
  const { spec, dependencies } = callSpec(text, args, keyOfFuture);
  const bytes = encodeTaskSpec(token === null ? spec : signTaskSpec(spec, token));
  return { task: pyNativeTask(key, bytes, dependencies), dependencies, isPython: false };
}

/** The expression's annotations for Dask: `resources`, `workers`, … */
export function pyAnnotations(entries: Readonly<Record<string, unknown>>): Map<PyValue, PyValue> {
  const out = new Map<PyValue, PyValue>();
  for (const [name, value] of Object.entries(entries))
    if (value !== undefined && value !== null) out.set(name, pyValueOf(value));
  return out;
}
