/** A graph: layers in topological order, their tasks numbered, and the formulas that expand one task at a time. */
import { InvariantError, invariant } from "../base/index.ts";
import { itemsize } from "../dtype/index.ts";
import { sizeOf } from "../ndarray/index.ts";
import { expandTask } from "./expand.ts";
import { blockKey, type Key } from "./keys.ts";
import { gridOf, keysOf, type Layer } from "./layer.ts";
import type { TaskSpec } from "./task.ts";

/** Number of a task in its graph: the layer's base plus the block's index in C order. */
export type TaskId = number;

/** What became of the elementwise layers around one layer, for people. */
export interface Fusion {
  /** Names of the layers that its kernel took in, in order of application. */
  readonly fused: readonly string[];
  /** Why it is not part of its consumer's kernel itself; empty where the question does not arise. */
  readonly apart: string;
}

/** One expanded task. */
export interface ExpandedTask {
  /** Dependencies in register order. */
  readonly dependencies: readonly TaskId[];
  readonly spec: TaskSpec;
}

/** Graphs of more layers are large as they are, and keep no programs. */
const KEPT_LAYERS = 64;

/**
 * Layers with numbered tasks. Inline layers have no tasks.
 *
 * Everything is answered by arithmetic from the layers: a million tasks cost no memory here.
 */
export class Graph {
  readonly layers: readonly Layer[];
  /** Layers whose blocks are wanted. */
  readonly outputs: readonly number[];
  /** By layer name; empty for a graph that came over a wire. */
  readonly fusion: ReadonlyMap<string, Fusion>;
  /** Number of the first task of each layer. */
  readonly #base: number[] = [];
  readonly #grids: number[][] = [];
  /** Each layer's first task, once it was asked for: whoever looks at a graph begins with it. */
  readonly #firsts: (ExpandedTask | undefined)[] = [];
  readonly taskCount: number;

  constructor(
    layers: readonly Layer[],
    outputs: readonly number[],
    fusion: ReadonlyMap<string, Fusion> = new Map<string, Fusion>(),
  ) {
    this.layers = layers;
    this.outputs = outputs;
    this.fusion = fusion;
    let total = 0;
    for (const layer of layers) {
      this.#base.push(total);
      const grid = gridOf(layer.chunks);
      this.#grids.push(grid);
      if (!layer.inline) total += sizeOf(grid);
    }
    invariant(total < 2 ** 31, `graph of ${total} tasks; the limit is 2^31`);
    this.taskCount = total;
    for (const o of outputs) invariant(layers[o]?.inline === false, `output layer ${o} has tasks of its own`);
  }

  layer(index: number): Layer {
    const layer = this.layers[index];
    if (layer === undefined) throw new InvariantError(`layer ${index} of ${this.layers.length}`); // asked for often
    return layer;
  }

  /** Blocks per axis of a layer. */
  grid(layer: number): readonly number[] {
    return this.#grids[layer] as number[]; // one per layer
  }

  /** Tasks (blocks) of a layer. */
  count(layer: number): number {
    return sizeOf(this.grid(layer));
  }

  /** Number of the layer's first task. */
  base(layer: number): TaskId {
    return this.#base[layer] as number; // one per layer
  }

  /** Layer and block index of a task. */
  locate(task: TaskId): { readonly layer: number; readonly index: number } {
    let lo = 0;
    let hi = this.layers.length - 1;
    while (lo < hi) {
      const mid = (lo + hi + 1) >> 1;
      if ((this.#base[mid] as number) <= task) lo = mid;
      else hi = mid - 1;
    }
    while (this.layer(lo).inline) lo--; // inline layers share the base of the next one
    return { layer: lo, index: task - this.base(lo) };
  }

  /** Position of block `index` in its layer's grid. */
  position(layer: number, index: number): number[] {
    const grid = this.grid(layer);
    const out = new Array<number>(grid.length);
    let rest = index;
    for (let k = grid.length - 1; k >= 0; k--) {
      const n = grid[k] as number; // k < length
      out[k] = rest % n;
      rest = Math.floor(rest / n);
    }
    return out;
  }

  /** Index of the block at `position` in its layer's grid. */
  indexOf(layer: number, position: readonly number[]): number {
    const grid = this.grid(layer);
    let index = 0;
    for (let k = 0; k < grid.length; k++) index = index * (grid[k] as number) + (position[k] as number);
    return index;
  }

  /** Extents of one block. */
  blockShape(layer: number, position: readonly number[]): number[] {
    const { chunks } = this.layer(layer);
    return position.map((p, k) => (chunks[k] as readonly number[])[p] as number);
  }

  /** Bytes of a task's result. */
  nbytes(task: TaskId): number {
    const { layer, index } = this.locate(task);
    return sizeOf(this.blockShape(layer, this.position(layer, index))) * itemsize(this.layer(layer).dtype);
  }

  /** Key of a task: `(name, i, j, …)`, or the one that its layer gives it. */
  key(task: TaskId): Key {
    const { layer, index } = this.locate(task);
    const own = keysOf(this.layer(layer));
    return own ? own.at(index) : blockKey(this.layer(layer).name, this.position(layer, index));
  }

  /** Dependencies and program of one task. */
  expand(task: TaskId): ExpandedTask {
    const { layer, index } = this.locate(task);
    if (index > 0 || this.layers.length > KEPT_LAYERS) return expandTask(this, layer, index);
    let first = this.#firsts[layer];
    if (first === undefined) {
      first = expandTask(this, layer, 0);
      this.#firsts[layer] = first;
    }
    return first;
  }

  /** Wanted tasks, output by output, each in C order of its grid. */
  wanted(): TaskId[][] {
    return this.outputs.map((layer) => Array.from({ length: this.count(layer) }, (_, i) => this.base(layer) + i));
  }
}
