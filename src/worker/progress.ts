/**
 * Progress of graphs, told to whoever listens: per layer, tasks done and bytes read and written since the last telling.
 * Dask's own topics carry it (`log-event` here, `subscribe-topic` at the client), so that any scheduler passes it on.
 */
import type { Key } from "../graph/index.ts";
import { type LayerProgress, PROGRESS_TOPIC, progressMessage, type WorkerToScheduler } from "../protocol/index.ts";

/** Told at most this often while there is more to do. */
const INTERVAL_MS = 100;

/** What a task has read and written. */
interface MovedBytes {
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

/** What is not told yet. */
export class Progress {
  #layers = new Map<string, { -readonly [F in keyof LayerProgress]: LayerProgress[F] }>();
  #toldAt = Number.NEGATIVE_INFINITY;

  /** A task has ended; tasks that are no blocks of layers do not count. */
  add(key: Key, moved: MovedBytes): void {
    const layer = layerOf(key);
    if (layer !== undefined) this.addBlock(layer, moved);
  }

  /** As {@link add}, of a block of this layer. */
  addBlock(layer: string, { bytesRead, bytesWritten }: MovedBytes): void {
    let sums = this.#layers.get(layer);
    if (sums === undefined) {
      sums = { done: 0, bytesRead: 0, bytesWritten: 0 };
      this.#layers.set(layer, sums);
    }
    sums.done++;
    sums.bytesRead += bytesRead;
    sums.bytesWritten += bytesWritten;
  }

  /** What is to be told now, if anything: `isLast` when nothing else is ready, since nothing may follow to carry it. */
  take(now: number, isLast: boolean): WorkerToScheduler | null {
    if (this.#layers.size === 0 || (!isLast && now - this.#toldAt < INTERVAL_MS)) return null;
    const msg = progressMessage(this.#layers);
    this.#layers = new Map();
    this.#toldAt = now;
    return { op: "log-event", topic: PROGRESS_TOPIC, msg };
  }
}

/** Name of the layer in a block's key, `("name", i, j, …)`; layer names have no quotes. */
function layerOf(key: Key): string | undefined {
  return key.startsWith('\0["') ? key.slice(3, key.indexOf('"', 3)) : undefined;
}
