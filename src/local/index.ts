/**
 * Room: local. The embedded runner: scheduler machine and executor in this process, without a wire.
 * In: graphs and plans. Out: blocks in ordinary memory, progress. The coordinator has a thread of its own.
 * Imports: base, config, dtype, ndarray, kernels, graph, executor, scheduler/state.
 * @module
 */
export type { LocalOptions } from "./runner.ts";
export { LocalRunner, localRunner } from "./runner.ts";
