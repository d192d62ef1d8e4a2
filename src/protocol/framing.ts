/**
 * Frames of the tcp and tls transports: incremental decoder and encoder, without sockets.
 *
 * One message is `u64 B`, then a first block of B bytes (`u64 n`, n frame lengths, as many whole frames as the writer
 * chose), then the remaining frames back to back. Little-endian. Source: distributed/comm/tcp.py and utils
 * `pack_frames_prelude`; dask-protocol §2.
 */
import { invariant, RemoteProtocolError } from "../base/index.ts";

/** Bounds on what a peer may make us hold; beyond them the message is refused. */
export interface FrameLimits {
  /** Most frames in one message. */
  readonly framesMax: number;
  /** Most bytes in one message, prelude included. */
  readonly messageBytesMax: number;
}

/** A million frames and 64 GiB: far above what a peer sends, far below what a mutated length claims. */
export const DEFAULT_FRAME_LIMITS: FrameLimits = { framesMax: 2 ** 20, messageBytesMax: 2 ** 36 };

/** A claimed length is believed only this far; a larger frame grows as its bytes arrive. */
const FRAME_ALLOCATION_BYTES_MAX = 2 ** 26;
/** Frames up to this size are copied beside each other instead of written on their own. */
const POOLED_FRAME_BYTES_MAX = 2 ** 14;
const EMPTY = new Uint8Array(0);

/** How {@link encodeFrames} cuts a message. */
export interface EncodeFramesOptions {
  /** Frames that travel in the first block; default all. Every split is legal; array frames belong after the block. */
  readonly blockFrames?: number;
}

/**
 * Bytes of one message, as pieces to be written in order.
 *
 * Small frames are copied together; a frame above 16 KiB is passed on as it is (no copy), so it must not change
 * until it is written.
 */
export function encodeFrames(frames: readonly Uint8Array[], options: EncodeFramesOptions = {}): Uint8Array[] {
  if (frames.length === 1 && frames[0]!.byteLength <= POOLED_FRAME_BYTES_MAX) return [oneSmallFrame(frames[0]!)];
  const blockFrames = Math.min(options.blockFrames ?? frames.length, frames.length);
  const preludeBytes = 16 + 8 * frames.length;
  let blockBytes = preludeBytes - 8;
  for (let i = 0; i < blockFrames; i++) blockBytes += frames[i]!.byteLength;
  const prelude = new Uint8Array(preludeBytes);
  const view = new DataView(prelude.buffer);
  writeLength(view, 0, blockBytes);
  writeLength(view, 8, frames.length);
  for (let i = 0; i < frames.length; i++) writeLength(view, 16 + 8 * i, frames[i]!.byteLength);
  return poolSmall([prelude, ...frames]);
}

/** A message of one frame, which is in the first block: most are. */
function oneSmallFrame(frame: Uint8Array): Uint8Array {
  const { byteLength } = frame;
  const bytes = Buffer.allocUnsafe(24 + byteLength).fill(0, 0, 24);
  bytes.writeUInt32LE(16 + byteLength, 0);
  bytes[8] = 1;
  bytes.writeUInt32LE(byteLength, 16);
  bytes.set(frame, 24);
  return bytes;
}

function writeLength(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value % 2 ** 32, true);
  view.setUint32(offset + 4, Math.floor(value / 2 ** 32), true);
}

/** Join runs of small pieces; leave large ones alone. */
function poolSmall(pieces: readonly Uint8Array[]): Uint8Array[] {
  const out: Uint8Array[] = [];
  let run: Uint8Array[] = [];
  let runBytes = 0;
  const flush = (): void => {
    if (run.length === 1) out.push(run[0]!);
    else if (run.length > 1) out.push(joinBytes(run, runBytes));
    run = [];
    runBytes = 0;
  };
  for (const piece of pieces) {
    if (piece.byteLength === 0) continue;
    if (piece.byteLength > POOLED_FRAME_BYTES_MAX) {
      flush();
      out.push(piece);
    } else {
      run.push(piece);
      runBytes += piece.byteLength;
    }
  }
  flush();
  return out;
}

