/** Wanted blocks on their way to the caller's thread, which copies them from where they lie. */
import type { TypedArray } from "../dtype/index.ts";
import type { BlockHandle, Executor } from "../executor/index.ts";
import type { NDArray } from "../ndarray/index.ts";
import type { FromCoordinator, WantedBlock } from "./messages.ts";

/** Blocks are handed over when so many, or so many bytes of them, are there; at the latest when their run ends. */
const POST_BLOCKS = 256;
const POST_BYTES = 2 ** 20;
/** Few and small blocks go along with the message. */
const INLINE_BLOCKS = 16;
const INLINE_BYTES = 2 ** 15;

/** Whose block it is. */
export interface Addressee {
  readonly id: number;
  readonly outputs: readonly number[];
  readonly index: number;
}

/** Parcels of blocks; those of a parcel are kept where they are until it was taken. */
export class Delivery {
  readonly #executor: Executor;
  readonly #post: (message: FromCoordinator, transfer?: readonly ArrayBuffer[]) => void;
  /** The open parcel. */
  #blocks: WantedBlock[] = [];
  #lent: BlockHandle[] = [];
  #buffers: ArrayBuffer[] = [];
  #bytes = 0;
  #nextParcel = 1;
  readonly #underWay = new Map<number, readonly BlockHandle[]>();

  constructor(executor: Executor, post: (message: FromCoordinator, transfer?: readonly ArrayBuffer[]) => void) {
    this.#executor = executor;
    this.#post = post;
  }

  /** A block in memory. */
  lend(to: Addressee, block: BlockHandle): void {
    this.#executor.retain(block);
    this.#executor.pin(block);
    this.#lent.push(block);
    this.#add({ ...to, dtype: block.dtype, shape: block.shape, from: this.#executor.place(block) }, block.nbytes);
  }

  /** One that was read from disk for this, in ordinary memory that nobody else has. */
  give(to: Addressee, { dtype, shape, data, nbytes }: NDArray): void {
    this.#buffers.push(data.buffer as ArrayBuffer); // not shared
    this.#add({ ...to, dtype, shape, from: data }, nbytes);
  }

  #add(block: WantedBlock, nbytes: number): void {
    this.#blocks.push(block);
    this.#bytes += nbytes;
    if (this.#bytes >= POST_BYTES || this.#blocks.length >= POST_BLOCKS) this.flush();
  }

  flush(): void {
    if (this.#blocks.length === 0) return;
    const [blocks, lent, buffers, bytes] = [this.#blocks, this.#lent, this.#buffers, this.#bytes];
    this.#blocks = [];
    this.#lent = [];
    this.#buffers = [];
    this.#bytes = 0;
    if (blocks.length <= INLINE_BLOCKS && bytes <= INLINE_BYTES && lent.length === blocks.length) {
      const whole = blocks.map((block, k) => ({ ...block, from: this.#copy(lent[k] as BlockHandle) })); // all are lent
      return this.#post({ type: "blocks", parcel: null, blocks: whole });
    }
    const parcel = lent.length > 0 ? this.#nextParcel++ : null;
    if (parcel !== null) this.#underWay.set(parcel, lent);
    this.#post({ type: "blocks", parcel, blocks }, buffers);
  }

  #copy(block: BlockHandle): TypedArray {
    const copy = this.#executor.view(block).data.slice(); // ordinary memory
    this.#return(block);
    return copy;
  }

  #return(block: BlockHandle): void {
    this.#executor.unpin(block);
    this.#executor.release(block);
  }

  /** The caller has copied a parcel's blocks. */
  taken(parcel: number): void {
    for (const block of this.#underWay.get(parcel) ?? []) this.#return(block);
    this.#underWay.delete(parcel);
  }
}
