/**
 * Order statistics of all elements of many blocks: per level of digits one pass counts, block by block; the sums tell
 * the next pass where the ranks lie. Exact; 512 KiB of counts per block and sought digit. See kernels.md §8.
 */
import { applyNode, type KernelCall, type LayerNode, type Plain, type SelectSpec } from "../../graph/index.ts";
import { branchesOf, digitsOf, levelsOfKey } from "../../kernels/index.ts";
import { sizeOf } from "../../ndarray/index.ts";
import { type LazyArray, lazyOf } from "../lazy.ts";
import { reduceLayer } from "../reduce/layer.ts";

/** Bytes that one counting task needs beside its blocks. */
const SCRATCH_BYTES = 1 << 20;

/** Layer of a selection over all axes; `call` gives the value of `x` and perhaps a mask. */
export function countedSelection(
  label: string,
  o: { readonly call: KernelCall; readonly spec: SelectSpec; readonly x: LazyArray; readonly keepdims: boolean },
): LayerNode {
  const { call, spec, x } = o;
  const total = sizeOf(x.shape);
  const params = { call, spec, total } as unknown as Plain; // both are plain data
  const axes = x.shape.map((_, k) => k);
  const sums: LayerNode[] = [];
  for (let level = 0; level < levelsOfKey(spec.from); level++) {
    const branches = level === 0 ? 1 : branchesOf(spec);
    const counts = applyNode(`${label}-count`, {
      kernel: "count-digits",
      params,
      inputs: [{ layer: x.node, axes }, ...sums.map((layer) => ({ layer, axes: [null, null] }))],
      dtype: "float64",
      chunks: [...x.chunks.map((sizes) => sizes.map(() => 1)), [branches], [digitsOf(spec.from)]],
      scratchBytes: SCRATCH_BYTES,
    });
    sums.push(reduceLayer("sum", lazyOf(counts), axes));
  }
  const ones = o.keepdims ? x.shape.map(() => [1]) : [];
  return applyNode(label, {
    kernel: "finish-digits",
    params,
    inputs: sums.map((layer) => ({ layer, axes: [null, null] })),
    dtype: spec.dtype,
    chunks: spec.isList ? [[spec.q.length], ...ones] : ones,
    scratchBytes: 0,
  });
}
