/**
 * Room: client. Client, Future, gather, scatter; a connected Client is the Runner of lazy arrays.
 * In: a scheduler's address or a ClusterHandle, functions, graphs. Out: futures and values. Touches sockets and timers.
 * Imports: base, config, ndarray, graph, protocol, comm.
 * @module
 */

export type { ClientOptions, ClientTarget, ScatterOptions, SubmitOptions } from "./client.ts";
export { asCompleted, Client, wait } from "./client.ts";
export type { ClusterHandle } from "./cluster-handle.ts";
export type { OfClient, Waiting } from "./coordination.ts";
export { Event, Lock, Queue, Semaphore, Variable } from "./coordination.ts";
export type { Submittable } from "./functions.ts";
export { PyFunction, py } from "./functions.ts";
export { Future } from "./future.ts";
export type { FutureStatus } from "./link.ts";
export type { TaskOptions } from "./submit.ts";
