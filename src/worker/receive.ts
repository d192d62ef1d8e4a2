/** Blocks on their way here: their bytes go from the socket into the arena, without another copy. */
import type { BlockHandle, Executor } from "../executor/index.ts";
import { plainBlockOf, type Serialized } from "../protocol/index.ts";

/** Room in the arena for the blocks of one answer. Whatever is not taken is given back by disposing. */
export class BlockReceiver implements Disposable {
  readonly #executor: Executor;
  /** Blocks by the frame that fills them. */
  readonly #blocks = new Map<Uint8Array, BlockHandle>();

  constructor(executor: Executor) {
    this.#executor = executor;
  }

  /** Memory for a large frame, a {@link FramePlacer}; undefined when it is no block's, or there is no room. */
  readonly place = (nbytes: number, before: readonly Uint8Array[]): Uint8Array | undefined => {
    const header = before.at(-1);
    const block = header && plainBlockOf(header);
    if (!block || block.nbytes !== nbytes) return undefined;
    // There may be none, under a scheduler that does not count bytes.
    const handle = this.#executor.allocateIfRoom(block.dtype, block.shape);
    if (!handle) return undefined;
    this.#executor.pin(handle);
    const { data } = this.#executor.view(handle);
    const frame = new Uint8Array(data.buffer, data.byteOffset, nbytes);
    this.#blocks.set(frame, handle);
    return frame;
  };

  /** The block that this object's bytes are in already, now the caller's; undefined: they are elsewhere. */
  take(serialized: Serialized): BlockHandle | undefined {
    const [frame] = serialized.frames;
    const handle = frame && this.#blocks.get(frame);
    if (!frame || !handle) return undefined;
    this.#blocks.delete(frame);
    this.#executor.unpin(handle);
    return handle;
  }

  [Symbol.dispose](): void {
    for (const handle of this.#blocks.values()) {
      this.#executor.unpin(handle);
      this.#executor.release(handle);
    }
    this.#blocks.clear();
  }
}
