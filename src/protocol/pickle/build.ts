/** Pickles we write for Python peers: tasks, graphs, functions by name or by text, exceptions (dask-protocol §6). */
import { LocalProtocolError, shownKind } from "../../base/index.ts";
import { type Key, type KeyValue, valueOfKey } from "../../graph/index.ts";
import { NDArray } from "../../ndarray/index.ts";
import { PyCall, type PyCode, PyGlobal, PySet, PyTuple, type PyValue } from "./tree.ts";
import { calleePath, nameOf } from "./values.ts";

const TASK_SPEC = "dask._task_spec";

/** A name that Python imports, from `"numpy.sum"`. */
export function pyGlobal(path: string): PyGlobal {
  const dot = path.lastIndexOf(".");
  return dot < 0 ? new PyGlobal("builtins", path) : new PyGlobal(path.slice(0, dot), path.slice(dot + 1));
}

const EXCEPTS = "toolz.functoolz.excepts";
/** A function that throws what it is given, when it is called: as an expression, since a pickle can only evaluate. */
const THROWS = "lambda error: lambda *args, **kwargs: (_ for _ in ()).throw(error)";

/**
 * A function by name, as {@link pyGlobal}, for a task: one that cannot be imported fails the task when it is called, and not
 * whoever unpickles it. A Python worker that cannot read a message ends.
 */
export function pyFunction(path: string): PyCall {
  const importing = new PyCall(pyGlobal(EXCEPTS), [
    pyGlobal("builtins.Exception"),
    pyGlobal("distributed.utils.import_term"),
    new PyCall(pyGlobal("builtins.eval"), [THROWS]),
  ]);
  return new PyCall(importing, [pyGlobal(path).path]);
}

/** The name of a function of a task, also of one by {@link pyFunction}. */
export function pyFunctionName(func: PyValue): string {
  const [path] = func instanceof PyCall ? func.args : [];
  return func instanceof PyCall && calleePath(func.callee) === EXCEPTS && typeof path === "string"
    ? path
    : nameOf(func);
}

/** A key as Python must see it: arrays are tuples. */
export function pyKey(key: Key): PyValue {
  return pyKeyValue(valueOfKey(key));
}

function pyKeyValue(value: KeyValue): PyValue {
  if (typeof value === "object" && !(value instanceof Uint8Array)) return new PyTuple(...value.map(pyKeyValue));
  return value;
}

/** Reference to another task's result, for a task's arguments. */
export function pyTaskRef(key: Key): PyCall {
  return new PyCall(new PyGlobal(TASK_SPEC, "TaskRef"), [pyKey(key)]);
}

/** Several arguments as one list argument in which {@link pyTaskRef} works too. */
export function pyTaskList(items: readonly PyValue[]): PyCall {
  return new PyCall(new PyGlobal(TASK_SPEC, "List"), items);
}

/** What a task does. */
export interface PyTaskOptions {
  readonly func: PyGlobal | PyCode | PyCall;
  readonly args?: readonly PyValue[];
  readonly kwargs?: Readonly<Record<string, PyValue>>;
}

/**
 * `Task(key, func, *args, **kwargs)` as a REDUCE, so that Python's constructor computes the dependencies; the slots'
 * layout is private and has changed.
 */
export function pyTask(key: Key, options: PyTaskOptions): PyCall {
  const task = new PyGlobal(TASK_SPEC, "Task");
  const kwargs = Object.entries(options.kwargs ?? {});
  return new PyCall(kwargs.length === 0 ? task : pyPartial(task, new Map(kwargs)), [
    pyKey(key),
    options.func,
    ...(options.args ?? []),
  ]);
}

/** `functools.partial(func, **kwargs)`. */
function pyPartial(func: PyValue, kwargs: Map<PyValue, PyValue>): PyCall {
  const made = new PyCall(new PyGlobal("functools", "partial"), [func]);
  made.state = new PyTuple(func, new PyTuple(), kwargs, new Map());
  return made;
}

/**
 * A native task on a Python scheduler: `Task(key, identity, "rsdat/1", spec bytes, *dependencies)`. A Python worker that
 * gets it by accident returns its arguments and does no harm; give it `resources: {"JS": 1}`.
 */
