/** What an order tells of the tasks that it gives places, so that nobody asks formulas for it again (docs/decisions/0051). */
import type { TaskId } from "./graph.ts";
import type { TaskBytes } from "./needs.ts";

/** Bytes of a task whose program cannot be made. */
export const NOTHING: TaskBytes = { nbytes: 0, need: 0 };

/** Tasks of one list that are told, at the most: the others of a long one are to be asked for, so that rows take bounded memory. */
export const LISTED = 4;

/** Lists of tasks, one for each row. */
export class TaskLists {
  /** Tasks of each list. */
  readonly count: Uint32Array;
  /** Those of row `k` from `k · LISTED` on, if they are no more than {@link LISTED}. */
  readonly tasks: Int32Array;

  constructor(most: number) {
    this.count = new Uint32Array(most);
    this.tasks = new Int32Array(LISTED * most);
  }

  /** The list of a row: the first so many of `tasks`. */
  set(row: number, tasks: readonly TaskId[], count: number): void {
    this.count[row] = count;
    if (count > LISTED) return;
    const from = LISTED * row;
    for (let i = 0; i < count; i++) this.tasks[from + i] = tasks[i] as TaskId; // i < count
  }
}

/** More of what a walk knows of the tasks that it gives places. */
export class PlacedRows {
  readonly nbytes: Float64Array;
  /** Bytes of result and workspace; NaN: the program cannot be made. */
  readonly need: Float64Array;
  /** Inputs as programs read them; none where `GraphEdges.inputAway` tells them. */
  readonly inputs: TaskLists;
  /** Dependents; none where `GraphEdges.userAway` tells them. */
  readonly users: TaskLists;

  constructor(most: number) {
    this.nbytes = new Float64Array(most);
    this.need = new Float64Array(most);
    this.inputs = new TaskLists(most);
    this.users = new TaskLists(most);
  }

  /** Rows `from` up to `to` are of tasks that take the same bytes, need nothing and are needed by nothing. */
  setAlone(from: number, to: number, { nbytes, need }: TaskBytes): void {
    this.nbytes.fill(nbytes, from, to);
    this.need.fill(need, from, to);
    this.inputs.count.fill(0, from, to);
    this.users.count.fill(0, from, to);
  }
}
