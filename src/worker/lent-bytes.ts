/**
 * Ordinary memory for blocks that go from the disk to a peer. It is used again: as garbage it would be there until the
 * collector comes, beside all that the arena may take.
 */

/** Of idle memory so much is kept. */
const IDLE_BYTES_MAX = 16 * 2 ** 20;
/** A block may take memory that is so many times as large. */
const LOOSENESS = 2;

/** Memory that is lent for a time, by size. */
export class LentBytes {
  /** The one that came back last is the last. */
  readonly #idle: ArrayBuffer[] = [];
  #idleBytes = 0;

  /** At least `nbytes`, with anything in them. */
  take(nbytes: number): ArrayBuffer {
    const at = this.#idle.findLastIndex(
      ({ byteLength }) => byteLength >= nbytes && byteLength <= LOOSENESS * Math.max(1, nbytes),
    );
    const [found] = at < 0 ? [] : this.#idle.splice(at, 1);
    if (!found) return new ArrayBuffer(nbytes);
    this.#idleBytes -= found.byteLength;
    return found;
  }

  /** Nobody reads or writes it any more. */
  give(buffer: ArrayBuffer): void {
    this.#idle.push(buffer);
    this.#idleBytes += buffer.byteLength;
    while (this.#idleBytes > IDLE_BYTES_MAX) this.#idleBytes -= (this.#idle.shift() as ArrayBuffer).byteLength; // there are bytes, so there is one
  }
}
