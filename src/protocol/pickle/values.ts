/** Recognising pickled values: plain Python, NumPy scalars and arrays, exceptions, classes, tasks. */
import { isRsdatError, RemoteProtocolError, UnsupportedError } from "../../base/index.ts";
import { type Key, type KeyValue, keyOfValue } from "../../graph/index.ts";
import { readPickle } from "./reader.ts";
import { PyBuffer, PyCall, PyFloat, PyGlobal, PySet, PyTuple, type PyValue } from "./tree.ts";

/** Most nodes visited when a tree becomes a value; a memo can make a small pickle name an exponential one. */
const NODES_MAX = 2 ** 22;
const DEPTH_MAX = 200;

/** What {@link plainOf} gives for something it does not know. */
export type Recogniser = (node: PyValue, plain: (inner: PyValue) => unknown) => unknown;

/**
 * The JavaScript value of a tree: list and tuple become arrays, dict a Map, set a Set, bytes a Uint8Array. Calls go to
 * `recognise`.
 *
 * @throws {UnsupportedError} an object that is not plain data; names it
 */
export function plainOf(root: PyValue, recognise: Recogniser = refuse): unknown {
  let nodes = 0;
  const walk = (node: PyValue, depth: number): unknown => {
    if (++nodes > NODES_MAX || depth > DEPTH_MAX)
      throw new RemoteProtocolError(
        `pickled value with more than ${NODES_MAX} parts or nested more than ${DEPTH_MAX} deep`,
      );
    if (node === null || typeof node !== "object" || node instanceof Uint8Array) return node;
    if (Array.isArray(node)) return node.map((item) => walk(item, depth + 1));
    if (node instanceof PyTuple) return node.items.map((item) => walk(item, depth + 1));
    if (node instanceof PySet) return new Set(node.items.map((item) => walk(item, depth + 1)));
    if (node instanceof Map) return new Map(Array.from(node, ([k, v]) => [walk(k, depth + 1), walk(v, depth + 1)]));
    if (node instanceof PyFloat) return node.value;
    if (node instanceof PyBuffer && node.data) return node.data;
    return recognise(node, (inner) => walk(inner, depth + 1));
  };
  return walk(root, 0);
}

function refuse(node: PyValue): never {
  throw new UnsupportedError(`Python object ${nameOf(node)} has no JavaScript value`, {
    details: { python: nameOf(node) },
  });
}

/** `module.name` of what a node is or calls, for messages. */
export function nameOf(node: PyValue): string {
  if (node instanceof PyGlobal) return node.path;
  if (node instanceof PyCall) return node.callee instanceof PyGlobal ? node.callee.path : nameOf(node.callee);
  return typeof node;
}

/** The callee's dotted name, or undefined when it is no plain name. */
export function calleePath(node: PyValue): string | undefined {
  return node instanceof PyCall && node.callee instanceof PyGlobal ? node.callee.path : undefined;
}

/** A Python exception as data. */
export interface PyException {
  /** Class name, e.g. `ZeroDivisionError`. */
  readonly type: string;
  /** Module of the class, e.g. `builtins`. */
  readonly module: string;
  /** Message: the text of the arguments. */
  readonly message: string;
}

/** An exception's class and message, or undefined if the tree is none. Reads plain and tblib-wrapped exceptions. */
export function exceptionOf(node: PyValue): PyException | undefined {
  if (!(node instanceof PyCall) || !(node.callee instanceof PyGlobal)) return undefined;
  let cls = node.callee;
  let args: readonly PyValue[] = node.args;
  if (/^tblib\b.*unpickle_exception/.test(cls.path)) {
    const [func, inner] = node.args;
    if (!(func instanceof PyGlobal)) return undefined;
    cls = func;
    // tblib 3.1 and later pass a dict of attributes, earlier versions the tuple of arguments.
    const given = inner instanceof Map ? inner.get("args") : inner;
    args = given instanceof PyTuple ? given.items : [];
  }
  return { type: cls.name, module: cls.module, message: args.map((arg) => textOf(arg)).join(", ") };
}

function textOf(value: PyValue): string {
  if (typeof value === "string") return value;
  if (value === null) return "None";
  if (typeof value === "object") return `<${nameOf(value)}>`;
  return String(value);
}

