/** Messages on their way to the channel whose frames are compressed first. Those behind one that takes its time wait: order is kept. */
import { type Compressor, compressMessage, type EncodedMessage } from "../protocol/index.ts";

/** What an outbox needs. */
export interface OutboxOptions {
  readonly compressor: Compressor;
  /** Larger messages are compressed on other threads. */
  readonly offloadBytes: number;
  write(message: EncodedMessage): void;
  /** Nothing waits any more. */
  emptied(): void;
  failed(error: unknown): void;
}

/** One connection's. */
export class CompressingOutbox {
  readonly #options: OutboxOptions;
  #waiting = 0;
  #last: Promise<void> = Promise.resolve();

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** True while a message is being compressed, or waits behind one. */
  get isBusy(): boolean {
    return this.#waiting > 0;
  }

  /** Resolves when all messages so far have been written. */
  get written(): Promise<void> {
    return this.#last;
  }

  send(message: EncodedMessage): void {
    const { compressor, offloadBytes, write } = this.#options;
    const small = compressMessage(message, compressor, offloadBytes);
    if (!(small instanceof Promise) && this.#waiting === 0) return write(small);
    this.#waiting++;
    this.#last = this.#after(this.#last, small);
  }

  async #after(before: Promise<void>, message: EncodedMessage | Promise<EncodedMessage>): Promise<void> {
    try {
      const [small] = await Promise.all([message, before]);
      this.#options.write(small);
    } catch (error) {
      await before; // which reads memory that is in use until it is written
      this.#options.failed(error);
    }
    if (--this.#waiting === 0) this.#options.emptied();
  }
}
