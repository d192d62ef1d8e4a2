/** One run at the coordinator: which keys its callers want, how far it is, what it tells them. */
import type { ErrorRecord } from "../base/index.ts";
import { Graph, type Key, type Layer, type TaskEdges, type TaskId, taskEdges, taskOrder } from "../graph/index.ts";
import type { BlockPlace, RunRequest } from "./messages.ts";

/** What one caller has of a run, and still waits for. */
export class Group {
  readonly id: number;
  /** Wanted keys with their places. */
  readonly wanted: ReadonlyMap<Key, readonly BlockPlace[]>;
  readonly undelivered: Set<Key>;
  /** Set once something that the group needs has failed, or it was cancelled. */
  failure: ErrorRecord | null = null;
  /** Tasks that were at the executor when the group failed: it ends after them, as they may write what it undoes. */
  draining: Set<Key> = new Set();
  isEnded = false;

  constructor(id: number, wanted: ReadonlyMap<Key, readonly BlockPlace[]>) {
    this.id = id;
    this.wanted = wanted;
    this.undelivered = new Set(wanted.keys());
  }

  /** Waits for blocks. */
  get isLive(): boolean {
    return !this.isEnded && this.failure === null;
  }
}

/** A run that was accepted. */
export class Run {
  readonly groups: readonly Group[];
  readonly request: RunRequest;
  readonly graph: Graph;
  readonly edges: TaskEdges;
  /** Tasks in rank order. */
  readonly order: Uint32Array;
  /** Tasks to run: held blocks are none. */
  readonly total: number;
  /** Wanted keys whose blocks other tasks read too. */
  readonly inputs: ReadonlySet<Key>;
  readonly stop: AbortController = new AbortController();
  /** Tasks at the executor. */
  readonly inFlight: Set<Key> = new Set();
  done = 0;
  bytesRead = 0;
  bytesWritten = 0;
  lastProgressMs: number = Number.NEGATIVE_INFINITY;

  /** @param taken layer names of other runs: same names get another one, as no block is shared between runs */
  constructor(request: RunRequest, taken: (name: string) => boolean) {
    this.request = request;
    this.graph = new Graph(
      request.layers.map((layer) => renamed(layer, request.groups[0]?.id ?? 0, taken)),
      request.outputs,
    );
    this.edges = taskEdges(this.graph);
    this.order = taskOrder(this.graph);
    this.total = this.order.reduce(
      (n, t) => n + (this.graph.layer(this.graph.locate(t).layer).kind === "held" ? 0 : 1),
      0,
    );
    const wanted = this.graph.wanted();
    this.groups = request.groups.map(
      ({ id, outputs }) =>
        new Group(
          id,
          placesByKey(
            this.graph,
            outputs.map((o) => wanted[o] ?? []),
          ),
        ),
    );
    const { dependentsStart: start } = this.edges;
    const read = this.graph
      .wanted()
      .flat()
      .filter((t) => (start[t + 1] as number) > (start[t] as number)); // one row per task
    this.inputs = new Set(read.map((t) => this.graph.key(t)));
  }

  /** Names of the layers that have tasks. */
  names(): string[] {
    return this.graph.layers.filter((layer) => !layer.inline && layer.kind !== "held").map((layer) => layer.name);
  }
}

function renamed(layer: Layer, id: number, taken: (name: string) => boolean): Layer {
  return !layer.inline && layer.kind !== "held" && taken(layer.name)
    ? { ...layer, name: `${layer.name}~${id}` }
    : layer;
}

function placesByKey(graph: Graph, outputs: readonly (readonly TaskId[])[]): Map<Key, BlockPlace[]> {
  const places = new Map<Key, BlockPlace[]>();
  for (const [output, tasks] of outputs.entries()) {
    for (const [index, task] of tasks.entries()) {
      const key = graph.key(task);
      const known = places.get(key);
      if (known) known.push([output, index]);
      else places.set(key, [[output, index]]);
    }
  }
  return places;
}
