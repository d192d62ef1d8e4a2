/** Which of a worker's blocks are needed last, as far as it can tell: what to spill first. */
import type { BlockHandle } from "../executor/index.ts";
import { type Graph, type Key, layersInMemory, type TaskId, taskEdges, taskOrder, valueOfKey } from "../graph/index.ts";

/** Larger graphs are not ordered here: their blocks leave in the order in which they came. */
const TASKS_MAX = 300_000;
/** Of so many blocks that came last, the latest rank tells how far the worker is. */
const RECENT = 8;

/** What the order is made from. */
export interface HeldBlocks {
  /** Blocks by key, in the order in which they came. */
  blocks(): Iterable<readonly [key: Key, block: BlockHandle]>;
  /** Graphs whose tasks are ordered here in columns. */
  graphs(): Iterable<Graph>;
}

/** Ranks of a graph's tasks, and the smallest rank of a dependent beyond a given one. */
class Ranks {
  readonly #graph: Graph;
  readonly #rank: Int32Array;
  readonly #edges: ReturnType<typeof taskEdges>;
  readonly #layers: ReadonlyMap<string, number>;

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#edges = taskEdges(graph);
    this.#rank = new Int32Array(graph.taskCount).fill(-1);
    taskOrder(graph).forEach((task, rank) => {
      this.#rank[task] = rank;
    });
    this.#layers = new Map(graph.layers.flatMap(({ name, inline }, k) => (inline ? [] : [[name, k] as const])));
  }

  taskOf(key: Key): TaskId | undefined {
    const value = valueOfKey(key);
    if (!Array.isArray(value)) return undefined;
    const layer = this.#layers.get(String(value[0]));
    if (layer === undefined) return undefined;
    return this.#graph.base(layer) + this.#graph.indexOf(layer, value.slice(1).map(Number));
  }

  rankOf(task: TaskId): number {
    return this.#rank[task] as number; // a task of the graph
  }

  /** Rank of the next task after `now` that needs this one; Infinity when there is none. */
  nextUse(task: TaskId, now: number): number {
    const { dependentsStart, dependents } = this.#edges;
    let next = Number.POSITIVE_INFINITY;
    for (let e = dependentsStart[task] as number; e < (dependentsStart[task + 1] as number); e++) {
      const rank = this.rankOf(dependents[e] as number);
      if (rank > now && rank < next) next = rank;
    }
    return next;
  }
}

/** Blocks that may leave memory, by key. */
function leaving(held: HeldBlocks, staying: ReadonlySet<string> | null): (readonly [Key, BlockHandle])[] {
  const blocks = Array.from(held.blocks());
  if (staying === null) return blocks;
  return blocks.filter(([key]) => {
    const value = valueOfKey(key);
    return !Array.isArray(value) || !staying.has(String(value[0]));
  });
}

/** Blocks of a worker by their next use, furthest first. Ranks are made when the first block has to leave. */
export class SpillOrder {
  #held: HeldBlocks | null = null;
  readonly #ranks = new WeakMap<Graph, Ranks>();

  /** Before this nothing is in the order. */
  attach(held: HeldBlocks): void {
    this.#held = held;
  }

  /**
   * Blocks of no known graph first, the oldest of them before the others: nobody has ordered a task that needs them. Those
   * of layers that are `inMemory` are not among them.
   */
  blocks(): BlockHandle[] {
    if (!this.#held) return [];
    const all = Array.from(this.#held.graphs());
    const known = all.filter((graph) => graph.taskCount <= TASKS_MAX).map((graph) => this.#ranksOf(graph));
    const blocks = leaving(this.#held, layersInMemory(all)).map(([key, block]) => {
      for (const ranks of known) {
        const task = ranks.taskOf(key);
        if (task !== undefined) return { block, ranks, task };
      }
      return { block, ranks: null, task: -1 };
    });
    const now = new Map(known.map((ranks) => [ranks, -1]));
    for (const { ranks, task } of blocks.slice(-RECENT))
      if (ranks) now.set(ranks, Math.max(now.get(ranks) ?? -1, ranks.rankOf(task)));
    return blocks
      .map(({ block, ranks, task }) => ({
        block,
        next: ranks ? ranks.nextUse(task, now.get(ranks) ?? -1) : Number.POSITIVE_INFINITY,
      }))
      .sort((a, b) => (a.next === b.next ? 0 : b.next - a.next))
      .map(({ block }) => block);
  }

  #ranksOf(graph: Graph): Ranks {
    const known = this.#ranks.get(graph) ?? new Ranks(graph);
    this.#ranks.set(graph, known);
    return known;
  }
}
