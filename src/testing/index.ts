/**
 * Room: testing. A whole cluster in one thread, under a virtual clock and a seeded network, to test pipelines and policies.
 * In: graphs, a seed, faults. Out: what happened. Deterministic: the same seed gives the same trace.
 * Imports: base, graph, protocol, scheduler/state, worker/state.
 * @module
 */
export type { SimOptions, SimReport, SimRun } from "./sim-cluster.ts";
export { leastBytes, SimCluster, simValue } from "./sim-cluster.ts";
export { VirtualTime } from "./virtual-time.ts";
