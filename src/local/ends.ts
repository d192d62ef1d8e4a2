/** Tasks that have ended well, from their ends to the word about them. */
import type { BlockHandle } from "../executor/index.ts";
import type { Order } from "./order.ts";

/** What has ended well, of one graph: columns of equal length. */
export interface Finished {
  readonly submission: number;
  readonly tasks: Uint32Array;
  readonly runIds: Uint32Array;
  readonly nbytes: Float64Array;
  readonly seconds: Float32Array;
}

/** Collected in the order of their ends. */
export class Ends {
  count = 0;
  // Kept at their length: what is behind `count` is old.
  readonly #orders: (Order | null)[] = [];
  readonly #nbytes: number[] = [];
  readonly #seconds: number[] = [];

  add(order: Order, { nbytes }: BlockHandle, seconds: number): void {
    const at = this.count++;
    this.#orders[at] = order;
    this.#nbytes[at] = nbytes;
    this.#seconds[at] = seconds;
  }

  /** Those from number `from` on that are of one graph. */
  from(from: number): Finished {
    const { submission } = (this.#orders[from] as Order).open; // from < count
    let to = from;
    while (to < this.count && (this.#orders[to] as Order).open.submission === submission) to++; // to < count
    const finished: Finished = {
      submission,
      tasks: new Uint32Array(to - from),
      runIds: new Uint32Array(to - from),
      nbytes: new Float64Array(to - from),
      seconds: new Float32Array(to - from),
    };
    for (let k = from; k < to; k++) {
      const { task, runId } = this.#orders[k] as Order; // columns of equal length
      finished.tasks[k - from] = task;
      finished.runIds[k - from] = runId;
      finished.nbytes[k - from] = this.#nbytes[k] as number;
      finished.seconds[k - from] = this.#seconds[k] as number;
    }
    return finished;
  }

  clear(): void {
    this.#orders.fill(null, 0, this.count);
    this.count = 0;
  }
}
