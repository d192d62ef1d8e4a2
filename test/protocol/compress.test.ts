/** Frames that are split and compressed before they are sent; what a Python peer makes of them is in test/interop/compressed.test.ts. */
import { describe, expect, test } from "vitest";
import { seededRandom } from "../../src/base/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import {
  COMPRESSORS,
  type Compressor,
  compressMessage,
  decodeMessage,
  decompressLarge,
  deserialize,
  type EncodedMessage,
  encodeMessage,
  plainBlockOf,
  readRunSpec,
  type Serialized,
  serialize,
  serializeTaskSpec,
  splitterOf,
} from "../../src/protocol/index.ts";

const NO_SPLIT = splitterOf(Number.POSITIVE_INFINITY);
const random = seededRandom(5);
const noise = (nbytes: number): Uint8Array => Uint8Array.from({ length: nbytes }, () => random.below(256));
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const same = (a: EncodedMessage | Promise<EncodedMessage>, b: EncodedMessage): boolean =>
  !(a instanceof Promise) &&
  a.frames.length === b.frames.length &&
  a.frames.every((frame, i) => Buffer.compare(frame, b.frames[i]!) === 0);
const block = (bytes: Uint8Array): NDArray => NDArray.of(bytes);
/** What a peer makes of a message with one value. */
const received = ({ frames }: EncodedMessage): Serialized => (decodeMessage(frames) as Serialized[])[0]!;
const compressed = (bytes: Uint8Array, how: Compressor = COMPRESSORS.zlib): EncodedMessage =>
  compressMessage(encodeMessage([serialize(block(bytes))], NO_SPLIT), how, Number.POSITIVE_INFINITY) as EncodedMessage; // at once
const read = (value: Serialized): Uint8Array => (deserialize(value) as NDArray).data as Uint8Array;

describe.each(["zlib", "zstd"] as const)("%s", (name) => {
  test("a block that compresses is compressed, and said to be; one that does not goes as it is", () => {
    const ramp = Uint8Array.from({ length: 300_000 }, (_, i) => i % 7);
    const small = received(compressed(ramp, COMPRESSORS[name]));
    expect(small.fields.get("compression")).toEqual([name]);
    expect(small.nbytes).toBeLessThan(ramp.byteLength / 10);
    expect(hex(read(small))).toBe(hex(ramp));
    const bytes = noise(300_000);
    const whole = encodeMessage([serialize(block(bytes))], NO_SPLIT);
    expect(same(compressMessage(whole, COMPRESSORS[name], Number.POSITIVE_INFINITY), whole)).toBe(true);
  });
});

test("Dask's rules: at least 10 kB, at most 0.7 of the sample and of the whole", () => {
  const tried: number[] = [];
  const half: Compressor = {
    name: "zlib",
    now: (bytes) => {
      tried.push(bytes.byteLength);
      return bytes.subarray(0, Math.floor(bytes.byteLength * share(bytes.byteLength)));
    },
    later: () => Promise.reject(new Error("not asked for")),
  };
  let share = (_: number): number => 0.7;
  const names = (nbytes: number): unknown =>
    received(compressed(new Uint8Array(nbytes), half)).fields.get("compression");
  expect([names(9_999), tried.splice(0)]).toEqual([[null], []]);
  expect([names(10_000), tried.splice(0)]).toEqual([["zlib"], [10_000]]);
  expect([names(200_000), tried.splice(0)]).toEqual([["zlib"], [50_000, 200_000]]);
  share = (nbytes) => (nbytes === 50_000 ? 0.71 : 0.1);
  expect([names(200_000), tried.splice(0)]).toEqual([[null], [50_000]]);
  share = (nbytes) => (nbytes === 50_000 ? 0.1 : 0.71);
  expect([names(200_000), tried.splice(0)]).toEqual([[null], [50_000, 200_000]]);
});

test("a sample sees all of a frame: one whose beginning alone compresses is not tried", () => {
  const bytes = noise(400_000).fill(0, 0, 80_000);
  let whole = 0;
  const counting: Compressor = {
    ...COMPRESSORS.zlib,
    now: (part) => {
      if (part.byteLength === 400_000) whole++;
      return COMPRESSORS.zlib.now(part);
    },
  };
  expect(received(compressed(bytes, counting)).fields.get("compression")).toEqual([null]);
  expect(whole).toBe(0);
});

