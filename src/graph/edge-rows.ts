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
  /** Places along each axis of the layer. */
  readonly counts: readonly number[];
  /** Number of each axis of the layer among the three, right-aligned; -1: it has one place. */
  readonly axes: readonly number[];

  constructor(grid: readonly number[], base: TaskId) {
    const long = grid.filter((n) => n !== 1);
    this.base = base;
    this.counts = grid;
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
  /** Which place of who asks: 0 to 2; {@link NOWHERE}: none, there is one row. */
  readonly axis: number;
  /** Steps between neighbours of this axis in the answer's grid. */
  readonly stride: number;
  /** `start[place + 1] - start[place]` places from `firsts[place]`; null: {@link Row} tells them. */
  readonly start: Uint32Array | null;
  readonly firsts: Uint32Array;
  /** Null: rows are runs of neighbours. Else `items[start[place] … start[place + 1])`, and `firsts` is `start`. */
  readonly items: Uint32Array | null;
  readonly row: Row;

  /** @param places so many there are of who asks */
  constructor(axis: number, stride: number, places: number, row: Row | Inverse) {
    this.axis = axis;
    this.stride = stride;
    this.row = "first" in row ? row : ONE_ROW;
    const table = "start" in row ? row : places > TABLE_MOST ? null : tabled(row, places);
    const firsts = table && "items" in table ? firstsOf(table) : (table?.firsts ?? NONE);
    this.start = table?.start ?? null;
    this.firsts = firsts ?? (table?.start as Uint32Array); // there is a table where there are no firsts
    this.items = firsts === null ? (row as Inverse).items : null;
  }

  /** Where the neighbours of a place begin. */
  from(place: number): number {
    return this.start !== null ? (this.firsts[place] as number) : firstOf(this.row, place); // a place of the layer
  }

  /** The one that is so many behind the first. */
  item(place: number, behind: number): number {
    const from = this.from(place);
    return this.items === null ? from + behind : (this.items[from + behind] as number); // within the row
  }

  /** How many there are. */
  many(place: number): number {
    const { start } = this;
    return start !== null ? (start[place + 1] as number) - (start[place] as number) : widthOf(this.row, place);
  }
}

/** Places of who asks up to which rows stand in a table: it takes less time than a division. */
export const TABLE_MOST = 16_384;

/** Divided as integers: there are no more tasks than 2^31. */
function firstOf({ first, divisor, step }: Row, place: number): number {
  return first + (divisor === 1 ? place : (place / divisor) | 0) * step;
}

function widthOf(row: Row, place: number): number {
  return Math.max(0, Math.min(row.width, row.end - firstOf(row, place)));
}

function tabled(row: Row, places: number): { readonly start: Uint32Array; readonly firsts: Uint32Array } {
  const start = new Uint32Array(places + 1);
  const firsts = new Uint32Array(places);
  for (let place = 0; place < places; place++) {
    const width = widthOf(row, place);
    start[place + 1] = (start[place] as number) + width; // place < places
    if (width > 0) firsts[place] = firstOf(row, place);
  }
  return { start, firsts };
}

/** First item of each row; null: not all rows are runs of neighbours. */
function firstsOf({ start, items }: Inverse): Uint32Array | null {
  const firsts = new Uint32Array(start.length - 1);
  for (let p = 0; p < firsts.length; p++) {
    const [from, to] = [start[p] as number, start[p + 1] as number]; // p < length
    if (from === to) continue;
    firsts[p] = items[from] as number;
    for (let i = from + 1; i < to; i++) if (items[i] !== (items[i - 1] as number) + 1) return null;
  }
  return firsts;
}

const NOWHERE = 3;
const ONE_ROW: Row = { first: 0, divisor: 1, step: 0, width: 1, end: 1 };

/** What one layer answers when tasks of another ask: the product of places along three axes, of which some are one place. */
export class EdgeRows {
  readonly #base: TaskId;
  readonly #outer: AxisRows;
  readonly #middle: AxisRows;
  /** Neighbours along it have neighbouring numbers. */
  readonly #inner: AxisRows;
  readonly #rank: number;
  readonly #isListed: boolean;
  /** Of who asks; see {@link Places}. */
  readonly #ownBase: TaskId;
  readonly #ownRank: number;
  readonly #ownLast: number;
  readonly #ownMiddle: number;

