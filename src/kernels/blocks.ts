/**
 * Block kernels: computations on whole blocks that no elementwise kernel or reduction expresses, looked up by name.
 * The only list of them; each family adds its own.
 */
import { UnsupportedError } from "../base/index.ts";
import type { DType } from "../dtype/index.ts";
import type { Plain } from "../graph/index.ts";
import type { NDArray } from "../ndarray/index.ts";
import { complexReduceKernels } from "./complex/reduce.ts";
import { fftKernels } from "./fft/fft.ts";
import { contractKernels } from "./linalg/contract.ts";
import { linalgKernels } from "./linalg/kernels.ts";
import { matmulKernels } from "./linalg/matmul.ts";
import { setKernels } from "./map/sets.ts";
import { binsKernels } from "./order/bins.ts";
import { scanKernels } from "./order/scan.ts";
import { sortKernels } from "./order/sort.ts";
import { compressKernels } from "./pick/compress.ts";
import { eyeKernels } from "./pick/eye.ts";
import { indexingKernels } from "./pick/indexing.ts";
import { reshapeKernels } from "./pick/reshape.ts";
import { randomKernels } from "./random/kernels.ts";
import { windowReduceKernels } from "./reduce/windows.ts";
import { spreadKernels } from "./select/spread.ts";
import { windowKernels } from "./window/kernels.ts";
import { warpKernels } from "./window/warp.ts";

/** Where a block lies in its layer's array. */
export interface BlockPlace {
  /** Index of its first element. */
  readonly at: readonly number[];
  /** Its place in the grid of blocks. */
  readonly position: readonly number[];
}

/** What is known of a block before it exists. */
export interface BlockFacts {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** One computation on blocks. Inputs may have any strides; `out` is in C order and shares no memory with them. */
export interface BlockKernel {
  readonly run: (inputs: readonly NDArray[], out: NDArray, params: Plain, place: BlockPlace) => void;
  /** Bytes needed beside the blocks; none when absent. */
  readonly scratch?: (inputs: readonly BlockFacts[], out: BlockFacts, params: Plain) => number;
}

const KERNELS: Readonly<Record<string, BlockKernel>> = {
  ...binsKernels,
  ...complexReduceKernels,
  ...compressKernels,
  ...indexingKernels,
  ...contractKernels,
  ...eyeKernels,
  ...fftKernels,
  ...linalgKernels,
  ...matmulKernels,
  ...randomKernels,
  ...reshapeKernels,
  ...scanKernels,
  ...setKernels,
  ...sortKernels,
  ...spreadKernels,
  ...warpKernels,
  ...windowKernels,
  ...windowReduceKernels,
};

function find(name: string): BlockKernel {
  const kernel = Object.hasOwn(KERNELS, name) ? KERNELS[name] : undefined;
  if (!kernel) throw new UnsupportedError(`there is no block kernel ${JSON.stringify(name)}`);
  return kernel;
}

/**
 * Run a block kernel.
 * @throws {UnsupportedError} no kernel of that name
 */
export function runBlock(
  name: string,
  inputs: readonly NDArray[],
  out: NDArray,
  params: Plain,
  place: BlockPlace,
): void {
  find(name).run(inputs, out, params, place);
}

/**
 * Bytes that a block kernel needs beside its blocks.
 * @throws {UnsupportedError} no kernel of that name
 */
export function blockScratch(name: string, inputs: readonly BlockFacts[], out: BlockFacts, params: Plain): number {
  return find(name).scratch?.(inputs, out, params) ?? 0;
}
