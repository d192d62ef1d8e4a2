/** The seam between transports and comms: frames of whole messages, in order, both ways. */
import type { FramedMessage, FramePlacer } from "../protocol/index.ts";

/** What a channel tells its owner. All calls come from the event loop, never from inside a call to the channel. */
export interface ChannelEvents {
  /** One whole message arrived. */
  message(message: FramedMessage): void;
  /** Writes may go on after `write` answered false. */
  drain(): void;
  /** The channel is gone, once. `error` says why unless both sides ended between messages. */
  closed(error: Error | undefined): void;
}

/** A connected pipe of framed messages. */
export interface Channel {
  readonly local: string;
  readonly peer: string;
  /** Bytes that have arrived so far, also of a message that is not complete. */
  readonly bytesReceived: number;
  /** Bytes that have left this process so far, also of a message that has not left as a whole. */
  readonly bytesLeft: number;
  /** Give the owner; nothing is delivered before. */
  start(events: ChannelEvents): void;
  /** Queue one message; false when more than the transport's high-water mark is waiting. Frames must not change until `flushed`. */
  write(frames: readonly Uint8Array[], blockFrames: number): boolean;
  /** Resolves when everything written so far has left this process, or the channel is gone. */
  flushed(): Promise<void>;
  /** Memory for large frames that arrive from now on; null: this process's own. */
  place(placer: FramePlacer | null): void;
  /** Stop and continue reading: backpressure on the peer. */
  pause(): void;
  resume(): void;
  /** Whether the pipe keeps the process alive; true from the start. */
  hold(isHeld: boolean): void;
  /** End after what is queued has been written. */
  end(): void;
  /** Drop everything now. */
  destroy(error?: Error): void;
}

/** A place that accepts channels. */
export interface Acceptor {
  /** Address others can connect to. */
  readonly address: string;
  /** Stop accepting; established channels stay. */
  close(): Promise<void>;
}