  constructor({ base, rank, last, middle }: Places, answerBase: TaskId, axes: readonly AxisRows[]) {
    const one = new AxisRows(NOWHERE, 1, 1, ONE_ROW);
    this.#base = answerBase;
    this.#outer = axes.at(-3) ?? one;
    this.#middle = axes.at(-2) ?? one;
    this.#inner = axes.at(-1) ?? one;
    this.#rank = axes.length;
    this.#isListed = axes.some(({ items }) => items !== null);
    this.#ownBase = base;
    this.#ownRank = rank;
    this.#ownLast = last;
    this.#ownMiddle = middle;
  }

  /** Append what a task is linked to, in C order, to the `count` answers so far; gives how many there are then. */
  append(task: TaskId, out: TaskId[], count: number): number {
    const local = task - this.#ownBase;
    let r = local;
    let q = 0;
    let p = 0;
    if (this.#ownRank > 1) {
      q = (local / this.#ownLast) | 0;
      r = local - q * this.#ownLast;
      if (this.#ownRank > 2) {
        p = (q / this.#ownMiddle) | 0;
        q -= p * this.#ownMiddle;
      }
    }
    if (this.#isListed) return this.#appendListed(p, q, r, out, count);
    const base = this.#base;
    const inner = this.#inner;
    const innerAt = placeAlong(inner, p, q, r);
    const innerMany = inner.many(innerAt);
    const innerFrom = base + inner.from(innerAt);
    let n = count;
    if (this.#rank < 2) {
      for (let k = 0; k < innerMany; k++) out[n++] = innerFrom + k;
      return n;
    }
    const middle = this.#middle;
    const middleAt = placeAlong(middle, p, q, r);
    const middleMany = middle.many(middleAt);
    const { stride } = middle;
    let line = innerFrom + middle.from(middleAt) * stride;
    if (this.#rank < 3) {
      for (let j = 0; j < middleMany; j++, line += stride) for (let k = 0; k < innerMany; k++) out[n++] = line + k;
      return n;
    }
    const outer = this.#outer;
    const outerAt = placeAlong(outer, p, q, r);
    const outerMany = outer.many(outerAt);
    let plane = line + outer.from(outerAt) * outer.stride;
    for (let i = 0; i < outerMany; i++, plane += outer.stride) {
      line = plane;
      for (let j = 0; j < middleMany; j++, line += stride) for (let k = 0; k < innerMany; k++) out[n++] = line + k;
    }
    return n;
  }

  /** The same where some rows are no runs of neighbours. */
  #appendListed(p: number, q: number, r: number, out: TaskId[], count: number): number {
    const outer = this.#outer;
    const middle = this.#middle;
    const inner = this.#inner;
    const [outerAt, middleAt, innerAt] = [
      placeAlong(outer, p, q, r),
      placeAlong(middle, p, q, r),
      placeAlong(inner, p, q, r),
    ];
    const [outerMany, middleMany, innerMany] = [outer.many(outerAt), middle.many(middleAt), inner.many(innerAt)];
    let n = count;
    for (let i = 0; i < outerMany; i++) {
      const plane = this.#base + outer.item(outerAt, i) * outer.stride;
      for (let j = 0; j < middleMany; j++) {
        const line = plane + middle.item(middleAt, j) * middle.stride;
        for (let k = 0; k < innerMany; k++) out[n++] = line + inner.item(innerAt, k);
      }
    }
    return n;
  }

  /** Between neighbouring lines of an answer, and between planes of them. */
  get strides(): Strides {
    return { line: this.#middle.stride, plane: this.#outer.stride };
  }

  /**
   * The first of what each of so many tasks from one on is linked to, and its shape (see {@link spread}), or
   * {@link NO_SHAPE}, into `out` at `at` and every `step` behind it.
   */
  shapes(task: TaskId, count: number, out: Int32Array, at: number, step: number): void {
    const [outer, middle, inner] = [this.#outer, this.#middle, this.#inner];
    const local = task - this.#ownBase;
    const rest = (local / this.#ownLast) | 0;
    let r = local - rest * this.#ownLast;
    let p = (rest / this.#ownMiddle) | 0;
    let q = rest - p * this.#ownMiddle;
    const end = at + count * step;
    for (let k = at; k < end; k += step) {
      const outerAt = placeAlong(outer, p, q, r);
      const middleAt = placeAlong(middle, p, q, r);
      const innerAt = placeAlong(inner, p, q, r);
      out[k] =
        this.#base + outer.from(outerAt) * outer.stride + middle.from(middleAt) * middle.stride + inner.from(innerAt);
      out[k + 1] = this.#isListed ? NO_SHAPE : shapeOf(inner.many(innerAt), middle.many(middleAt), outer.many(outerAt));
      if (++r < this.#ownLast) continue;
      r = 0;
      if (++q < this.#ownMiddle) continue;
      q = 0;
      p++;
    }
  }

  /** How many tasks a task is linked to. */
  count(task: TaskId): number {
    const local = task - this.#ownBase;
    const rest = (local / this.#ownLast) | 0;
    const r = local - rest * this.#ownLast;
    if (this.#rank < 2 && this.#inner.axis === 2) return this.#inner.many(r);
    const p = this.#ownRank > 2 ? (rest / this.#ownMiddle) | 0 : 0;
    const q = rest - p * this.#ownMiddle;
    const many = manyAlong(this.#middle, p, q, r) * manyAlong(this.#inner, p, q, r);
    return this.#rank < 3 ? many : manyAlong(this.#outer, p, q, r) * many;
  }
}

/** Steps between neighbouring lines of an answer, and between its planes. */
export interface Strides {
  readonly line: number;
  readonly plane: number;
}

/** Tasks of an answer by places along its axes: of a line, lines of a plane, planes. */
const SHAPE_BITS = 10;
const SHAPE_MASK = (1 << SHAPE_BITS) - 1;
/** An answer that has no shape: it is to be asked for. */
export const NO_SHAPE = -1;

function shapeOf(line: number, lines: number, planes: number): number {
  const count = line * lines * planes;
  if (count === 0) return 0;
  if (line > SHAPE_MASK || lines > SHAPE_MASK || planes > SHAPE_MASK) return NO_SHAPE;
  return (planes << (2 * SHAPE_BITS)) | (lines << SHAPE_BITS) | line;
}

/** Number of tasks in an answer of a shape. */
export function sizeOfShape(shape: number): number {
  return (shape & SHAPE_MASK) * ((shape >> SHAPE_BITS) & SHAPE_MASK) * (shape >> (2 * SHAPE_BITS));
}

/** The only task of an answer, or all of a line. */
export function lineShape(count: number): number {
  return shapeOf(count, 1, 1);
}

/** The tasks of an answer, in C order, into `out` from its start; gives their number. */
export function spread(first: TaskId, shape: number, { line: stride, plane }: Strides, out: TaskId[]): number {
  const many = shape & SHAPE_MASK;
  let n = 0;
  if (shape >> SHAPE_BITS === ONE_LINE) {
    for (let k = 0; k < many; k++) out[n++] = first + k;
    return n;
  }
  const lines = (shape >> SHAPE_BITS) & SHAPE_MASK;
  for (let i = 0, start = first; i < shape >> (2 * SHAPE_BITS); i++, start += plane)
    for (let j = 0, line = start; j < lines; j++, line += stride) for (let k = 0; k < many; k++) out[n++] = line + k;
  return n;
}

const ONE_LINE = (1 << SHAPE_BITS) | 1;

function placeAlong({ axis }: AxisRows, p: number, q: number, r: number): number {
  return axis === 2 ? r : axis === 1 ? q : axis === 0 ? p : 0;
}

function manyAlong(rows: AxisRows, p: number, q: number, r: number): number {
  return rows.many(placeAlong(rows, p, q, r));
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
    if (count !== 1 || !isOne(told))
      axes.unshift(new AxisRows(at < 0 ? NOWHERE : at, stride, at < 0 ? 1 : (places.counts[axis] as number), told));
    stride *= count;
  }
  return axes.length > AXES_MAX ? null : new EdgeRows(places, base, axes);
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
