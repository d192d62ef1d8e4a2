import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isRsdatError } from "../../../src/base/index.ts";
import { codecOf, plainByteKernels } from "../../../src/io/codecs/index.ts";
import {
  createZarr,
  finishZarr,
  openZarrArray,
  openZarrGroup,
  readZarrArray,
  writeZarrObjectSync,
} from "../../../src/io/zarr/index.ts";
import { NDArray } from "../../../src/ndarray/index.ts";
import { describePeer } from "../../peers.ts";
import { mountTmpfs } from "../../tmpfs.ts";

const context = { kernels: plainByteKernels };
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rsdat-zarr-bad-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

type Doc = Record<string, unknown>;

/** A good v3 array of 4 × 4 int16 in chunks of 2 × 2, changed by `change`. */
function v3(change: Doc): Doc {
  return {
    zarr_format: 3,
    node_type: "array",
    shape: [4, 4],
    data_type: "int16",
    chunk_grid: { name: "regular", configuration: { chunk_shape: [2, 2] } },
    chunk_key_encoding: { name: "default", configuration: { separator: "/" } },
    fill_value: 0,
    codecs: [{ name: "bytes", configuration: { endian: "little" } }],
    attributes: {},
    ...change,
  };
}

function v2(change: Doc): Doc {
  return {
    zarr_format: 2,
    shape: [4, 4],
    chunks: [2, 2],
    dtype: "<i2",
    fill_value: 0,
    order: "C",
    filters: null,
    compressor: null,
    ...change,
  };
}

function put(key: string, content: unknown): string {
  const path = join(folder, key);
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, content instanceof Uint8Array || typeof content === "string" ? content : JSON.stringify(content));
  return folder;
}

async function failure(body: () => Promise<unknown>): Promise<{ code: string; message: string }> {
  try {
    await body();
  } catch (e) {
    if (isRsdatError(e)) return { code: e.code, message: e.message };
    throw e;
  }
  return { code: "none", message: "" };
}

const sharded = (configuration: Doc, around: unknown[] = []): unknown[] => [
  {
    name: "sharding_indexed",
    configuration: {
      chunk_shape: [1, 2],
      codecs: [{ name: "bytes" }],
      index_codecs: [{ name: "bytes" }, { name: "crc32c" }],
      ...configuration,
    },
  },
  ...around,
];
const grid = (chunk_shape: unknown, name = "regular") => ({ chunk_grid: { name, configuration: { chunk_shape } } });