test("frames beyond the bound travel in parts, which are views, as Dask splits them", () => {
  const bytes = noise(2_500);
  const message = encodeMessage([serialize(block(bytes)), "beside"], splitterOf(1_000));
  const value = received(message);
  // 1000 is no multiple of 16 bytes: parts hold whole elements.
  expect(value.frames.map(({ byteLength }) => byteLength)).toEqual([992, 992, 516]);
  expect([value.fields.get("split-num-sub-frames"), value.fields.get("split-offsets")]).toEqual([[3], [0]]);
  expect([value.fields.get("num-sub-frames"), value.fields.get("compression")]).toEqual([3, [null, null, null]]);
  expect(value.frames.every(({ buffer }) => buffer === bytes.buffer)).toBe(true);
  expect(hex(read(value))).toBe(hex(bytes));
  expect(plainBlockOf(value.header)).toEqual({ dtype: "uint8", shape: [2_500], nbytes: 2_500, frames: 3 });
  expect(encodeMessage([serialize(block(bytes))], splitterOf(2_500)).frames).toEqual(
    encodeMessage([serialize(block(bytes))]).frames,
  );
});

test("each part is compressed by itself; what another has split or compressed stays as it is", async () => {
  const bytes = new Uint8Array(90_000).fill(0, 0, 60_000);
  bytes.set(noise(30_000), 60_000);
  const parts = encodeMessage([serialize(block(bytes))], splitterOf(30_000));
  const message = compressMessage(parts, COMPRESSORS.zstd, Number.POSITIVE_INFINITY) as EncodedMessage; // at once
  const value = received(message);
  // 30,000 is 1875 times 16.
  expect(value.fields.get("compression")).toEqual(["zstd", "zstd", null]);
  expect(hex(read(value))).toBe(hex(bytes));
  const again = encodeMessage([value], splitterOf(10));
  expect(again.frames.map(hex)).toEqual(message.frames.map(hex));
  const once = await compressMessage(again, COMPRESSORS.zlib, 0);
  expect(once.frames.map(hex)).toEqual(message.frames.map(hex));
});

test("what is read without its value, run specs and errors, may be compressed too", () => {
  const spec = new Uint8Array(20_000).fill(9);
  const message = encodeMessage([serializeTaskSpec(spec)], NO_SPLIT);
  const value = received(compressMessage(message, COMPRESSORS.zlib, Number.POSITIVE_INFINITY) as EncodedMessage); // at once
  expect(value.isCompressed).toBe(true);
  expect(readRunSpec(value)).toEqual({ kind: "native", spec, dependencies: undefined });
});

test("above the bound the work is done on other threads, with the same bytes; below it at once", async () => {
  const bytes = Uint8Array.from({ length: 2_000_000 }, (_, i) => i % 11);
  const message = encodeMessage([serialize(block(bytes)), serialize(block(noise(20_000)))], NO_SPLIT);
  const later = compressMessage(message, COMPRESSORS.zstd, 2_019_999);
  expect(later).toBeInstanceOf(Promise);
  expect(same(compressMessage(message, COMPRESSORS.zstd, 2_020_000), await later)).toBe(true);
  // Magic number; the size of the contents in four bytes, one segment and a checksum; the size (zstd's format description, 3.1.1).
  const [header, size] = [Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xa4]), Buffer.alloc(4)];
  size.writeUInt32LE(2_000_000);
  expect(hex((await later).frames[2]!).startsWith(Buffer.concat([header, size]).toString("hex"))).toBe(true);
  const value = received(await later);
  expect(decompressLarge([value], value.nbytes)).toBeUndefined();
  const isReady = (): boolean => {
    const [first] = value.plainFrames();
    return value.plainFrames()[0] === first; // else made anew each time
  };
  expect(isReady()).toBe(false);
  await decompressLarge([value], value.nbytes - 1);
  expect(isReady()).toBe(true);
  expect(hex(read(value))).toBe(hex(bytes));
});

test("what cannot be decompressed on other threads is told by whoever reads it", async () => {
  const value = received(compressed(new Uint8Array(50_000)));
  (value.frames[0] as Uint8Array)[0] = 0;
  await decompressLarge([value], 0);
  expect(() => deserialize(value)).toThrow(expect.objectContaining({ code: "remote-protocol" }));
});
