/** Dependencies and dependents of tasks, by arithmetic from the layers; in columns where no formula says them. */
import { type EdgeRows, Places } from "./edge-rows.ts";
import { taskDependencies } from "./expand.ts";
import type { Graph, TaskId } from "./graph.ts";
import { isInProgramOrder } from "./layer-edges.ts";
import { holds, needed, users, withoutTwins } from "./link-places.ts";
import { coversAll, type Link, linksOf, needRows, type Side, sideOf, userRows } from "./links.ts";
import { programEdges, type TaskEdges } from "./program-edges.ts";

/** Tasks in a page of which it is noted in which layer it begins. */
const PAGE_BITS = 8;

/** Of a layer that has no neighbours on one side. */
export const NO_LINKS = 0x7fff_ffff;
/** Of one whose neighbours are not told by one number. */
export const MANY_LINKS = 0;

/** Answers without allocation. One instance is asked by one caller at a time: the answers' scratch space is shared. */
export class GraphEdges {
  readonly graph: Graph;
  /** Edges as columns, where formulas do not reach. */
  readonly columns: TaskEdges | null;
  /** Links of each layer to what it needs, and to what needs it. */
  readonly #inputs: readonly Side[];
  /**
   * By layer: its tasks need, or are needed by, exactly the task that is so many before them; {@link NO_LINKS}, or
   * {@link MANY_LINKS}. For loops over many tasks.
   */
  readonly inputAway: Int32Array;
  readonly userAway: Int32Array;
  readonly #users: readonly Side[];
  readonly #places: readonly Places[];
  /** First task of each layer that has tasks, ascending; and these layers. */
  readonly #bases: Uint32Array;
  readonly #layers: Uint32Array;
  /** Place among those of the layer of the first task of each page. */
  readonly #pages: Uint32Array;
  /** The last task whose program was asked, and what it said. */
  #askedFor = -1;
  #found: readonly TaskId[] = [];
  readonly #place: number[] = [];
  readonly #counted: TaskId[] = [];
  readonly #inOrder: (boolean | undefined)[] = [];

