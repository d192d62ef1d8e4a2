/** Graphs of clients as events: symbolic layers directly, Dask's expressions by way of a Python worker. */
import { isRsdatError, NoWorkersError, RemoteProtocolError, UnsupportedError } from "../base/index.ts";
import {
  decodeGraph,
  decodeTaskSpec,
  type Graph,
  type Key,
  type TaskId,
  type TaskSpec,
  TaskWalk,
} from "../graph/index.ts";
import {
  failureOf,
  type MaterialisedTask,
  materialiseReply,
  materialiseRequest,
  Pickled,
  plainGraphTasks,
  plainOf,
  readPickle,
  readRunSpec,
  type UpdateGraph,
  type UpdateLayers,
  type WireFailure,
} from "../protocol/index.ts";
import { noteReceived } from "./columns.ts";
import type { ConnectedClient, Hub } from "./hub.ts";
import type { Placement, SubmittedTask } from "./state/index.ts";

/** Workers that are asked to expand one graph before it is given up. */
const EXPAND_TRIES = 3;
/** Time a worker has to expand a graph. */
const EXPAND_MS = 600_000;

/** `update-layers`: our own dialect. @throws {RemoteProtocolError} the layers or what is wanted of them make no sense */
export function submitLayers(hub: Hub, client: Pick<ConnectedClient, "id">, message: UpdateLayers): void {
  const { graph, walk, wanted } = readGraph(message);
  noteReceived(graph, message.layers);
  const least = message.annotations.get("least_bytes");
  hub.feed({
    type: "submit-layers",
    stimulusId: message.stimulusId,
    client: client.id,
    graph,
    walk,
    wanted,
    leastBytes: typeof least === "number" && least >= 0 ? least : 0,
    placement: placementOf(message.annotations, null),
    retries: numberIn(message.annotations, "retries") ?? 0,
    priority: numberIn(message.annotations, "priority") ?? 0,
  });
}

interface ReadGraph {
  readonly graph: Graph;
  readonly walk: TaskWalk;
  readonly wanted: readonly TaskId[];
}

/** The graph, what is wanted of it, and the beginning of its order; whatever is wrong with it is the client's mistake. */
function readGraph({ layers, wanted: ranges }: UpdateLayers): ReadGraph {
  try {
    const graph = decodeGraph(layers);
    // One range is the usual; of very many, each is no argument of a call.
    const wanted =
      ranges.length === 1
        ? wantedTasks(graph, ranges[0] as UpdateLayers["wanted"][number])
        : ranges.flatMap((range) => wantedTasks(graph, range));
    return { graph, wanted, walk: new TaskWalk(graph, wanted) };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new RemoteProtocolError(`update-layers: the graph makes no sense: ${why}`, { cause });
  }
}

function wantedTasks(graph: Graph, [name, start, stop]: UpdateLayers["wanted"][number]): TaskId[] {
  const layer = typeof name === "number" ? name : graph.layers.findIndex((each) => each.name === name);
  const found = graph.layers[layer];
  if (!found || found.inline || !(start >= 0 && start <= stop && stop <= graph.count(layer))) {
    throw new RemoteProtocolError(`wanted [${start}, ${stop}) of layer ${String(name)}: the graph has no such blocks`);
  }
  const tasks = new Array<TaskId>(stop - start);
  for (let i = 0; i < tasks.length; i++) tasks[i] = graph.base(layer) + start + i;
  return tasks;
}

/** `update-graph`: resolves when the machine has its tasks, or has told the client why it cannot have them. */
export async function submitGraph(
  hub: Hub,
  client: Pick<ConnectedClient, "id">,
  message: UpdateGraph,
  options: { readonly pythonWaitMs: number; readonly signal: AbortSignal },
): Promise<void> {
  const expanded = await expand(hub, message, options);
  if ("failure" in expanded)
    return hub.feed({ type: "submit-failed", client: client.id, keys: message.keys, failure: expanded.failure });
  // Python has spread the message's annotations over the tasks already.
  const common = expanded.isPlain ? annotationsOf(message.annotations) : null;
  const tasks = expanded.tasks.map((task, index) => {
    const spec = expanded.isPlain ? nativeSpec(task) : null;
    return submittedTask(task, { message, index, spec, notes: task.annotations ?? common ?? NO_ANNOTATIONS });
  });
  hub.feed({
    type: "submit-tasks",
    client: client.id,
    tasks,
    wanted: message.keys,
    ...(message.stimulusId === undefined ? {} : { stimulusId: message.stimulusId }),
  });
}