/** The pieces as one array of bytes. */
export function joinBytes(pieces: readonly Uint8Array[], nbytes?: number): Uint8Array {
  if (pieces.length === 1) return pieces[0]!;
  const joined = new Uint8Array(nbytes ?? pieces.reduce((sum, piece) => sum + piece.byteLength, 0));
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.byteLength;
  }
  return joined;
}

/**
 * Memory of the receiver's own for a large frame of `nbytes` that is about to arrive; `before` are the message's frames so
 * far. Undefined: the decoder makes some.
 */
export type FramePlacer = (nbytes: number, before: readonly Uint8Array[]) => Uint8Array | undefined;

/** Frames from this size on may be placed by the receiver. */
const PLACED_FRAME_BYTES_MIN = 2 ** 16;

type Stage = "block-length" | "frame-count" | "frame-lengths" | "frames";

/** One decoded message: its frames, and how many of them the first block held. */
export interface FramedMessage {
  readonly frames: Uint8Array[];
  readonly blockFrames: number;
  /** All bytes of the message on the wire. */
  readonly nbytes: number;
}

/**
 * Incremental decoder of the frame stream; survives every split of it.
 *
 * Each frame arrives in an `ArrayBuffer` of its own at offset 0, so typed-array views on it are aligned and no frame
 * keeps a socket buffer alive; large ones where a {@link FramePlacer} wants them. Either `push(bytes)`, or, without a copy, fill `space()` and call `filled(n)`.
 */
export class FrameDecoder {
  readonly #limits: FrameLimits;
  readonly #ready: FramedMessage[] = [];
  /** Where lengths arrive, one after the other. */
  readonly #word = new Uint8Array(8);
  #placer: FramePlacer | null = null;
  #stage: Stage = "block-length";
  #target: Uint8Array = this.#word;
  #at = 0;
  #claimed = 8;
  #blockBytes = 0;
  #lengths: number[] = [];
  #frames: Uint8Array[] = [];

  constructor(limits: Partial<FrameLimits> = {}) {
    this.#limits = { ...DEFAULT_FRAME_LIMITS, ...limits };
  }

  /** Ask this for the memory of large frames from now on; null: no more. */
  place(placer: FramePlacer | null): void {
    this.#placer = placer;
  }

  /** True between messages: nothing of a next one has arrived. */
  get isIdle(): boolean {
    return this.#stage === "block-length" && this.#at === 0;
  }

  /**
   * Take bytes as they came; they are copied.
   * @throws {RemoteProtocolError} a length is beyond the limits or contradicts another; the stream is then useless
   */
  push(bytes: Uint8Array): void {
    let from = 0;
    while (from < bytes.byteLength) {
      const space = this.space();
      const count = Math.min(space.byteLength, bytes.byteLength - from);
      if (count <= 64) for (let i = 0; i < count; i++) space[i] = bytes[from + i]!;
      else space.set(from === 0 && count === bytes.byteLength ? bytes : bytes.subarray(from, from + count));
      from += count;
      this.filled(count);
    }
  }

  /** Where the next bytes go: never empty. Fill a prefix of it, then call `filled`. */
  space(): Uint8Array {
    return this.#at === 0 ? this.#target : this.#target.subarray(this.#at);
  }

  /** Bytes still missing of the frame now arriving, 0 between messages; lets a reader choose direct receiving. */
  get frameBytesMissing(): number {
    return this.#stage === "frames" ? this.#claimed - this.#at : 0;
  }

  /**
   * Say that `count` bytes were written to `space()`.
   * @throws {RemoteProtocolError} as `push`
   */
  filled(count: number): void {
    this.#at += count;
    while (this.#at === this.#target.byteLength) {
      if (this.#at < this.#claimed) this.#grow();
      else this.#advance();
    }
  }

  /** The next whole message, or undefined. */
  next(): FramedMessage | undefined {
    return this.#ready.shift();
  }

  #expect(stage: Stage, nbytes: number): void {
    this.#stage = stage;
    this.#claimed = nbytes;
    this.#at = 0;
    if (nbytes === 8 && stage !== "frames") this.#target = this.#word;
    else this.#target = nbytes === 0 ? EMPTY : allocate(Math.min(nbytes, FRAME_ALLOCATION_BYTES_MAX));
  }

