/** Programs of a graph's tasks. Tasks of one layer whose blocks look alike share one, so that it is made ready once. */
import type { DType } from "../dtype/index.ts";
import { givesIndex, itemsize } from "../dtype/index.ts";
import {
  type CallsLayer,
  callFunction,
  type ExpandedTask,
  type Graph,
  type Layer,
  plainText,
  planRegisters,
  type TaskId,
  type TaskSpec,
} from "../graph/index.ts";

/** What a block is, wherever it lies. */
export interface BlockFacts {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** The program of one task, or of many. */
export interface Program {
  /** Many tasks may have it. */
  readonly isShared: boolean;
  readonly spec: TaskSpec;
  /** Blocks it reads, in register order; for shared programs only. */
  readonly inputs: readonly BlockFacts[];
  /** Bytes of its registers. */
  readonly registerBytes: number;
  /** May run user code. */
  readonly isTrusted: boolean;
}

/** A function of a user that calls of a layer may run: it is trusted. */
export interface CallProgram {
  /** Text of a function expression. */
  readonly call: string;
}

/** Which call of which layer a task is, and its function. */
export interface CallOf {
  readonly program: CallProgram;
  readonly layer: CallsLayer;
  readonly index: number;
}

/** A program as threads read it. */
export interface EncodedProgram {
  readonly spec: TaskSpec;
  readonly inputs: readonly BlockFacts[];
}

/** Text of a shared program: of equal programs the same; its bytes are what `decodePlain` reads. */
export function programText(program: Program | CallProgram): string {
  if ("call" in program) return plainText({ call: program.call });
  return plainText({ spec: program.spec, inputs: program.inputs });
}

/** Shared programs of one layer; layers of odd chunks have one per combination of sizes. */
const SHARED_MAX = 256;

/** Says whether a program with user code may run; the layer is the one that it was made from, and vouches for its calls itself. */
export type Trust = (spec: TaskSpec | null, layer: Layer) => boolean;

/** The programs of one graph, until it is closed. */
export class Programs {
  readonly graph: Graph;
  readonly #trust: Trust;
  readonly #layers: (LayerPrograms | null | undefined)[] = [];
  /** Functions of layers of calls; null where nobody vouches for them. */
  readonly #functions: (readonly CallProgram[] | null | undefined)[] = [];
  /** Most graphs have none, and are asked for each of their tasks. */
  readonly #hasCalls: boolean;
  /** Shared programs, as they lie in the message store; the executor's business. */
  readonly made: Set<Program | CallProgram> = new Set();
  /** Tasks of the graph that are at the executor. */
  underWay = 0;
  isClosed = false;

  readonly signal: AbortSignal | null;

  /** @param trust says whether a program with user code may run @param signal cancels all tasks */
  constructor(graph: Graph, trust: Trust, signal: AbortSignal | null = null) {
    this.graph = graph;
    this.#trust = trust;
    this.#hasCalls = graph.layers.some(({ kind }) => kind === "calls");
    this.signal = signal;
  }

  /**
   * The program of a task.
   * @throws the layer's formula fails for this task
   */
  of(task: TaskId): Program {
    const { layer, index } = this.graph.locate(task);
    let programs = this.#layers[layer];
    if (programs === undefined) {
      programs = layerPrograms(this.graph, layer);
      this.#layers[layer] = programs;
    }
    if (programs === null) return this.#single(this.graph.expand(task), layer);
    const known = programs.find(index);
    if (known !== undefined) return known;
    const expanded = this.graph.expand(task);
    const made = this.#shared(expanded);
    if (!programs.add(index, made)) return this.#single(expanded, layer);
    this.made.add(made);
    return made;
  }

  /** What a task of a layer of calls runs; null for other tasks, and where it may not run. */
  call(task: TaskId): CallOf | null {
    if (!this.#hasCalls) return null;
    const { layer: at, index } = this.graph.locate(task);
    const layer = this.graph.layer(at);
    if (layer.kind !== "calls") return null;
    let functions = this.#functions[at];
    if (functions === undefined) {
      const isTrusted = this.#trust(null, layer);
      functions = isTrusted ? layer.functions.map((call) => ({ call })) : null;
      this.#functions[at] = functions;
      for (const each of functions ?? []) this.made.add(each);
    }
    const program = functions?.[callFunction(layer, index)];
    return program === undefined ? null : { program, layer, index };
  }

  #single({ spec }: ExpandedTask, layer: number): Program {
    const hasCode = spec.steps.some((step) => step.do === "call");
    const isTrusted = hasCode && this.#trust(spec, this.graph.layer(layer));
    return { isShared: false, spec, inputs: [], registerBytes: bytesOf(spec), isTrusted };
  }

  #shared({ spec, dependencies }: ExpandedTask): Program {
    const inputs = dependencies.map((input): BlockFacts => {
      const { layer, index } = this.graph.locate(input);
      return {
        dtype: this.graph.layer(layer).dtype,
        shape: this.graph.blockShape(layer, this.graph.position(layer, index)),
      };
    });
    return { isShared: true, spec, inputs, registerBytes: bytesOf(spec), isTrusted: false };
  }
}

function bytesOf(spec: TaskSpec): number {
  return planRegisters(spec.inputs, spec.steps).bytes;
}

