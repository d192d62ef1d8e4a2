/**
 * Room: array. The lazy chunked array, dask.array in TypeScript: creation, operators, `expr`, reductions, rechunk.
 * In: values, sources, other lazy arrays. Out: lazy arrays (layers); blocks after `compute`. Building costs O(operations).
 * Imports: base, config, dtype, ndarray, kernels, graph, io.
 * @module
 */
export { chunkSizeBytes } from "./auto.ts";
export * from "./blockwise.ts";
export type {
  AdjustedChunks,
  BlockInfo,
  BlockPlaceInfo,
  BlockResult,
} from "./call-layer.ts";
export * from "./choices.ts";
export type { UnknownArray } from "./chunked-array.ts";
export { ChunkedArray, isChunkedArray } from "./chunked-array.ts";
export * from "./coarsen.ts";
export * from "./complex.ts";
export type { Computable, ComputeOptions, Results, Unsettled } from "./compute.ts";
export { assembleBlocks, computeAll, explainAll } from "./compute.ts";
export * from "./counting.ts";
export * from "./create.ts";
export * from "./delayed.ts";
export * from "./differences.ts";
export * from "./editing.ts";
export type { Aligned, Operand } from "./elementwise.ts";
export { align, elementwise } from "./elementwise.ts";
export * from "./elementwise-functions.ts";
export { EXPR_OPERATORS, type ExprScope, evaluateExpr, exprArray, parsedExpr } from "./expr.ts";
export type { ExprTree } from "./expr-parse.ts";
export { parseExpr } from "./expr-parse.ts";
export * as fft from "./fft.ts";
export * from "./grids.ts";
export * from "./gufunc.ts";
export type { IndexArg, Indices } from "./indexing.ts";
export * from "./joining.ts";
export { arrayNode, cutChunks, isLazy, type LazyArray, lazyOf } from "./lazy.ts";
export { einsum } from "./linalg/einsum.ts";
export * as linalg from "./linalg/names.ts";
export { type TraceOptions, trace } from "./linalg/norms.ts";
export { dot, inner, matmul, outer, type ProductOperand, tensordot, vdot, vecdot } from "./linalg/products.ts";
export * from "./manipulation.ts";
export * from "./map-blocks.ts";
export type { Blocked, BlockFunction, BlocksOf, MapBlocksOptions, NumberArray, UserBlock } from "./map-layer.ts";
export * from "./membership.ts";
export * from "./namespace-info.ts";
export * from "./overlap.ts";
export type { Boundary, Depth, PerAxis } from "./overlap-layer.ts";
export type { MapOverlapOptions } from "./overlap-map.ts";
export * from "./padding.ts";
export { type Persistable, persistAll } from "./persist.ts";
export * as random from "./random.ts";
export { arange, type LinspaceOptions, linspace } from "./ranges.ts";
export type { Axis, MaskedReduce, ReduceOptions } from "./reduce.ts";
export { reduceLayer } from "./reduce.ts";
export * from "./reductions.ts";
export { pushLayer, scanLayer } from "./scan-layer.ts";
export * from "./scans.ts";
export type { Choice, MaskedSelect } from "./select-layer.ts";
export { QUANTILE_METHODS, selectLayer } from "./select-layer.ts";
export * from "./selecting.ts";
export * from "./selection.ts";
export * from "./sets.ts";
export * from "./sorting.ts";
export { sourceLayer } from "./source.ts";
export * from "./statistics.ts";
export * from "./store.ts";
export type { LazyStore, StoreArrayOptions, StoreRegion, StoreTarget } from "./store-write.ts";
export type { BinaryName, Term, UnaryName } from "./terms.ts";
export { binaryTerm, clipTerm, isinTerm, lift, roundTerm, strong, unaryTerm, whereTerm } from "./terms.ts";
export * from "./ufuncs.ts";
export * from "./unify.ts";
export type { AnyArray, SelectedNode, Selection } from "./unknown.ts";
export { isSelected, whereTrue } from "./unknown.ts";
export * from "./user-reduction.ts";
export { type VisualizeOptions, visualize } from "./visualize.ts";
export type { WriteJob, Written } from "./write.ts";
export { LazyWrite } from "./write.ts";
export { type ArrayZarrOptions, objectShape, regularChunks } from "./zarr-write.ts";
