/**
 * How many workers the known work needs, and which ones can go. Sources: distributed `Scheduler.adaptive_target` and
 * `Scheduler.workers_to_close`; figures in, decisions out.
 */

/** One worker, as far as adaptation is concerned. */
export interface AdaptiveWorker {
  readonly address: string;
  readonly nthreads: number;
  readonly processing: number;
  /** Seconds of work that it was given. */
  readonly occupancy: number;
  readonly memoryLimitBytes: number;
  readonly heldBytes: number;
  /** A task there gave its thread back and may wait for others: the worker must stay. */
  readonly isLongRunning: boolean;
}

/** What waits. */
export interface AdaptiveLoad {
  /** Tasks that could run and have no place: queued, or without a worker that may run them. */
  readonly ready: number;
  /** Seconds that these will take. */
  readonly readyOccupancy: number;
  readonly workers: readonly AdaptiveWorker[];
}

/** Share of the cluster's memory beyond which it should double. */
const MEMORY_SHARE = 0.6;
/** Bytes of memory that are kept for every byte held, when workers go. */
const MEMORY_RATIO = 2;

/** Workers that would do the work in `targetSeconds`. */
export function adaptiveTarget({ ready, readyOccupancy, workers }: AdaptiveLoad, targetSeconds: number): number {
  const occupancy = workers.reduce((sum, worker) => sum + worker.occupancy, 0);
  let cpu = Math.ceil((occupancy + readyOccupancy) / targetSeconds);
  // A few long tasks must not ask for more threads than there are tasks.
  const tasks = workers.reduce((sum, worker) => sum + worker.processing, ready);
  if (tasks <= cpu) cpu = tasks;
  const nthreads = workers.reduce((sum, worker) => sum + worker.nthreads, 0);
  if (workers.length > 0) cpu = Math.ceil((cpu / nthreads) * workers.length);
  if (ready > 0 && workers.length === 0) cpu = Math.max(1, cpu);
  const limit = workers.reduce((sum, worker) => sum + worker.memoryLimitBytes, 0);
  const held = workers.reduce((sum, worker) => sum + worker.heldBytes, 0);
  const memory = limit > 0 && held > MEMORY_SHARE * limit ? 2 * workers.length : 0;
  const target = Math.max(memory, cpu);
  return target >= workers.length ? target : workers.length - workersToClose(workers).length;
}

/** Workers that can go: idle ones with the fewest bytes; to `target` of them, or as many as the bytes that are held allow. */
export function workersToClose(workers: readonly AdaptiveWorker[], target: number | null = null): string[] {
  const n = target === null ? null : Math.max(0, workers.length - target);
  if (!n && workers.every(({ processing }) => processing > 0)) return [];
  const able = workers.filter(({ isLongRunning }) => !isLongRunning);
  let limit = able.reduce((sum, worker) => sum + worker.memoryLimitBytes, 0);
  const held = able.reduce((sum, worker) => sum + worker.heldBytes, 0);
  const order = able.toSorted(
    (a, b) => Number(a.processing === 0) - Number(b.processing === 0) || b.heldBytes - a.heldBytes,
  );
  const out: string[] = [];
  for (let worker = order.pop(); worker; worker = order.pop()) {
    if (n === null && worker.processing > 0) break;
    limit -= worker.memoryLimitBytes;
    const isEnough = n === null ? limit >= MEMORY_RATIO * held : workers.length - out.length - 1 >= workers.length - n;
    if (!isEnough) break;
    out.push(worker.address);
  }
  return out;
}
