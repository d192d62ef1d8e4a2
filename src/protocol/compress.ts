/** Compression of a message's large frames before it is written. Rules of distributed/protocol/compression.py `maybe_compress`. */
import { constants, deflate, deflateSync, zstdCompress, zstdCompressSync } from "node:zlib";
import { onOtherThread } from "./compression.ts";
import type { EncodedMessage, EncodedObject, Serialized } from "./msgpack.ts";
import { relaid } from "./sub-frames.ts";

/** What compresses: at once, or on another thread. Levels are the libraries' own, as Dask's are (zlib 6, zstd 3). */
export interface Compressor {
  /** Name in headers and in the handshake. */
  readonly name: string;
  now(bytes: Uint8Array): Uint8Array;
  later(bytes: Uint8Array): Promise<Uint8Array>;
}

/** Frames of other sizes are sent as they are: too small to be worth it, or larger than libraries take. */
const [FRAME_BYTES_MIN, FRAME_BYTES_MAX] = [10_000, 2 ** 31];
/** A frame is tried where so many samples of it get small enough. */
const [SAMPLES, SAMPLE_BYTES] = [5, 10_000];
/** Share of its bytes to which a frame must shrink. */
const RATIO_MAX = 0.7;

const [deflateLater, zstdLater] = [onOtherThread(deflate), onOtherThread(zstdCompress)];

/**
 * Node collects results in pieces of `chunkSize`, each a turn on another thread. Python's zstandard reads no frame that
 * does not say how many bytes it holds.
 */
function options({ byteLength }: Uint8Array): { readonly chunkSize: number; readonly pledgedSrcSize: number } {
  return { chunkSize: Math.min(Math.max(byteLength >> 1, 2 ** 14), 2 ** 22), pledgedSrcSize: byteLength };
}

/** With a checksum, as zlib has one anyway: damaged bytes are not taken for others. */
const CHECKED = { [constants.ZSTD_c_checksumFlag]: 1 };

/** By their names in Dask. */
export const COMPRESSORS: Readonly<Record<"zlib" | "zstd", Compressor>> = {
  zlib: {
    name: "zlib",
    now: (bytes) => deflateSync(bytes, options(bytes)),
    later: (bytes) => deflateLater(bytes, options(bytes)),
  },
  zstd: {
    name: "zstd",
    now: (bytes) => zstdCompressSync(bytes, { ...options(bytes), params: CHECKED }),
    later: (bytes) => zstdLater(bytes, { ...options(bytes), params: CHECKED }),
  },
};

/**
 * The message with those frames compressed that shrink enough: at once, or, where these have more than `offloadBytes`
 * together, on other threads. Frames must not change meanwhile.
 */
export function compressMessage(
  message: EncodedMessage,
  compressor: Compressor,
  offloadBytes: number,
): EncodedMessage | Promise<EncodedMessage> {
  const nbytes = candidates(message).reduce((sum, at) => sum + (message.frames[at] as Uint8Array).byteLength, 0); // its frames
  if (nbytes === 0) return message;
  const steps = compressing(message, compressor.name);
  return nbytes > offloadBytes ? runLater(steps, compressor) : runNow(steps, compressor);
}

/** Places of frames that may be compressed. */
function candidates({ frames, objects }: EncodedMessage): number[] {
  return objects.flatMap(placesOf).filter((place) => {
    const { byteLength } = frames[place] as Uint8Array; // of an object in these frames
    return byteLength >= FRAME_BYTES_MIN && byteLength <= FRAME_BYTES_MAX;
  });
}

/** What is to be compressed, one after the other; gives the message. */
type Steps = Generator<Uint8Array, EncodedMessage, Uint8Array>;

function* compressing(message: EncodedMessage, name: string): Steps {
  const frames = [...message.frames];
  const tried = new Set(candidates(message));
  for (const object of message.objects) {
    const { at, counts } = object;
    const places = placesOf(object);
    const plain = { counts, compression: places.map(() => null) };
    const isPlain = relaid(frames[at] as Uint8Array, plain, plain) !== null; // else another peer's, compressed already
    if (!isPlain || !places.some((place) => tried.has(place))) continue;
    const compression: (string | null)[] = [];
    for (const place of places) {
      const small: Uint8Array | null = tried.has(place) ? yield* attempt(frames[place] as Uint8Array) : null;
      if (small) frames[place] = small;
      compression.push(small && name);
    }
    frames[at] = relaid(frames[at] as Uint8Array, plain, { counts, compression }) as Uint8Array; // as it ends so
  }
  return { ...message, frames };
}

/** The frame, compressed; null where it, or a sample of it, does not shrink enough. */
function* attempt(frame: Uint8Array): Generator<Uint8Array, Uint8Array | null, Uint8Array> {
  if (frame.byteLength > SAMPLES * SAMPLE_BYTES) {
    const sample = sampleOf(frame);
    if ((yield sample).byteLength > RATIO_MAX * sample.byteLength) return null;
  }
  const small = yield frame;
  return small.byteLength > RATIO_MAX * frame.byteLength ? null : small;
}

/**
 * The bytes compressed on other threads by the same rules; null: they do not shrink enough, or are too few or too many.
 * @throws what the library throws
 */
export async function compressBytes(bytes: Uint8Array, { later }: Compressor): Promise<Uint8Array | null> {
  if (bytes.byteLength < FRAME_BYTES_MIN || bytes.byteLength > FRAME_BYTES_MAX) return null;
  const steps = attempt(bytes);
  let step = steps.next();
  while (!step.done) step = steps.next(await later(step.value));
  return step.value;
}

/** Pieces from all over the frame: evenly, where Dask draws lots, so that the same message gives the same bytes. */
function sampleOf(frame: Uint8Array): Uint8Array {
  const sample = new Uint8Array(SAMPLES * SAMPLE_BYTES);
  const last = frame.byteLength - SAMPLE_BYTES;
  for (let i = 0; i < SAMPLES; i++) {
    const from = Math.floor((last * i) / (SAMPLES - 1));
    sample.set(frame.subarray(from, from + SAMPLE_BYTES), i * SAMPLE_BYTES);
  }
  return sample;
}

function runNow(steps: Steps, { now }: Compressor): EncodedMessage {
  let step = steps.next();
  while (!step.done) step = steps.next(now(step.value));
  return step.value;
}

async function runLater(steps: Steps, { later }: Compressor): Promise<EncodedMessage> {
  let step = steps.next();
  while (!step.done) step = steps.next(await later(step.value));
  return step.value;
}

/** Places of an object's frames. */
function placesOf({ at, counts }: EncodedObject): number[] {
  return Array.from({ length: counts.reduce((sum, count) => sum + count, 0) }, (_, i) => at + 1 + i);
}

/**
 * Decompress objects on other threads if they have more than `offloadBytes` together, before somebody reads them at once.
 * What cannot be decompressed stays as it is: its reader meets the error. Undefined: nothing is to be done.
 */
export function decompressLarge(values: Iterable<Serialized>, offloadBytes: number): Promise<void> | undefined {
  const all = [...values];
  if (all.reduce((sum, { nbytes }) => sum + nbytes, 0) <= offloadBytes) return undefined;
  const compressed = all.filter(isCompressed);
  return compressed.length === 0 ? undefined : decompressed(compressed);
}

function isCompressed(value: Serialized): boolean {
  try {
    return value.isCompressed;
  } catch {
    return false; // its header is none: its reader meets the error
  }
}

async function decompressed(values: readonly Serialized[]): Promise<void> {
  for (const value of values) await value.decompress().catch(() => undefined);
}
