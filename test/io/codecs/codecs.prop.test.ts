import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isRsdatError } from "../../../src/base/index.ts";
import { codecOf, type ItemSize, plainByteKernels as kernels } from "../../../src/io/codecs/index.ts";

const context = { kernels };

/** Bytes with runs, as rasters have. */
const data = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 1, max: 300 })), { maxLength: 60 })
  .map((runs) => Uint8Array.from(runs.flatMap(([v, n]) => (n > 200 ? new Array<number>(n).fill(v) : [v]))));

/** The same at an odd place of a larger buffer. */
function misaligned(bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(bytes.length + 3);
  whole.set(bytes, 3);
  return whole.subarray(3);
}

const CODECS: readonly [string, Record<string, unknown>][] = [
  ["none", {}],
  ["zlib", { level: 6 }],
  ["gzip", { level: 1 }],
  ["zstd", { level: 3 }],
  ["zstd", { level: 1, checksum: true }],
  ["blosc", { cname: "zstd", clevel: 3, shuffle: "shuffle", typesize: 4 }],
  ["blosc", { cname: "zstd", clevel: 3, shuffle: "bitshuffle", typesize: 2 }],
  ["blosc", { cname: "zstd", clevel: 0, shuffle: "noshuffle", typesize: 1 }],
  ["shuffle", { elementsize: 4 }],
  ["delta", { itemsize: 1 }],
  ["crc32c", {}],
  ["lzw", {}],
  ["packbits", { rowBytes: 50 }],
];

describe.each(CODECS)("%s %o", (id, options) => {
  const codec = codecOf(id, options);

  test("decodes what it encoded", () => {
    fc.assert(
      fc.property(data, (raw) => {
        const encoded = codec.encode(raw, context);
        const out = misaligned(new Uint8Array(raw.length));
        codec.decode(misaligned(encoded), out, context);
        expect(Buffer.from(out).equals(raw)).toBe(true);
        const fixed = codec.encodedBytes(raw.length);
        if (fixed !== null) expect(encoded.length).toBe(fixed);
      }),
      { numRuns: 60 },
    );
  });

  test("a mutated stream gives a typed error or bytes, and writes nowhere else", () => {
    fc.assert(
      fc.property(data, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }), (raw, edits) => {
        const encoded = codec.encode(raw, context).slice();
        for (const [at, v] of edits) if (encoded.length > 0) encoded[at % encoded.length] = v;
        const whole = new Uint8Array(raw.length + 64).fill(0xa5);
        try {
          codec.decode(encoded, whole.subarray(32, 32 + raw.length), context);
        } catch (e) {
          if (!isRsdatError(e)) throw e;
        }
        expect(whole.subarray(0, 32).every((v) => v === 0xa5)).toBe(true);
        expect(whole.subarray(32 + raw.length).every((v) => v === 0xa5)).toBe(true);
      }),
      { numRuns: 150 },
    );
  });
});

test("LZW survives long inputs: full tables, clears and every code width", () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 250 }), (seed, range) => {
      let state = seed | 1;
      const raw = Uint8Array.from({ length: 30_000 }, () => {
        state = (Math.imul(state, 1664525) + 1013904223) | 0;
        return (state >>> 16) % range;
      });
      const encoded = codecOf("lzw").encode(raw, context);
      const out = new Uint8Array(raw.length);
      codecOf("lzw").decode(encoded, out, context);
      expect(Buffer.from(out).equals(raw)).toBe(true);
    }),
    { numRuns: 15 },
  );
});

test("blosc frames of several blocks, the last one short", () => {
  const raw = Uint8Array.from({ length: 1_300_003 }, (_, i) => (i * i) >> 7);
  for (const typesize of [1, 2, 3, 4, 8]) {
    const codec = codecOf("blosc", { clevel: 1, shuffle: typesize === 3 ? 2 : 1, typesize });
    const out = new Uint8Array(raw.length);
    codec.decode(codec.encode(raw, context), out, context);
    expect(Buffer.from(out).equals(raw)).toBe(true);
  }
});

const shapes = fc.record({
  rows: fc.integer({ min: 1, max: 4 }),
  width: fc.integer({ min: 1, max: 20 }),
  samples: fc.integer({ min: 1, max: 4 }),
  itemsize: fc.constantFrom<ItemSize>(1, 2, 4, 8),
});

test("predictors undo themselves, aligned or not", () => {
  fc.assert(
    fc.property(shapes, fc.integer(), (shape, seed) => {
      const n = shape.rows * shape.width * shape.samples * shape.itemsize;
      const raw = Uint8Array.from({ length: n }, (_, i) => Math.imul(i + seed, 2654435761) >>> 24);
      for (const place of [(b: Uint8Array) => b.slice(), misaligned]) {
        const two = place(raw);
        kernels.predictor2Encode(two, shape);
        kernels.predictor2Decode(two, shape);
        expect(Buffer.from(two).equals(raw)).toBe(true);
        const three = place(raw);
        kernels.predictor3Encode(three, shape);
        kernels.predictor3Decode(three, shape);
        expect(Buffer.from(three).equals(raw)).toBe(true);
      }
    }),
  );
});
