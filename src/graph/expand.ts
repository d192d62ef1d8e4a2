/** From a layer and a block index to one task: its dependencies and its program. All formulas of all layer kinds. */
import { assertNever, InvariantError, invariant } from "../base/index.ts";
import { type DType, givesIndex, itemsize } from "../dtype/index.ts";
import { sizeOf } from "../ndarray/index.ts";
import { callInputs, expandCall } from "./calls.ts";
import { type Box, blockAt, blocksOfBox, boxOf, offsetsOf } from "./chunks.ts";
import type { ExpandedTask, Graph, TaskId } from "./graph.ts";
import type { ReducePlace } from "./kernel.ts";
import { type BlockInput, type Chunks, type GatherPart, type Layer, shapeOfChunks } from "./layer.ts";
import { finishSpec, mapRegisters } from "./registers.ts";
import type { AxisWalk, Plain, Register, Step } from "./task.ts";

type LayerKind<K extends Layer["kind"]> = Extract<Layer, { kind: K }>;

/** First number of the registers that steps write, while the number of dependencies is still unknown. */
const STEP_BASE = 1 << 24;

/** Dependencies and program of block `index` of `layer`. */
export function expandTask(graph: Graph, layer: number, index: number): ExpandedTask {
  const calls = graph.layer(layer);
  if (calls.kind === "calls") return expandCall(calls, index);
  const e = new Emitter(graph);
  const last = e.emit(layer, graph.position(layer, index));
  invariant(last === STEP_BASE + e.steps.length - 1, "the output is the last step's register");
  const inputs = e.dependencies.length;
  if (e.steps.length === 1) return { dependencies: e.dependencies, spec: finishSpec(inputs, e.steps, e.scratchBytes) };
  const steps = e.steps.map((s) => mapRegisters(s, (r) => (r >= STEP_BASE ? r - STEP_BASE + inputs : r)));
  return { dependencies: e.dependencies, spec: finishSpec(inputs, steps, e.scratchBytes) };
}

/** Dependencies alone, in register order. */
export function taskDependencies(graph: Graph, layer: number, index: number): readonly TaskId[] {
  const of = graph.layer(layer);
  if (of.kind === "held") return [];
  if (of.kind === "calls") return callInputs(of, index);
  const e = new Emitter(graph);
  e.emit(layer, graph.position(layer, index));
  return e.dependencies;
}

class Emitter {
  readonly dependencies: TaskId[] = [];
  readonly steps: Step[] = [];
  scratchBytes = 0;
  readonly #graph: Graph;
  readonly #known = new Map<string, Register>();

  constructor(graph: Graph) {
    this.#graph = graph;
  }

