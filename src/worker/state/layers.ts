/** All tasks of a worker machine: by key, and blocks of the layers of known graphs by their numbers. */
import { type Graph, GraphEdges, type Key, keysOf, rechunkInputs, type TaskId } from "../../graph/index.ts";
import { CELL, Cells } from "./cells.ts";
import type { Ref } from "./events.ts";
import { KeyedLayers } from "./keyed.ts";
import { type KnownGraph, type LayerTasks, WorkerTask } from "./task.ts";

/** Tasks by key and by block. A task's `ref` never changes; whether it has a layer may. */
export class TaskTable {
  readonly #byKey = new Map<Key, WorkerTask>();
  readonly #layers = new Map<string, LayerTasks>();
  /** Layers that give their tasks keys of their own. */
  readonly #keyed = new KeyedLayers();
  readonly #graphs = new Map<number, KnownGraph>();
  /** The layer that was named last, and how keys of it begin. */
  #lastNamed: { readonly prefix: string; readonly layer: LayerTasks } | null = null;
  #sequence = 0;
  #nextRef = 1;
  #size = 0;
  /** Makes a task of a block that has a cell. */
  readonly #open: (layer: LayerTasks, index: number) => WorkerTask;

  constructor(open: (layer: LayerTasks, index: number) => WorkerTask) {
    this.#open = open;
  }

  get size(): number {
    return this.#size;
  }

  /** Blocks that have a cell are not among them. */
  *values(): Generator<WorkerTask, void, undefined> {
    yield* this.#byKey.values();
    for (const layer of this.layers()) yield* layer.tasks.values();
  }

  get(key: Key): WorkerTask | undefined {
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const block = this.blockOf(key);
    return block ? this.#find(block.layer, block.index) : undefined;
  }

