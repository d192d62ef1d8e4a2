/** A row of the grid: one function, the ways to call it, ours beside NumPy's. */
import type { ChunkedArray } from "../../../src/array/index.ts";
import type { DType } from "../../../src/dtype/index.ts";
import type { NDArray } from "../../../src/ndarray/index.ts";
import type { Measure } from "./compare.ts";
import type { Profile } from "./values.ts";

/** What calls give: arrays, lists of them, or plain values (a dtype's name, a shape). */
export type Given = ChunkedArray | NDArray | readonly Given[] | string | number | boolean | null;

/** A function of the namespace by its name, `linalg.norm` for one of a namespace within. */
export type Namespace = (name: string, ...args: readonly unknown[]) => ChunkedArray;

/** An array argument after the first. */
export type Other =
  /** Like the first: same shape and pattern, other values. */
  | "same"
  /** The first axis dropped, and size 1 at the last: (5, 7) and (7), or (5, 1). */
  | "broadcast";

/** One way to call the function. */
export interface Call {
  /** Told in failures; unique in the row. */
  readonly id: string;
  /** A Python lambda of the array arguments, or a path (`np.add`). */
  readonly numpy: string;
  readonly ours: (f: Namespace, x: ChunkedArray, y: ChunkedArray) => Given | Promise<Given>;
  /** The second array, when there is one. */
  readonly other?: Other;
  /** dtypes of the first; all by default. */
  readonly dtypes?: readonly DType[];
  /** dtypes of the second: the first's and these. */
  readonly otherDtypes?: readonly DType[];
  /** Inputs of this call; all by default. */
  readonly profiles?: (profile: Profile) => boolean;
  readonly measure?: Measure;
  /** The measure where an axis is cut, when it is another. */
  readonly cutMeasure?: Measure;
}

/** A function with its calls. */
export interface Row {
  readonly name: string;
  /** What becomes of chunks, for the compatibility table. */
  readonly chunks: string;
  /** What differs from NumPy or Dask on purpose. */
  readonly differs?: string;
  readonly calls: readonly Call[];
}

export const BOOL: readonly DType[] = ["bool"];
export const INTEGERS: readonly DType[] = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"];
export const FLOATS: readonly DType[] = ["float16", "float32", "float64"];
export const COMPLEX: readonly DType[] = ["complex64", "complex128"];
export const REAL: readonly DType[] = [...BOOL, ...INTEGERS, ...FLOATS];
export const NUMBERS: readonly DType[] = [...REAL, ...COMPLEX];
/** A few of every kind, for calls whose dtype only passes through. */
export const SOME: readonly DType[] = ["bool", "int8", "uint16", "int64", "float32", "float64"];

export const hasRank =
  (least: number, most = 9) =>
  ({ shape }: Profile): boolean =>
    shape.length >= least && shape.length <= most;
export const isPlain = ({ pattern }: Profile): boolean => pattern === "plain";
export const isFilled = ({ shape }: Profile): boolean => !shape.includes(0);
export const both =
  (...tests: readonly ((profile: Profile) => boolean)[]) =>
  (profile: Profile): boolean =>
    tests.every((t) => t(profile));
