/** A set of tasks of one graph that takes a bit for each that there is. */
import type { TaskId } from "../../graph/index.ts";

/** A bit for each task of a graph. */
export class TaskBits {
  readonly #words: Uint32Array;

  constructor(tasks: number) {
    this.#words = new Uint32Array((tasks >>> 5) + 1);
  }

  /** Set the bit of a task; false when it was set. */
  add(task: TaskId): boolean {
    const word = this.#words[task >>> 5] as number; // one per 32 tasks
    const bit = 1 << (task & 31);
    this.#words[task >>> 5] = word | bit;
    return (word & bit) === 0;
  }
}