/** A task as Python pickled it, recognised without running anything. */
export interface PyTask {
  readonly key: Key;
  /** The function: a name, or whatever else Python would call. */
  readonly func: PyValue;
  /** Arguments; dependencies stand as {@link PyTaskRef}. */
  readonly args: readonly (PyValue | PyTaskRef)[];
  readonly kwargs: ReadonlyMap<PyValue, PyValue | PyTaskRef>;
  /** Keys this task needs, as it says itself; undefined when it only implies them by its arguments. */
  readonly dependencies: readonly Key[] | undefined;
}

/** A dependency among a task's arguments. */
export class PyTaskRef {
  readonly key: Key;
  constructor(key: Key) {
    this.key = key;
  }
}

/**
 * The task in a tree, or undefined if it is none. Both forms are read: REDUCE of the class with (key, func, *args), and
 * Python's own NEWOBJ with a BUILD state of the nine slots in alphabetical order (dask-protocol §6).
 */
export function taskOf(node: PyValue): PyTask | undefined {
  if (!(node instanceof PyCall) || calleePath(node) !== "dask._task_spec.Task") return undefined;
  if (node.how === "reduce") {
    const [key, func, ...args] = node.args;
    if (key === undefined || func === undefined) return undefined;
    return { key: keyOfPy(key), func, args: args.map(refOr), kwargs: new Map(), dependencies: undefined };
  }
  const state = node.state instanceof PyTuple ? node.state.items : node.state;
  if (!Array.isArray(state) || state.length !== 9) return undefined;
  const [, dependencies, , , , args, func, key, kwargs] = state;
  if (
    !(dependencies instanceof PySet) ||
    !(args instanceof PyTuple) ||
    func === undefined ||
    key === undefined ||
    !(kwargs instanceof Map)
  )
    return undefined;
  return {
    key: keyOfPy(key),
    func,
    args: args.items.map(refOr),
    kwargs: new Map(Array.from(kwargs, ([name, value]) => [name, refOr(value)])),
    dependencies: dependencies.items.map(keyOfPy),
  };
}

/** `TaskRef(key)`, and `Alias(key, target)` as Client.submit writes it, stand for the result of another task. */
function refOr(node: PyValue): PyValue | PyTaskRef {
  const path = calleePath(node);
  if (path !== "dask._task_spec.TaskRef" && path !== "dask._task_spec.Alias") return node;
  const target = (node as PyCall).args.at(-1);
  return target === undefined ? node : new PyTaskRef(keyOfPy(target));
}

/** A key from its pickled form. @throws {RemoteProtocolError} it is none */
export function keyOfPy(node: PyValue): Key {
  return keyOfValue(keyValue(node, 0));
}

function keyValue(node: PyValue, depth: number): KeyValue {
  if (node instanceof PyTuple && depth < 16) return node.items.map((item) => keyValue(item, depth + 1));
  if (typeof node === "string" || typeof node === "number" || typeof node === "bigint" || node instanceof Uint8Array)
    return node;
  const scalar = scalarOf(node);
  if (scalar !== undefined) return scalar;
  throw new RemoteProtocolError(`a pickled ${nameOf(node)} is no task key`);
}

/** NumPy integers occur in keys: `numpy._core.multiarray.scalar(dtype, bytes)`. */
function scalarOf(node: PyValue): number | undefined {
  const path = calleePath(node);
  if (!path || !/^numpy\.(_core|core)\.multiarray\.scalar$/.test(path)) return undefined;
  const bytes = (node as PyCall).args[1];
  if (!(bytes instanceof Uint8Array) || bytes.byteLength > 8) return undefined;
  return Number(
    BigInt.asIntN(
      64,
      bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n),
    ),
  );
}

/** The dotted name that a pickled class or function has; null for anything else. */
export function pickledName(pickle: Uint8Array): string | null {
  try {
    const node = readPickle(pickle);
    return node instanceof PyGlobal ? node.path : null;
  } catch (error) {
    if (isRsdatError(error)) return null; // a class in a form of its own has no name that could be told
    throw error;
  }
}
