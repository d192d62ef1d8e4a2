/**
 * Room: worker. The shell around its machine: registers, fetches from peers, serves them, hands tasks to the executor.
 * In: a scheduler's address, an executor, limits. Out: a Worker that works until it is closed. Touches sockets and timers.
 * Imports: base, ndarray, graph, config, protocol, comm, executor, its state.
 * @module
 */

export { staggeredMs } from "./lifetime.ts";
export type { NannyOptions } from "./nanny.ts";
export { runNanny } from "./nanny.ts";
export type { NannyPluginsOptions } from "./nanny-plugins.ts";
export { NannyPlugins } from "./nanny-plugins.ts";
export type { WorkerOptions } from "./options.ts";
export type { WorkerProcessOptions } from "./process.ts";
export { runWorkerProcess } from "./process.ts";
export type { Trust } from "./run-task.ts";
export { Worker } from "./worker.ts";
