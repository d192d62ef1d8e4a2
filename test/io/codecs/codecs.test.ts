import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { isRsdatError } from "../../../src/base/index.ts";
import { CODEC_IDS, codecOf, type ItemSize, plainByteKernels } from "../../../src/io/codecs/index.ts";

interface Fixture {
  readonly name: string;
  readonly id: string;
  readonly options: Record<string, unknown>;
  readonly raw: string;
  readonly encoded: string;
  readonly predictor?: number;
  readonly rows?: number;
  readonly width?: number;
  readonly samples?: number;
  readonly itemsize?: ItemSize;
}

interface FixtureFile {
  readonly raws: readonly string[];
  readonly cases: readonly (Omit<Fixture, "raw"> & { readonly raw: number })[];
}

const file = JSON.parse(readFileSync(new URL("fixtures/codecs.json", import.meta.url), "utf8")) as FixtureFile;
const cases: readonly Fixture[] = file.cases.map((f) => ({ ...f, raw: file.raws[f.raw]! }));
const context = { kernels: plainByteKernels };
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "base64"));

/** `n` bytes inside a buffer whose margins must stay untouched. */
function withCanaries(n: number, body: (dst: Uint8Array) => void): Uint8Array {
  const whole = new Uint8Array(n + 64).fill(0xa5);
  const dst = whole.subarray(32, 32 + n);
  body(dst);
  expect(whole.subarray(0, 32).every((v) => v === 0xa5) && whole.subarray(32 + n).every((v) => v === 0xa5)).toBe(true);
  return dst;
}

function errorCode(body: () => unknown): string {
  try {
    body();
  } catch (e) {
    if (isRsdatError(e)) return e.code;
    throw e;
  }
  return "none";
}

function predictorShape(f: Fixture): Parameters<typeof plainByteKernels.predictor2Decode>[1] {
  return { rows: f.rows!, width: f.width!, samples: f.samples!, itemsize: f.itemsize! };
}

describe("streams of numcodecs and GDAL decode to what they were made from", () => {
  test.each(cases)("$name", (f) => {
    const raw = bytes(f.raw);
    const got = withCanaries(raw.length, (dst) => codecOf(f.id, f.options).decode(bytes(f.encoded), dst, context));
    if (f.predictor === 2) plainByteKernels.predictor2Decode(got, predictorShape(f));
    if (f.predictor === 3) plainByteKernels.predictor3Decode(got, predictorShape(f));
    expect(Buffer.from(got).equals(raw)).toBe(true);
  });
});

describe("streams of unknown length decode within their bound", () => {
  test.each(cases.filter((f) => f.predictor === undefined))("$name", (f) => {
    const raw = bytes(f.raw);
    const codec = codecOf(f.id, f.options);
    expect(Buffer.from(codec.decodeUpTo(bytes(f.encoded), raw.length, context)).equals(raw)).toBe(true);
    if (raw.length > 0)
      expect(errorCode(() => codec.decodeUpTo(bytes(f.encoded), raw.length - 1, context))).toBe("oversize");
  });
});

describe("encoders give what libtiff and numcodecs give, where the format leaves no choice", () => {
  const exact = cases.filter((f) => f.id === "lzw" || f.id === "shuffle" || f.id === "crc32c");
  test.each(exact)("$name", (f) => {
    const raw = bytes(f.raw);
    if (f.predictor === 2) plainByteKernels.predictor2Encode(raw, predictorShape(f));
    const got = codecOf(f.id, f.options).encode(raw, context);
    expect(Buffer.from(got).toString("base64")).toBe(f.encoded);
  });

  test.each(cases.filter((f) => f.predictor === 3))("predictor 3: $name", (f) => {
    const stream = new Uint8Array(bytes(f.raw).length);
    codecOf(f.id).decode(bytes(f.encoded), stream, context);
    const got = bytes(f.raw);
    plainByteKernels.predictor3Encode(got, predictorShape(f));
    expect(Buffer.from(got).equals(stream)).toBe(true);
  });
});

