/** What is on the threads, by layer and number: blocks, and tasks that will give some; and the graphs that they belong to. */
import type { BlockHandle, Executor, Programs } from "../executor/index.ts";
import { blockKeyAt, type Graph, type GraphEdges, type Key, type TaskId } from "../graph/index.ts";
import { sizeOf } from "../ndarray/index.ts";
import { Order } from "./order.ts";
import type { Run } from "./run.ts";

/** The callers have it, and nobody here needs it. */
export const DELIVERED: unique symbol = Symbol("delivered");

/** What is known of one block. */
export type Cell = BlockHandle | Order | typeof DELIVERED | undefined;

/** Memory of a task, up to which any number of them may have theirs before they run. */
const LIGHT_BYTES = 64 * 1024;

const PAGE_BITS = 9;
const PAGE = 1 << PAGE_BITS;

/** The block itself, if it is here. */
export function blockIn(cell: Cell): BlockHandle | null {
  return typeof cell === "object" && !(cell instanceof Order) ? cell : null;
}

/** Blocks of one layer. */
class LayerBlocks {
  readonly name: string;
  readonly grid: readonly number[];
  /** Graphs that are open and have the layer. */
  graphs = 0;
  /** Cells that hold something. */
  size = 0;
  /** What a task took lately; NaN: none has ended. */
  meanSeconds: number = Number.NaN;
  /** Bytes of a task of it; null: nobody has asked. */
  taskBytes: number | null = null;
  readonly #pages: (Cell[] | undefined)[] = [];
  readonly #counts: number[] = [];

  constructor(name: string, grid: readonly number[]) {
    this.name = name;
    this.grid = grid;
  }

  /** A task has ended. */
  took(seconds: number): void {
    const mean = this.meanSeconds;
    this.meanSeconds = Number.isNaN(mean) ? seconds : mean + (seconds - mean) / 32;
  }

  get(index: number): Cell {
    return this.#pages[index >>> PAGE_BITS]?.[index & (PAGE - 1)];
  }

  set(index: number, cell: Exclude<Cell, undefined>): void {
    const at = index >>> PAGE_BITS;
    let page = this.#pages[at];
    if (page === undefined) {
      page = new Array<Cell>(Math.min(PAGE, sizeOf(this.grid) - (at << PAGE_BITS))).fill(undefined);
      this.#pages[at] = page;
      this.#counts[at] = 0;
    }
    if (page[index & (PAGE - 1)] === undefined) {
      this.size++;
      this.#counts[at] = (this.#counts[at] as number) + 1; // set with the page
    }
    page[index & (PAGE - 1)] = cell;
  }

