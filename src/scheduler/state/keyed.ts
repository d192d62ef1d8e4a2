/** Tasks of layers that have keys of their own: calls of users' functions, and results that a graph reads by key. */
import { type Graph, type Key, keysOf, type TaskId } from "../../graph/index.ts";
import { type LayerBatch, type Single, slotIfAny, slotOf } from "./batches.ts";
import type { Slot } from "./columns.ts";
import type { Core } from "./core.ts";
import type { Language } from "./events.ts";

/** Calls run on workers that take columns only: what vouches for them does so for a whole layer. */
export function languageOf(graph: Graph): Language {
  return graph.layers.some(({ kind }) => kind === "calls") ? "js" : "native";
}

/** True when some tasks of the graph have keys of their own. */
export function isKeyed(graph: Graph): boolean {
  return graph.layers.some((layer) => keysOf(layer) !== null);
}

/** What a new graph's keys lead to. */
export interface KnownKeys {
  /** By task: those that stand elsewhere. Materialised ones among them are kept as long as the batch is there. */
  readonly singles: Map<TaskId, Single>;
  /** Batches that own some of them. */
  readonly owners: ReadonlySet<LayerBatch>;
  /** Slots made for results that nobody here knows. */
  readonly made: readonly Slot[];
  /** Tasks of the graph's own with their keys. */
  readonly own: ReadonlyMap<Key, TaskId>;
  /** Tasks whose key stands before them in the graph: the task of that. */
  readonly twins: ReadonlyMap<TaskId, TaskId>;
}

/** Look the keys of a graph up. `addData` makes a slot for a result that is read and not known. */
export function findKeys(core: Core, graph: Graph, addData: (key: Key) => Slot): KnownKeys {
  const singles = new Map<TaskId, Single>();
  const owners = new Set<LayerBatch>();
  const made: Slot[] = [];
  const own = new Map<Key, TaskId>();
  const twins = new Map<TaskId, TaskId>();
  const make = (key: Key): Single => {
    const at = addData(key);
    made.push(at);
    return { batch: null, at };
  };
  graph.layers.forEach((layer, index) => {
    const first = graph.base(index);
    for (const [i, key] of keysOf(layer)?.entries() ?? []) {
      const twin = own.get(key);
      const known = twin === undefined ? singleOf(core, key) : undefined;
      if (twin !== undefined) twins.set(first + i, twin);
      else if (!known && layer.kind === "calls") own.set(key, first + i);
      else {
        const single = known ?? make(key);
        if (single.batch) owners.add(single.batch);
        singles.set(first + i, single);
      }
    }
  });
  return { singles, owners, made, own, twins };
}

/** Where a key stands. */
function singleOf(core: Core, key: Key): Single | undefined {
  const slot = core.keys.get(key);
  if (slot === undefined) {
    const found = core.layerNames.find(key);
    return found && { batch: found.batch, at: found.task };
  }
  const batch = core.batchOf(slot);
  return batch ? { batch, at: core.columns.task[slot] as number } : { batch: null, at: slot }; // a slot given out
}

/** Enter the keys of a batch: they lead to its tasks, and hold the materialised ones that it reads. */
export function enterKeys(core: Core, batch: LayerBatch, { own, singles }: KnownKeys): void {
  for (const [key, task] of own) core.keys.set(key, slotOf(core.columns, batch, task));
  for (const slot of recordsOf(singles)) core.columns.dependents[slot] = (core.columns.dependents[slot] as number) + 1;
}

/** Forget the keys that a batch has entered, and let go what it read; gives slots that nobody may need any more. */
export function leaveKeys(core: Core, batch: LayerBatch): Slot[] {
  batch.graph.layers.forEach((layer, index) => {
    const first = batch.graph.base(index);
    keysOf(layer)?.forEach((key, i) => {
      if (!batch.singles.has(first + i) && core.keys.get(key) === slotIfAny(batch, first + i)) core.keys.delete(key);
    });
  });
  const slots = recordsOf(batch.singles);
  for (const slot of slots) core.columns.dependents[slot] = (core.columns.dependents[slot] as number) - 1;
  return slots;
}

/** Materialised tasks among those that stand elsewhere, each as often as it is named. */
export function recordsOf(singles: ReadonlyMap<TaskId, Single>): Slot[] {
  return Array.from(singles.values()).flatMap(({ batch, at }) => (batch ? [] : [at]));
}
