/** Graphs that rsdat clients write: read back without Python, since every task in them is a plain call by name. */
import { isRsdatError } from "../base/index.ts";
import type { Key } from "../graph/index.ts";
import type { MaterialisedTask } from "./materialise.ts";
import { Pickled, type Serialized } from "./msgpack.ts";
import { readPickle } from "./pickle/reader.ts";
import { PyCall, PyGlobal, PySet, PyTuple, type PyValue } from "./pickle/tree.ts";
import { calleePath, keyOfPy } from "./pickle/values.ts";
import { writePickle } from "./pickle/writer.ts";

const TASK = "dask._task_spec.Task";
const TASK_REF = "dask._task_spec.TaskRef";
const DEPTH_MAX = 64;

/**
 * Tasks of an `update-graph` expression in the form of `pyGraph` and `pyTask`: `LLGExpr({key: Task(key, func, *args), …})`
 * with dependencies as `TaskRef`s. Undefined for every other expression, which only Python can expand. Annotations of
 * the message apply to all of them; ranks are the message's `internal_priority`, else the order of the tasks here.
 */
export function plainGraphTasks(expression: Serialized): MaterialisedTask[] | undefined {
  const pickle = expression.frames[0];
  if (expression.fields.get("serializer") !== "pickle" || expression.frames.length !== 1 || !pickle) return undefined;
  let tree: PyValue;
  try {
    tree = readPickle(pickle);
  } catch (error) {
    if (isRsdatError(error)) return undefined; // beyond what we read; Python may know it
    throw error;
  }
  if (!(tree instanceof PyCall) || tree.how !== "reduce" || calleePath(tree) !== "dask._expr.LLGExpr") return undefined;
  const [graph, ...rest] = tree.args;
  if (!(graph instanceof Map) || rest.length > 0 || tree.state !== undefined) return undefined;
  const out: MaterialisedTask[] = [];
  for (const [key, task] of graph) {
    if (!isPlainTask(task)) return undefined;
    const dependencies = new Set<Key>();
    if (!collectRefs(task, dependencies, 0)) return undefined;
    out.push({
      key: keyOfPy(key),
      runSpec: new Pickled(writePickle(task)),
      dependencies: Array.from(dependencies),
      isDataProducer: false,
      order: out.length,
      annotations: null,
    });
  }
  return out;
}

/** `Task(key, func, *args)`, or the same through `functools.partial(Task, **kwargs)`. */
function isPlainTask(node: PyValue): node is PyCall {
  if (!(node instanceof PyCall) || node.how !== "reduce") return false;
  if (calleePath(node) === TASK) return true;
  const { callee } = node;
  return (
    callee instanceof PyCall &&
    calleePath(callee) === "functools.partial" &&
    callee.args[0] instanceof PyGlobal &&
    callee.args[0].path === TASK
  );
}

/** References anywhere in a task, in the order of its arguments; false when something in it is not understood. */
function collectRefs(node: PyValue | undefined, refs: Set<Key>, depth: number): boolean {
  if (depth > DEPTH_MAX) return false;
  const all = (items: Iterable<PyValue | undefined>): boolean =>
    Array.from(items).every((item) => collectRefs(item, refs, depth + 1));
  if (Array.isArray(node)) return all(node);
  if (node instanceof PyTuple || node instanceof PySet) return all(node.items);
  if (node instanceof Map) return all(node.values());
  if (!(node instanceof PyCall)) return true;
  if (calleePath(node) === TASK_REF) {
    const target = node.args[0];
    if (target === undefined) return false;
    refs.add(keyOfPy(target));
    return true;
  }
  if (calleePath(node) === "dask._task_spec.Alias") return false;
  return all([node.callee, ...node.args, node.kwargs, node.state]) && all(node.listItems) && all(node.dictItems.flat());
}
