/** One run at the coordinator: which blocks its callers want, how far it is. */
import type { ErrorRecord } from "../base/index.ts";
import { Graph, type Layer, type TaskId, TaskWalk } from "../graph/index.ts";
import type { RunGroup, RunRequest } from "./messages.ts";
import type { Order } from "./order.ts";

/** The blocks of one layer that a caller wants: all of them. */
class Wish {
  readonly layer: number;
  readonly count: number;
  /** The caller's outputs that they are. */
  readonly outputs: number[] = [];
  readonly #seen: Uint8Array;

  constructor(layer: number, count: number) {
    this.layer = layer;
    this.count = count;
    this.#seen = new Uint8Array(count);
  }

  /** A block is there; false: it was before. */
  note(index: number): boolean {
    if (this.#seen[index] !== 0) return false;
    this.#seen[index] = 1;
    return true;
  }
}

/** What one caller has of a run, and still waits for. */
export class Group {
  readonly id: number;
  /** Its caller listens for progress. */
  readonly listens: boolean;
  /** By the layer's name. */
  readonly wishes: ReadonlyMap<string, Wish>;
  /** Blocks that have not been handed over. */
  left: number;
  /** Set once something that the group needs has failed, or it was cancelled. */
  failure: ErrorRecord | null = null;
  /** Tasks that were at the executor when the group failed: it ends after them, as they may write what it undoes. */
  draining: Set<Order> = new Set();
  /** Its blocks that are being read from disk. */
  loading = 0;
  isEnded = false;

  constructor({ id, listens }: Pick<RunGroup, "id" | "listens">, wishes: ReadonlyMap<string, Wish>) {
    this.id = id;
    this.listens = listens;
    this.wishes = wishes;
    this.left = wishes.values().reduce((sum, { count }) => sum + count, 0);
  }

  /** Waits for blocks. */
  get isLive(): boolean {
    return !this.isEnded && this.failure === null;
  }

  /** Blocks that it wants are there. */
  takeAll(name: string, indices: ArrayLike<number>): void {
    const wish = this.isLive ? this.wishes.get(name) : undefined;
    if (!wish) return;
    let left = this.left;
    for (let k = 0; k < indices.length; k++) if (wish.note(indices[k] as number)) left--; // k < length
    this.left = left;
  }

  /** A block that it wants is there: its wish; null where it has it, or wants no more. */
  take(name: string, index: number): Wish | null {
    const wish = this.isLive ? this.wishes.get(name) : undefined;
    if (!wish?.note(index)) return null;
    this.left--;
    return wish;
  }
}

const users: TaskId[] = [];

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
  readonly stop: AbortController = new AbortController();
  /** Tasks at the executor. */
  underWay = 0;
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
    this.wanted = wantedOnce(this.graph);
    this.walk = new TaskWalk(this.graph, this.wanted);
    this.total = this.walk.total - neededHeld(this.graph, this.walk);
    this.groups = request.groups.map((group) => new Group(group, wishesOf(this.graph, group.outputs)));
  }

  /** Names of the layers that have tasks. */
  names(): string[] {
    return this.graph.layers.filter((layer) => !layer.inline && layer.kind !== "held").map((layer) => layer.name);
  }

  /** Names of the layers whose blocks the callers want. */
  wantedNames(): Set<string> {
    return new Set(this.groups.flatMap(({ wishes }) => Array.from(wishes.keys())));
  }

  /** Number of a block of a wanted layer. */
  indexOf(name: string, position: readonly number[]): number {
    const wish = this.groups.map(({ wishes }) => wishes.get(name)).find((each) => each !== undefined);
    return wish ? this.graph.indexOf(wish.layer, position) : -1;
  }

  /** True when a block is made by this run, and the callers that want it are the only ones who read it. */
  isFinal({ layer }: Wish, index: number): boolean {
    if (this.graph.layer(layer).kind === "held") return false;
    return this.walk.edges.dependents(this.graph.base(layer) + index, users) === 0;
  }
}

/** Tasks of the outputs, each once. */
function wantedOnce(graph: Graph): TaskId[] {
  const wanted: TaskId[] = [];
  for (const output of new Set(graph.outputs)) {
    const [base, count] = [graph.base(output), graph.count(output)];
    for (let i = 0; i < count; i++) wanted.push(base + i);
  }
  return wanted;
}

/** Held blocks that the wanted ones need. */
function neededHeld(graph: Graph, walk: TaskWalk): number {
  let count = 0;
  graph.layers.forEach(({ kind }, index) => {
    if (kind !== "held") return;
    const base = graph.base(index);
    const end = base + graph.count(index);
    if (walk.total === graph.taskCount) count += end - base;
    else for (let task = base; task < end; task++) if (walk.isNeeded(task)) count++;
  });
  return count;
}

function renamed(layer: Layer, id: number, taken: (name: string) => boolean): Layer {
  return !layer.inline && layer.kind !== "held" && taken(layer.name)
    ? { ...layer, name: `${layer.name}~${id}` }
    : layer;
}

function wishesOf(graph: Graph, outputs: readonly number[]): Map<string, Wish> {
  const wishes = new Map<string, Wish>();
  outputs.forEach((output, k) => {
    const layer = graph.outputs[output] as number; // outputs of the run
    const { name } = graph.layer(layer);
    let wish = wishes.get(name);
    if (wish === undefined) {
      wish = new Wish(layer, graph.count(layer));
      wishes.set(name, wish);
    }
    wish.outputs.push(k);
  });
  return wishes;
}
