/** Layers over stacks of matrices: the last two axes whole, the others cut as they are. */
import { DTypeError, ShapeError } from "../../base/index.ts";
import { type DType, dtypeInfo, promoteTypes } from "../../dtype/index.ts";
import { applyNode, type BlockInput, type LayerNode, type Plain, rechunkNode, sameChunks } from "../../graph/index.ts";
import { blockScratch } from "../../kernels/index.ts";
import { broadcastShapes } from "../../ndarray/index.ts";
import { ChunkedArray } from "../chunked-array.ts";
import type { LazyArray } from "../lazy.ts";
import { castTo } from "./contract.ts";
import { type ProductOperand, toLazy } from "./products.ts";

/**
 * The array as matrices of floats or complex numbers: integers and bools become float64.
 * @throws {ShapeError} fewer than two axes, or not square where that is needed  @throws {DTypeError} float16, datetimes
 */
export function matrices(name: string, x: ProductOperand, needs: { readonly square?: boolean } = {}): ChunkedArray {
  const lazy = toLazy(x);
  if (lazy.ndim < 2) throw new ShapeError(`${name} of shape (${lazy.shape.join(", ")}): expected matrices`);
  const [rows, cols] = lazy.shape.slice(-2);
  if (needs.square && rows !== cols)
    throw new ShapeError(`${name} of matrices of ${rows} × ${cols}: expected square ones`);
  return new ChunkedArray(castTo(lazy, linalgType(name, lazy.dtype)).node);
}

/** dtype in which linear algebra of `dtype` is done and given. @throws {DTypeError} */
function linalgType(name: string, dtype: DType): DType {
  const { kind } = dtypeInfo(dtype);
  if (kind === "M" || kind === "m" || dtype === "float16") throw new DTypeError(`${name} is not defined for ${dtype}`);
  return kind === "f" || kind === "c" ? dtype : "float64";
}

/** dtype of real results: singular values, norms. */
export function realType(dtype: DType): DType {
  return dtype === "complex64" ? "float32" : dtype === "complex128" ? "float64" : dtype;
}

/** A computation on each matrix of a stack. */
export interface MatrixLayer {
  readonly kernel: string;
  readonly params?: Plain;
  readonly inputs: readonly ChunkedArray[];
  /** Shape that the result has for one matrix. */
  readonly core: readonly number[];
  readonly dtype?: DType;
}

/**
 * The layer of a block kernel over stacks of matrices. Leading axes broadcast; the last two are merged into one block.
 * @throws {BroadcastError}
 */
export function matrixLayer(label: string, { kernel, params = null, inputs, core, dtype }: MatrixLayer): ChunkedArray {
  const common = inputs.map((x) => x.dtype).reduce(promoteTypes);
  const cast = inputs.map((x) => castTo(x, common));
  const lead = broadcastShapes(...cast.map((x) => x.shape.slice(0, -2)));
  const bySize = [...cast].sort((a, b) => b.nbytes - a.nbytes);
  const leadChunks = lead.map((n, k): readonly number[] => {
    for (const x of bySize) {
      const own = x.ndim - 2 - lead.length + k;
      if (own >= 0 && x.shape[own] === n) return x.chunks[own] as readonly number[]; // an axis of x
    }
    return [n];
  });
  const chunks = [...leadChunks, ...core.map((n) => [n])];
  const layers = cast.map((x) => inputOf(x, lead, leadChunks));
  const largest = (of: readonly (readonly number[])[]): number[] =>
    of.map((sizes) => sizes.reduce((a, b) => Math.max(a, b), 0));
  const facts = layers.map((i) => ({ dtype: common, shape: largest(i.layer.layer.chunks) }));
  const out = { dtype: dtype ?? common, shape: largest(chunks) };
  const scratchBytes = blockScratch(kernel, facts, out, params);
  return new ChunkedArray(
    applyNode(label, { kernel, params, inputs: layers, dtype: dtype ?? common, chunks, scratchBytes }),
  );
}

function inputOf(x: LazyArray, lead: readonly number[], cuts: readonly (readonly number[])[]): BlockInput<LayerNode> {
  const skipped = lead.length - (x.ndim - 2);
  const axes = x.shape.map((n, k) => (k >= x.ndim - 2 || (n === 1 && lead[k + skipped] !== 1) ? null : k + skipped));
  const wanted = x.shape.map((n, k) => {
    const axis = axes[k];
    return axis === null || axis === undefined ? [n] : (cuts[axis] as readonly number[]); // one per leading axis
  });
  return { layer: sameChunks(wanted, x.chunks) ? x.node : rechunkNode(x.node, wanted), axes };
}

/** Rows `top` … of a packed result, `cols` columns wide. */
export function unpacked(packed: ChunkedArray, top: number, [rows, cols]: readonly [number, number]): ChunkedArray {
  return packed.slice("...", [top, top + rows], [0, cols]);
}

/** The results by name, and one after another as Python's tuples are: `const [q, r] = qr(a)`. */
export function named<T>(results: Readonly<Record<string, ChunkedArray>>): T {
  return Object.assign(Object.values(results), results) as unknown as T; // T names these results in this order
}
