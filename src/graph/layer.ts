/**
 * Layers: symbolic graphs. A layer says by formula what all its tasks are; building one costs the same for ten tasks as
 * for a million. `R` is how a layer names its inputs: other nodes while an expression is being built, indices in a graph.
 */
import type { DType } from "../dtype/index.ts";
import type { KernelCall, ReduceSpec, SelectSpec } from "./kernel.ts";
import type { KeyColumn } from "./key-column.ts";
import type { AxisWalk, Plain } from "./task.ts";

/** Sizes of the blocks along each axis. */
export type Chunks = readonly (readonly number[])[];

interface LayerBase {
  /** Name and token: the first part of the keys of its tasks. */
  readonly name: string;
  readonly dtype: DType;
  /** Block sizes of the layer's array; its grid of tasks. */
  readonly chunks: Chunks;
}

/** An input of a blockwise layer: per input axis, the result's axis that it follows, or null where its size 1 repeats. */
export interface BlockInput<R> {
  readonly layer: R;
  readonly axes: readonly (number | null)[];
}

/** Part of a gather: the result's box [lo, hi) comes from `layer`, walked from its own start. */
export interface GatherPart<R> {
  readonly layer: R;
  readonly lo: readonly number[];
  readonly hi: readonly number[];
  /** Per axis of the input; `start` is the input index at the box's `lo`. */
  readonly walk: readonly AxisWalk[];
}

/** All kinds. */
export type LayerOf<R> =
  /**
   * Blocks read from a store; per source axis how it is walked. `scratchBytes` bounds one read's buffers beside the
   * block. `starts` as in a window: blocks that overlap or leave gaps.
   */
  | (LayerBase & {
      readonly kind: "source";
      readonly starts?: readonly (readonly number[])[];
      readonly source: Plain;
      readonly walk: readonly AxisWalk[];
      readonly scratchBytes: number;
    })
  /** A small array carried in the graph; a single element repeats everywhere. */
  | (LayerBase & { readonly kind: "literal"; readonly bytes: Uint8Array })
  | (LayerBase & { readonly kind: "arange"; readonly start: number; readonly step: number })
  /** One fused kernel per block. */
  | (LayerBase & { readonly kind: "blockwise"; readonly call: KernelCall; readonly inputs: readonly BlockInput<R>[] })
  /** Partial reduction of each block of `loop`; the layer's array is `[components, …loop with 1 per block in reduced axes]`. */
  | (LayerBase & {
      readonly kind: "reduce";
      readonly call: KernelCall;
      readonly inputs: readonly BlockInput<R>[];
      readonly loop: Chunks;
      readonly reduced: readonly number[];
      readonly spec: ReduceSpec;
    })
  /** Combines `group[k]` neighbouring partials per loop axis; a final one drops the component axis and, without `keepdims`, the reduced axes. */
  | (LayerBase & {
      readonly kind: "combine";
      readonly input: R;
      readonly spec: ReduceSpec;
      readonly group: readonly number[];
      readonly reduced: readonly number[];
      readonly final: boolean;
      readonly keepdims: boolean;
    })
  /**
   * Slices, transposes, rechunks, concatenations: every block is assembled from strided views of other blocks. `isStep`:
   * its cuts are wanted for themselves, on the way to others, so that it is merged with nothing and runs in tasks of its own.
   */
  | (LayerBase & { readonly kind: "gather"; readonly parts: readonly GatherPart<R>[]; readonly isStep?: true })
  /** Median or quantiles along `reduced` axes, each of one block in `loop`; they are dropped, or kept with size 1. */
  | (LayerBase & {
      readonly kind: "select";
      readonly call: KernelCall;
      readonly inputs: readonly BlockInput<R>[];
      readonly loop: Chunks;
      readonly reduced: readonly number[];
      readonly keepdims: boolean;
      readonly spec: SelectSpec;
    })
  /**
   * A block kernel of the kernels room, by name: one result block from one block of each input. `byNumber`: the inputs'
   * blocks correspond to the result's by their number in C order, whatever the axes (a reshape).
   */
  | (LayerBase & {
      readonly kind: "apply";
      readonly kernel: string;
      readonly params: Plain;
      readonly inputs: readonly BlockInput<R>[];
      readonly byNumber?: boolean;
      /** Bytes that the kernel needs beside its blocks, for the largest block. */
      readonly scratchBytes: number;
    })
  /** Block b along axis k is `input[starts[k][b] … + chunks[k][b])`: halos, overlaps, rolling windows. */
  | (LayerBase & { readonly kind: "window"; readonly input: R; readonly starts: readonly (readonly number[])[] })
  /** `input[…, indices, …]` along `axis`; `indices`: float64 numbers, little-endian, not negative. */
  | (LayerBase & { readonly kind: "take"; readonly input: R; readonly axis: number; readonly indices: Uint8Array })
  /** Half the resolution of the last two axes. Blocks begin at even pixels of the input. */
  | (LayerBase & {
      readonly kind: "coarsen";
      readonly input: R;
      readonly method: "average" | "nearest" | "mode";
      readonly nodata: number | bigint | null;
    })
  /** One Zarr object per block; the result per block is float64 [bytes]. */
  | (LayerBase & {
      readonly kind: "write-zarr";
      readonly input: R;
      readonly target: Plain;
      readonly array: string;
      /** Objects that an earlier run has written: float64 bytes of each by block number, NaN where there is work to do. */
      readonly done?: Uint8Array;
    })
  /** One run of COG tiles per block (blocks span all columns and bands); the result per block is float64 [size of each tile], `tiles` of them. */
  | (LayerBase & {
      readonly kind: "write-cog-part";
      readonly input: R;
      readonly plan: Plain;
      readonly level: number;
      readonly tiles: readonly number[];
    })
  /** One task: assembles all parts of all levels. */
  | (LayerBase & { readonly kind: "write-cog"; readonly inputs: readonly R[]; readonly plan: Plain })
  /**
   * Blocks that the runner holds since an earlier run of the layer of this name (`persist`); nothing computes them here.
   * With `keys` they are results of any tasks that the runner knows by these.
   */
  | (LayerBase & { readonly kind: "held"; readonly keys?: KeyColumn })
  /** Calls of users' functions, each a task, in columns: see `calls.ts`. Keys of the tasks; null: those of blocks. */
  | (LayerBase & {
      readonly kind: "calls";
      readonly keys: KeyColumn | null;
      readonly functions: readonly string[];
      /** Which function each task calls; null: all the first. */
      readonly fn: Uint8Array | null;
      /** Texts of arguments; `arg`: which of them each task has, null: its own. */
      readonly arg: Uint8Array | null;
      readonly args: Uint8Array;
      readonly argStart: Uint8Array;
      readonly inputs: Uint8Array;
      readonly inputStart: Uint8Array;
      readonly mac: string | null;
    })
  /** JavaScript text per block: `f(...blocks, info, args)`. `lists`: an axis that the result does not follow arrives as a list of its blocks. */
  | (LayerBase & {
      readonly kind: "call";
      readonly text: string;
      readonly inputs: readonly BlockInput<R>[];
      readonly lists: boolean;
      readonly args: Plain;
      readonly mac: string | null;
    });

