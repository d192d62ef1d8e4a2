/** Telling what a task's run spec is: a native spec, or a Python task that only Python can run. */

import { RemoteProtocolError } from "../base/index.ts";
import type { Key } from "../graph/index.ts";
import { type Pickled, Serialized } from "./msgpack.ts";
import { NATIVE_MARK, pyFunctionName } from "./pickle/build.ts";
import { readPickle } from "./pickle/reader.ts";
import { PyGlobal } from "./pickle/tree.ts";
import { calleePath, nameOf, type PyTask, PyTaskRef, taskOf } from "./pickle/values.ts";
import { wholeFrames } from "./serialize.ts";

/** A run spec, recognised. */
export type RunSpec =
  /** Bytes of a native task spec. `dependencies` in register order, where the form carries them (on a Python scheduler). */
  | { readonly kind: "native"; readonly spec: Uint8Array; readonly dependencies: readonly Key[] | undefined }
  /** A Python task; `task` is undefined when its pickle has a form we do not know. `name` is what it calls. */
  | { readonly kind: "python"; readonly task: PyTask | undefined; readonly name: string };

/**
 * Read a run spec without executing anything.
 * @throws {RemoteProtocolError} malformed
 */
export function readRunSpec(spec: Serialized | Pickled): RunSpec {
  if (spec instanceof Serialized) {
    const serializer = spec.fields.get("serializer");
    const [bytes, ...buffers] = spec.frames.length > 1 || spec.isCompressed ? wholeFrames(spec) : spec.frames;
    if (!bytes) throw new RemoteProtocolError("run spec without a frame");
    if (serializer === "rsdat") return { kind: "native", spec: bytes, dependencies: undefined };
    return pythonSpec(bytes, buffers);
  }
  return pythonSpec(spec.pickle, spec.plainBuffers());
}

function pythonSpec(pickle: Uint8Array, buffers: readonly Uint8Array[]): RunSpec {
  const tree = readPickle(pickle, buffers);
  const task = taskOf(tree);
  if (!task) return { kind: "python", task: undefined, name: nameOf(tree) };
  const [mark, spec, ...rest] = task.args;
  if (
    mark === NATIVE_MARK &&
    spec instanceof Uint8Array &&
    task.func instanceof PyGlobal &&
    task.func.path === "dask._task_spec.identity"
  ) {
    const dependencies = rest.map((arg) => {
      if (!(arg instanceof PyTaskRef))
        throw new RemoteProtocolError(`native task with a ${typeof arg} where a dependency is expected`);
      return arg.key;
    });
    return { kind: "native", spec, dependencies };
  }
  return { kind: "python", task, name: pyFunctionName(task.func) };
}

/** Class of a pickled graph expression, e.g. `dask._expr.LLGExpr`; for logs and tests. */
export function expressionClass(pickle: Uint8Array): string {
  const tree = readPickle(pickle);
  const path = calleePath(tree);
  if (path === "dask._expr.Expr._reconstruct" || path === undefined) {
    const first = "args" in Object(tree) ? (tree as { args: readonly unknown[] }).args[0] : undefined;
    return first instanceof PyGlobal ? first.path : nameOf(tree);
  }
  return path;
}
