/**
 * Room: executor. Runs native task specs on compute threads over an arena of shared segments, within a byte budget.
 * In: task specs, blocks. Out: blocks in the arena, outcomes, figures. Owns threads and their shared memory.
 * Imports: base, dtype, ndarray, kernels, graph, io.
 * @module
 */
export type { Place } from "./arena.ts";
export { CollectionTimes, collectGarbage, prepareFor, Relief } from "./collect.ts";
export { createExecutor } from "./create.ts";
export type { HostReads, IoFigures } from "./io-share.ts";
export type { LaneTask } from "./lane.ts";
export type { Programs } from "./programs.ts";
export type { RunningTask } from "./running.ts";
export { budgetBytesWithin, runtimeReserveBytes } from "./sizes.ts";
export type { SpillCodec, SpillFigures, SpillOptions } from "./spill.ts";
export type { StackFrame, StackSamples } from "./stacks.ts";
export type { StepContext } from "./steps.ts";
export { runTask, runTaskSync, taskErrorRecord } from "./steps.ts";
export type { Traffic } from "./steps-io.ts";
export type {
  BlockHandle,
  Executor,
  ExecutorOptions,
  ExecutorStats,
  ExecutorTask,
  TaskFigures,
  TaskInput,
  TaskOutcome,
} from "./types.ts";
