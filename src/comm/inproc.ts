/** The in-process transport: two ends in one process, same messages, no sockets. For tests and embedded servers. */
import { CommError } from "../base/index.ts";
import type { Acceptor, Channel, ChannelEvents } from "./channel.ts";

const ACCEPTORS = new Map<string, (channel: Channel) => void>();
let connections = 0;

class InprocChannel implements Channel {
  readonly local: string;
  readonly peer: string;
  bytesReceived = 0;
  /** Nothing waits here. */
  readonly bytesLeft = 0;
  #other: InprocChannel | undefined;
  #events: ChannelEvents | undefined;
  readonly #inbox: (() => void)[] = [];
  #isPaused = false;
  #isScheduled = false;
  #isClosed = false;

  constructor(local: string, peer: string) {
    this.local = local;
    this.peer = peer;
  }

  /** Tie two ends together. */
  join(other: InprocChannel): void {
    this.#other = other;
    other.#other = this;
  }

  start(events: ChannelEvents): void {
    this.#events = events;
    this.#schedule();
  }

  write(frames: readonly Uint8Array[], blockFrames: number): boolean {
    // Copied, as a socket would: neither end sees later changes of the other's memory.
    const copies = frames.map((frame) => new Uint8Array(frame));
    const nbytes = copies.reduce((sum, frame) => sum + frame.byteLength, 16 + 8 * copies.length);
    const other = this.#other;
    if (other)
      other.#deliver((events) => {
        other.bytesReceived += nbytes;
        events.message({ frames: copies, blockFrames, nbytes });
      });
    return true;
  }

  flushed(): Promise<void> {
    return Promise.resolve();
  }

  place(): void {
    // Frames are copied as they are sent: there is nothing to be saved here.
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#schedule();
  }

  hold(): void {
    // Messages within a process hold the event loop until they are delivered, and nothing does afterwards.
  }

  end(): void {
    this.#leave(undefined);
  }

  destroy(error?: Error): void {
    this.#leave(error);
  }

  #leave(error: Error | undefined): void {
    if (this.#isClosed) return;
    const other = this.#other;
    if (other) other.#deliver((events) => other.#close(events, undefined));
    this.#inbox.length = 0;
    this.#isPaused = false;
    this.#deliver((events) => this.#close(events, error));
  }

  #close(events: ChannelEvents, error: Error | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    events.closed(error);
  }

  #deliver(step: (events: ChannelEvents) => void): void {
    this.#inbox.push(() => {
      if (this.#events) step(this.#events);
    });
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled || !this.#events || this.#inbox.length === 0) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      while (!this.#isPaused && !this.#isClosed && this.#inbox.length > 0) this.#inbox.shift()?.();
    });
  }
}

/** Connect to a name that listens in this process. @throws {CommError} nobody does */
export function connectInproc(name: string): Channel {
  const accept = ACCEPTORS.get(name);
  if (!accept) throw new CommError("econnrefused", `nobody listens on inproc://${name} in this process`);
  const near = `inproc://${name}/${++connections}`;
  const client = new InprocChannel(near, `inproc://${name}`);
  const server = new InprocChannel(`inproc://${name}`, near);
  client.join(server);
  accept(server);
  return client;
}

/** Accept connections under a name. @throws {CommError} the name is taken */
export function listenInproc(name: string, onChannel: (channel: Channel) => void): Acceptor {
  if (ACCEPTORS.has(name)) throw new CommError("eaddrinuse", `inproc://${name} is already listening in this process`);
  ACCEPTORS.set(name, onChannel);
  return {
    address: `inproc://${name}`,
    close: async () => {
      ACCEPTORS.delete(name);
    },
  };
}
