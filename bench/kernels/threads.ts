/** Work on several threads: the same kernels on shares of the elements, started and awaited through shared memory. */
import { once } from "node:events";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import type { Segment } from "../../src/kernels/index.ts";
import type { Share } from "./worker.ts";

/** Number of a task in worker.ts. */
export const TASK = { ndvi: 1, explog: 2, copy: 3 } as const;

/** Other threads beside this one. */
export class Threads {
  readonly #workers: readonly Worker[];
  readonly #flags: readonly Int32Array[];

  private constructor(workers: readonly Worker[], flags: readonly Int32Array[]) {
    this.#workers = workers;
    this.#flags = flags;
  }

  /** One thread per share, ready to run. */
  static async start(segment: Segment, shares: readonly Pick<Share, "offsets" | "elements">[]): Promise<Threads> {
    const controls = shares.map(() => new SharedArrayBuffer(8));
    const workers = shares.map((share, k) => {
      const workerData: Share = { ...share, memory: segment.memory, control: controls[k] as SharedArrayBuffer };
      return new Worker(join(import.meta.dirname, "worker.ts"), { workerData });
    });
    await Promise.all(workers.map((w) => once(w, "message")));
    return new Threads(
      workers,
      controls.map((c) => new Int32Array(c)),
    );
  }

  /** Start a task on all of them. */
  begin(task: number): void {
    for (const flags of this.#flags) {
      Atomics.store(flags, 1, 0);
      Atomics.store(flags, 0, task);
      Atomics.notify(flags, 0);
    }
  }

  /** Wait until all are done. */
  join(): void {
    for (const flags of this.#flags) Atomics.wait(flags, 1, 0);
  }

  async end(): Promise<void> {
    this.begin(-1);
    await Promise.all(this.#workers.map((w) => w.terminate()));
  }
}
