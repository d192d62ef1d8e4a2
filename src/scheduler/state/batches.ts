/** Where task definitions live: symbolic layers with formulas, and single materialised tasks. */
import { InvariantError } from "../../base/index.ts";
import {
  type ExpandedTask,
  type Graph,
  type GraphEdges,
  type Key,
  keysOf,
  type Layer,
  type TaskId,
  TaskWalk,
} from "../../graph/index.ts";
import type { CallRange } from "./call-keys.ts";
import { CELL, type Columns, NO_RANK, PAGE, PAGE_BITS, RANK, type Slot, TASK } from "./columns.ts";
import type { Edge } from "./edge-lists.ts";
import type { RunSpec } from "./events.ts";
import type { Pieces } from "./pieces.ts";
import type { RankOrder, RankSet } from "./rank-set.ts";
import type { RankQueue } from "./ready-queue.ts";
import type { TaskBits } from "./task-bits.ts";
import type { TaskClass } from "./workers.ts";

/** One materialised task: what is not in columns. */
export interface TaskRecord {
  readonly key: Key;
  /** Null: data that a client put on workers; it cannot be computed again. */
  readonly runSpec: RunSpec | null;
  readonly taskClass: TaskClass;
  /** Filled when all tasks of the submission have slots. */
  readonly dependencies: Slot[];
  /** Edge of each dependency. */
  readonly edges: Edge[];
  readonly priority: readonly [negated: number, generation: number, rank: number];
}

/** `pending`: waits for bytes; `open`: its tasks may be sent; `idle`: nothing to do. */
type BatchState = "pending" | "open" | "idle";

/** Layers of a batch that another batch owns, or that stand twice in its graph. */
export interface LayerAlias {
  readonly batch: LayerBatch;
  readonly layer: number;
}

/** One task that stands elsewhere: a task of a batch by its number, or a materialised one by its slot. */
export interface Single {
  readonly batch: LayerBatch | null;
  readonly at: TaskId | Slot;
}

/** A symbolic graph under execution. Its tasks have slots, by the page, while something is known of them. */
export interface LayerBatch {
  readonly index: number;
  readonly graph: Graph;
  readonly count: number;
  readonly edges: GraphEdges;
  /** Makes the order of the tasks, as far as it was asked for. */
  readonly walk: TaskWalk;
  readonly wanted: readonly TaskId[];
  /** First slot of each page of tasks; -1: it has none. */
  readonly pages: Int32Array;
  /** Tasks of each page that are known, and that have a rank. */
  readonly pageKnown: Uint8Array;
  readonly pageRanked: Uint8Array;
  /** Ranks by task: of a batch that shares layers, or whose pages were needed again after they were given back. */
  ranks: Uint32Array | null;
  readonly order: RankOrder;
  /** Ranks of the active tasks. */
  readonly activeRanks: RankSet;
  /** Layers owned by earlier batches, or twice in the graph. Null: none, and no tasks that stand elsewhere by their keys. */
  readonly aliases: ReadonlyMap<number, LayerAlias> | null;
  /** Tasks that stand elsewhere by their keys. */
  readonly singles: ReadonlyMap<TaskId, Single>;
  /** Some of its tasks have keys of their own. */
  readonly isKeyed: boolean;
  /** Those of its layers of calls. */
  readonly keyRanges: readonly CallRange[];
  readonly taskClass: TaskClass;
  readonly queue: RankQueue;
  /** Null: workers do not begin its roots from pieces. */
  readonly pieces: Pieces | null;
  readonly priority: number;
  readonly generation: number;
  readonly urgency: number;
  /** At least what the plan says, and what the order made so far does. */
  leastBytes: number;
  /** It has layers that are `inMemory`. */
  readonly isInMemory: boolean;
  /** As {@link retriesOf} bounds them. */
  readonly retries: number;
  state: BatchState;
  /** A columnar worker was given tasks of it. */
  wasSent: boolean;
  /** No result has gone from the worker that made it while others kept it, or came back: where inputs lie was noted when they came. */
  isNearKnown: boolean;
  /** Rank of the first active task, or the next that will be given; everything before it is the finished prefix. */
  head: number;
  /** Known tasks that the order has not come to. */
  early: number;
  /** Tasks that are not forgotten, and those that clients want, each counted for each client. */
  live: number;
  wants: number;
  /** Batches that own a layer which this one uses, each counted once. */
  readonly owners: readonly LayerBatch[];
  /** Later batches that use layers of this one; it must outlive them. */
  users: number;
  /** Tasks that depend on one that has failed before the order came to its end; null: there are none. See `foretell.ts`. */
  doomed: TaskBits | null;
  /** Edges of own tasks to slots of other batches, removed with the task. Key: own slot. */
  readonly foreign: Map<Slot, { readonly dependencies: Slot[]; readonly edges: Edge[] }>;
}

