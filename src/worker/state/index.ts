/**
 * Room: worker/state. The pure worker: what to fetch, what to run, what to keep.
 * In: WorkerEvents. Out: WorkerInstructions. Pure: no I/O, no clock, no promises, no randomness.
 * Imports: base, graph; protocol (types).
 * @module
 */
export type {
  NeedOf,
  RechunkLimits,
  Ref,
  RunSpec,
  SchedulerWord,
  StoryEntry,
  ValueFacts,
  WorkerAddress,
  WorkerCounts,
  WorkerEvent,
  WorkerInstruction,
  WorkerLimits,
  WorkerMachine,
  WorkerStatus,
} from "./events.ts";
export { createWorkerMachine } from "./machine.ts";
export type { TaskState, TaskTarget } from "./task.ts";
