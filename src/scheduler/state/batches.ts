/** Where task definitions live: symbolic layers with formulas, and single materialised tasks. */
import { invariant } from "../../base/index.ts";
import { type ExpandedTask, type Graph, type Key, keysOf, type TaskEdges, type TaskId } from "../../graph/index.ts";
import type { Slot } from "./columns.ts";
import type { Edge } from "./edge-lists.ts";
import type { RunSpec } from "./events.ts";
import type { ReadyQueue } from "./ready-queue.ts";
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
export type BatchState = "pending" | "open" | "idle";

/** A symbolic graph under execution. Slot = base + task number, save for layers that an earlier batch owns. */
export interface LayerBatch {
  readonly index: number;
  readonly graph: Graph;
  readonly base: Slot;
  readonly count: number;
  readonly edges: TaskEdges;
  /** Rank → task. */
  readonly order: Uint32Array;
  /** Layers owned by earlier batches: layer → first slot there. Null: none, and no `singles` either. */
  readonly aliases: ReadonlyMap<number, Slot> | null;
  /** Tasks that stand elsewhere by their keys: task → slot there. */
  readonly singles: ReadonlyMap<TaskId, Slot> | null;
  readonly taskClass: TaskClass;
  readonly queue: ReadyQueue;
  readonly priority: number;
  readonly generation: number;
  readonly urgency: number;
  readonly leastBytes: number;
  readonly retries: number;
  state: BatchState;
  /** A columnar worker was given tasks of it. */
  wasSent: boolean;
  /** Rank of the first active task; everything before it is the finished prefix. */
  head: number;
  /** Tasks that are not forgotten. */
  live: number;
  /** Batches that own a layer which this one uses, each counted once. */
  readonly owners: readonly LayerBatch[];
  /** Later batches that use layers of this one; it must outlive them. */
  users: number;
  /** Edges of own tasks to slots of other batches, removed with the task. Key: own slot. */
  readonly foreign: Map<Slot, { readonly dependencies: Slot[]; readonly edges: Edge[] }>;
}

/** Slot of a task of a batch, wherever it lives. */
export function slotOf(batch: LayerBatch, task: TaskId): Slot {
  if (!batch.aliases) return batch.base + task;
  const single = batch.singles?.get(task);
  if (single !== undefined) return single;
  const { layer, index } = batch.graph.locate(task);
  const alias = batch.aliases.get(layer);
  return alias === undefined ? batch.base + task : alias + index;
}

/** True when the batch itself defines the task. */
export function owns(batch: LayerBatch, task: TaskId): boolean {
  return !batch.singles?.has(task) && !batch.aliases?.has(batch.graph.locate(task).layer);
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

interface KnownLayer {
  readonly batch: LayerBatch;
  readonly layer: number;
}

/** Layers by name, so that the same layer in two graphs is computed once. */
export class LayerNames {
  readonly #byName = new Map<string, KnownLayer>();

  /** First slot of each layer of `graph` that is known already, or stands twice in it. `base` is the slot of its first task. */
  aliasesOf(graph: Graph, base: Slot): { readonly aliases: Map<number, Slot>; readonly owners: Set<LayerBatch> } {
    const aliases = new Map<number, Slot>();
    const owners = new Set<LayerBatch>();
    const own = new Map<string, number>();
    graph.layers.forEach((layer, index) => {
      if (layer.inline || keysOf(layer) !== null) return;
      const twin = own.get(layer.name);
      const known = this.#byName.get(layer.name);
      if (twin !== undefined) aliases.set(index, aliases.get(twin) ?? base + graph.base(twin));
      else if (known && known.batch.graph.count(known.layer) === graph.count(index)) {
        aliases.set(index, known.batch.base + known.batch.graph.base(known.layer));
        owners.add(known.batch);
      }
      if (twin === undefined) own.set(layer.name, index);
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
    for (const layer of batch.graph.layers)
      if (this.#byName.get(layer.name)?.batch === batch) this.#byName.delete(layer.name);
  }

  /** Name of a held layer that nobody here knows (any more); null when all are known. */
  missingOf(graph: Graph): string | null {
    const lost = graph.layers.find((layer, index) => {
      const known = layer.kind === "held" && keysOf(layer) === null ? this.#byName.get(layer.name) : null;
      return known === undefined || (known !== null && known.batch.graph.count(known.layer) !== graph.count(index));
    });
    return lost?.name ?? null;
  }

  /** Slot of a key `(name, i, j, …)` of a known layer. */
  find(key: Key): Slot | undefined {
    const found = /^\0\[("(?:[^"\\]|\\.)*")((?:,\d+)*)\]$/.exec(key);
    if (!found) return undefined;
    // The first group is a JSON text by the pattern.
    const known = this.#byName.get(JSON.parse(found[1] as string) as string);
    if (!known) return undefined;
    const position = (found[2] as string).split(",").slice(1).map(Number); // matched, perhaps empty
    const { graph, base } = known.batch;
    const grid = graph.grid(known.layer);
    if (position.length !== grid.length || position.some((p, axis) => p >= (grid[axis] as number))) return undefined; // same length
    return base + graph.base(known.layer) + graph.indexOf(known.layer, position);
  }
}

/** The batch of a slot that is known to lie in a layer. */
export function batchAt(batches: readonly (LayerBatch | undefined)[], index: number): LayerBatch {
  const batch = batches[index];
  invariant(batch, `batch ${index} is gone`);
  return batch;
}
