/** The links of a simulated cluster: they delay, keep the order of one connection, and reorder between connections. */
import type { Random } from "../base/index.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** How long things take on the way. */
export interface SimNetworkOptions {
  /** Mean virtual milliseconds of a message. */
  readonly latencyMs: number;
  /** Bytes of data per virtual millisecond between two workers; Infinity: data takes the time of a message. */
  readonly bytesPerMs: number;
}

/** One connection: what was sent over it and not delivered is lost when it breaks. */
export interface SimConnection {
  isOpen: boolean;
}

/** Links by name. What is sent over one within one moment travels as one batch. */
export class SimNetwork {
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #options: SimNetworkOptions;
  readonly #free = new Map<string, number>();
  readonly #pending = new Map<string, { readonly over: SimConnection; readonly messages: unknown[] }>();
  readonly #lines = new Map<string, number>();

  constructor(time: VirtualTime, random: Random, options: SimNetworkOptions) {
    this.#time = time;
    this.#random = random;
    this.#options = options;
  }

  latency(): number {
    return this.#options.latencyMs * (0.2 + 2 * this.#random.next());
  }

  /** Send over a link, as part of a connection. */
  send<M>(
    link: string,
    message: M,
    { over, deliver }: { readonly over: SimConnection; readonly deliver: (messages: M[]) => void },
  ): void {
    if (!over.isOpen) return;
    const waiting = this.#pending.get(link);
    if (waiting?.over === over) {
      waiting.messages.push(message);
      return;
    }
    const batch = { over, messages: [message] };
    this.#pending.set(link, batch);
    const at = Math.max(this.#free.get(link) ?? 0, this.#time.now() + this.latency());
    this.#free.set(link, at);
    this.#time.after(0, () => {
      if (this.#pending.get(link) === batch) this.#pending.delete(link);
      this.#time.at(at, () => {
        if (over.isOpen) deliver(batch.messages);
      });
    });
  }

  /** When data that leaves now has arrived: the lines of both ends carry one transfer after another. */
  arrival(from: string, to: string, nbytes: number): number {
    const begins = Math.max(this.#time.now(), this.#lines.get(`${from}>`) ?? 0, this.#lines.get(`>${to}`) ?? 0);
    const ends = begins + nbytes / this.#options.bytesPerMs;
    this.#lines.set(`${from}>`, ends);
    this.#lines.set(`>${to}`, ends);
    return ends + this.latency();
  }
}
