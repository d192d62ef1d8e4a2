/** Tasks of layers that have keys of their own: calls of users' functions, and results that a graph reads by key. */
import { type Graph, type Key, keysOf, type TaskId } from "../../graph/index.ts";
import type { LayerBatch } from "./batches.ts";
import type { Slot } from "./columns.ts";
import type { Core } from "./core.ts";
import type { Language } from "./events.ts";

/** Which tasks of a new graph are known already, by key. */
export interface KnownTasks {
  /** Task → slot where it stands; null: none. */
  readonly singles: ReadonlyMap<TaskId, Slot> | null;
  /** Batches that own some of these slots. */
  readonly owners: ReadonlySet<LayerBatch>;
  /** Slots made for results that nobody here knows. */
  readonly made: readonly Slot[];
}

const NOTHING: KnownTasks = { singles: null, owners: new Set(), made: [] };

/** Calls run on workers that take columns only: what vouches for them does so for a whole layer. */
export function languageOf(graph: Graph): Language {
  return graph.layers.some(({ kind }) => kind === "calls") ? "js" : "native";
}

/**
 * Look the keys of a graph up; its own new ones are entered, with slots from `base`. `addData` makes a slot for a result
 * that is read and not known.
 */
export function enterKeys(core: Core, graph: Graph, base: Slot, addData: (key: Key) => Slot): KnownTasks {
  if (graph.layers.every((layer) => keysOf(layer) === null)) return NOTHING;
  const singles = new Map<TaskId, Slot>();
  const owners = new Set<LayerBatch>();
  const made: Slot[] = [];
  graph.layers.forEach((layer, index) => {
    const first = graph.base(index);
    keysOf(layer)?.forEach((key, i) => {
      let slot = core.keys.get(key) ?? core.layerNames.find(key);
      if (slot === undefined && layer.kind === "calls") {
        core.keys.set(key, base + first + i);
        return;
      }
      if (slot === undefined) {
        slot = addData(key);
        made.push(slot);
      }
      singles.set(first + i, slot);
      const owner = slot >= base && slot < base + graph.taskCount ? null : core.batchOf(slot);
      if (owner) owners.add(owner);
    });
  });
  return { singles: singles.size > 0 ? singles : null, owners, made };
}

/** Forget the keys that a batch has entered. */
export function forgetKeys(core: Core, { graph, base }: LayerBatch): void {
  graph.layers.forEach((layer, index) => {
    const first = base + graph.base(index);
    keysOf(layer)?.forEach((key, i) => {
      if (core.keys.get(key) === first + i) core.keys.delete(key);
    });
  });
}