export function pyNativeTask(key: Key, spec: Uint8Array, dependencies: readonly Key[]): PyCall {
  return pyTask(key, {
    func: new PyGlobal(TASK_SPEC, "identity"),
    args: [NATIVE_MARK, spec, ...dependencies.map(pyTaskRef)],
  });
}

/** First argument of a native task on a Python scheduler. */
export const NATIVE_MARK = "rsdat/1";
/** Resource that a native task demands and every rsdat worker offers on a Python scheduler. */
export const NATIVE_RESOURCE = "JS";

/** The expression of a plain graph: `LLGExpr({key: Task, …})`. */
export function pyGraph(tasks: ReadonlyMap<Key, PyCall>): PyCall {
  return new PyCall(new PyGlobal("dask._expr", "LLGExpr"), [pyTasks(tasks)]);
}

/** Tasks that share annotations. */
export interface PyLayer {
  readonly tasks: ReadonlyMap<Key, PyCall>;
  /** `priority`, `workers`, `retries`, `resources`, …; null for none. */
  readonly annotations: PyValue;
  /** Names of layers this one depends on. */
  readonly dependencies: readonly string[];
}

/** The expression of a graph whose layers carry annotations: `HLGExpr(HighLevelGraph({name: layer}, {name: deps}), None, keys)`. */
export function pyLayeredGraph(layers: ReadonlyMap<string, PyLayer>, outputs: readonly Key[]): PyCall {
  const made: Map<PyValue, PyValue> = new Map();
  const dependencies: Map<PyValue, PyValue> = new Map();
  for (const [name, layer] of layers) {
    made.set(
      name,
      new PyCall(new PyGlobal("dask.highlevelgraph", "MaterializedLayer"), [pyTasks(layer.tasks), layer.annotations]),
    );
    dependencies.set(name, new PySet([...layer.dependencies]));
  }
  const graph = new PyCall(new PyGlobal("dask.highlevelgraph", "HighLevelGraph"), [made, dependencies]);
  return new PyCall(new PyGlobal("dask._expr", "HLGExpr"), [graph, null, outputs.map(pyKey)]);
}

function pyTasks(tasks: ReadonlyMap<Key, PyCall>): Map<PyValue, PyValue> {
  return new Map(Array.from(tasks, ([key, task]) => [pyKey(key), task]));
}

/** An exception, e.g. `builtins.RuntimeError` with a message. */
export function pyException(message: string, path = "builtins.RuntimeError"): PyCall {
  return new PyCall(pyGlobal(path), [message]);
}

/** A JavaScript value as Python would have it: arrays are lists, Maps and plain objects dicts, Sets sets. */
export function pyValueOf(value: unknown): PyValue {
  if (value === undefined || value === null) return null;
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "string" || typeof value === "boolean")
    return value;
  if (value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return value.map(pyValueOf);
  if (value instanceof Set) return new PySet(Array.from(value, pyValueOf));
  if (value instanceof Map) return new Map(Array.from(value, ([k, v]) => [hashable(k), pyValueOf(v)]));
  if (value instanceof PyCall || value instanceof PyGlobal || value instanceof PyTuple || value instanceof PySet)
    return value;
  if (
    typeof value === "object" &&
    (Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null)
  ) {
    return new Map(Object.entries(value).map(([k, v]) => [k, pyValueOf(v)]));
  }
  throw new LocalProtocolError(`${shownKind(value)} has no Python form`);
}

/** Dict keys that are arrays must be tuples in Python. */
function hashable(key: unknown): PyValue {
  return Array.isArray(key) ? new PyTuple(...key.map(hashable)) : pyValueOf(key);
}

/** Dotted name of the class that a value has in Python: `builtins.int`, `numpy.ndarray`, … */
export function pyTypeName(value: unknown): string {
  if (value instanceof NDArray) return "numpy.ndarray";
  return `builtins.${builtinOf(value)}`;
}

function builtinOf(value: unknown): string {
  if (typeof value === "string") return "str";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "bigint") return "int";
  if (typeof value === "number") return Number.isInteger(value) && !Object.is(value, -0) ? "int" : "float";
  if (Array.isArray(value)) return "list";
  return value instanceof Uint8Array ? "bytes" : value === null || value === undefined ? "object" : "dict";
}
