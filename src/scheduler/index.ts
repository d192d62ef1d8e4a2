/**
 * Room: scheduler. The shell around its machine: listens, feeds events, sends what the machine says; serves requests.
 * In: connections of clients and workers, bytes. Out: messages to them, an identity file, a little HTTP.
 * Imports: base, config, graph, protocol, comm, scheduler/state.
 * @module
 */
export type { GraphUpdate, PluginScheduler, SchedulerHooks, TransitionDetails } from "../protocol/index.ts";
export type { SchedulerOptions, SchedulerServer } from "./server.ts";
export { startScheduler } from "./server.ts";
