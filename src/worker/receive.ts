/** Blocks on their way here: their bytes go from the socket into the arena, without another copy. */
import type { BlockHandle, Executor } from "../executor/index.ts";
import { plainBlockOf, type Serialized } from "../protocol/index.ts";

/** A block that is being filled. */
interface Filling {
  readonly handle: BlockHandle;
  /** All of its bytes, in the arena. */
  readonly bytes: Uint8Array;
}

/** Room in the arena for the blocks of one answer. Whatever is not taken is given back by disposing. */
export class BlockReceiver implements Disposable {
  readonly #executor: Executor;
  /** Blocks by the frame that fills them, or begins to. */
  readonly #blocks = new Map<Uint8Array, Filling>();
  /** The block whose parts are arriving, the last of them, and where the next one goes. */
  #open: { readonly bytes: Uint8Array; readonly last: Uint8Array; readonly at: number } | null = null;

  constructor(executor: Executor) {
    this.#executor = executor;
  }

  /** Memory for a large frame, a {@link FramePlacer}; undefined when it is no block's, or there is no room. */
  readonly place = (nbytes: number, before: readonly Uint8Array[]): Uint8Array | undefined => {
    const header = before.at(-1);
    if (!header) return undefined;
    if (this.#open?.last === header) return this.#part(this.#open.bytes, this.#open.at, nbytes);
    const block = plainBlockOf(header);
    if (!block || (block.frames === 1 ? block.nbytes !== nbytes : block.nbytes < nbytes)) return undefined;
    // There may be none, under a scheduler that does not count bytes.
    const handle = this.#executor.allocateIfRoom(block.dtype, block.shape);
    if (!handle) return undefined;
    this.#executor.pin(handle);
    const { data } = this.#executor.view(handle);
    const bytes = new Uint8Array(data.buffer, data.byteOffset, block.nbytes);
    const frame = block.frames === 1 ? bytes : (this.#part(bytes, 0, nbytes) as Uint8Array); // not more than all
    this.#blocks.set(frame, { handle, bytes });
    return frame;
  };

  /** The block that this object's bytes are in already, now the caller's; undefined: they are elsewhere. */
  take(serialized: Serialized): BlockHandle | undefined {
    const { frames } = serialized;
    const found = frames[0] && this.#blocks.get(frames[0]);
    if (!frames[0] || !found || !complete(found.bytes, frames)) return undefined;
    this.#blocks.delete(frames[0]);
    this.#executor.unpin(found.handle);
    return found.handle;
  }

  [Symbol.dispose](): void {
    for (const { handle } of this.#blocks.values()) {
      this.#executor.unpin(handle);
      this.#executor.release(handle);
    }
    this.#blocks.clear();
  }

  /** The place of a part; undefined: the parts have more bytes than the block. */
  #part(bytes: Uint8Array, at: number, nbytes: number): Uint8Array | undefined {
    if (at + nbytes > bytes.byteLength) return undefined;
    const last = bytes.subarray(at, at + nbytes);
    this.#open = { bytes, last, at: at + nbytes };
    return last;
  }
}

/** Put the parts that came elsewhere (small ones, those behind them) into place; false: they are not the block's bytes. */
function complete(bytes: Uint8Array, parts: readonly Uint8Array[]): boolean {
  if (parts.reduce((sum, part) => sum + part.byteLength, 0) !== bytes.byteLength) return false;
  let at = 0;
  for (const part of parts) {
    const isThere = part.buffer === bytes.buffer && part.byteOffset === bytes.byteOffset + at;
    if (!isThere) bytes.set(part, at);
    at += part.byteLength;
  }
  return true;
}
