import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeFrames, FrameDecoder, type FramedMessage, joinBytes } from "../../src/protocol/index.ts";
import { readGoldens } from "./wire-view.ts";

const FRAMES = fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 8 });

function drain(decoder: FrameDecoder): FramedMessage[] {
  const out: FramedMessage[] = [];
  for (let message = decoder.next(); message; message = decoder.next()) out.push(message);
  return out;
}

test("C-I1 messages survive every way of cutting the byte stream", () => {
  fc.assert(
    fc.property(
      fc.array(FRAMES, { minLength: 1, maxLength: 4 }),
      fc.nat(8),
      fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }),
      (messages, block, cuts) => {
        const stream = joinBytes(messages.flatMap((frames) => encodeFrames(frames, { blockFrames: block })));
        const decoder = new FrameDecoder();
        for (let at = 0, k = 0; at < stream.byteLength; k++) {
          const step = cuts[k % cuts.length]!;
          decoder.push(stream.subarray(at, at + step));
          at += step;
        }
        expect(drain(decoder).map((m) => m.frames.map((f) => Array.from(f)))).toEqual(
          messages.map((frames) => frames.map((f) => Array.from(f))),
        );
        expect(decoder.isIdle).toBe(true);
      },
    ),
    { numRuns: 300 },
  );
});

test("every single cut of a real message, and byte by byte", () => {
  const golden = readGoldens(`${import.meta.dirname}/../golden/wire`).find((g) => g.name === "value-p-list")!;
  const whole = new FrameDecoder();
  whole.push(golden.bytes);
  const expected = drain(whole);
  for (let cut = 0; cut <= golden.bytes.byteLength; cut++) {
    const decoder = new FrameDecoder();
    decoder.push(golden.bytes.subarray(0, cut));
    decoder.push(golden.bytes.subarray(cut));
    expect(drain(decoder)).toEqual(expected);
  }
  const decoder = new FrameDecoder();
  for (const byte of golden.bytes) decoder.push(Uint8Array.of(byte));
  expect(drain(decoder)).toEqual(expected);
});

test("filling the decoder's own space gives the same as pushing", () => {
  fc.assert(
    fc.property(FRAMES, fc.integer({ min: 1, max: 64 }), (frames, step) => {
      const stream = joinBytes(encodeFrames(frames));
      const decoder = new FrameDecoder();
      for (let at = 0; at < stream.byteLength; ) {
        const space = decoder.space();
        const count = Math.min(space.byteLength, step, stream.byteLength - at);
        space.set(stream.subarray(at, at + count));
        decoder.filled(count);
        at += count;
      }
      expect(drain(decoder).map((m) => m.frames.map((f) => Array.from(f)))).toEqual([frames.map((f) => Array.from(f))]);
    }),
    { numRuns: 200 },
  );
});

test("C-I2 frames lie at offset 0 of a buffer of their own, small and large, inside the block and behind it", () => {
  const frames = [new Uint8Array(3), Uint8Array.from({ length: 48 }, (_, i) => i), new Uint8Array(100_000).fill(7)];
  for (const blockFrames of [1, 2, 3]) {
    const decoder = new FrameDecoder();
    decoder.push(joinBytes(encodeFrames(frames, { blockFrames })));
    for (const frame of decoder.next()!.frames) {
      expect(frame.byteOffset).toBe(0);
      expect(frame.buffer.byteLength).toBe(frame.byteLength);
    }
  }
});

test("large frames are passed on without a copy, small ones are joined", () => {
  const large = new Uint8Array(100_000);
  const pieces = encodeFrames([new Uint8Array(5), large, new Uint8Array(6), new Uint8Array(0), new Uint8Array(7)], {
    blockFrames: 1,
  });
  expect(pieces.map((p) => p.byteLength)).toEqual([16 + 5 * 8 + 5, 100_000, 13]);
  expect(pieces[1]).toBe(large);
});

/** Little-endian u64s. */
function words(...values: (number | bigint)[]): Uint8Array {
  return new Uint8Array(new BigUint64Array(values.map(BigInt)).buffer);
}

test.each([
  ["first block shorter than the frame count", words(7)],
  ["more frames than allowed", words(2 ** 30, 2 ** 21)],
  ["frame lengths outside the first block", words(24, 3)],
  ["block that ends inside a frame", words(20, 1, 8)],
  ["block longer than its frames", words(17, 1, 0)],
  ["no frames but a block", words(9, 0)],
  ["message beyond the limit", words(16, 1, 2 ** 40)],
  ["length beyond 2^53", words(16, 1, 2n ** 63n)],
  ["an HTTP answer", new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n")],
])("refuses a %s", (_, bytes) => {
  const decoder = new FrameDecoder();
  expect(() => decoder.push(bytes)).toThrow(expect.objectContaining({ code: "remote-protocol" }));
});

test("C-I3 a claimed length is not allocated before its bytes arrive", () => {
  const decoder = new FrameDecoder();
  decoder.push(words(16, 1, 2 ** 35));
  decoder.push(new Uint8Array(1000));
  expect(decoder.space().buffer.byteLength).toBeLessThanOrEqual(2 ** 26);
  expect(decoder.frameBytesMissing).toBe(2 ** 35 - 1000);
});

test("C-I16 large frames arrive in the receiver's memory, if it has some for them, however the stream is cut", () => {
  const frames = [new Uint8Array([1, 2]), new Uint8Array(70_000).fill(3), new Uint8Array(80_000).fill(4)];
  const bytes = joinBytes(encodeFrames(frames, { blockFrames: 1 }));
  for (const step of [bytes.byteLength, 1000, 65_537]) {
    const memory = new Uint8Array(new SharedArrayBuffer(70_000));
    const asked: [number, number][] = [];
    const decoder = new FrameDecoder();
    decoder.place((nbytes, before) => {
      asked.push([nbytes, before.length]);
      return nbytes === 70_000 ? memory : undefined;
    });
    for (let at = 0; at < bytes.byteLength; at += step) decoder.push(bytes.subarray(at, at + step));
    const message = decoder.next()!;
    expect(asked).toEqual([
      [70_000, 1],
      [80_000, 2],
    ]);
    expect(message.frames[1]).toBe(memory);
    expect(message.frames.map((f) => f.every((b, i) => b === frames[message.frames.indexOf(f)]![i]))).toEqual([
      true,
      true,
      true,
    ]);
  }
});

test("a frame larger than its first allocation arrives whole", () => {
  const nbytes = 2 ** 26 + 12_345;
  const decoder = new FrameDecoder();
  decoder.push(words(16, 1, nbytes));
  const chunk = Uint8Array.from({ length: 2 ** 20 }, (_, i) => i % 251);
  for (let at = 0; at < nbytes; at += chunk.byteLength)
    decoder.push(chunk.subarray(0, Math.min(chunk.byteLength, nbytes - at)));
  const frame = decoder.next()!.frames[0]!;
  expect(frame.byteLength).toBe(nbytes);
  for (let at = 0; at < nbytes; at += 99_991) expect(frame[at]).toBe((at % 2 ** 20) % 251);
});
