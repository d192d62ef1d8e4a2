/** Keys of tasks of layers that have keys of their own: which task has which. The texts are the layers', as bytes. */
import { type Key, type KeyColumn, type KeyRange, KeyRanges, type TaskId } from "../../graph/index.ts";
import type { LayerBatch } from "./batches.ts";

/** A task of a batch. */
export interface BatchTask {
  readonly batch: LayerBatch;
  readonly task: TaskId;
}

/** The keys of one layer. */
export interface CallRange extends KeyRange {
  /** The first task of the layer. */
  readonly task: TaskId;
  /** Null while the graph is being looked at. */
  batch: LayerBatch | null;
}

/** All such keys that lead to a task. */
export class CallKeys extends KeyRanges<CallRange> {
  /** Begin with the keys of a layer; none of them is entered yet. */
  open(keys: KeyColumn, task: TaskId): CallRange {
    return this.add({ start: 0, keys, task, batch: null });
  }

  /** The task of key `index` of a column. */
  findAt(keys: KeyColumn, index: number): BatchTask | undefined {
    const found = this.findIn(keys, index);
    return found?.range.batch ? { batch: found.range.batch, task: found.range.task + found.index } : undefined;
  }

  /** The task of a key. */
  find(key: Key): BatchTask | undefined {
    const found = this.findKey(key);
    return found?.range.batch ? { batch: found.range.batch, task: found.range.task + found.index } : undefined;
  }

  /** Every key that is entered, with its task. */
  *all(): Generator<{ readonly key: Key } & BatchTask, void, undefined> {
    for (const { range, index } of this.places()) {
      const { batch, keys, task } = range;
      if (batch) yield { key: keys.at(index), batch, task: task + index };
    }
  }
}
