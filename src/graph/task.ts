/** The native task spec: a small program over registers, plain data, the same on threads, on our wire and on Dask's. */
import type { DType } from "../dtype/index.ts";
import type { KernelCall, ReducePlace, ReduceSpec, SelectSpec } from "./kernel.ts";

/** Plain data that survives JSON and msgpack (bigint and Uint8Array included). */
export type Plain =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly Plain[]
  | { readonly [name: string]: Plain | undefined };

/** Number of a register: 0 … inputs-1 hold the dependencies in order; step k writes register inputs + k. */
export type Register = number;

/** Half-open interval of one axis. */
export interface Interval {
  readonly start: number;
  readonly stop: number;
}

/** How one axis of a view's source is walked: along axis `axis` of the result from `start` by `step`, or fixed (`axis` null). */
export interface AxisWalk {
  readonly axis: number | null;
  readonly start: number;
  readonly step: number;
}

/** A step's result is a block of `shape` and `dtype`, in C order. */
interface StepBase {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** One step; executed in order. */
export type Step =
  /** Read a region (one interval per axis of the source) and see it through `walk` (drops and reorders axes). `source` is io's SourceSpec. */
  | (StepBase & {
      readonly do: "read";
      readonly source: Plain;
      readonly region: readonly Interval[];
      readonly walk: readonly AxisWalk[];
    })
  /** A block given in the spec itself: bytes in C order, little-endian; one element repeats over the whole shape. */
  | (StepBase & { readonly do: "literal"; readonly bytes: Uint8Array })
  /** Integers `start + step * (first + i)` along the only axis. */
  | (StepBase & { readonly do: "arange"; readonly start: number; readonly step: number; readonly first: number })
  /** Fused elementwise kernel over inputs seen through `axes` (per input axis: the result's axis, or null where size 1 repeats). */
  | (StepBase & {
      readonly do: "map";
      readonly call: KernelCall;
      readonly inputs: readonly Register[];
      readonly axes: readonly (readonly (number | null)[])[];
    })
  /** Fused kernel reduced over `reduced` axes of `loop`; `shape` is the partial's: components first, then `loop` with 1 for each reduced axis. */
  | (StepBase & {
      readonly do: "reduce";
      readonly call: KernelCall;
      readonly inputs: readonly Register[];
      readonly axes: readonly (readonly (number | null)[])[];
      readonly loop: readonly number[];
      readonly reduced: readonly number[];
      readonly spec: ReduceSpec;
      /** For argmin and its kin. */
      readonly place?: ReducePlace;
      /** A partial that comes first, and that this one is combined with; where it ends here, the result takes its place. */
      readonly onto?: Register;
    })
  /** Fused kernel whose values are ranked along all of the `reduced` axes of `loop`; an axis of quantiles comes first. */
  | (StepBase & {
      readonly do: "select";
      readonly call: KernelCall;
      readonly inputs: readonly Register[];
      readonly axes: readonly (readonly (number | null)[])[];
      readonly loop: readonly number[];
      readonly reduced: readonly number[];
      readonly spec: SelectSpec;
    })
  /** A block kernel of the kernels room, by name. `at`: the block's first element in its layer; `position`: its place in the grid. */
  | (StepBase & {
      readonly do: "apply";
      readonly kernel: string;
      readonly params: Plain;
      readonly inputs: readonly Register[];
      readonly at: readonly number[];
      readonly position: readonly number[];
    })
  /** Elements along `axis`, each from one of the inputs, which agree along all other axes; `picks`: int32 pairs (input, index in it). */
  | (StepBase & {
      readonly do: "take";
      readonly axis: number;
      readonly inputs: readonly Register[];
      readonly picks: Uint8Array;
    })
  /** Combine partials one after another, left to right; `final` gives the result instead of a partial. */
  | (StepBase & {
      readonly do: "combine";
      readonly inputs: readonly Register[];
      readonly spec: ReduceSpec;
      readonly final: boolean;
    })
  /** Assemble a block from pieces: each is `inputs[k]` seen through `walk`, `count` elements per result axis, placed at `at`. */
  | (StepBase & {
      readonly do: "gather";
      readonly pieces: readonly {
        readonly from: Register;
        readonly walk: readonly AxisWalk[];
        readonly at: readonly number[];
        readonly count: readonly number[];
      }[];
    })
  /** Halve the last two axes (sizes rounded up): mean of the valid pixels weighted by area, or the nearest pixel. */
  | (StepBase & {
      readonly do: "coarsen";
      readonly from: Register;
      readonly method: "average" | "nearest" | "mode";
      readonly nodata: number | bigint | null;
    })
  /** Write one object of a Zarr array; the result is float64 [bytes written]. `target` is io's ZarrTarget. */
  | (StepBase & {
      readonly do: "write-zarr";
      readonly from: Register;
      readonly target: Plain;
      readonly array: string;
      readonly chunk: readonly number[];
    })
  /** Encode a run of COG tiles and spool the part; the result is float64 [byte size of each tile]. `plan` is io's CogPlan. */
  | (StepBase & {
      readonly do: "write-cog-part";
      readonly from: Register;
      readonly plan: Plain;
      readonly level: number;
      readonly firstTile: number;
    })
  /** Assemble the parts (their sizes are the inputs, level by level, in order) into the file; the result is float64 [bytes written]. */
  | (StepBase & {
      readonly do: "write-cog";
      readonly parts: readonly { readonly from: Register; readonly level: number; readonly firstTile: number }[];
      readonly plan: Plain;
    })
  /**
   * Run JavaScript text (a function expression) on the inputs; demands `mac` unless the worker allows insecure code.
   * With `block` the result becomes a block of `shape` and `dtype`, else it is handed on as it is.
   */
  | (StepBase & {
      readonly do: "call";
      readonly block?: boolean;
      readonly text: string;
      readonly inputs: readonly Register[];
      readonly args: Plain;
      readonly mac: string | null;
    });

/** One task. `v` is the version of this form. */
export interface TaskSpec {
  readonly v: 1;
  /** Number of dependencies. */
  readonly inputs: number;
  readonly steps: readonly Step[];
  /** The last step's block. */
  readonly out: { readonly dtype: DType; readonly shape: readonly number[]; readonly nbytes: number };
  /** Bytes that the steps need beyond inputs and output: other registers at their peak, and `scratch`. */
  readonly workspace: number;
  /** Part of `workspace` that is not block memory: compressed and decoded pieces of reads and writes. */
  readonly scratch: number;
}