/** True while the batch's order has not come to a task that it will come to. */
export function isPlanned(batch: LayerBatch, task: TaskId): boolean {
  return !batch.walk.isDone && batch.walk.isNeeded(task) && !batch.walk.isRanked(task);
}

/** Slot of a task of a batch, wherever it lives; it gets one if it has none. */
export function slotOf(columns: Columns, batch: LayerBatch, task: TaskId): Slot {
  const page = batch.pages[task >>> PAGE_BITS] as number; // a task of the graph
  if (batch.aliases) {
    const single = batch.singles.get(task);
    if (single) return single.batch ? slotOf(columns, single.batch, single.at) : single.at;
    const alias = batch.aliases.get(batch.edges.layerOf(task));
    if (alias) return slotOf(columns, alias.batch, aliasTask(batch, task, alias));
  }
  if (page >= 0) return page + (task & (PAGE - 1));
  return touchPage(columns, batch, task >>> PAGE_BITS) + (task & (PAGE - 1));
}

/** Slot of a task of a batch, wherever it lives; -1: it has none, so it is forgotten. */
export function slotIfAny(batch: LayerBatch, task: TaskId): Slot {
  const page = batch.pages[task >>> PAGE_BITS] as number; // a task of the graph
  if (page >= 0 && !batch.aliases) return page + (task & (PAGE - 1));
  const single = batch.aliases ? batch.singles.get(task) : undefined;
  if (single) return single.batch ? slotIfAny(single.batch, single.at) : single.at;
  const alias = batch.aliases?.get(batch.edges.layerOf(task));
  if (alias) return slotIfAny(alias.batch, aliasTask(batch, task, alias));
  return page < 0 ? -1 : page + (task & (PAGE - 1));
}

function aliasTask(batch: LayerBatch, task: TaskId, alias: LayerAlias): TaskId {
  return alias.batch.graph.base(alias.layer) + task - batch.graph.base(batch.edges.layerOf(task));
}

/** True when the batch itself defines the task. */
export function owns(batch: LayerBatch, task: TaskId): boolean {
  return !batch.aliases || !(batch.singles.has(task) || batch.aliases.has(batch.edges.layerOf(task)));
}

function touchPage(columns: Columns, batch: LayerBatch, page: number): Slot {
  const start = page << PAGE_BITS;
  const count = Math.min(PAGE, batch.count - start);
  const first = columns.allocatePage(batch, start, count);
  batch.pages[page] = first;
  if (batch.pageRanked[page] === 0 && batch.ranks === null) return first;
  const ranks = ranksOf(batch);
  for (let i = 0; i < count; i++)
    if (batch.walk.isRanked(start + i) && owns(batch, start + i))
      columns.cells[((first + i) << CELL) + RANK] = ranks[start + i] as number; // one per task
  return first;
}

/** Ranks of all tasks that the order has come to; made again where they were given back. */
function ranksOf(batch: LayerBatch): Uint32Array {
  if (batch.ranks) return batch.ranks;
  const again = new TaskWalk(batch.graph, batch.wanted, batch.edges);
  const order = new Uint32Array(batch.walk.ranked);
  again.next(order, order.length);
  const ranks = new Uint32Array(batch.count);
  order.forEach((task, rank) => {
    ranks[task] = rank;
  });
  batch.ranks = ranks;
  return ranks;
}

/** Give a page's slots back when nothing of it is known and the order has come to all of its tasks. */
export function dropPageIfDone(columns: Columns, batch: LayerBatch, task: TaskId): void {
  const page = task >>> PAGE_BITS;
  const size = Math.min(PAGE, batch.count - (page << PAGE_BITS));
  // One per page.
  if ((batch.pageKnown[page] as number) > 0 || (!batch.walk.isDone && batch.pageRanked[page] !== size)) return;
  const first = batch.pages[page] as number;
  if (first < 0) return;
  columns.releasePage(first);
  batch.pages[page] = -1;
}

/** A task that no order comes to is started: it gets a place behind the others. */
export function rankLate(columns: Columns, batch: LayerBatch, slot: Slot): void {
  if (columns.cells[(slot << CELL) + RANK] === NO_RANK)
    columns.cells[(slot << CELL) + RANK] = batch.order.push(columns.cells[(slot << CELL) + TASK] as number); // a slot given out
}

/** As a column holds them. */
export function retriesOf(retries: number): number {
  return Math.max(0, Math.min(255, retries)) | 0;
}

/** Expansions are asked for twice in a row: for the bytes of a task, then to send it. */
export class Expander {
  #batch: LayerBatch | null = null;
  #task = -1;
  #expanded: ExpandedTask | null = null;

