/** Growing columns in which rows of many workers stand while a round lasts, linked by worker. */
import type { TaskId } from "../../graph/index.ts";

const FIRST = 256;

/** Rows `from` up to `to` of columns that a loop goes through. */
export interface Rows {
  readonly from: number;
  readonly to: number;
}

/** A list of rows. */
export interface RowList {
  count: number;
  first: number;
  last: number;
}

/** An empty list. */
export function rowList(): RowList {
  return { count: 0, first: -1, last: -1 };
}

/** Make a list empty. */
export function clearList(list: RowList): void {
  list.count = 0;
  list.first = -1;
  list.last = -1;
}

function wider(column: Uint32Array): Uint32Array {
  const larger = new Uint32Array(column.length * 2);
  larger.set(column);
  return larger;
}

/** Tasks, in lists. */
export class TaskRows {
  task: Uint32Array = new Uint32Array(FIRST);
  /** Row that follows in the list; of the last one: anything. */
  next: Uint32Array = new Uint32Array(FIRST);
  /** Rows of all lists. */
  count = 0;

  /** One more at the end of a list; gives its row. */
  add(list: RowList, task: TaskId): number {
    const row = this.count++;
    if (row === this.task.length) this.grow();
    this.task[row] = task;
    if (list.count++ === 0) list.first = row;
    else this.next[list.last] = row;
    list.last = row;
    return row;
  }

  /** So many at the end of a list, whose columns are to be filled; gives the row of the first. */
  addMany(list: RowList, count: number): number {
    const first = this.count;
    this.count += count;
    while (this.count > this.task.length) this.grow();
    if (list.count === 0) list.first = first;
    else this.next[list.last] = first;
    for (let row = first + 1; row < this.count; row++) this.next[row - 1] = row;
    list.count += count;
    list.last = this.count - 1;
    return first;
  }

  /** Tasks of a list, in the order in which they came. */
  fill(list: RowList, out: Uint32Array): void {
    let row = list.first;
    for (let k = 0; k < list.count; k++) {
      out[k] = this.task[row] as number; // a row of the list
      row = this.next[row] as number;
    }
  }

  /** Everything went. */
  clear(): void {
    this.count = 0;
  }

  protected grow(): void {
    this.task = wider(this.task);
    this.next = wider(this.next);
  }
}

/** Tasks that are to run. */
export class RunRows extends TaskRows {
  runId: Uint32Array = new Uint32Array(FIRST);
  rank: Uint32Array = new Uint32Array(FIRST);
  /** First of its rows among those that are to be fetched, and their number. */
  fetch: Uint32Array = new Uint32Array(FIRST);
  fetches: Uint32Array = new Uint32Array(FIRST);

  /** Columns of a list. */
  fillRun(list: RowList, { tasks, runIds, ranks }: RunColumns): void {
    let row = list.first;
    for (let k = 0; k < list.count; k++) {
      tasks[k] = this.task[row] as number; // a row of the list
      runIds[k] = this.runId[row] as number;
      ranks[k] = this.rank[row] as number;
      row = this.next[row] as number;
    }
  }

  /** Of a list: where the inputs of each task that are to be fetched end; that of none, 0, stands before. */
  fillStarts(list: RowList, starts: Uint32Array): void {
    let row = list.first;
    let fetches = 0;
    for (let k = 0; k < list.count; k++) {
      fetches += this.fetches[row] as number; // a row of the list
      starts[k + 1] = fetches;
      row = this.next[row] as number;
    }
  }

  protected override grow(): void {
    super.grow();
    this.runId = wider(this.runId);
    this.rank = wider(this.rank);
    this.fetch = wider(this.fetch);
    this.fetches = wider(this.fetches);
  }
}

interface RunColumns {
  readonly tasks: Uint32Array;
  readonly runIds: Uint32Array;
  readonly ranks: Uint32Array;
}

/** Inputs that are to be fetched. */
export class FetchRows {
  task: Uint32Array = new Uint32Array(FIRST);
  /** Index of the worker that has it. */
  holder: Uint32Array = new Uint32Array(FIRST);
  bytes: Float64Array = new Float64Array(FIRST);
  count = 0;

  add(task: TaskId, holder: number, bytes: number): void {
    const row = this.count++;
    if (row === this.task.length) {
      this.task = wider(this.task);
      this.holder = wider(this.holder);
      const larger = new Float64Array(row * 2);
      larger.set(this.bytes);
      this.bytes = larger;
    }
    this.task[row] = task;
    this.holder[row] = holder;
    this.bytes[row] = bytes;
  }

  clear(): void {
    this.count = 0;
  }
}
