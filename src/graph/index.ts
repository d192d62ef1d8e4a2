/**
 * Room: graph. Expressions (IR), keys, native task specs, symbolic layers, fusion, order, plans, the Runner interface.
 * In: layers built by `array`. Out: tasks, specs, plans. Pure: no I/O, no clock, no randomness.
 * Imports: base, dtype, ndarray.
 * @module
 */

export type { RunAccounting, RunnerFigures } from "./accounting.ts";
export {
  accountingBetween,
  beginAccounting,
  isAccounted,
  lastRun,
  onAccounting,
  watchAccounting,
} from "./accounting.ts";
export type { CallSpec, CallTask, PlacedCall } from "./call-spec.ts";
export { argumentIdentity, callSpec, KeyRef, PyFunction, placeCall } from "./call-spec.ts";
export type { Call, CallsLayer, PlainCalls } from "./calls.ts";
export { CallsBuilder, callFunction, chunksOfCalls, plainCalls, verifyCalls, writeCallArguments } from "./calls.ts";
export type { AutoChunks, AxisChunks, Box, ChunkSpec } from "./chunks.ts";
export { blockAt, boxOf, largestBlock, normalizeChunks, offsetsOf, sameChunks } from "./chunks.ts";
export type { ArrayMaker, LocalClusterWish, StartedCluster } from "./doors.ts";
export { arrayMaker, registerArrays, registerLocalCluster, startLocalCluster } from "./doors.ts";
export { GraphEdges, MANY_LINKS, NO_LINKS } from "./edges.ts";
export type { Recompute } from "./fuse.ts";
export { buildGraph, topological } from "./fuse.ts";
export type { ExpandedTask, TaskId } from "./graph.ts";
export { Graph } from "./graph.ts";
export type {
  BinaryOp,
  CompareOp,
  Kernel,
  KernelCall,
  KernelNode,
  NodeId,
  QuantileMethod,
  ReduceOp,
  ReducePlace,
  ReduceSpec,
  SelectSpec,
  UnaryOp,
} from "./kernel.ts";
export { partialComponents, REDUCE_COMPONENTS } from "./kernel.ts";
export { KernelBuilder, kernelText, operands } from "./kernel-build.ts";
export type { KernelModule, KernelOrigin } from "./kernel-module.ts";
export { declareKernel, kernelOrigin, readKernelModule } from "./kernel-module.ts";
export type { PlainKeys } from "./key-column.ts";
export { endsInDigits, KeyColumn } from "./key-column.ts";
export { type KeyRange, KeyRanges, type RangePlace } from "./key-ranges.ts";
export type { KeyStore } from "./key-table.ts";
export { KeyTable } from "./key-table.ts";
export type { Key, KeyValue } from "./keys.ts";
export { blockKey, blockKeyAt, keyOfValue, keyPrefix, showKey, valueOfKey } from "./keys.ts";
export { leastBytesIfMade } from "./late-plan.ts";
export type { BlockInput, Chunks, GatherPart, Layer, LayerNode, LayerOf } from "./layer.ts";
export { gridOf, keysOf, layerInputs, mapInputs, shapeOfChunks } from "./layer.ts";
export type { PlannedGraph, PlanOptions } from "./make-plan.ts";
export { planGraph, planToRun } from "./make-plan.ts";
export type { ReduceLayout } from "./nodes.ts";
export {
  applyNode,
  arangeNode,
  blockwiseNode,
  callNode,
  coarsenNode,
  cogNode,
  cogPartNode,
  concatenateNode,
  heldNode,
  literalNode,
  makeNode,
  rechunkNode,
  rechunkStepNode,
  reduceNode,
  selectNode,
  sliceNode,
  sourceNode,
  stackNode,
  takeNode,
  transposeNode,
  windowNode,
  writeZarrNode,
} from "./nodes.ts";
export type { TaskEdges } from "./order.ts";
export { taskEdges, taskOrder } from "./order.ts";
export { OrderCuts } from "./order-cuts.ts";
export type { Peaks } from "./peaks.ts";
export { simulatePeaks } from "./peaks.ts";
export { LISTED, PlacedRows, type TaskLists } from "./placed-rows.ts";
export { decodePlain, encodePlain, plainText } from "./plain.ts";
export type { Plan, PlanLayer } from "./plan.ts";
export { stageRechunks } from "./rechunk-stages.ts";
export { layersInMemory, rechunkInputs } from "./rechunks.ts";
export type { RegisterPlan } from "./registers.ts";
export { lastUses, mapRegisters, planRegisters, sharesRegion, stepBytes, stepInputs } from "./registers.ts";
export { checkRunOptions } from "./run-options.ts";
export { aheadOf } from "./run-plan.ts";
export type {
  Hold,
  KernelFigures,
  OutputGroup,
  Planner,
  Runner,
  RunnerLimits,
  RunOptions,
  RunProgress,
} from "./runner.ts";
export {
  currentPlanner,
  currentRunner,
  planOnly,
  progressOf,
  pushRunner,
  registerRunner,
  watchRuns,
  withRunner,
} from "./runner.ts";
export type { ColumnScalar, ScalarColumns } from "./scalars.ts";
export { scalarIn, scalarKind, scalarParts } from "./scalars.ts";
export type { Execute } from "./sequential.ts";
export { runSequential } from "./sequential.ts";
export type { SpillBytes } from "./spill-plan.ts";
export { simulateSpill } from "./spill-plan.ts";
export type { AxisWalk, Interval, Plain, Register, Step, TaskSpec } from "./task.ts";
export { functionText } from "./travel.ts";
export { TaskWalk } from "./walk.ts";
export {
  callDigits,
  callTokens,
  decodeGraph,
  decodeTaskSpec,
  encodeGraph,
  encodeTaskSpec,
  signGraph,
  signTaskSpec,
  tokenize,
  verifyTaskSpec,
} from "./wire.ts";
