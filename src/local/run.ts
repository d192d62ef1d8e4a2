/** One run at the coordinator: which keys its callers want, how far it is, what it tells them. */
import type { ErrorRecord } from "../base/index.ts";
import { Graph, type Key, type Layer, type TaskId, TaskWalk } from "../graph/index.ts";
import type { Ref } from "../worker/state/index.ts";
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
  draining: Set<Ref> = new Set();
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
  /** Wanted tasks, each once. */
  readonly wanted: readonly TaskId[];
  /** Their order, not begun. */
  readonly walk: TaskWalk;
  /** Tasks to run: held blocks are none. */
  readonly total: number;
  /** Wanted keys whose blocks other tasks read too. */
  readonly inputs: ReadonlySet<Key>;
  readonly stop: AbortController = new AbortController();
  /** Tasks at the executor. */
  readonly inFlight: Set<Ref> = new Set();
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
    const wanted = this.graph.wanted();
    this.wanted = Array.from(new Set(wanted.flat()));
    this.walk = new TaskWalk(this.graph, this.wanted);
    this.total = this.walk.total - neededHeld(this.graph, this.walk);
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
    const users: TaskId[] = [];
    const read = this.wanted.filter((task) => this.walk.edges.dependents(task, users) > 0);
    this.inputs = new Set(read.map((t) => this.graph.key(t)));
  }

  /** Names of the layers that have tasks. */
  names(): string[] {
    return this.graph.layers.filter((layer) => !layer.inline && layer.kind !== "held").map((layer) => layer.name);
  }
}

/** Held blocks that the wanted ones need. */
function neededHeld(graph: Graph, walk: TaskWalk): number {
  let count = 0;
  graph.layers.forEach(({ kind }, index) => {
    if (kind !== "held") return;
    for (let i = 0; i < graph.count(index); i++) if (walk.isNeeded(graph.base(index) + i)) count++;
  });
  return count;
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