  #grow(): void {
    const target = allocate(Math.min(this.#claimed, this.#target.byteLength * 2));
    target.set(this.#target);
    this.#target = target;
  }

  #advance(): void {
    if (this.#stage === "block-length") {
      this.#blockBytes = this.#readLength(0, "first block");
      if (this.#blockBytes < 8) throw broken(`first block of ${this.#blockBytes} bytes; at least 8 expected`);
      this.#expect("frame-count", 8);
    } else if (this.#stage === "frame-count") {
      this.#takeCount();
    } else if (this.#stage === "frame-lengths") {
      this.#takeLengths();
    } else {
      this.#frames.push(this.#target);
      this.#nextFrame();
    }
  }

  #takeCount(): void {
    const count = this.#readLength(0, "frame count");
    if (count > this.#limits.framesMax) throw broken(`${count} frames; at most ${this.#limits.framesMax} expected`);
    if (8 + 8 * count > this.#blockBytes)
      throw broken(`${count} frame lengths do not fit in a first block of ${this.#blockBytes} bytes`);
    if (count === 0) {
      if (this.#blockBytes !== 8) throw broken(`no frames, but a first block of ${this.#blockBytes} bytes`);
      this.#finish();
    } else this.#expect("frame-lengths", 8 * count);
  }

  #takeLengths(): void {
    const count = this.#claimed / 8;
    let total = 16 + this.#claimed;
    for (let i = 0; i < count; i++) {
      const length = this.#readLength(8 * i, `frame ${i}`);
      total += length;
      this.#lengths.push(length);
    }
    if (total > this.#limits.messageBytesMax)
      throw broken(`message of ${total} bytes; at most ${this.#limits.messageBytesMax} expected`);
    this.#blockFrameCount();
    this.#nextFrame();
  }

  /** How many leading frames the first block holds; it must end where a frame ends. */
  #blockFrameCount(): number {
    let left = this.#blockBytes - 8 - 8 * this.#lengths.length;
    let count = 0;
    while (count < this.#lengths.length && this.#lengths[count]! <= left) left -= this.#lengths[count++]!;
    if (left !== 0) throw broken(`first block of ${this.#blockBytes} bytes does not end where a frame ends`);
    return count;
  }

  #nextFrame(): void {
    while (this.#frames.length < this.#lengths.length) {
      const length = this.#lengths[this.#frames.length]!;
      if (length > 0) {
        this.#expectFrame(length);
        return;
      }
      this.#frames.push(EMPTY);
    }
    this.#finish();
  }

  #expectFrame(length: number): void {
    const placed = length >= PLACED_FRAME_BYTES_MIN ? this.#placer?.(length, this.#frames) : undefined;
    if (placed === undefined) return this.#expect("frames", length);
    invariant(placed.byteLength === length, `${placed.byteLength} bytes are no place for a frame of ${length}`);
    this.#stage = "frames";
    this.#claimed = length;
    this.#at = 0;
    this.#target = placed;
  }

  #finish(): void {
    let nbytes = 16 + 8 * this.#lengths.length;
    for (let i = 0; i < this.#lengths.length; i++) nbytes += this.#lengths[i]!;
    this.#ready.push({ frames: this.#frames, blockFrames: this.#blockFrameCount(), nbytes });
    this.#frames = [];
    this.#lengths = [];
    this.#expect("block-length", 8);
  }

  #readLength(offset: number, what: string): number {
    // A view of so few bytes would cost memory beside the heap.
    const value = uint32At(this.#target, offset) + uint32At(this.#target, offset + 4) * 2 ** 32;
    if (value > this.#limits.messageBytesMax) {
      throw broken(`${what} claims ${value} (bytes or items); at most ${this.#limits.messageBytesMax} expected`);
    }
    return value;
  }
}

function uint32At(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16)) + bytes[at + 3]! * 2 ** 24;
}

function allocate(nbytes: number): Uint8Array {
  try {
    return new Uint8Array(nbytes);
  } catch (cause) {
    throw new RemoteProtocolError(`no memory for a frame of ${nbytes} bytes`, { cause, details: { nbytes } });
  }
}

function broken(what: string): Error {
  return new RemoteProtocolError(`not a Dask message: ${what}`);
}
