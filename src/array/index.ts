/**
 * Room: array. The lazy chunked array, dask.array in TypeScript: creation, operators, `expr`, reductions, rechunk.
 * In: values, sources, other lazy arrays. Out: lazy arrays (layers); blocks after `compute`. Building costs O(operations).
 * Imports: base, config, dtype, ndarray, kernels, graph, io.
 * @module
 */
export { assembleBlocks } from "./assemble.ts";
export { chunkSizeBytes } from "./auto.ts";
export * from "./blocks/blockwise.ts";
export type {
  AdjustedChunks,
  BlockInfo,
  BlockPlaceInfo,
  BlockResult,
} from "./blocks/call-layer.ts";
export * from "./blocks/delayed.ts";
export type { DelayedFunction, DelayedOptions, LaterArguments, Lazily } from "./blocks/delayed-call.ts";
export { DelayedCall, delayed } from "./blocks/delayed-call.ts";
export * from "./blocks/from-delayed.ts";
export * from "./blocks/gufunc.ts";
export * from "./blocks/map-blocks.ts";
export type { Blocked, BlockFunction, BlocksOf, MapBlocksOptions, NumberArray, UserBlock } from "./blocks/map-layer.ts";
export * from "./blocks/overlap.ts";
export type { Boundary, Depth, PerAxis } from "./blocks/overlap-layer.ts";
export type { MapOverlapOptions } from "./blocks/overlap-map.ts";
export * from "./blocks/unify.ts";
export type { UnknownArray } from "./chunked-array.ts";
export { ChunkedArray, isChunkedArray } from "./chunked-array.ts";
export type { Computable, ComputeOptions, Results, Unsettled } from "./compute.ts";
export { computeAll, explainAll } from "./compute.ts";
export * from "./elementwise/choices.ts";
export * from "./elementwise/complex.ts";
export { EXPR_OPERATORS, type ExprScope, evaluateExpr, exprArray, parsedExpr } from "./elementwise/expr.ts";
export type { ExprTree } from "./elementwise/expr-parse.ts";
export { parseExpr } from "./elementwise/expr-parse.ts";
export * from "./elementwise/functions.ts";
export type { Aligned, Operand } from "./elementwise/layer.ts";
export { align, elementwise } from "./elementwise/layer.ts";
export * from "./elementwise/membership.ts";
export type { BinaryName, Term, UnaryName } from "./elementwise/terms.ts";
export { binaryTerm, clipTerm, isinTerm, lift, roundTerm, strong, unaryTerm, whereTerm } from "./elementwise/terms.ts";
export * from "./elementwise/ufuncs.ts";
export * as fft from "./fft.ts";
export { heldArray } from "./held.ts";
export { arrayNode, cutChunks, isLazy, type LazyArray, lazyOf } from "./lazy.ts";
export { einsum } from "./linalg/einsum.ts";
export * as linalg from "./linalg/names.ts";
export { type TraceOptions, trace } from "./linalg/norms.ts";
export { dot, inner, matmul, outer, type ProductOperand, tensordot, vdot, vecdot } from "./linalg/products.ts";
export * from "./namespace-info.ts";
export * from "./order/counting.ts";
export * from "./order/differences.ts";
export { pushLayer, scanLayer } from "./order/scan-layer.ts";
export * from "./order/scans.ts";
export type { Choice, MaskedSelect } from "./order/select-layer.ts";
export { QUANTILE_METHODS, selectLayer } from "./order/select-layer.ts";
export * from "./order/selection.ts";
export * from "./order/sets.ts";
export * from "./order/sorting.ts";
export { type Persistable, persistAll } from "./persist.ts";
export * as random from "./random.ts";
export * from "./reduce/coarsen.ts";
export type { Axis, MaskedReduce, ReduceOptions } from "./reduce/layer.ts";
export { reduceLayer } from "./reduce/layer.ts";
export * from "./reduce/reductions.ts";
export * from "./reduce/statistics.ts";
export * from "./reduce/user-reduction.ts";
export * from "./shape/create.ts";
export * from "./shape/editing.ts";
export * from "./shape/grids.ts";
export type { IndexArg, Indices } from "./shape/indexing.ts";
export * from "./shape/joining.ts";
export * from "./shape/manipulation.ts";
export * from "./shape/padding.ts";
export { arange, type LinspaceOptions, linspace } from "./shape/ranges.ts";
export type { RechunkMethod, RechunkOptions } from "./shape/rechunk.ts";
export * from "./shape/selecting.ts";
export { sourceLayer } from "./store/source.ts";
export * from "./store/store.ts";
export type { LazyStore, StoreArrayOptions, StoreRegion, StoreTarget } from "./store/store-write.ts";
export type { WriteJob, Written } from "./store/write.ts";
export { LazyWrite, zarrJob } from "./store/write.ts";
export { type ArrayZarrOptions, objectShape, regularChunks, writerOptions } from "./store/zarr-write.ts";
export type { AnyArray, SelectedNode, Selection } from "./unknown.ts";
export { isSelected, whereTrue } from "./unknown.ts";
export { type VisualizeOptions, visualize } from "./visualize.ts";
