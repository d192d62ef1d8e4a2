/** Task states, with Dask's names, and the numbers that stand for them in columns. */

/** All states, in the order of their numbers. */
export const STATES = [
  "forgotten",
  "released",
  "waiting",
  "no-worker",
  "queued",
  "processing",
  "memory",
  "erred",
] as const;

/** Name of a state. */
export type TaskState = (typeof STATES)[number];

/** Not known; a task of a symbolic layer that nobody asked for is in this state too. */
export const FORGOTTEN = 0;
/** Known, nothing to do: not needed, or about to become needed. */
export const RELEASED = 1;
/** Needed; inputs are missing. */
export const WAITING = 2;
/** Ready; no running worker may run it. */
export const NO_WORKER = 3;
/** Ready; waits for a thread, or for bytes, of a worker. */
export const QUEUED = 4;
/** Sent to one worker. */
export const PROCESSING = 5;
/** Result held by one worker or more. */
export const MEMORY = 6;
/** Failed, or something it depends on did. */
export const ERRED = 7;

/** True for a state in which the task is yet to be done: it holds claims on its inputs. */
export function isActive(state: number): boolean {
  return state >= WAITING && state <= PROCESSING;
}
