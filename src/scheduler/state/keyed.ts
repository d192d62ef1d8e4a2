/** Tasks of layers that have keys of their own: calls of users' functions, and results that a graph reads by key. */
import { type Graph, type Key, type KeyColumn, keysOf, type TaskId } from "../../graph/index.ts";
import type { LayerBatch, Single } from "./batches.ts";
import type { CallRange } from "./call-keys.ts";
import { CELL, DEPENDENTS, type Slot } from "./columns.ts";
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
  /** Keys of the graph's layers of calls, of which those are entered that lead to its own tasks. */
  readonly ranges: readonly CallRange[];
  /** Tasks whose key stands before them in the graph: the task of that. */
  readonly twins: ReadonlyMap<TaskId, TaskId>;
}

/**
 * Look the keys of a graph up, and enter those that are new; {@link enterKeys} says whose they are. `addData` makes a slot for
 * a result that is read and not known.
 */
export function findKeys(core: Core, graph: Graph, addData: (key: Key) => Slot): KnownKeys {
  const found = {
    singles: new Map<TaskId, Single>(),
    owners: new Set<LayerBatch>(),
    made: [] as Slot[],
    ranges: [] as CallRange[],
    twins: new Map<TaskId, TaskId>(),
  };
  const { singles, owners, made, twins } = found;
  const stands = (task: TaskId, single: Single): void => {
    if (single.batch) owners.add(single.batch);
    singles.set(task, single);
  };
  graph.layers.forEach((layer, index) => {
    const keys = keysOf(layer);
    if (!keys) return;
    const first = graph.base(index);
    // A range of none would have the number of the next one.
    const range = layer.kind === "calls" && keys.length > 0 ? core.callKeys.open(keys, first) : null;
    if (range) found.ranges.push(range);
    for (let i = 0; i < keys.length; i++) {
      const hash = keys.hashAt(i);
      const known = core.callKeys.findIn(keys, i, hash);
      if (known) {
        const at = known.range.task + known.index;
        if (known.range.batch) stands(first + i, { batch: known.range.batch, at });
        else twins.set(first + i, at);
        continue;
      }
      const single = singleOf(core, keys, i);
      if (single) stands(first + i, single);
      else if (range) core.callKeys.enter(range, i, hash);
      else {
        const at = addData(keys.at(i));
        made.push(at);
        singles.set(first + i, { batch: null, at });
      }
    }
  });
  return found;
}

/** Where a key stands that no layer of calls has. */
function singleOf(core: Core, keys: KeyColumn, index: number): Single | undefined {
  // Keys of blocks are tuples, which are no texts with digits at their end.
  if (core.keys.size === 0 && !keys.hasTexts) return undefined;
  const key = keys.at(index);
  const slot = core.keys.get(key);
  if (slot !== undefined) return { batch: null, at: slot };
  const found = core.layerNames.find(key);
  return found && { batch: found.batch, at: found.task };
}

/** The keys of a batch lead to its tasks from here on, and hold the materialised ones that it reads. */
export function enterKeys(core: Core, batch: LayerBatch, { ranges, singles }: KnownKeys): void {
  for (const range of ranges) range.batch = batch;
  for (const slot of recordsOf(singles))
    core.columns.cells[(slot << CELL) + DEPENDENTS] = (core.columns.cells[(slot << CELL) + DEPENDENTS] as number) + 1;
}

/** Forget the keys that a batch has entered, and let go what it read; gives slots that nobody may need any more. */
export function leaveKeys(core: Core, batch: LayerBatch): Slot[] {
  core.callKeys.close(batch.keyRanges);
  const slots = recordsOf(batch.singles);
  for (const slot of slots)
    core.columns.cells[(slot << CELL) + DEPENDENTS] = (core.columns.cells[(slot << CELL) + DEPENDENTS] as number) - 1;
  return slots;
}

/** Materialised tasks among those that stand elsewhere, each as often as it is named. */
export function recordsOf(singles: ReadonlyMap<TaskId, Single>): Slot[] {
  return Array.from(singles.values()).flatMap(({ batch, at }) => (batch ? [] : [at]));
}