  constructor(graph: Graph) {
    this.graph = graph;
    const own = graph.layers.flatMap((layer, index) => (layer.inline || graph.count(index) === 0 ? [] : [index]));
    this.#layers = Uint32Array.from(own);
    // The last one ends the search.
    this.#bases = Uint32Array.of(...own.map((index) => graph.base(index)), 0x7fff_ffff);
    this.#pages = pagesOf(this.#bases, graph.taskCount);
    const links = linksOf(graph);
    this.columns = links ? null : programEdges(graph);
    this.#places = graph.layers.map((_, index) => new Places(graph.grid(index), graph.base(index)));
    this.#inputs = sidesOf(graph, links, 1);
    this.#users = sidesOf(graph, links, -1);
    this.inputAway = Int32Array.from(this.#inputs, (side) => awayOf(side, this.columns !== null));
    this.userAway = Int32Array.from(this.#users, (side) => awayOf(side, this.columns !== null));
  }

  /** Layer of a task. */
  layerOf(task: TaskId): number {
    const bases = this.#bases;
    let at = this.#pages[task >>> PAGE_BITS] as number; // a task of the graph
    while ((bases[at + 1] as number) <= task) at++;
    return this.#layers[at] as number; // at is within the layers
  }

  /**
   * What a task needs, in the order in which its program reads it, into `out` from its start; gives their number. The rest
   * of `out` is stale.
   */
  dependencies(task: TaskId, out: TaskId[]): number {
    if (this.columns) return this.inputs(task, out);
    const layer = this.layerOf(task);
    if (this.isInOrder(layer)) return this.#inputsOf(layer, task, out);
    // The inputs of one task are asked for many times in a row.
    const found =
      this.#askedFor === task ? this.#found : taskDependencies(this.graph, layer, task - this.graph.base(layer));
    this.#askedFor = task;
    this.#found = found;
    for (let i = 0; i < found.length; i++) out[i] = found[i] as TaskId; // i < length
    return found.length;
  }

  /** True when the task needs no other. */
  isRoot(task: TaskId): boolean {
    if (this.columns) return this.columns.start[task] === this.columns.start[task + 1];
    return (this.#inputs[this.layerOf(task)] as Side).links.length === 0; // one per layer
  }

  /** The same in the order of the layer's formula: each once, always by arithmetic. */
  inputs(task: TaskId, out: TaskId[]): number {
    if (this.columns) return rowOfColumn(this.columns.start, this.columns.dependencies, task, out);
    return this.#inputsOf(this.layerOf(task), task, out);
  }

  /** Number of {@link inputs}. */
  countInputs(task: TaskId): number {
    if (this.columns) return rowLength(this.columns.start, task);
    const layer = this.layerOf(task);
    const side = this.#inputs[layer] as Side; // one per layer
    if (side.isAlike) return 1;
    if (side.links.length === 0) return 0;
    if (side.rows === null) this.#makeRows(layer, side, needRows);
    return side.only !== null ? side.only.count(task) : this.#inputsOf(layer, task, this.#counted);
  }

  /** What tells the inputs of a layer's tasks, where it is one formula; for loops that know the layer. */
  inputRows(layer: number): EdgeRows | null {
    const side = this.#inputs[layer] as Side; // one per layer
    if (side.rows === null && side.links.length === 1) this.#makeRows(layer, side, needRows);
    return side.only;
  }

  /** The same of what needs them. */
  userRows(layer: number): EdgeRows | null {
    const side = this.#users[layer] as Side; // one per layer
    if (side.rows === null && side.links.length === 1) this.#makeRows(layer, side, userRows);
    return side.only;
  }

  #inputsOf(layer: number, task: TaskId, out: TaskId[]): number {
    const side = this.#inputs[layer] as Side; // one per layer
    if (side.isAlike) {
      out[0] = task - side.away;
      return 1;
    }
    if (side.links.length === 0) return 0;
    const rows = side.rows ?? this.#makeRows(layer, side, needRows);
    if (side.only !== null) return side.only.append(task, out, 0);
    let hasPlace = false;
    let count = 0;
    for (let i = 0; i < side.links.length; i++) {
      const link = side.links[i] as Link; // i < length
      const fast = rows[i] as EdgeRows | null; // one per link
      const before = count;
      if (fast) count = fast.append(task, out, count);
      else {
        if (!hasPlace) this.#placeOf(layer, task);
        hasPlace = true;
        const place = this.#place;
        if (holds(link.edge, place)) count = needed(link, { graph: this.graph, place, out, count });
      }
      if (!link.isOnly) count = withoutTwins(out, before, count);
    }
    return count;
  }

  /** Whether the formulas of a layer keep the order of its programs; else these are asked. */
  isInOrder(layer: number): boolean {
    if (this.columns) return true;
    let known = this.#inOrder[layer];
    if (known === undefined) {
      known = isInProgramOrder(this.graph, layer);
      this.#inOrder[layer] = known;
    }
    return known;
  }

  /** What needs a task, each once, link by link and ascending in each, into `out` from its start; gives their number. The rest of `out` is stale. */
  dependents(task: TaskId, out: TaskId[]): number {
    if (this.columns) return rowOfColumn(this.columns.dependentsStart, this.columns.dependents, task, out);
    const layer = this.layerOf(task);
    const side = this.#users[layer] as Side; // one per layer
    if (side.isAlike) {
      out[0] = task - side.away;
      return 1;
    }
    if (side.links.length === 0) return 0;
    const rows = side.rows ?? this.#makeRows(layer, side, userRows);
    if (side.only !== null) return side.only.append(task, out, 0);
    let hasPlace = false;
    let count = 0;
    for (let i = 0; i < side.links.length; i++) {
      const link = side.links[i] as Link; // i < length
      const fast = rows[i] as EdgeRows | null; // one per link
      const before = count;
      if (fast) count = fast.append(task, out, count);
      else {
        if (!hasPlace) this.#placeOf(layer, task);
        hasPlace = true;
        count = users(link, { graph: this.graph, place: this.#place, out, count });
      }
      if (!link.isOnly) count = withoutTwins(out, before, count);
    }
    return count;
  }

  /** Made when first asked for, and not in the loops that ask: a closure there would cost each call an object. */
  #makeRows(layer: number, side: Side, make: typeof needRows): readonly (EdgeRows | null)[] {
    const places = this.#places[layer] as Places; // one per layer
    const rows = side.links.map((link) => make(this.graph, link, places));
    side.rows = rows;
    side.only = rows.length === 1 ? (rows[0] as EdgeRows | null) : null;
    return rows;
  }

  /** True when `wanted` are the blocks of the graph's outputs, each once and in order. */
  isWhole(wanted: readonly TaskId[]): boolean {
    let at = 0;
    for (const layer of this.graph.outputs) {
      const base = this.graph.base(layer);
      const count = this.graph.count(layer);
      for (let i = 0; i < count; i++) if (wanted[at++] !== base + i) return false;
    }
    return at === wanted.length && new Set(this.graph.outputs).size === this.graph.outputs.length;
  }

  /** True when `wanted`, which are all the outputs, need every task; false also where that is not plain to see. */
  needsAll(wanted: readonly TaskId[]): boolean {
    if (this.columns || !this.isWhole(wanted)) return false;
    const isNeeded = this.graph.layers.map((layer, index) => layer.inline || this.graph.outputs.includes(index));
    for (let index = this.graph.layers.length - 1; index >= 0; index--)
      isNeeded[index] ||= (this.#users[index] as Side).links.some(
        (link) => isNeeded[link.from] === true && coversAll(this.graph, link),
      );
    return isNeeded.every((each) => each);
  }

  /** All edges as columns. */
  toColumns(): TaskEdges {
    if (this.columns) return this.columns;
    const n = this.graph.taskCount;
    const [start, dependencies] = rows(n, (task, out) => this.dependencies(task, out));
    const [dependentsStart, dependents] = rows(n, (task, out) => this.dependents(task, out));
    return { start, dependencies, dependentsStart, dependents };
  }

  #placeOf(layer: number, task: TaskId): void {
    const grid = this.graph.grid(layer);
    const place = this.#place;
    let rest = task - this.graph.base(layer);
    for (let k = grid.length - 1; k > 0; k--) {
      const n = grid[k] as number; // k < length
      const next = Math.floor(rest / n);
      place[k] = rest - next * n;
      rest = next;
    }
    place[0] = rest;
  }
}

const NO_SIDE: Side = { links: [], rows: [], only: null, isAlike: false, away: 0 };

/** Links of each layer in one direction. */
function sidesOf(graph: Graph, links: readonly Link[] | null, sign: 1 | -1): readonly Side[] {
  if (links === null || links.length === 0) return graph.layers.map(() => NO_SIDE);
  return graph.layers.map((_, index) =>
    sideOf(
      graph,
      links.filter((link) => (sign === 1 ? link.from : link.to) === index),
      sign,
    ),
  );
}

function awayOf({ isAlike, away, links }: Side, isInColumns: boolean): number {
  if (isInColumns) return MANY_LINKS;
  return isAlike ? away : links.length === 0 ? NO_LINKS : MANY_LINKS;
}

function pagesOf(bases: Uint32Array, count: number): Uint32Array {
  const pages = new Uint32Array((count >>> PAGE_BITS) + 1);
  let at = 0;
  for (let page = 0; page < pages.length; page++) {
    while ((bases[at + 1] as number) <= page << PAGE_BITS) at++;
    pages[page] = at;
  }
  return pages;
}

/** A row of columns, into `out` from its start; gives its length. */
export function rowOfColumn(start: Uint32Array, items: Uint32Array, row: number, out: number[]): number {
  const first = start[row] as number; // a task of the graph
  const count = rowLength(start, row);
  for (let i = 0; i < count; i++) out[i] = items[first + i] as number; // within the row
  return count;
}

function rowLength(start: Uint32Array, row: number): number {
  return (start[row + 1] as number) - (start[row] as number); // a task of the graph
}

function rows(n: number, fill: (task: TaskId, out: TaskId[]) => number): [Uint32Array, Uint32Array] {
  const start = new Uint32Array(n + 1);
  let flat = new Uint32Array(Math.max(16, 2 * n));
  const out: TaskId[] = [];
  let used = 0;
  for (let task = 0; task < n; task++) {
    const count = fill(task, out);
    if (used + count > flat.length) {
      const larger = new Uint32Array(Math.max(flat.length * 2, used + count));
      larger.set(flat);
      flat = larger;
    }
    for (let i = 0; i < count; i++) flat[used++] = out[i] as TaskId; // i < count
    start[task + 1] = used;
  }
  return [start, flat.subarray(0, used)];
}