describe("v3 metadata that cannot be right, or not yet", () => {
  const cases: [string, string, Doc][] = [
    ["a shape of 2^60", "zarr-shape", { shape: [2 ** 30, 2 ** 30] }],
    ["a negative size", "zarr-shape", { shape: [-1, 4] }],
    ["a fractional size", "zarr-shape", { shape: [1.5, 4] }],
    ["no shape", "zarr-shape", { shape: undefined }],
    ["a chunk of 0", "zarr-chunks", grid([0, 2])],
    ["chunks of another rank", "zarr-chunks", grid([2])],
    ["chunks of 8 GiB", "zarr-chunks", { shape: [2 ** 20, 2 ** 20], ...grid([2 ** 16, 2 ** 16]) }],
    ["another grid", "unsupported", grid([2, 2], "rectilinear")],
    ["an unknown type", "unsupported", { data_type: "int7" }],
    ["raw bits", "unsupported", { data_type: "r16" }],
    ["days", "unsupported", { data_type: { name: "numpy.datetime64", configuration: { unit: "D", scale_factor: 1 } } }],
    ["no fill value", "zarr-fill", { fill_value: undefined }],
    ["a fill value out of range", "zarr-fill", { fill_value: 40000 }],
    ["a fraction as fill", "zarr-fill", { fill_value: 0.5 }],
    ["NaN as fill of integers", "zarr-fill", { fill_value: "NaN" }],
    ["hexadecimal digits too few", "zarr-fill", { data_type: "float32", fill_value: "0x7fc0" }],
    ["no codecs", "zarr-codecs", { codecs: undefined }],
    ["an empty codec list", "zarr-codecs", { codecs: [] }],
    ["a byte codec before bytes", "zarr-codecs", { codecs: [{ name: "gzip" }, { name: "bytes" }] }],
    ["an unknown codec", "unsupported", { codecs: [{ name: "bytes" }, { name: "pcodec" }] }],
    ["a codec that only TIFF has", "unsupported", { codecs: [{ name: "bytes" }, { name: "lzw" }] }],
    ["an unknown byte order", "zarr-codecs", { codecs: [{ name: "bytes", configuration: { endian: "middle" } }] }],
    [
      "an order that is no permutation",
      "zarr-codecs",
      { codecs: [{ name: "transpose", configuration: { order: [0, 0] } }, { name: "bytes" }] },
    ],
    ["an extension to be understood", "unsupported", { more: { name: "x" } }],
    ["storage transformers", "unsupported", { storage_transformers: [{ name: "x" }] }],
    ["another key encoding", "unsupported", { chunk_key_encoding: "fancy" }],
    [
      "another separator",
      "zarr-metadata",
      { chunk_key_encoding: { name: "default", configuration: { separator: "-" } } },
    ],
    ["too few dimension names", "zarr-metadata", { dimension_names: ["y"] }],
    ["attributes that are a list", "zarr-metadata", { attributes: [1] }],
    [
      "inner chunks that do not divide the shard",
      "zarr-chunks",
      { ...grid([4, 4]), codecs: sharded({ chunk_shape: [3, 2] }) },
    ],
    ["inner chunks of 0", "zarr-chunks", { codecs: sharded({ chunk_shape: [0, 2] }) }],
    [
      "too many chunks in a shard",
      "zarr-chunks",
      { shape: [2 ** 14, 2 ** 14], ...grid([2 ** 14, 2 ** 14]), codecs: sharded({ chunk_shape: [1, 1] }) },
    ],
    ["an index nowhere", "zarr-shard", { codecs: sharded({ index_location: "middle" }) }],
    ["a codec around shards", "unsupported", { codecs: sharded({}, [{ name: "gzip" }]) }],
    ["shards in shards", "unsupported", { codecs: sharded({ codecs: sharded({}) }) }],
    ["a compressed index", "unsupported", { codecs: sharded({ index_codecs: [{ name: "bytes" }, { name: "gzip" }] }) }],
  ];

  test.each(cases)("%s: %s", async (_, code, change) => {
    const url = put("zarr.json", v3(change));
    const got = await failure(() => openZarrArray(url));
    expect(got.code).toBe(code);
    expect(got.message).toContain("rsdat-zarr-bad-"); // names the object
  });

  test("an extension that need not be understood is ignored", async () => {
    const url = put("zarr.json", v3({ more: { name: "x", must_understand: false } }));
    expect((await openZarrArray(url)).shape).toEqual([4, 4]);
  });
});

describe("v2 metadata that cannot be right, or not yet", () => {
  const cases: [string, string, Doc][] = [
    ["a chunk of 0", "zarr-chunks", { chunks: [0, 2] }],
    ["no dtype", "zarr-metadata", { dtype: undefined }],
    ["strings", "unsupported", { dtype: "<U4" }],
    ["records", "unsupported", { dtype: [["a", "<i2"]] }],
    ["an unknown order", "zarr-metadata", { order: "K" }],
    ["an unknown separator", "zarr-metadata", { dimension_separator: "_" }],
    ["an unknown filter", "unsupported", { filters: [{ id: "categorize" }] }],
    ["a filter without id", "zarr-metadata", { filters: [{}] }],
    ["delta into another type", "unsupported", { filters: [{ id: "delta", dtype: "<i2", astype: "<i1" }] }],
    ["an unknown compressor", "unsupported", { compressor: { id: "lzma" } }],
    ["an unknown blosc compressor", "unsupported", { compressor: { id: "blosc", cname: "xz" } }],
    ["a fill value of another kind", "zarr-fill", { fill_value: "abc" }],
    ["another format", "zarr-metadata", { zarr_format: 4 }],
  ];
  test.each(cases)("%s: %s", async (_, code, change) => {
    const url = put(".zarray", v2(change));
    expect((await failure(() => openZarrArray(url))).code).toBe(code);
  });
});

