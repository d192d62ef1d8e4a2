/** Layers that give their tasks keys of their own: many calls at once are known by their numbers, and found by key where somebody names one. */
import { type Key, type KeyColumn, type KeyRange, KeyRanges } from "../../graph/index.ts";
import { Cells } from "./cells.ts";
import type { LayerTasks } from "./task.ts";

/** Fewer calls are known by their keys alone. */
const MANY_CALLS = 16;

interface LayerRange extends KeyRange {
  readonly layer: LayerTasks;
}

/** Such layers, and which of their tasks has a key. No key is in two of them. */
export class KeyedLayers {
  readonly #ranges = new KeyRanges<LayerRange>();
  readonly #layers = new Map<LayerTasks, LayerRange>();

  /** Layers that are known by number. */
  all(): Iterable<LayerTasks> {
    return this.#layers.keys();
  }

  /**
   * Know a layer by number; null where it has few tasks, or one of its keys is known already, there or among `others`, or
   * may be that of a block. What is one task must not have two numbers.
   */
  open(keys: KeyColumn, others: ReadonlyMap<Key, unknown>): LayerTasks | null {
    if (keys.length < MANY_CALLS || keys.hasTuples) return null;
    const layer = {
      name: "",
      grid: [keys.length],
      keys,
      tasks: new Map(),
      cells: new Cells(),
      graphs: 0,
      isCut: false,
    };
    const range = this.#ranges.add({ start: 0, keys, layer });
    if (!this.#enter(range) || this.#has(range, others)) {
      this.#ranges.close([range]);
      return null;
    }
    this.#layers.set(layer, range);
    return layer;
  }

  /** Forget a layer. */
  close(layer: LayerTasks): void {
    const range = this.#layers.get(layer);
    if (!range) return;
    this.#layers.delete(layer);
    this.#ranges.close([range]);
  }

  /** Layer and number of a key. */
  find(key: Key): { readonly layer: LayerTasks; readonly index: number } | null {
    const found = this.#ranges.findKey(key);
    return found ? { layer: found.range.layer, index: found.index } : null;
  }

  /** False at a key that is known. */
  #enter(range: LayerRange): boolean {
    const { keys } = range;
    for (let i = 0; i < keys.length; i++) {
      const hash = keys.hashAt(i);
      if (this.#ranges.findIn(keys, i, hash)) return false;
      this.#ranges.enter(range, i, hash);
    }
    return true;
  }

  /** True when one of `others` is a key of the range; takes as long as the fewer of both are. */
  #has(range: LayerRange, others: ReadonlyMap<Key, unknown>): boolean {
    const { keys } = range;
    if (others.size > keys.length) {
      for (let i = 0; i < keys.length; i++) if (others.has(keys.at(i))) return true;
      return false;
    }
    for (const key of others.keys()) {
      if (this.#ranges.findKey(key)?.range === range) return true;
    }
    return false;
  }
}
