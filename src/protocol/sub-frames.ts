/**
 * How the frames of a serialized object are split and compressed, as the end of its sub-header says it: rewritten in
 * place, the rest of the header stays byte for byte. Source: distributed/protocol/serialize.py `serialize_and_split`.
 */
import { joinBytes } from "./framing.ts";
import { pack, type SplitFrames } from "./msgpack.ts";

/** Of each frame of an object: in how many parts it travels, and of each part its compression. */
export interface SubFrames {
  readonly counts: readonly number[];
  readonly compression: readonly (string | null)[];
}

/** Parts of a frame begin at multiples of this, so that each holds whole elements. */
const STEP_BYTES = 16;

const [COUNTS, OFFSETS, COMPRESSION, TOTAL] = [
  "split-num-sub-frames",
  "split-offsets",
  "compression",
  "num-sub-frames",
].map((name) => pack(name)) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array]; // four names

/** The fields of a sub-header that describe these frames. */
function subFrameFields({ counts, compression }: SubFrames): Record<string, unknown> {
  let at = 0;
  const offsets = counts.map((count) => {
    at += count;
    return at - count;
  });
  return {
    "split-num-sub-frames": counts,
    "split-offsets": offsets,
    compression,
    "num-sub-frames": at,
  };
}

/** The same, as the bytes that end a header in which they come last: both Dask and rsdat write them so. */
function ending(frames: SubFrames): Uint8Array {
  const [counts, offsets, compression, total] = Object.values(subFrameFields(frames)).map(pack);
  return joinBytes(
    [COUNTS, counts, OFFSETS, offsets, COMPRESSION, compression, TOTAL, total] as Uint8Array[], // one for one
  );
}

/** The header with `after` in the place of `before`; null where it does not end with what says `before`. */
export function relaid(header: Uint8Array, before: SubFrames, after: SubFrames): Uint8Array | null {
  const end = ending(before);
  const at = header.byteLength - end.byteLength;
  if (at < 0 || Buffer.compare(header.subarray(at), end) !== 0) return null;
  return joinBytes([header.subarray(0, at), ending(after)]);
}

/** Frames of an object that are neither split nor compressed. */
function wholeFrames(count: number): SubFrames {
  return { counts: new Array<number>(count).fill(1), compression: new Array<null>(count).fill(null) };
}

/** What splits the frames that have more than `shardBytes`, in views. */
export function splitterOf(shardBytes: number): SplitFrames {
  const step = Math.max(STEP_BYTES, Math.floor(shardBytes / STEP_BYTES) * STEP_BYTES);
  return (header, frames) => {
    if (!frames.some(({ byteLength }) => byteLength > shardBytes)) return null;
    const parts = frames.map((frame) => (frame.byteLength > shardBytes ? partsOf(frame, step) : [frame]));
    const body = parts.flat();
    const counts = parts.map(({ length }) => length);
    const split = relaid(header, wholeFrames(frames.length), { counts, compression: body.map(() => null) });
    return split && { header: split, body, counts };
  };
}

function partsOf(frame: Uint8Array, step: number): Uint8Array[] {
  return Array.from({ length: Math.ceil(frame.byteLength / step) }, (_, i) => frame.subarray(i * step, (i + 1) * step));
}
