/** Shared memory for task messages: small, outside the budget, bounded by the number of slots. */
import { footprintOf, SegmentAllocator } from "./allocator.ts";
import { readScalar, type Scalar } from "./message.ts";
import type { MessagePlace } from "./ring.ts";

const BUFFER_BYTES = 2 ** 20;

/** Buffers of task messages; a message lies in one of them from `put` to `free`. */
export class MessageStore {
  readonly #onBuffer: (id: number, buffer: SharedArrayBuffer) => void;
  readonly #buffers: { readonly buffer: SharedArrayBuffer; readonly allocator: SegmentAllocator }[] = [];

  /** @param onBuffer told of every new buffer before a message lies in it */
  constructor(onBuffer: (id: number, buffer: SharedArrayBuffer) => void) {
    this.#onBuffer = onBuffer;
  }

  buffers(): readonly SharedArrayBuffer[] {
    return this.#buffers.map((b) => b.buffer);
  }

  /** Room for `nbytes`, written by `write`. */
  put(nbytes: number, write: (buffer: SharedArrayBuffer, offset: number) => void): MessagePlace {
    const size = footprintOf(nbytes);
    for (const [id, { buffer, allocator }] of this.#buffers.entries()) {
      const offset = allocator.allocate(size);
      if (offset < 0) continue;
      write(buffer, offset);
      return { buffer: id, offset, length: nbytes };
    }
    const buffer = new SharedArrayBuffer(Math.max(BUFFER_BYTES, size));
    this.#onBuffer(this.#buffers.length, buffer);
    this.#buffers.push({ buffer, allocator: new SegmentAllocator(buffer.byteLength) });
    return this.put(nbytes, write);
  }

  /** The result that a task wrote over its message. */
  scalarAt({ buffer, offset }: MessagePlace): Scalar {
    return readScalar((this.#buffers[buffer] as { buffer: SharedArrayBuffer }).buffer, offset); // buffers are never dropped
  }

  free({ buffer, offset }: MessagePlace): void {
    this.#buffers[buffer]?.allocator.release(offset);
  }
}