describe("texts", () => {
  test.each([
    ["no JSON", "{"],
    ["a list", "[]"],
    ["nesting without end", "[".repeat(200_000)],
    ["a bare word", "{a: 1}"],
  ])("%s", async (_, text) => {
    const url = put("zarr.json", text);
    expect((await failure(() => openZarrGroup(url))).code).toBe("zarr-json");
  });

  test("bare NaN outside strings, words inside strings, integers beyond 2^53", async () => {
    const url = put(
      ".zarray",
      '{"zarr_format":2,"shape":[1],"chunks":[1],"dtype":"<i8","order":"C","filters":null,"compressor":null,"fill_value":9007199254740993}',
    );
    put(
      ".zattrs",
      '{"a": NaN, "b": [-Infinity, Infinity], "c": "a NaN, -Infinity \\" NaN", "d": 123456789012345678901, "e": 1e300}',
    );
    const info = await openZarrArray(url);
    expect(info.fill).toBe(9007199254740993n);
    expect(info.attributes).toEqual({
      a: Number.NaN,
      b: [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
      c: 'a NaN, -Infinity " NaN',
      d: 123456789012345678901n,
      e: 1e300,
    });
  });

  test("a NaN fill given by its bits", async () => {
    const url = put("zarr.json", v3({ data_type: "float32", fill_value: "0x7fc12345" }));
    const { data } = await readZarrArray(await openZarrArray(url));
    expect(new Uint32Array(data.buffer)[15]?.toString(16)).toBe("7fc12345");
  });

  test("mutated metadata: a typed error or a reading, quickly", async () => {
    const { parseArrayV3, parseArrayV2 } = await import("../../../src/io/zarr/metadata.ts");
    const { parseLooseJson } = await import("../../../src/io/zarr/json.ts");
    const good = [
      v3({ codecs: sharded({}) }),
      v2({ compressor: { id: "blosc", cname: "lz4", clevel: 5, shuffle: 1 } }),
    ];
    fc.assert(
      fc.property(
        fc.constantFrom(0, 1),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 5 }),
        (which, edits) => {
          const bytes = Buffer.from(JSON.stringify(good[which]));
          for (const [at, v] of edits) bytes[at % bytes.length] = v;
          try {
            const json = parseLooseJson(bytes, "x");
            const place = { place: "x" };
            const model = which === 0 ? parseArrayV3(json, place) : parseArrayV2(json, undefined, place);
            expect(model.shape.length).toBe(model.chunkShape.length);
          } catch (e) {
            if (!isRsdatError(e)) throw e;
          }
        },
      ),
      { numRuns: 3000 },
    );
  });
});

describe("groups", () => {
  test("nothing there, an array for a group, a group for an array", async () => {
    expect((await failure(() => openZarrGroup(join(folder, "none")))).code).toBe("not-found");
    expect((await failure(() => openZarrArray(join(folder, "none")))).code).toBe("not-found");
    put("a/zarr.json", v3({}));
    put("b/.zarray", v2({}));
    put("g/zarr.json", { zarr_format: 3, node_type: "group" });
    expect((await failure(() => openZarrGroup(join(folder, "a")))).code).toBe("zarr-node");
    expect((await failure(() => openZarrGroup(join(folder, "b")))).code).toBe("zarr-node");
    expect((await failure(() => openZarrArray(join(folder, "g")))).code).toBe("zarr-node");
    expect((await failure(() => openZarrGroup(join(folder, "g"), { consolidated: true }))).code).toBe(
      "zarr-consolidated",
    );
    expect((await failure(() => openZarrGroup(join(folder, "g"), { group: "x" }))).code).toBe("not-found");
  });

  test("one broken array does not hide the others", async () => {
    put("zarr.json", { zarr_format: 3, node_type: "group" });
    put("good/zarr.json", v3({}));
    put("bad/zarr.json", v3({ shape: [-1] }));
    put("folder/file", "x");
    const group = await openZarrGroup(folder);
    expect([...group.arrays.keys()]).toEqual(["good"]);
    expect([...group.unreadable.keys()]).toEqual(["bad"]);
    expect(() => group.source("bad")).toThrow(/shape/);
    expect([...(await openZarrGroup(folder, { vars: ["good"] })).unreadable]).toEqual([]);
  });

  test("both versions at one place: v3, with a warning", async () => {
    put("zarr.json", { zarr_format: 3, node_type: "group", attributes: { v: 3 } });
    put(".zgroup", { zarr_format: 2 });
    const group = await openZarrGroup(folder);
    expect([group.zarrFormat, group.attributes, group.warnings.length]).toEqual([3, { v: 3 }, 1]);
  });
});