type Expanded =
  | { readonly failure: WireFailure }
  | { readonly tasks: readonly MaterialisedTask[]; readonly isPlain: boolean };

async function expand(
  hub: Hub,
  message: UpdateGraph,
  options: { readonly pythonWaitMs: number; readonly signal: AbortSignal },
): Promise<Expanded> {
  if (
    message.actors !== null &&
    message.actors !== false &&
    !(Array.isArray(message.actors) && message.actors.length === 0)
  ) {
    return { failure: failureOf(new UnsupportedError("actors: this scheduler runs tasks only")) };
  }
  const plain = plainGraphTasks(message.exprSer);
  if (plain) return { tasks: plain, isPlain: true };
  const request = materialiseRequest({
    exprSer: message.exprSer,
    keys: message.keys,
    annotations: message.annotations,
    needOrder: message.internalPriority === null,
  });
  let last: unknown;
  for (let tries = 0; tries < EXPAND_TRIES; tries++) {
    const workers = await hub.waitForWorkers((worker) => worker.isPython, options.pythonWaitMs, options.signal);
    const worker = workers[tries % Math.max(1, workers.length)];
    if (!worker) {
      const why = `no Python worker joined within ${options.pythonWaitMs / 1000} s; a graph of a Python client can only be read by one`;
      return { failure: failureOf(new NoWorkersError(why, { details: { keys: message.keys.length } })) };
    }
    try {
      const reply = materialiseReply(
        await hub.rpc.call(worker.address, request, { timeoutMs: EXPAND_MS, signal: options.signal }),
      );
      return "failure" in reply ? reply : { tasks: reply.tasks, isPlain: false };
    } catch (error) {
      if (!isRsdatError(error)) throw error;
      hub.logger.warning(`worker ${worker.address} did not expand a graph: ${error.message}`, {
        worker: worker.address,
        code: error.code,
      });
      last = error;
    }
  }
  return { failure: failureOf(last) };
}

/** Annotations of the whole message, for graphs that were read here. */
function annotationsOf(annotations: UpdateGraph["annotations"]): ReadonlyMap<unknown, unknown> | null {
  if (!(annotations instanceof Pickled)) return annotations;
  const plain = plainOf(readPickle(annotations.pickle, annotations.plainBuffers()));
  return plain instanceof Map ? plain : null;
}

interface TaskContext {
  readonly message: UpdateGraph;
  readonly index: number;
  /** Null: a Python task. */
  readonly spec: TaskSpec | null;
  readonly notes: ReadonlyMap<unknown, unknown>;
}

function submittedTask(task: MaterialisedTask, { message, index, spec, notes }: TaskContext): SubmittedTask {
  const user = message.userPriority;
  return {
    key: task.key,
    dependencies: task.dependencies,
    runSpec: task.runSpec,
    language: spec ? "native" : "python",
    retries: numberIn(notes, "retries") ?? 0,
    priority: numberIn(notes, "priority") ?? (typeof user === "number" ? user : (user?.get(task.key) ?? 0)),
    rank: message.internalPriority?.get(task.key) ?? task.order ?? index,
    needBytes: spec ? spec.out.nbytes + spec.workspace : null,
    ...placementOf(notes, task.key),
  };
}

const NO_ANNOTATIONS: ReadonlyMap<unknown, unknown> = new Map();

function nativeSpec(task: MaterialisedTask): TaskSpec | null {
  const spec = readRunSpec(task.runSpec);
  return spec.kind === "native" ? decodeTaskSpec(spec.spec) : null;
}

function numberIn(notes: ReadonlyMap<unknown, unknown>, name: string): number | undefined {
  const value = notes.get(name);
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

/** Restrictions in Dask's words: `workers` (or `restrictions`), `allow_other_workers` (or `loose_restrictions`), `resources`. */
function placementOf(notes: ReadonlyMap<unknown, unknown>, key: Key | null): Placement {
  const names = notes.get("workers") ?? notes.get("restrictions");
  const loose = notes.get("allow_other_workers") ?? notes.get("loose_restrictions") ?? notes.get("allowOtherWorkers");
  const resources = notes.get("resources");
  const isLoose = Array.isArray(loose) ? key !== null && loose.includes(key) : loose === true;
  return {
    workers: typeof names === "string" ? [names] : Array.isArray(names) && names.length > 0 ? names.map(String) : null,
    allowOtherWorkers: isLoose,
    resources:
      resources instanceof Map && resources.size > 0
        ? new Map(Array.from(resources, ([name, amount]) => [String(name), Number(amount)]))
        : null,
  };
}
