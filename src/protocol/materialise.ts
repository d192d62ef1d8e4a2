/**
 * Python clients send graphs as one pickled expression that only Python can expand. A connected Python worker does it
 * for our scheduler: `run` with a function that travels in its own pickle (dask-protocol §12c).
 */
import { RemoteProtocolError } from "../base/index.ts";
import type { Key } from "../graph/index.ts";
import { ANYTHING, BYTES, type Codec, FLAG, INTEGER, KEY, listOf, nullable } from "./codec.ts";
import { failureOf } from "./failure.ts";
import { asArray, asMap, describe, Pickled, Serialized, unpack } from "./msgpack.ts";
import { pyKey, pyValueOf } from "./pickle/build.ts";
import { PyCode, PyTuple, type PyValue } from "./pickle/tree.ts";
import { writePickle } from "./pickle/writer.ts";
import { RUN } from "./requests.ts";
import { deserialize } from "./serialize.ts";
import type { WireFailure } from "./worker-messages.ts";

/** Follows distributed.scheduler `_materialize_graph`, `_cull` and `_apply_annotations`; works off the worker's event loop. */
const SOURCE = `
async def rsdat_materialise(header, frames, keys, annotations, need_order):
    from distributed.utils import offload
    def work():
        import msgpack
        import pickle as std
        import dask.order
        from collections import defaultdict
        from dask._expr import LLGExpr
        from dask._task_spec import convert_legacy_graph
        from distributed.protocol import deserialize, pickle
        fields = msgpack.loads(header, use_list=False, strict_map_key=False)
        expr = deserialize(fields, [bytearray(f) for f in frames])
        everywhere = std.loads(annotations) if annotations else {}
        tasks = expr.__dask_graph__()
        by_type = defaultdict(dict)
        for name, values in expr.__dask_annotations__().items():
            by_type[name].update(values)
        tasks = convert_legacy_graph(tasks)
        if isinstance(expr, LLGExpr):
            culled, todo = {}, list(keys)
            while todo:
                key = todo.pop()
                if key not in culled and key in tasks:
                    culled[key] = tasks[key]
                    todo.extend(tasks[key].dependencies)
            tasks = culled
        order = dask.order.order(tasks) if need_order else {}
        def plain(value):
            if isinstance(value, (set, frozenset, list, tuple)):
                return [plain(v) for v in value]
            if isinstance(value, dict):
                return {plain(k): plain(v) for k, v in value.items()}
            return value if isinstance(value, (str, int, float, bool, bytes, type(None))) else str(value)
        out = []
        for key, task in tasks.items():
            notes = {n: v(key) if callable(v) else v for n, v in (everywhere or {}).items()}
            for name, values in by_type.items():
                if values.get(key) is not None:
                    notes[name] = values[key]
            out.append([key, pickle.dumps(task), list(task.dependencies), bool(getattr(task, "data_producer", False)),
                        order.get(key), plain(notes) or None])
        return msgpack.dumps(out)
    return await offload(work)
`;

/** One task of an expanded graph. */
export interface MaterialisedTask {
  readonly key: Key;
  /** The pickled task, ready to be a run spec. */
  readonly runSpec: Pickled;
  readonly dependencies: readonly Key[];
  /** True for tasks that read data: they are admitted sparingly. */
  readonly isDataProducer: boolean;
  /** Rank in Dask's own order; null when it was not asked for. */
  readonly order: number | null;
  /** `priority`, `workers`, `resources`, `retries`, …; null for none. */
  readonly annotations: ReadonlyMap<unknown, unknown> | null;
}

/** What is to be expanded: fields of `update-graph`. */
export interface MaterialiseOptions {
  readonly exprSer: Serialized;
  readonly keys: readonly Key[];
  readonly annotations: Pickled | ReadonlyMap<unknown, unknown> | null;
  /** True when the client gave no order of its own. */
  readonly needOrder: boolean;
}

/** The request to send to a Python worker; parse its answer with {@link materialiseReply}. */
export function materialiseRequest(options: MaterialiseOptions): Record<string, unknown> {
  const { exprSer, keys, annotations, needOrder } = options;
  const notes: PyValue =
    annotations === null
      ? null
      : annotations instanceof Pickled
        ? annotations.pickle
        : writePickle(pyValueOf(annotations));
  const args = new PyTuple(exprSer.header, [...exprSer.frames], keys.map(pyKey), notes, needOrder);
  return RUN.ask({
    function: writePickle(new PyCode(SOURCE, "rsdat_materialise")),
    args: writePickle(args),
    kwargs: writePickle(new Map()),
    wait: true,
  });
}

const KEYS = listOf(KEY);
const RANK: Codec<number | null> = nullable(INTEGER);

/**
 * Tasks of the expanded graph, or why Python could not expand it (to be passed on to the client as the tasks' error).
 * @throws {RemoteProtocolError} the answer is malformed
 */
export function materialiseReply(
  reply: unknown,
): { readonly tasks: readonly MaterialisedTask[] } | { readonly failure: WireFailure } {
  const map = asMap(reply, "reply to run");
  if (map.get("status") !== "OK") return { failure: failureIn(map) };
  const result = map.get("result");
  const bytes = result instanceof Serialized || result instanceof Pickled ? deserialize(result) : result;
  if (!(bytes instanceof Uint8Array))
    throw new RemoteProtocolError(`reply to run: result is ${describe(bytes)}; expected bytes`);
  return { tasks: asArray(unpack(bytes), "expanded graph").map(taskOfRow) };
}

function taskOfRow(row: unknown): MaterialisedTask {
  const [key, task, dependencies, isDataProducer, order, annotations] = asArray(row, "task of an expanded graph");
  const place = "task of an expanded graph";
  const notes = nullable(ANYTHING).read(annotations, place);
  return {
    key: KEY.read(key, place),
    runSpec: new Pickled(BYTES.read(task, place)),
    dependencies: KEYS.read(dependencies, place),
    isDataProducer: FLAG.read(isDataProducer, place),
    order: RANK.read(order, place),
    annotations: notes === null ? null : asMap(notes, place),
  };
}

function failureIn(map: ReadonlyMap<unknown, unknown>): WireFailure {
  const exception = map.get("exception");
  const traceback = map.get("traceback");
  const text = (name: string): string => String(map.get(name) ?? "");
  if (!(exception instanceof Serialized || exception instanceof Pickled))
    return failureOf(new RemoteProtocolError(`Python could not expand the graph: ${text("exception_text")}`));
  return {
    exception,
    traceback: traceback instanceof Serialized || traceback instanceof Pickled ? traceback : null,
    exceptionText: text("exception_text"),
    tracebackText: text("traceback_text"),
  };
}