/**
 * A layer of a graph: inputs are indices of earlier layers. An inline layer has no tasks; its steps run inside its
 * consumers. Blocks of a layer that is `inMemory` never go to disk.
 */
export type Layer = LayerOf<number> & { readonly inline: boolean; readonly inMemory?: boolean };

/** A layer under construction: its inputs are other nodes. Immutable. */
export interface LayerNode {
  readonly layer: LayerOf<LayerNode>;
}

/** Shape of a layer's array. */
export function shapeOfChunks(chunks: Chunks): number[] {
  return chunks.map((sizes) => sizes.reduce((a, b) => a + b, 0));
}

/** Blocks per axis. */
export function gridOf(chunks: Chunks): number[] {
  return chunks.map((sizes) => sizes.length);
}

/** Keys of a layer's tasks, where they are not those of its blocks. */
export function keysOf(layer: LayerOf<unknown>): KeyColumn | null {
  return (layer.kind === "calls" || layer.kind === "held" ? layer.keys : null) ?? null;
}

/** Inputs of a layer, in the order its formula names them. */
export function layerInputs<R>(layer: LayerOf<R>): readonly R[] {
  switch (layer.kind) {
    case "source":
    case "literal":
    case "arange":
    case "held":
    case "calls": // these name tasks
      return [];
    case "blockwise":
    case "reduce":
    case "select":
    case "apply":
    case "call":
      return layer.inputs.map((i) => i.layer);
    case "gather":
      return layer.parts.map((p) => p.layer);
    case "combine":
    case "window":
    case "take":
    case "coarsen":
    case "write-zarr":
    case "write-cog-part":
      return [layer.input];
    case "write-cog":
      return layer.inputs;
  }
}

/** The same layer with its inputs renamed. */
export function mapInputs<R, S>(layer: LayerOf<R>, f: (ref: R) => S): LayerOf<S> {
  switch (layer.kind) {
    case "source":
    case "literal":
    case "arange":
    case "held":
    case "calls":
      return layer;
    case "blockwise":
    case "reduce":
    case "select":
    case "apply":
    case "call":
      return { ...layer, inputs: layer.inputs.map((i) => ({ ...i, layer: f(i.layer) })) };
    case "gather":
      return { ...layer, parts: layer.parts.map((p) => ({ ...p, layer: f(p.layer) })) };
    case "combine":
    case "window":
    case "take":
    case "coarsen":
    case "write-zarr":
    case "write-cog-part":
      return { ...layer, input: f(layer.input) };
    case "write-cog":
      return { ...layer, inputs: layer.inputs.map(f) };
  }
}