  expand(batch: LayerBatch, task: TaskId): ExpandedTask {
    if (this.#batch !== batch || this.#task !== task || !this.#expanded) {
      this.#expanded = batch.graph.expand(task);
      this.#batch = batch;
      this.#task = task;
    }
    return this.#expanded;
  }
}

/** Layers of a graph whose name stands before in it: both are the same layer. */
export function twinsIn(graph: Graph): Map<number, number> {
  const own = new Map<string, number>();
  const twins = new Map<number, number>();
  graph.layers.forEach((layer, index) => {
    if (layer.inline || keysOf(layer) !== null) return;
    const first = own.get(layer.name);
    if (first === undefined) own.set(layer.name, index);
    else twins.set(index, first);
  });
  return twins;
}

/** Layers by name, so that the same layer in two graphs is computed once. */
export class LayerNames {
  readonly #byName = new Map<string, LayerAlias>();
  /** The layer that was found last, and how keys of its blocks begin: many of one layer are asked for in a row. */
  #last: { readonly prefix: string; readonly known: LayerAlias } | null = null;

  /** Layers of `graph` that are known already. */
  knownIn(graph: Graph): { readonly aliases: Map<number, LayerAlias>; readonly owners: Set<LayerBatch> } {
    const aliases = new Map<number, LayerAlias>();
    const owners = new Set<LayerBatch>();
    graph.layers.forEach((layer, index) => {
      const known = layer.inline || keysOf(layer) !== null ? undefined : this.#byName.get(layer.name);
      if (!known || known.batch.graph.count(known.layer) !== graph.count(index)) return;
      aliases.set(index, known);
      owners.add(known.batch);
    });
    return { aliases, owners };
  }

  add(batch: LayerBatch): void {
    batch.graph.layers.forEach((layer, index) => {
      if (layer.inline || keysOf(layer) !== null) return;
      if (!batch.aliases?.has(index) && !this.#byName.has(layer.name))
        this.#byName.set(layer.name, { batch, layer: index });
    });
  }

  remove(batch: LayerBatch): void {
    this.#last = null;
    for (const layer of batch.graph.layers)
      if (this.#byName.get(layer.name)?.batch === batch) this.#byName.delete(layer.name);
  }

  /** Numbers of held layers that are no layers here (any more). */
  missingIn(graph: Graph): number[] {
    return Array.from(graph.layers.keys()).filter((index) => {
      const layer = graph.layers[index] as Layer; // a key of the list
      if (layer.kind !== "held" || keysOf(layer) !== null) return false;
      const known = this.#byName.get(layer.name);
      return known === undefined || known.batch.graph.count(known.layer) !== graph.count(index);
    });
  }

  /** Who owns a layer of this name. */
  get(name: string): LayerAlias | undefined {
    return this.#byName.get(name);
  }

  /** Batch and number of a key `(name, i, j, …)` of a known layer. */
  find(key: Key): { readonly batch: LayerBatch; readonly task: TaskId } | undefined {
    if (this.#last === null || !key.startsWith(this.#last.prefix)) {
      const prefix = /^\0\[("(?:[^"\\]|\\.)*")/.exec(key);
      // The group is a JSON text by the pattern.
      const known = prefix ? this.#byName.get(JSON.parse(prefix[1] as string) as string) : undefined;
      if (!prefix || !known) return undefined;
      this.#last = { prefix: prefix[0], known };
    }
    const { prefix, known } = this.#last;
    const { batch, layer } = known;
    const index = indexIn(key, prefix.length, batch.graph.grid(layer));
    return index < 0 ? undefined : { batch, task: batch.graph.base(layer) + index };
  }
}

const [COMMA, ZERO, CLOSED] = [44, 48, 93];

/** Number, in C order of the grid, of the block that a key names from `start` on, as in `,12,0]`; -1: it names none. */
function indexIn(key: Key, start: number, grid: readonly number[]): number {
  let at = start;
  let index = 0;
  for (const count of grid) {
    if (key.charCodeAt(at++) !== COMMA) return -1;
    const first = at;
    let place = 0;
    for (let digit = key.charCodeAt(at) - ZERO; digit >= 0 && digit <= 9; digit = key.charCodeAt(++at) - ZERO) {
      place = place * 10 + digit;
      if (place >= count) return -1;
    }
    if (at === first) return -1;
    index = index * count + place;
  }
  return key.charCodeAt(at) === CLOSED && at === key.length - 1 ? index : -1;
}

/** The batch of a slot that is known to lie in a layer. */
export function batchAt(batches: readonly (LayerBatch | undefined)[], index: number): LayerBatch {
  const batch = batches[index];
  if (!batch) throw new InvariantError(`batch ${index} is gone`); // asked for with every task
  return batch;
}
