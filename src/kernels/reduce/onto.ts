/**
 * A reduction that goes on from a partial: the same bits as reducing a block and combining, without the block's own
 * partial ever leaving the cache. Bytes per element: the inputs', and the partial read and written.
 */
import { givesIndex } from "../../dtype/index.ts";
import type { KernelCall, ReducePlace, ReduceSpec } from "../../graph/index.ts";
import { NDArray, sizeOf } from "../../ndarray/index.ts";
import { SCRATCH, scratch } from "../wasm/runtime.ts";
import { componentCount, joinPartial, joinValues } from "./partial.ts";
import { isMoments } from "./plan.ts";
import { runReduce } from "./reduce.ts";

/** Cells whose partial fits its place in scratch. */
const CELLS = 8192;

/** What is reduced onto what. */
export interface OntoBlocks {
  /** The partial so far: as `runReduce`'s `out`, every reduced axis kept with size 1. */
  readonly onto: NDArray;
  /** Receives the joined partial; may be `onto`. */
  readonly out: NDArray;
  readonly place?: ReducePlace | undefined;
}

/**
 * Reduce the values of a fused kernel over `reduced` axes of the loop `shape`, as `runReduce`, and join them onto a
 * partial, which comes first.
 */
export function runReduceOnto(
  call: KernelCall,
  spec: ReduceSpec,
  inputs: readonly NDArray[],
  shape: readonly number[],
  reduced: readonly number[],
  { onto, out, place }: OntoBlocks,
): void {
  if (out.size === 0) return;
  const single = reduced.every((k) => shape[k] === 1);
  if (single && !isMoments(spec.op) && !givesIndex(spec.op)) return joinValues(call, spec, inputs, onto, out);
  const kept = shape.map((n, k) => (reduced.includes(k) ? 1 : n));
  eachTile(kept, (at, size) => {
    const part = NDArray.view("float64", scratch().buffer, SCRATCH.partial, [componentCount(spec), ...size]);
    const loop = shape.map((n, k) => (reduced.includes(k) ? n : (size[k] as number)));
    const views = inputs.map((x) => partOf(x, at, loop));
    runReduce(call, spec, views, loop, reduced, part, place);
    const [from, to] = [onto, out].map((x) => partOf(x, [0, ...at], part.shape)) as [NDArray, NDArray];
    joinPartial(spec, from, part, to);
  });
}

/** The part of `x` of `shape` that begins at `at`. */
function partOf(x: NDArray, at: readonly number[], shape: readonly number[]): NDArray {
  const offset = at.reduce((sum, i, k) => sum + i * (x.stride[k] as number), x.offset);
  return new NDArray(x.dtype, x.data, shape, x.stride, offset);
}

/** Cut `shape` into boxes of at most {@link CELLS} cells. */
function eachTile(
  shape: readonly number[],
  visit: (at: readonly number[], size: readonly number[]) => void,
  at: readonly number[] = [],
): void {
  const axis = at.length;
  const rest = sizeOf(shape.slice(axis + 1));
  const fixed = at.map(() => 1);
  if (axis === shape.length) return visit(at, fixed);
  const n = shape[axis] as number; // axis < rank
  if (rest > CELLS) {
    for (let i = 0; i < n; i++) eachTile(shape, visit, [...at, i]);
    return;
  }
  const step = Math.max(1, Math.floor(CELLS / rest));
  const tail = shape.slice(axis + 1);
  for (let i = 0; i < n; i += step) visit([...at, i, ...tail.map(() => 0)], [...fixed, Math.min(step, n - i), ...tail]);
}
