/** Memory that a thread reuses from chunk to chunk. */

/** Larger pieces are not kept: one huge chunk must not hold memory for the rest of a run. */
const KEPT_BYTES_MAX = 4 * 2 ** 20;

/** One reusable buffer. What `take` gives is valid until the next `take`; its content is arbitrary. */
export class Scratch {
  readonly #keptBytesMax: number;
  #kept = new Uint8Array(0);

  constructor(keptBytesMax: number = KEPT_BYTES_MAX) {
    this.#keptBytesMax = keptBytesMax;
  }

  /** `nbytes` of memory, aligned to 8. */
  take(nbytes: number): Uint8Array {
    if (nbytes > this.#keptBytesMax) return new Uint8Array(nbytes);
    if (this.#kept.length < nbytes) this.#kept = new Uint8Array(nbytes);
    return this.#kept.subarray(0, nbytes);
  }
}