  clear(index: number): void {
    const at = index >>> PAGE_BITS;
    const page = this.#pages[at];
    if (page?.[index & (PAGE - 1)] === undefined) return;
    page[index & (PAGE - 1)] = undefined;
    this.size--;
    const left = (this.#counts[at] as number) - 1; // set with the page
    this.#counts[at] = left;
    if (left === 0) this.#pages[at] = undefined;
  }

  /** Key of a block. */
  key(index: number): Key {
    return blockKeyAt(this.name, this.grid, index);
  }

  /** Every cell that holds something. */
  *cells(): Generator<readonly [index: number, cell: Cell], void, undefined> {
    for (const [at, page] of this.#pages.entries())
      for (const [k, cell] of page?.entries() ?? []) if (cell !== undefined) yield [(at << PAGE_BITS) + k, cell];
  }
}

/** A graph whose tasks come by number. */
export class OpenGraph {
  readonly submission: number;
  readonly run: Run;
  readonly graph: Graph;
  readonly programs: Programs;
  readonly edges: GraphEdges;
  /** None of its tasks is a function of a user, which may never end. */
  readonly isBounded: boolean;
  /** By layer; null: it has no tasks. */
  readonly layers: readonly (LayerBlocks | null)[];
  readonly #emptied: (layer: LayerBlocks) => void;

  constructor(
    submission: number,
    run: Run,
    { programs, layers, emptied }: Pick<OpenGraph, "programs" | "layers"> & { emptied: (layer: LayerBlocks) => void },
  ) {
    this.submission = submission;
    this.run = run;
    this.graph = run.graph;
    this.programs = programs;
    this.edges = run.walk.edges;
    this.isBounded = run.graph.layers.every(({ kind }) => kind !== "call" && kind !== "calls");
    this.layers = layers;
    this.#emptied = emptied;
  }

  /** Where a task's block goes. */
  layerOf(task: TaskId): LayerBlocks {
    return this.layers[this.edges.layerOf(task)] as LayerBlocks; // its layer has tasks
  }

  get(task: TaskId): Cell {
    const layer = this.edges.layerOf(task);
    return (this.layers[layer] as LayerBlocks).get(task - this.graph.base(layer)); // its layer has tasks
  }

  set(task: TaskId, cell: Exclude<Cell, undefined>): void {
    const layer = this.edges.layerOf(task);
    (this.layers[layer] as LayerBlocks).set(task - this.graph.base(layer), cell); // its layer has tasks
  }

  /** True when a task takes little memory, as those of its layer do. */
  isLight(task: TaskId): boolean {
    return this.bytesOf(task) <= LIGHT_BYTES;
  }

  /** Bytes of a task's block and registers, as the first of its layer that was asked for has them. */
  bytesOf(task: TaskId): number {
    const layer = this.layerOf(task);
    layer.taskBytes ??= this.#ownBytes(task);
    return layer.taskBytes;
  }

  #ownBytes(task: TaskId): number {
    try {
      const { spec, registerBytes } = this.programs.of(task);
      return spec.out.nbytes + registerBytes;
    } catch {
      return 0; // it will not run, and says why when it is to
    }
  }

  clear(task: TaskId): void {
    const layer = this.edges.layerOf(task);
    const blocks = this.layers[layer] as LayerBlocks; // its layer has tasks
    blocks.clear(task - this.graph.base(layer));
    if (blocks.size === 0 && blocks.graphs === 0) this.#emptied(blocks); // a task that outlived its graph
  }
}

/** All of them. Layers of one name are the same layer, in whatever graph they stand. */
export class LocalBlocks {
  readonly #executor: Executor;
  readonly #runs = new WeakMap<Graph, Run>();
  readonly #graphs = new Map<number, OpenGraph>();
  readonly #layers = new Map<string, LayerBlocks>();

  constructor(executor: Executor) {
    this.#executor = executor;
  }

  /** Before tasks of a run are spoken of. */
  add(run: Run): void {
    this.#runs.set(run.graph, run);
  }

  /** The graph of a submission, which is open from the first word about it. */
  open(submission: number, graph: Graph): OpenGraph {
    const known = this.#graphs.get(submission);
    if (known) return known;
    const run = this.#runs.get(graph) as Run; // every submission is a run's
    const layers = graph.layers.map((layer, k) => (layer.inline ? null : this.#layerOf(layer.name, graph.grid(k))));
    for (const layer of new Set(layers)) if (layer) layer.graphs++;
    const programs = this.#executor.open(graph, () => true, run.stop.signal);
    const open = new OpenGraph(submission, run, { programs, layers, emptied: (layer) => this.#drop(layer) });
    this.#graphs.set(submission, open);
    return open;
  }

  /** No task of it comes any more. */
  forget(submission: number): void {
    const open = this.#graphs.get(submission);
    if (!open) return;
    this.#graphs.delete(submission);
    this.#executor.close(open.programs);
    for (const layer of new Set(open.layers)) {
      if (!layer) continue;
      layer.graphs--;
      if (layer.graphs === 0 && layer.size === 0) this.#drop(layer);
    }
  }

  #drop(layer: LayerBlocks): void {
    if (this.#layers.get(layer.name) === layer) this.#layers.delete(layer.name);
  }

  layer(name: string): LayerBlocks | undefined {
    return this.#layers.get(name);
  }

  /** Blocks that are here, with their keys. */
  *blocks(): Generator<readonly [Key, BlockHandle], void, undefined> {
    for (const layer of this.#layers.values()) {
      for (const [index, cell] of layer.cells()) {
        const block = blockIn(cell);
        if (block) yield [layer.key(index), block];
      }
    }
  }

  /** True when nothing is here, and no graph is open. */
  get isEmpty(): boolean {
    for (const layer of this.#layers.values()) if (layer.size > 0) return false;
    return true;
  }

  /** The scheduler has forgotten everything. */
  forgetAll(): void {
    for (const submission of Array.from(this.#graphs.keys())) this.forget(submission);
  }

  #layerOf(name: string, grid: readonly number[]): LayerBlocks {
    let layer = this.#layers.get(name);
    if (layer === undefined) {
      layer = new LayerBlocks(name, grid);
      this.#layers.set(name, layer);
    }
    return layer;
  }
}
