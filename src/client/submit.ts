/** Sending graphs: materialised as Dask's own expression, or as layers to a scheduler that speaks the dialect. */
import {
  encodeGraph,
  encodeTaskSpec,
  type Graph,
  type Key,
  type Plan,
  type RunOptions,
  taskOrder,
} from "../graph/index.ts";
import {
  NATIVE_RESOURCE,
  Pickled,
  type PyCall,
  PyTuple,
  type PyValue,
  pyGraph,
  pyNativeTask,
  serializeExpression,
  writePickle,
} from "../protocol/index.ts";
import { pyAnnotations } from "./functions.ts";
import { warnOfLarge } from "./large-graph.ts";
import type { Link } from "./link.ts";

/** Where and how tasks run; the names of `Client.submit` in Dask. */
export interface TaskOptions {
  /** Addresses, names or hosts of workers. */
  readonly workers?: string | readonly string[];
  /** The workers are a wish, not a demand. On Dask's scheduler JavaScript goes to any rsdat worker then. */
  readonly allowOtherWorkers?: boolean;
  readonly retries?: number;
  /** Higher runs earlier. */
  readonly priority?: number;
  readonly resources?: Readonly<Record<string, number>>;
}

/** Materialised tasks and what is wanted of them. */
export interface Submission {
  readonly tasks: ReadonlyMap<Key, PyCall>;
  readonly wanted: readonly Key[];
  /** Rank of each task, smaller first; null lets the scheduler order them. */
  readonly ranks: ReadonlyMap<Key, number> | null;
  readonly options: TaskOptions;
  /** What the user made, for the scheduler's bookkeeping. */
  readonly collection: string;
}

/** Send tasks as one `update-graph`. */
export function sendTasks(link: Link, { tasks, wanted, ranks, options, collection }: Submission): void {
  const annotations = pyAnnotations({
    workers: options.workers === undefined ? undefined : [options.workers].flat(),
    allow_other_workers: options.allowOtherWorkers,
    retries: options.retries,
    priority: options.priority,
    resources: options.resources,
  });
  const span: Map<PyValue, PyValue> = new Map([["collections", [new Map<PyValue, PyValue>([["type", collection]])]]]);
  const exprSer = serializeExpression(pyGraph(tasks));
  warnOfLarge(
    exprSer.frames.reduce((sum, frame) => sum + frame.byteLength, 0),
    link.logger,
  );
  link.send({
    op: "update-graph",
    exprSer,
    keys: wanted,
    internalPriority: ranks,
    submittingTask: null,
    actors: false,
    fifoTimeout: "60s",
    code: new Pickled(writePickle(new PyTuple())),
    annotations: new Pickled(writePickle(annotations)),
    spanMetadata: new Pickled(writePickle(span)),
  });
}

/**
 * Where tasks of JavaScript run on a scheduler that knows no languages: they ask for what only rsdat workers have. Workers
 * that are a wish are not named: where none of them is there, Dask forgets the demand with the wish, gives the task to a
 * Python worker, and breaks the client's connection when it counts the resource back.
 */
export function nativePlacement(link: Link, options: TaskOptions): TaskOptions {
  const resources = { [NATIVE_RESOURCE]: 1, ...options.resources };
  if (link.isNative || options.allowOtherWorkers !== true) return { ...options, resources };
  const { workers: _, allowOtherWorkers: __, ...anywhere } = options;
  return { ...anywhere, resources };
}

/** Send a symbolic graph; the same keys and the same programs whoever the scheduler is. */
export function sendGraph(link: Link, graph: Graph, plan: Plan, options: RunOptions): void {
  const { priority, retries, workers, allowOtherWorkers, resources } = options;
  const placement: TaskOptions = {
    ...(priority === undefined ? {} : { priority }),
    ...(retries === undefined ? {} : { retries }),
    ...(workers === undefined ? {} : { workers: [workers].flat() }),
    ...(allowOtherWorkers === undefined ? {} : { allowOtherWorkers }),
    ...(resources === undefined ? {} : { resources }),
  };
  if (link.isNative) {
    const layers = encodeGraph(graph);
    warnOfLarge(layers.byteLength, link.logger);
    link.send({
      op: "update-layers",
      layers,
      wanted: graph.outputs.map((layer) => [layer, 0, graph.count(layer)] as const),
      annotations: new Map<string, unknown>([
        ...Object.entries(placement),
        ["least_bytes", plan.leastBytes],
        ["largest_task_bytes", plan.largestTaskBytes],
      ]),
      client: link.id,
      stimulusId: `update-layers-${link.id}`,
    });
    return;
  }
  const tasks = new Map<Key, PyCall>();
  const ranks = new Map<Key, number>();
  taskOrder(graph).forEach((id, rank) => {
    if (graph.layer(graph.locate(id).layer).kind === "held") return; // the scheduler has it
    const { dependencies, spec } = graph.expand(id);
    const key = graph.key(id);
    tasks.set(
      key,
      pyNativeTask(
        key,
        encodeTaskSpec(spec),
        dependencies.map((dependency) => graph.key(dependency)),
      ),
    );
    ranks.set(key, rank);
  });
  const wanted = graph.wanted().flatMap((ids) => ids.map((id) => graph.key(id)));
  sendTasks(link, {
    tasks,
    wanted,
    ranks,
    options: nativePlacement(link, placement),
    collection: "ChunkedArray",
  });
}