/** One axis along which a layer's tasks are laid out: task `p` deals with blocks `[p * group, (p + 1) * group)` of `sizes`. */
interface TaskAxis {
  /** Axis of the layer's own grid; null: the axis has one task. */
  readonly own: number | null;
  readonly sizes: readonly number[];
  readonly group: number;
  /** Tasks before this one deal with whole groups of blocks of one size. */
  readonly regular: number;
}

/** Tells which tasks of a layer look alike. */
class LayerPrograms {
  readonly #grid: readonly number[];
  readonly #axes: readonly TaskAxis[];
  /** Program of the tasks that are regular along all axes. */
  #regular: Program | undefined;
  readonly #odd = new Map<string, Program>();
  readonly #position: number[];

  constructor(grid: readonly number[], axes: readonly TaskAxis[]) {
    this.#grid = grid;
    this.#axes = axes;
    this.#position = grid.map(() => 0);
  }

  find(index: number): Program | undefined {
    return this.#isRegular(index) ? this.#regular : this.#odd.get(this.#keyOf());
  }

  /** False, and the program is the task's own, when there are too many. */
  add(index: number, program: Program): boolean {
    if (this.#isRegular(index)) this.#regular = program;
    else if (this.#odd.size >= SHARED_MAX) return false;
    else this.#odd.set(this.#keyOf(), program);
    return true;
  }

  /** Also finds the task's position, which `#keyOf` reads. */
  #isRegular(index: number): boolean {
    let rest = index;
    for (let k = this.#grid.length - 1; k >= 0; k--) {
      const n = this.#grid[k] as number; // k < length
      this.#position[k] = rest % n;
      rest = Math.floor(rest / n);
    }
    for (const { own, regular } of this.#axes)
      if ((own === null ? 0 : (this.#position[own] as number)) >= regular) return false;
    return true;
  }

  #keyOf(): string {
    return this.#axes
      .map(({ own, sizes, group, regular }) => {
        const p = own === null ? 0 : (this.#position[own] as number); // an axis of the grid
        return p < regular ? "" : sizes.slice(p * group, (p + 1) * group).join();
      })
      .join("/");
  }
}

function axisOf(own: number | null, sizes: readonly number[], group: number): TaskAxis {
  let same = 1;
  while (same < sizes.length && sizes[same] === sizes[0]) same++;
  return { own, sizes, group, regular: Math.floor(same / group) };
}

/** How tasks of a layer look alike; null where each has a program of its own, as it depends on its place. */
function layerPrograms(graph: Graph, index: number): LayerPrograms | null {
  const layer = graph.layer(index);
  const grid = graph.grid(index);
  if (layer.kind === "literal" && layer.bytes.length === itemsize(layer.dtype)) {
    return new LayerPrograms(
      grid,
      layer.chunks.map((sizes, k) => axisOf(k, sizes, 1)),
    );
  }
  if (layer.kind === "blockwise") {
    const axes = layer.chunks.map((sizes, k) => axisOf(k, sizes, 1));
    return isUniform(graph, layer, layer.chunks) ? new LayerPrograms(grid, axes) : null;
  }
  if (layer.kind === "reduce") {
    const axes = layer.loop.map((sizes, k) => axisOf(k + 1, sizes, 1));
    return isUniform(graph, layer, layer.loop) ? new LayerPrograms(grid, axes) : null;
  }
  if (layer.kind !== "combine" || givesIndex(layer.spec.op)) return null;
  const partials = graph.layer(layer.input);
  const loop = partials.kind === "reduce" && partials.inline ? partials.loop : partials.chunks.slice(1);
  if (partials.inline && !(partials.kind === "reduce" && isUniform(graph, partials, loop))) return null;
  const kept = layer.final && !layer.keepdims ? loop.map((_, k) => k).filter((k) => !layer.reduced.includes(k)) : null;
  const axes = loop.map((sizes, k) => {
    const own = kept ? kept.indexOf(k) : layer.final ? k : k + 1;
    return axisOf(own < 0 ? null : own, sizes, layer.group[k] as number); // one per loop axis
  });
  return new LayerPrograms(grid, axes);
}

type Looping = Extract<Layer, { readonly kind: "blockwise" | "reduce" }>;

/**
 * True when the program of a block depends on the sizes of its `loop` alone: all inputs, however deep inside the task,
 * follow the loop's axes with blocks of the loop's sizes, and none is read in two ways.
 */
function isUniform(graph: Graph, layer: Looping, loop: readonly (readonly number[])[]): boolean {
  const ways = new Map<number, string>();
  const follows = (index: number, axes: readonly (number | null)[]): boolean => {
    const way = axes.join();
    const known = ways.get(index);
    if (known !== undefined) return known === way;
    ways.set(index, way);
    const input = graph.layer(index);
    const fits = axes.every((axis, k) => axis === null || sameSizes(input.chunks[k] ?? [], loop[axis] ?? []));
    if (!fits || !input.inline) return fits;
    if (input.kind === "literal") return input.bytes.length === itemsize(input.dtype);
    if (input.kind !== "blockwise") return false;
    return input.inputs.every((i) =>
      follows(
        i.layer,
        i.axes.map((a) => (a === null ? null : (axes[a] ?? null))),
      ),
    );
  };
  if (layer.kind === "reduce" && givesIndex(layer.spec.op)) return false;
  return layer.inputs.every((input) => follows(input.layer, input.axes));
}

function sameSizes(a: readonly number[], b: readonly number[]): boolean {
  return a === b || (a.length === b.length && a.every((n, k) => n === b[k]));
}