describe("chunks that cannot be right", () => {
  const read = async (document: Doc, key: string, bytes: Uint8Array) => {
    put("zarr.json", v3(document));
    put(key, bytes);
    return failure(async () => readZarrArray(await openZarrArray(folder)));
  };
  const gzip = { codecs: [{ name: "bytes" }, { name: "gzip" }] };
  const whole = grid([4, 4]);

  test.each([
    ["short", "short", {}, new Uint8Array(7)],
    ["empty", "short", {}, new Uint8Array(0)],
    ["long", "oversize", {}, new Uint8Array(9)],
    ["far too long", "oversize", {}, new Uint8Array(70_000)],
    ["no gzip", "corrupt", gzip, new Uint8Array(30)],
    ["a bomb", "oversize", gzip, codecOf("gzip", { level: 9 }).encode(new Uint8Array(1 << 22), context)],
    ["another shape's", "short", { ...gzip, ...whole }, codecOf("gzip").encode(new Uint8Array(8), context)],
  ] as [string, string, Doc, Uint8Array][])("%s: %s, with the chunk's place", async (_, code, document, bytes) => {
    const key = document === gzip || !("chunk_grid" in document) ? "c/1/0" : "c/0/0";
    const got = await read(document, key, bytes);
    expect(got.code).toBe(code);
    expect(got.message).toContain(key);
  });

  test("a file where a chunk's folder would be proves the chunk's absence", async () => {
    put("zarr.json", v3({}));
    put("c/0", "a file where a folder should be"); // ENOTDIR proves absence of c/0/0
    const got = await readZarrArray(await openZarrArray(folder));
    expect(got.toArray()).toEqual([0, 1, 2, 3].map(() => [0, 0, 0, 0]));
  });

  test("shard indexes: checksum, ranges beyond the object, objects too short", async () => {
    const document = v3({ ...grid([2, 4]), codecs: sharded({ chunk_shape: [1, 2] }) });
    put("zarr.json", document);
    const shard = (entries: [bigint, bigint][], damage = false): Uint8Array => {
      const bytes = new Uint8Array(8 + entries.length * 16 + 4);
      const view = new DataView(bytes.buffer);
      entries.forEach(([o, n], k) => {
        view.setBigUint64(8 + 16 * k, o, true);
        view.setBigUint64(16 + 16 * k, n, true);
      });
      view.setUint32(bytes.length - 4, plainByteKernels.crc32c(bytes.subarray(8, -4)) ^ Number(damage), true);
      return bytes;
    };
    const none: [bigint, bigint] = [2n ** 64n - 1n, 2n ** 64n - 1n];
    const result = async (bytes: Uint8Array) => {
      put("c/0/0", bytes);
      return (await failure(async () => readZarrArray(await openZarrArray(folder)))).code;
    };
    expect(await result(shard([[0n, 4n], [4n, 4n], none, none]))).toBe("none");
    expect(await result(shard([[0n, 4n], none, none, none], true))).toBe("checksum");
    expect(await result(shard([[0n, 4n], [80n, 4n], none, none]))).toBe("zarr-shard");
    expect(await result(shard([[2n ** 63n, 2n ** 63n], none, none, none]))).toBe("zarr-shard");
    expect(await result(shard([[0n, 3n], none, none, none]))).toBe("short");
    expect(await result(new Uint8Array(20))).toBe("short");
  });

  test("a chunk that changes its bytes is no other chunk: mutations are noticed or harmless", async () => {
    const data = NDArray.of(
      Float32Array.from({ length: 16 }, (_, i) => i / 3),
      [4, 4],
    );
    const store = join(folder, "s.zarr");
    const target = await createZarr(store, {
      arrays: {
        v: {
          shape: [4, 4],
          chunks: [4, 4],
          dtype: "float32",
          codecs: [
            { id: "blosc", options: {} },
            { id: "crc32c", options: {} },
          ],
        },
      },
    });
    writeZarrObjectSync(target, "v", { chunkIndex: [0, 0], block: data }, context);
    await finishZarr(target);
    const file = join(store, "v", "c", "0", "0");
    const bytes = readFileSync(file);
    const { source } = (await openZarrGroup(store)).arrays.get("v")!;
    for (let at = 0; at < bytes.length; at++) {
      const bad = Buffer.from(bytes);
      bad[at]! ^= 0x10;
      writeFileSync(file, bad);
      expect((await failure(() => readZarrArray({ source }))).code).toBe("checksum");
    }
  });
});

describePeer("a disk that is full", "tmpfs", () => {
  test("a typed error; after the abort nothing is left", async () => {
    using disk = mountTmpfs(256 * 1024);
    const { createHash } = await import("node:crypto");
    const noise = new Uint8Array(1 << 19);
    for (let i = 0; i < noise.length; i += 32) noise.set(createHash("sha256").update(String(i)).digest(), i);
    const block = NDArray.of(noise, [1 << 19]);
    const { abortZarr } = await import("../../../src/io/zarr/index.ts");
    const { readdirSync } = await import("node:fs");
    const store = join(disk.path, "out.zarr");
    const spec = { shape: [1 << 19], chunks: [1 << 19], dtype: "uint8" } as const;
    const target = await createZarr(store, { arrays: { v: spec } });
    const write = async () => writeZarrObjectSync(target, "v", { chunkIndex: [0], block }, context);
    expect((await failure(write)).code).toBe("no-space");
    await abortZarr(target);
    expect(readdirSync(disk.path)).toEqual([]);
    // The same where the data are written by createZarr itself.
    expect((await failure(() => createZarr(store, { arrays: { v: { ...spec, data: block } } }))).code).toBe("no-space");
    expect(readdirSync(disk.path)).toEqual([]);
  });
});