describe("lengths are checked", () => {
  const one = new Map<string, Fixture>(cases.map((f) => [`${f.id}/${f.options["cname"] ?? ""}`, f]));
  test.each([...one.values()].filter((f) => f.raw !== ""))("$id $options: one byte more or fewer is an error", (f) => {
    const raw = bytes(f.raw);
    const codec = codecOf(f.id, f.options);
    const decode = (n: number) =>
      errorCode(() => withCanaries(n, (dst) => codec.decode(bytes(f.encoded), dst, context)));
    expect(decode(raw.length + 1)).toBe("short");
    // Streams without a length of their own (LZW, PackBits) stop where the tile is full.
    if (f.id !== "lzw" && f.id !== "packbits") expect(decode(raw.length - 1)).toBe("oversize");
  });

  test.each([...one.values()].filter((f) => f.raw !== ""))("$id $options: a cut stream is an error", (f) => {
    const raw = bytes(f.raw);
    const encoded = bytes(f.encoded);
    const cut = encoded.subarray(0, encoded.length >> 1);
    const code = errorCode(() => codecOf(f.id, f.options).decode(cut, new Uint8Array(raw.length), context));
    expect(["short", "corrupt"]).toContain(code);
  });

  test("a small stream that expands without end is stopped", () => {
    for (const id of ["zlib", "gzip", "zstd"]) {
      const bomb = codecOf(id).encode(new Uint8Array(1 << 22), context);
      expect(errorCode(() => codecOf(id).decode(bomb, new Uint8Array(1000), context))).toBe("oversize");
    }
  });

  test("two zstd frames are not taken for one", () => {
    const zstd = codecOf("zstd");
    const frame = zstd.encode(new Uint8Array(100).fill(7), context);
    const both = new Uint8Array([...frame, ...frame]);
    expect(errorCode(() => zstd.decode(both, new Uint8Array(200), context))).toBe("short");
  });

  test("a wrong checksum is an error", () => {
    const codec = codecOf("crc32c");
    const encoded = codec.encode(new Uint8Array([1, 2, 3]), context);
    encoded[1]! ^= 1;
    expect(errorCode(() => codec.decode(encoded, new Uint8Array(3), context))).toBe("checksum");
    const zstd = codecOf("zstd", { checksum: true, level: 1 });
    const frame = zstd.encode(new Uint8Array(100).fill(7), context);
    frame[frame.length - 1]! ^= 1;
    expect(errorCode(() => zstd.decode(frame, new Uint8Array(100), context))).toBe("corrupt");
  });
});

describe("what is not supported is said by name", () => {
  test.each([
    ["an unknown id", () => codecOf("lzma")],
    ["an id that objects inherit", () => codecOf("toString")],
    ["a blosc compressor unknown", () => codecOf("blosc", { cname: "brotli" })],
    ["a level outside the codec's", () => codecOf("zlib", { level: 10 })],
    ["a shuffle unknown", () => codecOf("blosc", { shuffle: 7 })],
    ["writing lz4", () => codecOf("lz4").encode(new Uint8Array(3), context)],
    ["writing blosc lz4", () => codecOf("blosc", { cname: "lz4" }).encode(new Uint8Array(3), context)],
  ])("%s", (_, body) => {
    expect(errorCode(body)).toBe("unsupported");
  });

  test("blosclz inside a frame", () => {
    const frame = codecOf("blosc", { typesize: 1 }).encode(new Uint8Array(1000), context);
    frame[2]! &= 0x1f; // compressor code 0
    expect(errorCode(() => codecOf("blosc").decode(frame, new Uint8Array(1000), context))).toBe("unsupported");
  });

  test("the table's ids all make a codec", () => {
    expect(CODEC_IDS.map((id) => codecOf(id, id === "delta" ? { itemsize: 4 } : {}).id)).toEqual([...CODEC_IDS]);
  });
});

describe("check values", () => {
  test("CRC-32C of the standard's examples", () => {
    // RFC 3720 B.4: 32 zeros, 32 ones, 0..31; and the customary "123456789".
    expect(plainByteKernels.crc32c(new Uint8Array(32)).toString(16)).toBe("8a9136aa");
    expect(plainByteKernels.crc32c(new Uint8Array(32).fill(255)).toString(16)).toBe("62a8ab43");
    expect(plainByteKernels.crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)).toString(16)).toBe("46dd794e");
    expect(plainByteKernels.crc32c(Buffer.from("123456789")).toString(16)).toBe("e3069283");
  });

  test("byte order", () => {
    const data = Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    plainByteKernels.bswap(data, 4);
    expect([...data]).toEqual([4, 3, 2, 1, 8, 7, 6, 5, 9]);
  });
});
