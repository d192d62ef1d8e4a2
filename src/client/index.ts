/**
 * Room: client. Client, Future, gather, scatter; a connected Client is the Runner of lazy arrays.
 * In: a scheduler's address or a ClusterHandle, functions, graphs. Out: futures and values. Touches sockets and timers.
 * Imports: base, config, ndarray, graph, protocol, comm.
 * @module
 */

export type { ProfileNode, ProfilePlace } from "../protocol/index.ts";
export type { ClusterAccounting, WorkerAccounting } from "./accounting.ts";
export type { MapOptions, SubmitOptions } from "./calls.ts";
export { Client } from "./client.ts";
export type { ClusterHandle } from "./cluster-handle.ts";
export type { OfClient, Waiting } from "./coordination.ts";
export { Event, Lock, Queue, Semaphore, Variable } from "./coordination.ts";
export type { PublishOptions } from "./datasets.ts";
export type { Submittable } from "./functions.ts";
export { PyFunction, py } from "./functions.ts";
export { Future } from "./future.ts";
export type { Gathered, GatherOptions } from "./gather.ts";
export type { Kernels } from "./kernels.ts";
export { kernels } from "./kernels.ts";
export type { ComputedOf, Keepable, LazyOptions, PersistedOf, Runnable } from "./lazy.ts";
export type { FutureStatus } from "./link.ts";
export type {
  LogLine,
  ProfileOptions,
  RestartOptions,
  RetireOptions,
  TaskStreamOptions,
  TaskStreamRecord,
} from "./operate.ts";
export type {
  GraphUpdate,
  NannyPlugin,
  Plugin,
  PluginNanny,
  PluginScheduler,
  PluginWorker,
  SchedulerHooks,
  SchedulerPlugin,
  TransitionDetails,
  UnregisterOptions,
  WorkerPlugin,
} from "./plugins.ts";
export type { Scattered, ScatterOptions } from "./scatter.ts";
export type { TaskOptions } from "./submit.ts";
export type { ClientOptions, ClientTarget } from "./target.ts";
export type { ClusterVersions, SoftwareVersions } from "./versions.ts";
export type { AsCompletedOptions, Ended, Waitable, Waited, WaitOptions } from "./waiting.ts";
export { AsCompleted, asCompleted, fireAndForget, futuresOfAll as futuresOf, wait } from "./waiting.ts";
