/** Ready tasks, most urgent first: a heap whose members know their place, so that nothing is looked up. */
import { isBefore, type WorkerTask } from "./task.ts";

/** Binary min-heap by `isBefore`; a task is in it at most once. */
export class ReadyHeap {
  readonly #items: WorkerTask[] = [];

  get size(): number {
    return this.#items.length;
  }

  has(task: WorkerTask): boolean {
    return task.readyAt >= 0;
  }

  peek(): WorkerTask | undefined {
    return this.#items[0];
  }

  push(task: WorkerTask): void {
    if (task.readyAt >= 0) return;
    this.#items.push(task);
    this.#up(task, this.#items.length - 1);
  }

  delete(task: WorkerTask): void {
    const at = task.readyAt;
    if (at < 0) return;
    task.readyAt = -1;
    const last = this.#items.pop() as WorkerTask; // not empty: the task is in it
    if (last === task) return;
    const parent = this.#items[(at - 1) >> 1];
    if (at > 0 && parent !== undefined && isBefore(last, parent)) this.#up(last, at);
    else this.#down(last, at);
  }

  #up(task: WorkerTask, start: number): void {
    const items = this.#items;
    let at = start;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = items[parent] as WorkerTask; // parent < at
      if (!isBefore(task, above)) break;
      items[at] = above;
      above.readyAt = at;
      at = parent;
    }
    items[at] = task;
    task.readyAt = at;
  }

  #down(task: WorkerTask, start: number): void {
    const items = this.#items;
    const n = items.length;
    let at = start;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= n) break;
      // Both children are below n.
      if (child + 1 < n && isBefore(items[child + 1] as WorkerTask, items[child] as WorkerTask)) child++;
      const below = items[child] as WorkerTask;
      if (!isBefore(below, task)) break;
      items[at] = below;
      below.readyAt = at;
      at = child;
    }
    items[at] = task;
    task.readyAt = at;
  }
}
