/** One direction of a link between two layers, made ready to be asked for one task after another. */
import type { AxisMap, Inverse } from "./axis-map.ts";
import type { TaskId } from "./graph.ts";

/** Axes of more than one place, at the most; with more of them links are asked in the general way. */
const AXES_MAX = 3;
const NONE = new Uint32Array(0);

/** Where tasks of a layer are, along those of its axes that have more than one place; the last one is the fastest. */
export class Places {
  readonly base: TaskId;
  /** Axes of more than one place. */
  readonly rank: number;
  /** Places along the last axis, and along the one before. */
  readonly last: number;
  readonly middle: number;
  /** Number of each axis of the layer among the three, right-aligned; -1: it has one place. */
  readonly axes: readonly number[];

  constructor(grid: readonly number[], base: TaskId) {
    const long = grid.filter((n) => n !== 1);
    this.base = base;
    this.rank = long.length;
    this.last = long.at(-1) ?? 1;
    this.middle = long.at(-2) ?? 1;
    let next = AXES_MAX - long.length;
    this.axes = grid.map((n) => (n === 1 ? -1 : next++));
  }
}

interface Row {
  /** `first + ⌊place / divisor⌋ · step` and what follows, `width` in all, before `end`. */
  readonly first: number;
  readonly divisor: number;
  readonly step: number;
  readonly width: number;
  readonly end: number;
}

/** Places of the answer along one of its axes, told by one place of the task that asks. */
class AxisRows {
  /** Which place of who asks: 0 to 2. */
  readonly axis: number;
  /** Steps between neighbours of this axis in the answer's grid. */
  readonly stride: number;
  readonly first: number;
  readonly divisor: number;
  readonly step: number;
  readonly width: number;
  readonly end: number;
  /** `items[start[place] … start[place + 1])` instead. */
  readonly isTable: boolean;
  readonly start: Uint32Array;
  readonly items: Uint32Array;

  constructor(axis: number, stride: number, row: Row | Inverse) {
    const { first, divisor, step, width, end } = "first" in row ? row : NO_ROW;
    this.axis = axis;
    this.stride = stride;
    this.first = first;
    this.divisor = divisor;
    this.step = step;
    this.width = width;
    this.end = end;
    this.isTable = "start" in row;
    this.start = "start" in row ? row.start : NONE;
    this.items = "start" in row ? row.items : NONE;
  }
}

const NO_ROW: Row = { first: 0, divisor: 1, step: 0, width: 0, end: 0 };

/** What one layer answers when tasks of another ask. */
export class EdgeRows {
  readonly base: TaskId;
  readonly axes: readonly AxisRows[];

  constructor(base: TaskId, axes: readonly AxisRows[]) {
    this.base = base;
    this.axes = axes;
  }
}

/** One axis of an answer as it is asked for: the axis of the layer that asks which tells it, and how. */
export interface AxisAsk {
  /** Axis of the layer that asks; -1: none. */
  readonly axis: number;
  readonly row: Row | Inverse;
  /** Places of the answer's grid. */
  readonly count: number;
}

/** Rows from one description for each axis of the answer; null where they are more than can be asked fast. */
export function rowsOf(places: Places, base: TaskId, asks: readonly AxisAsk[]): EdgeRows | null {
  if (places.rank > AXES_MAX) return null;
  const axes: AxisRows[] = [];
  let stride = 1;
  for (let k = asks.length - 1; k >= 0; k--) {
    const { axis, row, count } = asks[k] as AxisAsk; // k < length
    const at = axis < 0 ? -1 : (places.axes[axis] as number); // an axis of the layer
    const told = at < 0 ? fixed(row) : row;
    if (told === null) return null;
    if (count !== 1 || !isOne(told)) axes.unshift(new AxisRows(Math.max(0, at), stride, told));
    stride *= count;
  }
  return axes.length > AXES_MAX ? null : new EdgeRows(base, axes);
}

/** The only row; null where it is no run of neighbours. */
function fixed(row: Row | Inverse): Row | null {
  if ("first" in row) return { ...row, divisor: 1, step: 0 };
  const [start, stop] = [row.start[0] as number, row.start[1] as number]; // there is one row
  const first = stop > start ? (row.items[start] as number) : 0;
  for (let i = start; i < stop; i++) if (row.items[i] !== first + i - start) return null;
  return { first, divisor: 1, step: 0, width: stop - start, end: first + stop - start };
}