  #find(layer: LayerTasks, index: number): WorkerTask | undefined {
    if (layer.cells.count > 0 && layer.cells.state(index) !== CELL.none) return this.#open(layer, index);
    return layer.tasks.get(index);
  }

  /** What a value of this key is called here, without making a task of it. */
  refOf(key: Key): Ref {
    const known = this.#byKey.get(key);
    if (known !== undefined) return known.ref;
    const block = this.blockOf(key);
    if (!block) return key;
    const { cells, tasks } = block.layer;
    const state = cells.state(block.index);
    if (state === CELL.executing || state === CELL.memory) return cells.number(block.index);
    return tasks.get(block.index)?.ref ?? key;
  }

  /** A name for a block that was never given. */
  newRef(): number {
    return this.#nextRef++;
  }

  *layers(): Generator<LayerTasks, void, undefined> {
    yield* this.#layers.values();
    yield* this.#keyed.all();
  }

  /** A task object for a block that had a cell until now. */
  addOpened(layer: LayerTasks, index: number, ref: number): WorkerTask {
    const task = new WorkerTask(ref, this.#sequence++, layer, index);
    this.#put(task);
    return task;
  }

  /** A new task; none of this key is known. */
  add(key: Key): WorkerTask {
    const block = this.blockOf(key);
    const task = new WorkerTask(key, this.#sequence++, block?.layer ?? null, block?.index ?? -1);
    this.#put(task);
    return task;
  }

  *graphs(): Generator<Graph, void, undefined> {
    for (const { graph } of this.#graphs.values()) yield graph;
  }

  graph(submission: number): KnownGraph | undefined {
    return this.#graphs.get(submission);
  }

  /** A task of a known graph, if there is one. */
  block(known: KnownGraph, id: TaskId): WorkerTask | undefined {
    const layer = known.edges.layerOf(id);
    const index = id - known.graph.base(layer);
    const tasks = known.layers[layer];
    if (tasks) return this.#find(tasks, index);
    const key = keysOf(known.graph.layer(layer))?.at(index);
    return key === undefined ? undefined : this.get(key);
  }

  /** A new task of a known graph; there is none yet. */
  addBlock(known: KnownGraph, id: TaskId): WorkerTask {
    const layer = known.edges.layerOf(id);
    const tasks = known.layers[layer];
    if (!tasks) return this.add(known.graph.key(id)); // it is called by a key of its own
    return this.addOpened(tasks, id - known.graph.base(layer), this.#nextRef++);
  }

  has(task: WorkerTask): boolean {
    const found = task.layer ? task.layer.tasks.get(task.index) : this.#byKey.get(task.key);
    return found === task;
  }

  /** A block goes on without its task object. */
  rest({ layer, index }: WorkerTask): void {
    if (layer?.tasks.delete(index)) this.#size--;
  }

  delete(task: WorkerTask): void {
    this.#size--;
    const { layer } = task;
    if (layer === null) {
      this.#byKey.delete(task.key);
      return;
    }
    layer.tasks.delete(task.index);
    this.sweep(layer);
  }

  /** Know a graph. Tasks of its layers that are here already, under their keys or by another graph, are the same tasks. */
  addGraph(submission: number, graph: Graph): void {
    if (this.#graphs.has(submission)) return;
    const layers = graph.layers.map((layer, k) => {
      const keys = keysOf(layer);
      if (layer.inline) return null;
      if (keys) return layer.kind === "calls" ? this.#keyed.open(keys, this.#byKey) : null;
      return this.#layerOf(layer.name, graph.grid(k));
    });
    for (const layer of new Set(layers)) if (layer) layer.graphs++;
    for (const k of rechunkInputs(graph)) {
      const layer = layers[k];
      if (layer) layer.isCut = true;
    }
    const isBounded = graph.layers.every(({ kind }) => kind !== "call" && kind !== "calls");
    this.#graphs.set(submission, { submission, graph, edges: new GraphEdges(graph), layers, isBounded });
  }

  forgetGraph(submission: number): void {
    const known = this.#graphs.get(submission);
    this.#graphs.delete(submission);
    for (const layer of new Set(known?.layers)) {
      if (!layer) continue;
      layer.graphs--;
      this.sweep(layer);
    }
  }

  #put(task: WorkerTask): void {
    this.#size++;
    if (task.layer) task.layer.tasks.set(task.index, task);
    else this.#byKey.set(task.key, task);
  }

  #layerOf(name: string, grid: readonly number[]): LayerTasks {
    const known = this.#layers.get(name);
    if (known && known.grid.join() === grid.join()) return known;
    // Names are made of what a layer computes: another grid under a name is a peer's mistake, and is kept apart.
    const layer: LayerTasks = {
      name: known ? `${name}~${grid.join()}` : name,
      grid,
      keys: null,
      tasks: new Map(),
      cells: new Cells(),
      graphs: 0,
      isCut: false,
    };
    const other = known ? this.#layers.get(layer.name) : undefined;
    if (other) return other;
    this.#layers.set(layer.name, layer);
    for (const [key, task] of this.#byKey) {
      const block = this.blockOf(key);
      if (block?.layer !== layer) continue;
      this.#byKey.delete(key);
      task.layer = layer;
      task.index = block.index;
      layer.tasks.set(block.index, task);
    }
    return layer;
  }

  /** Forget a layer of which nothing is known any more. */
  sweep(layer: LayerTasks): void {
    if (layer.graphs > 0 || layer.tasks.size > 0 || layer.cells.count > 0) return;
    if (layer.keys) this.#keyed.close(layer);
    else this.#layers.delete(layer.name);
  }

  /** Layer and number of a key: `(name, i, j, …)` of a known layer, or one that a layer has given itself. */
  blockOf(key: Key): { readonly layer: LayerTasks; readonly index: number } | null {
    const own = this.#keyed.find(key);
    if (own || this.#layers.size === 0) return own;
    const named = this.#layerNamed(key);
    if (!named) return null;
    const index = indexAt(key, named.prefix.length, named.layer.grid);
    return index < 0 ? null : { layer: named.layer, index };
  }

  /** The layer whose name a key begins with, mostly that of the key before. */
  #layerNamed(key: Key): { readonly prefix: string; readonly layer: LayerTasks } | null {
    const last = this.#lastNamed;
    if (last && key.startsWith(last.prefix) && this.#layers.get(last.layer.name) === last.layer) return last;
    const found = /^\0\[("(?:[^"\\]|\\.)*")/.exec(key);
    if (!found) return null;
    // The first group is a JSON text, or the key is none of ours.
    const layer = this.#layers.get(textOf(found[1] as string));
    if (!layer) return null;
    this.#lastNamed = { prefix: found[0], layer };
    return this.#lastNamed;
  }
}

function textOf(json: string): string {
  try {
    return String(JSON.parse(json));
  } catch {
    return ""; // nothing is called so
  }
}

const [COMMA, ZERO, NINE, BRACKET] = [44, 48, 57, 93];
const DIGITS_MAX = 10;

/** Number in its grid of the block whose position a key says from `start` on, as `,i,j]`; -1 where there is none. */
function indexAt(key: string, start: number, grid: readonly number[]): number {
  let at = start;
  let index = 0;
  for (let axis = 0; axis < grid.length; axis++) {
    if (key.charCodeAt(at++) !== COMMA) return -1;
    const first = at;
    let p = 0;
    for (let c = key.charCodeAt(at); c >= ZERO && c <= NINE; c = key.charCodeAt(++at)) p = 10 * p + c - ZERO;
    const n = grid[axis] as number; // axis < length
    if (at === first || at - first > DIGITS_MAX || p >= n) return -1;
    index = index * n + p;
  }
  return key.charCodeAt(at) === BRACKET && at === key.length - 1 ? index : -1;
}
