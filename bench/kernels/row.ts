/** A row of bench/kernels: what is computed, on what, against whom. */

import { DTYPES, type DType, viewOf } from "../../src/dtype/index.ts";
import type { KernelCall, NodeId } from "../../src/graph/index.ts";
import { CallBuilder } from "../../src/kernels/map/ir.ts";
import type { NDArray } from "../../src/ndarray/index.ts";
import { OutputsDifferError } from "../contract.ts";
import type { Sides } from "./inputs.ts";

/** Peers of peer.py, and those that run beside us in this process. */
export type PeerName =
  | "NumPy"
  | "NumPy best layout"
  | "numexpr"
  | "numba"
  | "bottleneck"
  | "bottleneck best layout"
  | "scipy"
  | "GDAL"
  | "plain JavaScript"
  | "jax-js"
  | "numpy-ts"
  | "memory copy"
  | "one thread";

/** Largest ratios that must hold, and that are aimed at. */
export interface Targets {
  readonly must?: number;
  readonly aim?: number;
}

/** What a row works on: inputs as some view sees them. */
export interface Source {
  readonly sides: Sides;
  readonly get: (name: string) => NDArray;
  readonly empty: (dtype: DType, shape: readonly number[]) => NDArray;
}

/** A row bound to its inputs. */
export interface Bound {
  readonly run: () => void;
  readonly result: NDArray;
}

/** A peer that runs in this process. */
export interface LocalPeer {
  readonly run: () => void | Promise<void>;
  /** Its last result, to compare; null when it has none of its own. */
  readonly result: () => Promise<ArrayLike<number> | null>;
}

export interface Row {
  readonly id: string;
  readonly peers: Readonly<Partial<Record<PeerName, Targets>>>;
  readonly bind: (source: Source) => Bound;
  /** Makes a peer of this process. */
  readonly local?: Readonly<Partial<Record<PeerName, (source: Source) => Promise<LocalPeer>>>>;
  /** Largest |ours − theirs| as a share of |theirs| (and absolute); 0: equal bits but NaN = NaN. */
  readonly near: { readonly relative: number; readonly absolute?: number };
  /** Inputs by name, each read once; empty where bytes say nothing. */
  readonly reads: readonly string[];
  /** Also compared on odd, strided, reversed and broadcast views. */
  readonly views: boolean;
}

export const EXACT = { relative: 0 } as const;

/** Bytes of blocks, each moved once. */
export function bytesOf(...blocks: readonly NDArray[]): number {
  return blocks.reduce((sum, x) => sum + x.nbytes, 0);
}

/** A kernel of inputs of these dtypes. */
export function callOf(
  dtypes: readonly DType[],
  build: (b: CallBuilder, inputs: readonly NodeId[]) => NodeId,
): KernelCall {
  const b = new CallBuilder();
  return b.build([
    build(
      b,
      dtypes.map((d) => b.input(d)),
    ),
  ]);
}

/** Elements of a result as a peer gave them. */
export function elementsOf(dtype: DType, bytes: Uint8Array): ArrayLike<number | bigint> {
  return viewOf(
    dtype,
    new Uint8Array(bytes).buffer,
    0,
    bytes.length / DTYPES[dtype].itemsize,
  ) as unknown as ArrayLike<number>; // one of both
}

/**
 * @throws {OutputsDifferError} an element differs by more than the row allows
 */
export function compare(title: string, row: Row, result: NDArray, want: ArrayLike<number | bigint>): void {
  if (want.length !== result.size)
    throw new OutputsDifferError(`${title}: ${result.size} elements, not ${want.length}`);
  const { relative, absolute = 0 } = row.near;
  for (let i = 0; i < want.length; i++) {
    const [ours, theirs] = [result.data[i] as number, want[i] as number];
    if (ours === theirs || (Number.isNaN(ours) && Number.isNaN(theirs))) continue;
    if (relative === 0 && absolute === 0) throw new OutputsDifferError(`${title}[${i}]: ${ours}, not ${theirs}`);
    if (!(Math.abs(Number(ours) - Number(theirs)) <= relative * Math.abs(Number(theirs)) + absolute))
      throw new OutputsDifferError(`${title}[${i}]: ${ours}, not ${theirs}`);
  }
}