/** Along an axis of one place: it is always there. */
function isOne(row: Row | Inverse): boolean {
  if ("start" in row) {
    for (let p = 1; p < row.start.length; p++) if (row.start[p] === row.start[p - 1]) return false;
    return true;
  }
  return row.first === 0 && row.step === 0 && row.width === 1;
}

/** Places of an input's axis by the place of the layer that reads it; null: no place tells them. */
export function rowOf(map: AxisMap, count: number): Row | Inverse | null {
  if (map.kind === "table") return map.axis < 0 ? null : map;
  if (map.kind === "range")
    return { first: map.from, divisor: 1, step: 0, width: map.count, end: map.from + map.count };
  const size = map.kind === "group" ? map.size : 1;
  return { first: 0, divisor: 1, step: size, width: size, end: map.kind === "group" ? map.count : count };
}

/** All places of an axis. */
export function everywhere(count: number): Row {
  return { first: 0, divisor: 1, step: 0, width: count, end: count };
}

/** The other way round, by the place of the input. */
export function inverseRowOf(map: AxisMap, count: number): Row {
  return { first: 0, divisor: map.kind === "group" ? map.size : 1, step: 1, width: 1, end: count };
}

/** A task that asks, and what it is told. */
export class Asked {
  /** Its places. */
  p = 0;
  q = 0;
  r = 0;
  /** Answers so far. */
  count = 0;
  /** Places along one axis, set by `#look`. */
  #from = 0;
  #many = 0;

  /** Whose links are asked for next. */
  at({ base, rank, last, middle }: Places, task: TaskId): void {
    this.count = 0;
    const local = task - base;
    if (rank < 2) {
      this.r = local;
      return;
    }
    // Divided as integers: there are no more tasks than 2^31.
    const rest = (local / last) | 0;
    this.r = local - rest * last;
    if (rank < 3) this.q = rest;
    else {
      this.p = (rest / middle) | 0;
      this.q = rest - this.p * middle;
    }
  }

  /** Append what it is linked to, in C order. */
  follow({ axes, base }: EdgeRows, out: TaskId[]): void {
    const rank = axes.length;
    if (rank === 0) {
      out[this.count++] = base;
      return;
    }
    const last = axes[rank - 1] as AxisRows; // there is one
    this.#look(last);
    const line = { from: this.#from, to: this.#from + this.#many };
    if (rank === 1) return this.#line(last, base, line, out);
    const middle = axes[rank - 2] as AxisRows;
    if (rank === 2) return this.#plane(middle, last, { base, line }, out);
    const first = axes[0] as AxisRows;
    this.#look(first);
    const [begin, end] = [this.#from, this.#from + this.#many];
    for (let i = begin; i < end; i++) {
      const place = first.isTable ? (first.items[i] as number) : i;
      this.#plane(middle, last, { base: base + place * first.stride, line }, out);
    }
  }

  /** Where the neighbours along one axis begin, and how many there are. */
  #look(axis: AxisRows): void {
    const place = axis.axis === 2 ? this.r : axis.axis === 1 ? this.q : this.p;
    if (axis.isTable) {
      const from = axis.start[place] as number; // a place of the layer
      this.#from = from;
      this.#many = (axis.start[place + 1] as number) - from;
    } else {
      const from = axis.first + (axis.divisor === 1 ? place : (place / axis.divisor) | 0) * axis.step;
      const left = axis.end - from;
      this.#from = from;
      this.#many = left < axis.width ? left : axis.width;
    }
  }

  #line({ isTable, items }: AxisRows, start: TaskId, { from, to }: Line, out: TaskId[]): void {
    let { count } = this;
    if (isTable) for (let i = from; i < to; i++) out[count++] = start + (items[i] as number);
    else for (let i = from; i < to; i++) out[count++] = start + i;
    this.count = count;
  }

  /** The last two axes. */
  #plane(middle: AxisRows, last: AxisRows, { base, line }: Plane, out: TaskId[]): void {
    this.#look(middle);
    const { isTable, items, stride } = middle;
    const begin = this.#from;
    const end = begin + this.#many;
    for (let j = begin; j < end; j++) this.#line(last, base + (isTable ? (items[j] as number) : j) * stride, line, out);
  }
}

/** Neighbours along the last axis. */
interface Line {
  readonly from: number;
  readonly to: number;
}

interface Plane {
  readonly base: TaskId;
  readonly line: Line;
}