  /** Register that holds a block of another layer: a dependency, or the steps of an inline layer. */
  need(layer: number, position: readonly number[]): Register {
    const key = `${layer}:${position.join(",")}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const register = this.#graph.layer(layer).inline
      ? this.emit(layer, position)
      : this.dependencies.push(this.#graph.base(layer) + this.#graph.indexOf(layer, position)) - 1;
    this.#known.set(key, register);
    return register;
  }

  /** Steps that make one block. */
  emit(index: number, position: readonly number[]): Register {
    const layer = this.#graph.layer(index);
    const shape = this.#graph.blockShape(index, position);
    const out = { dtype: layer.dtype, shape };
    switch (layer.kind) {
      case "source":
        return this.#source(
          layer,
          layer.starts ? windowBox(layer, layer.starts, position) : boxOf(layer.chunks, position),
        );
      case "literal":
        return this.#push({ do: "literal", ...out, bytes: literalBytes(layer, boxOf(layer.chunks, position)) });
      case "arange":
        return this.#push({
          do: "arange",
          ...out,
          start: layer.start,
          step: layer.step,
          first: boxOf(layer.chunks, position)[0]?.start ?? 0,
        });
      case "blockwise":
        return this.#push({ do: "map", ...out, call: layer.call, ...this.#inputs(layer.inputs, position) });
      case "reduce":
        return this.#reduce(layer, position);
      case "select":
        return this.#select(layer, position, shape);
      case "apply":
        this.scratchBytes = Math.max(this.scratchBytes, layer.scratchBytes);
        return this.#push({
          do: "apply",
          ...out,
          kernel: layer.kernel,
          params: layer.params,
          inputs: layer.byNumber
            ? layer.inputs.map((i) =>
                this.need(i.layer, this.#graph.position(i.layer, this.#graph.indexOf(index, position))),
              )
            : this.#inputs(layer.inputs, position).inputs,
          at: boxOf(layer.chunks, position).map((i) => i.start),
          position,
        });
      case "take":
        return this.#take(layer, position, shape);
      case "combine":
        return this.#combine(layer, position, shape);
      case "gather":
        return this.#gather(layer.dtype, layer.parts, boxOf(layer.chunks, position));
      case "window":
        return this.#gather(layer.dtype, [this.#whole(layer.input)], windowBox(layer, layer.starts, position));
      case "coarsen":
        return this.#coarsen(layer, boxOf(layer.chunks, position));
      case "write-zarr":
        return this.#writeZarr(layer, index, position);
      case "write-cog-part":
        return this.#cogPart(layer, position[0] as number, shape);
      case "write-cog":
        return this.#cog(layer, shape);
      case "call":
        return this.#call(layer, position, shape);
      case "held":
      case "calls":
        throw new InvariantError(`${layer.name} has no program of blocks, and was asked for one`);
      default:
        return assertNever(layer);
    }
  }

  #push(step: Step): Register {
    return STEP_BASE + this.steps.push(step) - 1;
  }

  #bytes(layer: number, position: readonly number[]): number {
    return sizeOf(this.#graph.blockShape(layer, position)) * itemsize(this.#graph.layer(layer).dtype);
  }

  #source(layer: LayerKind<"source">, box: Box): Register {
    const region = layer.walk.map((w) => {
      if (w.axis === null) return { start: w.start, stop: w.start + 1 };
      const { start, stop } = box[w.axis] as Box[number]; // walk names axes of the result
      if (stop === start) return { start: 0, stop: 0 };
      const [a, b] = [w.start + w.step * start, w.start + w.step * (stop - 1)];
      return { start: Math.min(a, b), stop: Math.max(a, b) + 1 };
    });
    const walk = layer.walk.map((w, k): AxisWalk => {
      const extent = region[k] as { start: number; stop: number }; // one per source axis
      return w.axis === null
        ? { axis: null, start: 0, step: 1 }
        : { axis: w.axis, start: w.step > 0 ? 0 : extent.stop - extent.start - 1, step: w.step };
    });
    this.scratchBytes = Math.max(this.scratchBytes, layer.scratchBytes);
    const shape = box.map((i) => i.stop - i.start);
    return this.#push({ do: "read", dtype: layer.dtype, shape, source: layer.source, region, walk });
  }

  #inputs(
    inputs: readonly BlockInput<number>[],
    position: readonly number[],
  ): { inputs: Register[]; axes: (readonly (number | null)[])[] } {
    return {
      inputs: inputs.map((i) =>
        this.need(
          i.layer,
          i.axes.map((a) => (a === null ? 0 : (position[a] as number))),
        ),
      ),
      axes: inputs.map((i) => i.axes),
    };
  }

  #reduce(layer: LayerKind<"reduce">, position: readonly number[], onto?: Register): Register {
    const block = position.slice(1);
    const loop = boxOf(layer.loop, block).map((i) => i.stop - i.start);
    const shape = [layer.chunks[0]?.[0] as number, ...loop.map((n, k) => (layer.reduced.includes(k) ? 1 : n))];
    return this.#push({
      do: "reduce",
      dtype: "float64",
      shape,
      call: layer.call,
      ...this.#inputs(layer.inputs, block),
      loop,
      reduced: layer.reduced,
      spec: layer.spec,
      ...(givesIndex(layer.spec.op) ? { place: placeOf(layer, block) } : {}),
      ...(onto === undefined ? {} : { onto }),
    });
  }

  #select(layer: LayerKind<"select">, position: readonly number[], shape: readonly number[]): Register {
    const kept = layer.spec.isList ? position.slice(1) : position;
    let next = 0;
    const block = layer.loop.map((_, k) =>
      layer.reduced.includes(k) && !layer.keepdims ? 0 : (kept[next++] as number),
    );
    return this.#push({
      do: "select",
      dtype: layer.dtype,
      shape,
      call: layer.call,
      ...this.#inputs(layer.inputs, block),
      loop: boxOf(layer.loop, block).map((i) => i.stop - i.start),
      reduced: layer.reduced,
      spec: layer.spec,
    });
  }

  #take(layer: LayerKind<"take">, position: readonly number[], shape: readonly number[]): Register {
    const { start, stop } = boxOf(layer.chunks, position)[layer.axis] as Box[number]; // the axis is the layer's
    const bytes = layer.indices.slice(start * 8, stop * 8); // a copy is aligned
    const indices = new Float64Array(bytes.buffer, 0, stop - start);
    const sizes = this.#graph.layer(layer.input).chunks[layer.axis] as readonly number[];
    const offsets = offsetsOf(sizes);
    const inputs: Register[] = [];
    const numbers = new Map<number, number>();
    const picks = new Int32Array(2 * indices.length);
    indices.forEach((index, i) => {
      const block = blockAt(sizes, index);
      let number = numbers.get(block);
      if (number === undefined) {
        number =
          inputs.push(
            this.need(
              layer.input,
              position.map((p, k) => (k === layer.axis ? block : p)),
            ),
          ) - 1;
        numbers.set(block, number);
      }
      picks[2 * i] = number;
      picks[2 * i + 1] = index - (offsets[block] as number);
    });
    return this.#push({
      do: "take",
      dtype: layer.dtype,
      shape,
      axis: layer.axis,
      inputs,
      picks: new Uint8Array(picks.buffer),
    });
  }

  #call(layer: LayerKind<"call">, position: readonly number[], shape: readonly number[]): Register {
    const inputs: Register[] = [];
    const facts: Plain[] = [];
    const blocks = layer.inputs.map((input) => {
      const { chunks } = this.#graph.layer(input.layer);
      const at = input.axes.map((a) => (a === null ? 0 : (position[a] as number)));
      facts.push(blockInfo(chunks, at));
      const nest = (axis: number, head: readonly number[]): Plain => {
        if (axis === input.axes.length) return { input: inputs.push(this.need(input.layer, head)) - 1 };
        if (input.axes[axis] !== null || !layer.lists) return nest(axis + 1, [...head, at[axis] as number]);
        return (chunks[axis] as readonly number[]).map((_, b) => nest(axis + 1, [...head, b]));
      };
      return nest(0, []);
    });
    const info = {
      inputs: facts,
      output: { ...blockInfo(layer.chunks, position), chunkShape: shape, dtype: layer.dtype },
    };
    return this.#push({
      do: "call",
      block: true,
      dtype: layer.dtype,
      shape,
      text: layer.text,
      inputs,
      args: [...blocks, info, layer.args],
      mac: layer.mac,
    });
  }

  /** The whole of a layer as a part of a gather. */
  #whole(layer: number): GatherPart<number> {
    const shape = shapeOfChunks(this.#graph.layer(layer).chunks);
    return {
      layer,
      lo: shape.map(() => 0),
      hi: shape,
      walk: shape.map((_, k) => ({ axis: k, start: 0, step: 1 })),
    };
  }

  #combine(layer: LayerKind<"combine">, position: readonly number[], shape: readonly number[]): Register {
    const grid = this.#graph.grid(layer.input).slice(1);
    const kept =
      layer.final && !layer.keepdims ? grid.map((_, k) => k).filter((k) => !layer.reduced.includes(k)) : null;
    const loopPosition = grid.map((_, k) =>
      kept
        ? kept.includes(k)
          ? (position[kept.indexOf(k)] as number)
          : 0
        : (position[layer.final ? k : k + 1] as number),
    );
    const ranges = grid.map((n, k) => {
      const g = layer.group[k] as number; // one per loop axis
      const from = (loopPosition[k] as number) * g;
      return Array.from({ length: Math.min(g, n - from) }, (_, i) => from + i);
    });
    const positions = cartesian(ranges).map((p) => [0, ...p]);
    const step = (inputs: readonly Register[], final: boolean): Register => {
      const partial = this.#graph.blockShape(layer.input, positions[0] as number[]); // all partials of a group have one shape
      return this.#push({
        do: "combine",
        dtype: final ? layer.dtype : "float64",
        shape: final ? shape : partial,
        inputs,
        spec: layer.spec,
        final,
      });
    };
    if (!this.#graph.layer(layer.input).inline)
      return step(
        positions.map((p) => this.need(layer.input, p)),
        layer.final,
      );
    // Inline partials are folded one at a time, so that only one input block is live.
    let sum = this.need(layer.input, positions[0] as number[]);
    const partials = this.#graph.layer(layer.input);
    if (partials.kind === "reduce") {
      for (const p of positions.slice(1)) sum = this.#reduce(partials, p, sum);
      return layer.final || positions.length === 1 ? step([sum], layer.final) : sum;
    }
    positions.slice(1).forEach((p, i) => {
      sum = step([sum, this.need(layer.input, p)], layer.final && i === positions.length - 2);
    });
    return positions.length === 1 ? step([sum], layer.final) : sum;
  }

  #gather(dtype: DType, parts: readonly GatherPart<number>[], box: Box): Register {
    const pieces = parts.flatMap((part) => blocksOfBox(part, this.#graph.layer(part.layer).chunks, box));
    const shape = box.map((i) => i.stop - i.start);
    const only = pieces.length === 1 ? pieces[0] : undefined;
    if (only?.count.every((n, k) => n === shape[k])) {
      const from = this.need(only.layer, only.block);
      const read = from >= STEP_BASE ? this.steps[from - STEP_BASE] : undefined;
      // A fresh read can be walked differently instead of being copied.
      if (read?.do === "read" && from === STEP_BASE + this.steps.length - 1) {
        this.steps.pop();
        this.#known.delete(`${only.layer}:${only.block.join(",")}`);
        const walk = read.walk.map((w): AxisWalk => {
          const outer = w.axis === null ? undefined : (only.walk[w.axis] as AxisWalk);
          return outer === undefined
            ? w
            : { axis: outer.axis, start: w.start + w.step * outer.start, step: w.step * outer.step };
        });
        return this.#push({ ...read, shape, walk });
      }
    }
    return this.#push({
      do: "gather",
      dtype,
      shape,
      pieces: pieces.map((p) => ({ from: this.need(p.layer, p.block), walk: p.walk, at: p.at, count: p.count })),
    });
  }

  #coarsen(layer: LayerKind<"coarsen">, box: Box): Register {
    const input = this.#graph.layer(layer.input);
    const rank = box.length;
    const part = this.#whole(layer.input);
    const wanted: Box = box.map((i, k) =>
      k < rank - 2 ? i : { start: 2 * i.start, stop: Math.min(2 * i.stop, part.hi[k] as number) },
    );
    const pieces = blocksOfBox(part, input.chunks, wanted);
    const whole = pieces[0];
    const size = wanted.map((i) => i.stop - i.start);
    const exact =
      pieces.length === 1 &&
      whole !== undefined &&
      this.#graph.blockShape(layer.input, whole.block).every((n, k) => n === size[k]);
    const from = exact
      ? this.need(layer.input, whole.block)
      : this.#push({
          do: "gather",
          dtype: input.dtype,
          shape: size,
          pieces: pieces.map((p) => ({ from: this.need(p.layer, p.block), walk: p.walk, at: p.at, count: p.count })),
        });
    return this.#push({
      do: "coarsen",
      dtype: layer.dtype,
      shape: box.map((i) => i.stop - i.start),
      from,
      method: layer.method,
      nodata: layer.nodata,
    });
  }

  #writeZarr(layer: LayerKind<"write-zarr">, index: number, position: readonly number[]): Register {
    const out = { dtype: layer.dtype, shape: position.map(() => 1) };
    const block = this.#graph.indexOf(index, position);
    if (isWritten(layer, block)) return this.#push({ do: "literal", ...out, bytes: writtenBytes(layer, block) });
    this.scratchBytes = Math.max(this.scratchBytes, 2 * this.#bytes(layer.input, position) + 65536);
    return this.#push({
      do: "write-zarr",
      ...out,
      from: this.need(layer.input, position),
      target: layer.target,
      array: layer.array,
      chunk: position,
    });
  }

  #cogPart(layer: LayerKind<"write-cog-part">, part: number, shape: readonly number[]): Register {
    const rank = this.#graph.grid(layer.input).length;
    const position = Array.from({ length: rank }, (_, k) => (k === rank - 2 ? part : 0));
    const firstTile = layer.tiles.slice(0, part).reduce((a, b) => a + b, 0);
    this.scratchBytes = Math.max(this.scratchBytes, 2 * this.#bytes(layer.input, position) + 65536);
    return this.#push({
      do: "write-cog-part",
      dtype: "float64",
      shape,
      from: this.need(layer.input, position),
      plan: layer.plan,
      level: layer.level,
      firstTile,
    });
  }

  #cog(layer: LayerKind<"write-cog">, shape: readonly number[]): Register {
    const parts = layer.inputs.flatMap((input) => {
      const part = this.#graph.layer(input);
      invariant(part.kind === "write-cog-part", "a COG is assembled from parts");
      let firstTile = 0;
      return part.tiles.map((tiles, k) => {
        const made = { from: this.need(input, [k]), level: part.level, firstTile };
        firstTile += tiles;
        return made;
      });
    });
    this.scratchBytes = Math.max(this.scratchBytes, 16 * 2 ** 20);
    return this.#push({ do: "write-cog", dtype: "float64", shape, parts, plan: layer.plan });
  }
}

/** True when an earlier run has written the object of block `index`: its task has no dependencies. */
function isWritten({ done }: LayerKind<"write-zarr">, index: number): boolean {
  return done !== undefined && !Number.isNaN(new DataView(done.buffer, done.byteOffset).getFloat64(8 * index, true));
}

function writtenBytes({ done }: LayerKind<"write-zarr">, index: number): Uint8Array {
  invariant(done, "only a write that is resumed has finished objects");
  return done.slice(8 * index, 8 * index + 8);
}

/** Region of the input that a window block shows. */
function windowBox(
  layer: { readonly chunks: Chunks },
  starts: readonly (readonly number[])[],
  position: readonly number[],
): Box {
  return position.map((p, k) => {
    const start = starts[k]?.[p] as number; // one per block of each axis
    return { start, stop: start + (layer.chunks[k]?.[p] as number) };
  });
}

/** Where block `block` of a reduction's loop lies in the range that is reduced, counted in C order of the reduced axes. */
function placeOf(layer: LayerKind<"reduce">, block: readonly number[]): ReducePlace {
  const extents = shapeOfChunks(layer.loop);
  const weights: number[] = [];
  let weight = 1;
  let first = 0;
  for (const k of [...layer.reduced].sort((a, b) => b - a)) {
    weights[layer.reduced.indexOf(k)] = weight;
    first += weight * (boxOf(layer.loop, block)[k]?.start as number); // a reduced axis is one of the loop's
    weight *= extents[k] as number;
  }
  return { first, weights };
}

/** What a user's function is told of a block: of its array and of its place in it. */
function blockInfo(chunks: Chunks, position: readonly number[]): { readonly [name: string]: Plain } {
  return {
    shape: shapeOfChunks(chunks),
    numChunks: chunks.map((c) => c.length),
    chunkLocation: position,
    arrayLocation: boxOf(chunks, position).map((i) => [i.start, i.stop]),
  };
}

function cartesian(ranges: readonly (readonly number[])[]): number[][] {
  return ranges.reduce<number[][]>((all, range) => all.flatMap((head) => range.map((v) => [...head, v])), [[]]);
}

/** Bytes of a literal's box in C order; a single element stands for all. */
function literalBytes(layer: LayerKind<"literal">, box: Box): Uint8Array {
  const size = itemsize(layer.dtype);
  if (layer.bytes.length === size) return layer.bytes;
  const full = layer.chunks.map((c) => c.reduce((a, b) => a + b, 0));
  if (box.every((i, k) => i.start === 0 && i.stop === full[k])) return layer.bytes;
  const rank = box.length;
  const rowBytes = ((box[rank - 1]?.stop ?? 1) - (box[rank - 1]?.start ?? 0)) * size;
  const outer = box.slice(0, -1).map((i) => Array.from({ length: i.stop - i.start }, (_, j) => i.start + j));
  const rows = cartesian(outer);
  const out = new Uint8Array(rows.length * rowBytes);
  rows.forEach((row, r) => {
    let at = 0;
    row.forEach((v, k) => {
      at = at * (full[k] as number) + v;
    });
    at = (at * (full[rank - 1] as number) + (box[rank - 1]?.start ?? 0)) * size;
    out.set(layer.bytes.subarray(at, at + rowBytes), r * rowBytes);
  });
  return out;
}
