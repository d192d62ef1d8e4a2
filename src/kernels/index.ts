/**
 * Room: kernels. Arithmetic on blocks: fused elementwise kernels, reductions, copies, halving; makes shared segments.
 * In: NDArray blocks and kernel calls. Out: NDArray blocks. Synchronous: no I/O (one setting of the system is read), no clock, no randomness.
 * Imports: base, dtype, ndarray, geo; graph (expression types).
 * @module
 */

export { type BlockFacts, type BlockKernel, type BlockPlace, blockScratch, runBlock } from "./blocks.ts";
export { copyParts, copyStrided, fill } from "./copy.ts";
export { fftTypes } from "./fft/fft.ts";
export { giveBackAsFreed, giveBackFreeMemory } from "./free-memory.ts";
export { allowHugePages, inHugePages } from "./huge-pages.ts";
export type { AccessKind } from "./map/access.ts";
export { compileKernel, type Support, supports } from "./map/engine.ts";
export { interpretMap } from "./map/interpret.ts";
export { runMap } from "./map/map.ts";
export { TINY as TINY_CELLS, type TinyProgram, tinyProgram } from "./map/tiny.ts";
export { fillRange } from "./pick/range.ts";
export { takePicks } from "./pick/take.ts";
export { type Distribution, isDistribution, type RandomParams, shuffled } from "./random/kernels.ts";
export { BitStream, pcgState } from "./random/pcg64.ts";
export { type Cell, CellsBuilder, isCellwise } from "./reduce/cells.ts";
export { type OntoBlocks, runReduceOnto } from "./reduce/onto.ts";
export { combinePartials, finalizePartial } from "./reduce/partial.ts";
export { runReduce } from "./reduce/reduce.ts";
export { reducesWindows, type WindowParams } from "./reduce/windows.ts";
export { adoptSegment, createSegment, type Segment } from "./segment.ts";
export { digitsOf, levelsOfKey } from "./select/keys.ts";
export { DISCRETE_METHODS } from "./select/quantile.ts";
export { runSelect } from "./select/select.ts";
export { branchesOf } from "./select/spread.ts";
export { unsetBlock } from "./unset.ts";
export {
  exchangeModules,
  importModule,
  type KernelStats,
  kernelStats,
  type ModuleExchange,
  type NamedModule,
  timeCompilations,
  useSingleMemory,
} from "./wasm/runtime.ts";
export type { WasmMemory, WasmModule } from "./wasm/webassembly.ts";
export { enableProvenWide, enableWide, type WideMode, wideMode } from "./wide.ts";
export { type CoarsenMethod, coarsen } from "./window/coarsen.ts";
