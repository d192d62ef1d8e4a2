/**
 * Room: scheduler/state. Pure machine: who does what when.
 * In: events (what clients, workers and time did). Out: instructions (what to send). No sockets, no clock, no randomness.
 * Imports: base, graph; protocol (types).
 * @module
 */
export type { AdaptiveLoad, AdaptiveWorker } from "./adaptive.ts";
export { adaptiveTarget, workersToClose } from "./adaptive.ts";
export type {
  ClientId,
  Language,
  Placement,
  RunSpec,
  SchedulerConfig,
  SchedulerEvent,
  SchedulerInstruction,
  SchedulerMachine,
  StoryEntry,
  SubmittedTask,
  TaskRun,
  WorkerAddress,
  WorkerFacts,
  WorkerStatus,
} from "./events.ts";
export { ANYWHERE } from "./events.ts";
export { Scheduler } from "./machine.ts";
export type { MemoryMeasure, MemoryState, RebalanceLimits, RebalanceWorker, ResultMove } from "./rebalance.ts";
export { findMoves, MEMORY_MEASURES, measured, memoryState, UnmanagedMemory } from "./rebalance.ts";
export type { TaskState } from "./states.ts";
export { STATES } from "./states.ts";
export type { Transition, TransitionTable } from "./transitions.ts";
export { TRANSITIONS } from "./transitions.ts";
export type { SchedulerCounts, SchedulerViews, WorkerView } from "./views.ts";
