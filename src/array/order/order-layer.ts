/** Layers of sorted arrays, of orders, and of the largest elements. */
import { ArgumentError, AxisError } from "../../base/index.ts";
import type { DType } from "../../dtype/index.ts";
import { applyNode, type LayerNode, rechunkNode } from "../../graph/index.ts";
import { blockScratch } from "../../kernels/index.ts";
import { normalizeAxis } from "../../ndarray/index.ts";
import { axisAnd, type WithAxis } from "../axis-options.ts";
import { type LazyArray, lazyOf } from "../lazy.ts";
import { reshapeLayer } from "../shape/reshape.ts";
import { wholeAlong } from "./select-layer.ts";

/** Options of `sort` and `argsort`. */
export interface SortOptions extends WithAxis<number | null> {
  /** The opposite order: NaN comes first. */
  readonly descending?: boolean;
  /** Equal elements keep their order; they always do. */
  readonly stable?: boolean;
}

/** Bytes that a kernel needs beside the largest block of `chunks`. */
export function scratchFor(kernel: string, dtype: DType, chunks: LazyArray["chunks"]): number {
  const facts = { dtype, shape: chunks.map((sizes) => sizes.reduce((a, b) => Math.max(a, b), 0)) };
  return blockScratch(kernel, [facts, facts], facts, null);
}

/** One input, one result block of equal shape, along a whole axis. */
export function orderLayer(kernel: "sort" | "argsort", x: LazyArray, axis: number, descending: boolean): LayerNode {
  const { node, chunks } = wholeAlong(x, [axis]);
  return applyNode(kernel, {
    kernel,
    params: { axis, descending },
    inputs: [{ layer: node, axes: chunks.map((_, k) => k) }],
    dtype: kernel === "sort" ? x.dtype : "int64",
    chunks,
    scratchBytes: scratchFor(kernel, x.dtype, chunks),
  });
}

/** Options of `topk` and `argtopk`. */
export interface TopOptions extends WithAxis<number> {
  /** Blocks joined at once along the axis; default 4. */
  readonly splitEvery?: number;
}

interface Top {
  readonly axis: number;
  readonly k: number;
}

function topLayer(kernel: string, x: LazyArray, { axis, k }: Top, more: { readonly indices?: LayerNode }): LayerNode {
  const axes = x.chunks.map((_, i) => i);
  const sizes = x.chunks[axis] as readonly number[];
  let at = 0;
  const starts = sizes.map((n) => {
    at += n;
    return at - n;
  });
  return applyNode(kernel, {
    kernel,
    params: kernel === "argtopk" ? { axis, k, starts } : { axis, k },
    inputs: [{ layer: x.node, axes }, ...(more.indices ? [{ layer: more.indices, axes }] : [])],
    dtype: kernel === "topk" ? x.dtype : "int64",
    chunks: x.chunks.map((c, i) => (i === axis ? c.map((n) => Math.min(n, Math.abs(k))) : c)),
    scratchBytes: scratchFor(kernel, x.dtype, x.chunks),
  });
}

/** Neighbouring blocks along the axis joined, `every` at a time. */
function joined(node: LayerNode, axis: number, every: number): LayerNode {
  const sizes = node.layer.chunks[axis] as readonly number[];
  const groups = Array.from({ length: Math.ceil(sizes.length / every) }, (_, g) =>
    sizes.slice(g * every, (g + 1) * every).reduce((a, b) => a + b, 0),
  );
  return rechunkNode(
    node,
    node.layer.chunks.map((c, i) => (i === axis ? groups : c)),
  );
}

function topTree(x: LazyArray, top: Top, splitEvery: number, wantsIndices: boolean): LayerNode {
  let values = topLayer("topk", x, top, {});
  let indices = wantsIndices ? topLayer("argtopk", x, top, {}) : null;
  while ((values.layer.chunks[top.axis] as readonly number[]).length > 1) {
    const candidates = lazyOf(joined(values, top.axis, splitEvery));
    if (indices !== null)
      indices = topLayer("pick-topk", candidates, top, { indices: joined(indices, top.axis, splitEvery) });
    values = topLayer("topk", candidates, top, {});
  }
  return indices ?? values;
}

/**
 * Layer of `sort` or `argsort` as callers write their arguments.
 * @throws {AxisError}
 */
export function orderOf(
  kernel: "sort" | "argsort",
  x: LazyArray,
  axis: number | null | SortOptions | undefined,
  options?: SortOptions,
): LayerNode {
  const given = axisAnd<number | null, SortOptions>(axis, options, [kernel, { descending: true, stable: true }]);
  const line = given.axis === null ? lazyOf(reshapeLayer(x, [-1])) : x;
  if (line.ndim === 0) throw new AxisError(`${kernel} of an array without axes`);
  return orderLayer(kernel, line, normalizeAxis(given.axis ?? -1, line.ndim), given.options.descending ?? false);
}

/**
 * Layer of `topk` or `argtopk` as callers write their arguments.
 * @throws {AxisError} @throws {ArgumentError} `k` 0 or not whole
 */
export function topOf(
  name: "topk" | "argtopk",
  x: LazyArray,
  k: number,
  o: { readonly axis: number | TopOptions | undefined; readonly options: TopOptions | undefined },
): LayerNode {
  const given = axisAnd<number, TopOptions>(o.axis, o.options, [name, { splitEvery: true }]);
  const { splitEvery = 4 } = given.options;
  if (!Number.isInteger(k) || k === 0) throw new ArgumentError(`${name}: k ${k}: expected a whole number other than 0`);
  if (!Number.isInteger(splitEvery) || splitEvery < 2)
    throw new ArgumentError(`splitEvery ${splitEvery}: expected an integer of at least 2`);
  if (x.ndim === 0) throw new AxisError(`${name} of an array without axes`);
  const along = normalizeAxis(given.axis ?? -1, x.ndim);
  return topTree(x, { axis: along, k }, splitEvery, name === "argtopk");
}
