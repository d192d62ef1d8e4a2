/**
 * Room: testing. A whole cluster in one thread, under a virtual clock and a seeded network, to test pipelines and policies.
 * In: graphs, a seed, faults. Out: what happened. Deterministic: the same seed gives the same trace. Beside it, runs without
 * the memory budget, for tests that must see it exceeded.
 * Imports: base, graph, protocol, executor, local, scheduler, worker, scheduler/state, worker/state.
 * @module
 */
export type { NoAdmissionOptions } from "./no-admission.ts";
export { startWithoutAdmission, useThreadsWithoutAdmission } from "./no-admission.ts";
export type { SimRun } from "./sim-client.ts";
export type { SimOptions, SimReport } from "./sim-cluster.ts";
export { SimCluster } from "./sim-cluster.ts";
export { leastBytes, simDoomed, simValue } from "./sim-oracle.ts";
export { VirtualTime } from "./virtual-time.ts";
