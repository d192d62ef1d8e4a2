/** One run at the coordinator: which keys it wants, how far it is, what it tells the caller. */
import type { ErrorRecord } from "../base/index.ts";
import { Graph, type Key, type Layer, type TaskEdges, taskEdges, taskOrder } from "../graph/index.ts";
import type { BlockPlace, RunRequest } from "./messages.ts";

/** A run that was accepted. */
export class Run {
  readonly id: number;
  readonly request: RunRequest;
  readonly graph: Graph;
  readonly edges: TaskEdges;
  /** Tasks in rank order. */
  readonly order: Uint32Array;
  /** Tasks to run: held blocks are none. */
  readonly total: number;
  /** Wanted keys that have not been delivered, with their places. */
  readonly wanted: ReadonlyMap<Key, readonly BlockPlace[]>;
  readonly undelivered: Set<Key>;
  /** Wanted keys whose blocks other tasks read too. */
  readonly inputs: ReadonlySet<Key>;
  readonly stop: AbortController = new AbortController();
  /** Tasks at the executor. */
  inFlight = 0;
  done = 0;
  bytesRead = 0;
  bytesWritten = 0;
  /** Set once the run has failed or was cancelled. */
  failure: ErrorRecord | null = null;
  lastProgressMs: number = Number.NEGATIVE_INFINITY;

  /** @param taken layer names of other runs: same names get another one, as no block is shared between runs */
  constructor(request: RunRequest, taken: (name: string) => boolean) {
    this.id = request.id;
    this.request = request;
    this.graph = new Graph(
      request.layers.map((layer) => renamed(layer, request.id, taken)),
      request.outputs,
    );
    this.edges = taskEdges(this.graph);
    this.order = taskOrder(this.graph, this.edges);
    this.total = this.order.reduce(
      (n, t) => n + (this.graph.layer(this.graph.locate(t).layer).kind === "held" ? 0 : 1),
      0,
    );
    this.wanted = placesByKey(this.graph);
    this.undelivered = new Set(this.wanted.keys());
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

function placesByKey(graph: Graph): Map<Key, BlockPlace[]> {
  const places = new Map<Key, BlockPlace[]>();
  for (const [output, tasks] of graph.wanted().entries()) {
    for (const [index, task] of tasks.entries()) {
      const key = graph.key(task);
      const known = places.get(key);
      if (known) known.push([output, index]);
      else places.set(key, [[output, index]]);
    }
  }
  return places;
}
