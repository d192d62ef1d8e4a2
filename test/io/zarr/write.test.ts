import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FileSystemStore } from "@zarrita/storage";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import * as zarrita from "zarrita";
import { isRsdatError } from "../../../src/base/index.ts";
import { DTYPES, type DType } from "../../../src/dtype/index.ts";
import { plainByteKernels } from "../../../src/io/codecs/index.ts";
import {
  abortZarr,
  type CodecSpec,
  createZarr,
  finishZarr,
  openZarrGroup,
  readZarrArray,
  writeZarrObjectSync,
  type ZarrArraySpec,
  type ZarrTarget,
} from "../../../src/io/zarr/index.ts";
import { NDArray } from "../../../src/ndarray/index.ts";
import { describePeer, runPython } from "../../peers.ts";

const context = { kernels: plainByteKernels };
const READ_BACK = join(import.meta.dirname, "read_back.py");
let folder: string;
let store: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rsdat-zarr-write-"));
  store = join(folder, "out.zarr");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Values that fill the type's bytes without NaN patterns mattering: small integers, scaled for floats. */
function ramp(dtype: DType, shape: readonly number[], from = 1): NDArray {
  const nbytes = shape.reduce((n, s) => n * s, DTYPES[dtype].itemsize);
  const block = NDArray.view(dtype, new SharedArrayBuffer(nbytes), 0, shape); // as the executor's blocks
  const { big, kind } = DTYPES[dtype];
  for (let i = 0; i < block.data.length; i++) {
    const v = kind === "b" ? (i + from) % 2 : kind === "f" || kind === "c" ? (i + from) / 4 : (i + from) % 120;
    block.data[i] = (big ? BigInt(v) * 3_000_000_007n : v) as never;
  }
  return block;
}

function bytesOf(block: NDArray): Buffer {
  return Buffer.from(block.data.buffer as ArrayBuffer, block.data.byteOffset, block.data.byteLength);
}

/** Write every object of an array whose whole content is `data`, one by one. */
function writeAll(target: ZarrTarget, name: string, data: NDArray): { written: number; bytes: number } {
  const { shape, chunkShape } = target.arrays[name]!;
  const counts = shape.map((n, k) => Math.ceil(n / chunkShape[k]!));
  const total = { written: 0, bytes: 0 };
  const walk = (index: number[]): void => {
    const k = index.length;
    if (k < counts.length) {
      for (let i = 0; i < counts[k]!; i++) walk([...index, i]);
      return;
    }
    const from = index.map((c, a) => c * chunkShape[a]!);
    const extent = shape.map((n, a) => Math.min(chunkShape[a]!, n - from[a]!));
    const offset = from.reduce((sum, f, a) => sum + f * data.stride[a]!, data.offset);
    const block = new NDArray(data.dtype, data.data, extent, data.stride, offset);
    const stats = writeZarrObjectSync(target, name, { chunkIndex: index, block }, context);
    total.written += Number(stats.written);
    total.bytes += stats.bytes;
  };
  walk([]);
  return total;
}

async function codeOf(body: () => unknown): Promise<string> {
  try {
    await body();
  } catch (e) {
    if (isRsdatError(e)) return e.code;
    throw e;
  }
  return "none";
}

async function writeOne(spec: ZarrArraySpec, data: NDArray, mode: "w-" | "w" | "r+" | "a" = "w-"): Promise<ZarrTarget> {
  const target = await createZarr(store, { arrays: { v: spec } }, { mode });
  writeAll(target, "v", data);
  await finishZarr(target);
  return target;
}

const TYPES = Object.keys(DTYPES) as DType[];

describePeer("zarr-python reads what rsdat wrote", ["zarr", "numpy"], () => {
  interface ReadBack {
    readonly attrs: Record<string, unknown>;
    readonly consolidated: string[] | null;
    readonly arrays: Record<string, ReadBackArray>;
  }
  interface ReadBackArray {
    readonly dtype: string;
    readonly shape: number[];
    readonly chunks: number[];
    readonly dims: (string | null)[];
    readonly fill: unknown;
    readonly codecs: string[];
    readonly attrs: Record<string, unknown>;
    readonly raw: string | null;
    readonly sha256: string;
  }
  const readBack = async (): Promise<ReadBack> => JSON.parse(await runPython([READ_BACK, store])) as ReadBack;

  test("every dtype, ragged, with the default codecs", async () => {
    const arrays = Object.fromEntries(
      TYPES.map((dtype): [string, ZarrArraySpec] => [
        dtype.replace("[ns]", ""),
        { shape: [7, 5], chunks: [3, 2], dtype, dimensionNames: ["y", "x"] },
      ]),
    );
    const made = await createZarr(store, { attributes: { title: "types" }, arrays });
    const target = JSON.parse(JSON.stringify(made)) as ZarrTarget; // as it travels in plans
    for (const dtype of TYPES) writeAll(target, dtype.replace("[ns]", ""), ramp(dtype, [7, 5]));
    await finishZarr(target);
    const got = await readBack();
    expect(got.attrs).toEqual({ title: "types" });
    expect(got.consolidated).toEqual(Object.keys(arrays).sort());
    for (const dtype of TYPES) {
      const a = got.arrays[dtype.replace("[ns]", "")]!;
      expect([dtype, a.dtype, a.shape, a.chunks, a.dims]).toEqual([dtype, dtype, [7, 5], [3, 2], ["y", "x"]]);
      expect([dtype, a.raw]).toEqual([dtype, bytesOf(ramp(dtype, [7, 5])).toString("base64")]);
      expect(a.codecs).toEqual(["BytesCodec", DTYPES[dtype].itemsize === 1 ? "ZstdCodec" : "BloscCodec"]);
    }
  });

  test("every codec that we write", async () => {
    const chains: Record<string, readonly CodecSpec[]> = {
      none: [],
      zstd: [{ id: "zstd", options: { level: 5, checksum: true } }],
      gzip: [{ id: "gzip", options: { level: 6 } }],
      crc: [
        { id: "gzip", options: { level: 1 } },
        { id: "crc32c", options: {} },
      ],
      bits: [{ id: "blosc", options: { clevel: 1, shuffle: "bitshuffle" } }],
      stored: [{ id: "blosc", options: { clevel: 0, shuffle: "shuffle" } }],
      plain: [{ id: "blosc", options: { clevel: 9, shuffle: "noshuffle" } }],
    };
    const spec = { shape: [300, 211], chunks: [128, 100], dtype: "float32" } as const;
    const arrays = Object.fromEntries(Object.entries(chains).map(([name, codecs]) => [name, { ...spec, codecs }]));
    const data = ramp("float32", spec.shape);
    const target = await createZarr(store, { arrays });
    for (const name of Object.keys(chains)) writeAll(target, name, data);
    await finishZarr(target);
    const { arrays: got } = await readBack();
    const want = createHash("sha256").update(bytesOf(data)).digest("hex");
    expect(Object.entries(got).map(([name, a]) => [name, a.sha256])).toEqual(
      Object.keys(got).map((name) => [name, want]),
    );
    expect(Object.keys(got).sort()).toEqual(Object.keys(chains).sort());
  });

  test("large blosc chunks of several blocks", async () => {
    const spec: ZarrArraySpec = { shape: [700, 1000], chunks: [700, 1000], dtype: "uint16" };
    const data = ramp("uint16", spec.shape);
    await writeOne(spec, data);
    expect((await readBack()).arrays["v"]?.sha256).toBe(createHash("sha256").update(bytesOf(data)).digest("hex"));
  });

  test("fill values, and that chunks of fill alone are not there", async () => {
    const fills: [string, DType, number | bigint | boolean, unknown][] = [
      ["nan", "float32", Number.NaN, "nan"],
      ["inf", "float64", Number.NEGATIVE_INFINITY, "-inf"],
      ["minus", "int16", -9999, -9999],
      ["max", "uint64", 2n ** 64n - 1n, 18446744073709552000],
      ["yes", "bool", true, true],
      ["time", "datetime64[ns]", -(2n ** 63n), -(2 ** 63)],
    ];
    const shape = [4, 4];
    const arrays = Object.fromEntries(
      fills.map(([name, dtype, fill]): [string, ZarrArraySpec] => [name, { shape, chunks: [2, 2], dtype, fill }]),
    );
    const target = await createZarr(store, { arrays });
    for (const [name, dtype, fill] of fills) {
      const block = NDArray.zeros(dtype, [2, 2]);
      block.data.fill((typeof fill === "boolean" ? 1 : fill) as never);
      const all = { chunkIndex: [0, 1], block };
      expect(writeZarrObjectSync(target, name, all, context)).toEqual({ bytes: 0, written: false });
      block.data[3] = (DTYPES[dtype].big ? 5n : 0) as never;
      expect(writeZarrObjectSync(target, name, { ...all, chunkIndex: [1, 0] }, context).written).toBe(true);
    }
    await finishZarr(target);
    const got = await readBack();
    for (const [name, dtype, , fill] of fills) {
      expect([name, got.arrays[name]?.fill, got.arrays[name]?.dtype]).toEqual([name, fill, dtype]);
      expect(readdirSync(join(store, name, "c"))).toEqual(["1"]);
      const ours = await readZarrArray({ source: (await openZarrGroup(store)).source(name) });
      expect(bytesOf(ours).toString("base64")).toBe(got.arrays[name]?.raw);
    }
  });

  test("attributes that JSON hardly holds, scalars, coordinates, empty arrays", async () => {
    const target = await createZarr(store, {
      arrays: {
        spatial_ref: {
          shape: [],
          chunks: [],
          dtype: "int64",
          data: NDArray.of(BigInt64Array.of(0n), []),
          attributes: { crs_wkt: 'PROJCS["x"]' },
        },
        x: {
          shape: [5],
          chunks: [2],
          dtype: "float64",
          data: NDArray.of(Float64Array.of(1, 2, 3, 4, 5.5)),
          dimensionNames: ["x"],
        },
        none: { shape: [0, 3], chunks: [1, 3], dtype: "int16" },
        v: {
          shape: [5],
          chunks: [5],
          dtype: "int32",
          attributes: { nan: Number.NaN, list: [1, -2.5], flags: Uint8Array.of(1, 2), deep: { a: [] }, _FillValue: -1 },
        },
      },
    });
    await finishZarr(target);
    const { arrays } = await readBack();
    expect(arrays["spatial_ref"]).toMatchObject({ shape: [], dtype: "int64", attrs: { crs_wkt: 'PROJCS["x"]' } });
    expect(Buffer.from(arrays["x"]!.raw!, "base64").readDoubleLE(32)).toBe(5.5);
    expect(arrays["none"]!.shape).toEqual([0, 3]);
    expect(arrays["v"]!.attrs).toEqual({ nan: "nan", list: [1, -2.5], flags: [1, 2], deep: { a: [] }, _FillValue: -1 });
  });
});

describePeer("xarray reads what rsdat wrote", ["xarray", "zarr"], () => {
  test("dimensions, coordinates, CRS reference and missing values", async () => {
    const values = NDArray.of(Float32Array.of(0.25, Number.NaN, -0.5, 1, 0, 0.125), [2, 3]);
    const packed = NDArray.of(Int16Array.of(1, -9999, 3, 4, 5, 6), [2, 3]);
    const grid = { shape: [2, 3], chunks: [1, 2], dimensionNames: ["y", "x"] } as const;
    const target = await createZarr(store, {
      attributes: { Conventions: "CF-1.8" },
      arrays: {
        ndvi: {
          ...grid,
          dtype: "float32",
          fill: Number.NaN,
          attributes: { grid_mapping: "spatial_ref", _FillValue: Number.NaN },
        },
        packed: {
          ...grid,
          dtype: "int16",
          fill: -9999,
          attributes: { grid_mapping: "spatial_ref", _FillValue: -9999, scale_factor: 0.5, add_offset: 1 },
        },
        y: {
          shape: [2],
          chunks: [2],
          dtype: "float64",
          dimensionNames: ["y"],
          data: NDArray.of(Float64Array.of(20, 10)),
        },
        x: {
          shape: [3],
          chunks: [3],
          dtype: "float64",
          dimensionNames: ["x"],
          data: NDArray.of(Float64Array.of(1, 2, 3)),
        },
        spatial_ref: {
          shape: [],
          chunks: [],
          dtype: "int64",
          data: NDArray.of(BigInt64Array.of(0n), []),
          attributes: { crs_wkt: "LOCAL" },
        },
      },
    });
    writeAll(target, "ndvi", values);
    writeAll(target, "packed", packed);
    await finishZarr(target);
    const got = JSON.parse(await runPython([READ_BACK, store, "--xarray"]));
    expect(got.dims).toEqual({ y: 2, x: 3 });
    expect(got.coords).toEqual(["x", "y"].concat(got.coords.includes("spatial_ref") ? ["spatial_ref"] : []).sort());
    expect(got.attrs).toEqual({ Conventions: "CF-1.8" });
    expect(got.vars.ndvi).toEqual({
      dims: ["y", "x"],
      dtype: "float32",
      fill: "nan",
      values: [0.25, "nan", -0.5, 1, 0, 0.125],
    });
    expect(got.vars.packed.values).toEqual([1.5, "nan", 2.5, 3, 3.5, 4]);
    expect(got.vars.y.values).toEqual([20, 10]);
    // And ours gives the attribute back as a number.
    const group = await openZarrGroup(store);
    expect(group.arrays.get("ndvi")?.attributes["_FillValue"]).toBe(Number.NaN);
    expect(group.arrays.get("packed")?.attributes["_FillValue"]).toBe(-9999);
  }, 240_000);
});

test("zarrita reads what rsdat wrote", async () => {
  const data = ramp("float32", [7, 5]);
  await writeOne({ shape: [7, 5], chunks: [3, 2], dtype: "float32", dimensionNames: ["y", "x"] }, data);
  const found = await zarrita.open.v3(zarrita.root(new FileSystemStore(store)).resolve("v"), { kind: "array" });
  const chunk = await zarrita.get(found);
  expect([found.dtype, chunk.shape, found.dimensionNames]).toEqual(["float32", [7, 5], ["y", "x"]]);
  expect(chunk.data).toEqual(data.data);
});

describe("modes", () => {
  const spec: ZarrArraySpec = { shape: [4, 4], chunks: [2, 2], dtype: "int16" };
  const read = async (name = "v") =>
    (await readZarrArray({ source: (await openZarrGroup(store)).source(name) })).toArray();

  test("w- refuses what is there, empty folders aside, and says what to do", async () => {
    mkdirSync(store);
    await writeOne(spec, ramp("int16", [4, 4]));
    expect(await codeOf(() => createZarr(store, { arrays: { v: spec } }))).toBe("exists");
    await expect(createZarr(store, { arrays: {} })).rejects.toThrow(/mode "w"/);
    writeFileSync(join(folder, "file"), "x");
    expect(await codeOf(() => createZarr(join(folder, "file"), { arrays: {} }))).toBe("exists");
  });

  test("w-: a store that comes meanwhile is not overwritten", async () => {
    const target = await createZarr(store, { arrays: { v: spec } });
    mkdirSync(store);
    writeFileSync(join(store, "theirs"), "x");
    expect(await codeOf(() => finishZarr(target))).toBe("exists");
    expect(readdirSync(store)).toEqual(["theirs"]);
    await abortZarr(target);
    expect(readdirSync(folder)).toEqual(["out.zarr"]);
  });

  test("w: the old store stands until the new one is finished, then it is gone", async () => {
    await writeOne(spec, ramp("int16", [4, 4]));
    const old = await read();
    const version = (await openZarrGroup(store)).source("v").version;
    const target = await createZarr(store, { arrays: { other: spec } }, { mode: "w" });
    writeAll(target, "other", ramp("int16", [4, 4], 50));
    expect(await read()).toEqual(old);
    await finishZarr(target);
    expect((await openZarrGroup(store)).source("other").version).not.toEqual(version);
    expect(await read("other")).toEqual(ramp("int16", [4, 4], 50).toArray());
    expect(readdirSync(folder)).toEqual(["out.zarr"]);
    expect(readdirSync(store).sort()).toEqual(["other", "zarr.json"]);
  });

  test("w: a folder or file that is no Zarr store is not replaced", async () => {
    mkdirSync(store);
    writeFileSync(join(store, "precious"), "x");
    expect(await codeOf(() => createZarr(store, { arrays: {} }, { mode: "w" }))).toBe("exists");
    expect(readdirSync(store)).toEqual(["precious"]);
    expect(await codeOf(() => createZarr(join(store, "precious"), { arrays: {} }, { mode: "w" }))).toBe("exists");
    expect(readFileSync(join(store, "precious"), "utf8")).toBe("x");
  });

  test("a new store is not there before it is finished, and an aborted one leaves nothing", async () => {
    const target = await createZarr(store, { arrays: { v: spec } }, { key: "abc" });
    writeAll(target, "v", ramp("int16", [4, 4]));
    expect(existsSync(store)).toBe(false);
    expect(readdirSync(folder)).toEqual([".out.zarr.rsdat-abc"]);
    await abortZarr(target);
    expect(readdirSync(folder)).toEqual([]);
  });

  test("r+ replaces objects, removes those that become fill, and touches no other", async () => {
    await writeOne(spec, ramp("int16", [4, 4]));
    const before = readFileSync(join(store, "v", "c", "1", "1"));
    const target = await createZarr(store, { arrays: { v: spec } }, { mode: "r+" });
    writeZarrObjectSync(target, "v", { chunkIndex: [0, 0], block: ramp("int16", [2, 2], 90) }, context);
    writeZarrObjectSync(target, "v", { chunkIndex: [0, 1], block: NDArray.zeros("int16", [2, 2]) }, context);
    await finishZarr(target);
    expect(await read()).toEqual([
      [90, 91, 0, 0],
      [92, 93, 0, 0],
      [9, 10, 11, 12],
      [13, 14, 15, 16],
    ]);
    expect(existsSync(join(store, "v", "c", "0", "1"))).toBe(false);
    expect(readFileSync(join(store, "v", "c", "1", "1")).equals(before)).toBe(true);
  });

  test("r+: a part of a chunk keeps the rest", async () => {
    await writeOne({ ...spec, chunks: [3, 3] }, ramp("int16", [4, 4]));
    const target = await createZarr(store, { arrays: { v: { ...spec, chunks: [3, 3] } } }, { mode: "r+" });
    writeZarrObjectSync(target, "v", { chunkIndex: [0, 0], block: ramp("int16", [1, 2], 70), at: [1, 1] }, context);
    writeZarrObjectSync(target, "v", { chunkIndex: [1, 1], block: ramp("int16", [1, 1], 80), at: [0, 0] }, context);
    expect(await read()).toEqual([
      [1, 2, 3, 4],
      [5, 70, 71, 8],
      [9, 10, 11, 12],
      [13, 14, 15, 80],
    ]);
  });

  test("a adds arrays and renews consolidated metadata", async () => {
    await writeOne(spec, ramp("int16", [4, 4]));
    const target = await createZarr(
      store,
      { arrays: { w: { ...spec, data: ramp("int16", [4, 4], 9) }, v: spec } },
      { mode: "a" },
    );
    expect(target.created).toEqual(["w"]);
    await finishZarr(target);
    const group = await openZarrGroup(store, { consolidated: true });
    expect([...group.arrays.keys()].sort()).toEqual(["v", "w"]);
    expect(await read("w")).toEqual(ramp("int16", [4, 4], 9).toArray());
    expect(await read("v")).toEqual(ramp("int16", [4, 4]).toArray());
  });

  test("r+ and a refuse another array, by what differs", async () => {
    await writeOne(spec, ramp("int16", [4, 4]));
    const open = (change: Partial<ZarrArraySpec>, mode: "r+" | "a" = "a") =>
      codeOf(() => createZarr(store, { arrays: { v: { ...spec, ...change } } }, { mode }));
    expect(await open({ dtype: "uint16" })).toBe("dtype");
    expect(await open({ shape: [4, 5] })).toBe("shape");
    expect(await open({ chunks: [4, 4] })).toBe("chunk");
    expect(await codeOf(() => createZarr(store, { arrays: { w: spec } }, { mode: "r+" }))).toBe("not-found");
    expect(await codeOf(() => createZarr(join(folder, "no.zarr"), { arrays: {} }, { mode: "r+" }))).toBe("not-found");
    expect(await codeOf(() => createZarr(store, { arrays: {} }, { mode: "x" as never }))).toBe("argument");
  });

  test("memory stores: the same, in place", async () => {
    const url = "memory://zarr-write-test/a.zarr";
    for (const mode of ["w-", "w"] as const) {
      const target = await createZarr(url, { arrays: { v: spec } }, { mode });
      writeAll(target, "v", ramp("int16", [4, 4], mode === "w" ? 5 : 1));
      await finishZarr(target);
    }
    const got = await readZarrArray({ source: (await openZarrGroup(url)).source("v") });
    expect(got.toArray()).toEqual(ramp("int16", [4, 4], 5).toArray());
    expect(await codeOf(() => createZarr(url, { arrays: {} }))).toBe("exists");
    await abortZarr(await createZarr(url, { arrays: {} }, { mode: "w" }));
    expect(await codeOf(() => openZarrGroup(url))).toBe("not-found");
  });
});

describe("refused before anything is written", () => {
  const good: ZarrArraySpec = { shape: [4], chunks: [2], dtype: "uint8" };
  const cases: [string, string, Record<string, ZarrArraySpec>][] = [
    ["a name with a slash", "argument", { "a/b": good }],
    ["a name that is metadata", "argument", { "zarr.json": good }],
    ["dots", "argument", { "..": good }],
    ["a negative size", "shape", { v: { ...good, shape: [-1] } }],
    ["a chunk of 0", "chunk", { v: { ...good, chunks: [0] } }],
    ["chunks of another rank", "chunk", { v: { ...good, chunks: [2, 2] } }],
    ["a chunk beyond the limit", "chunk", { v: { ...good, shape: [2 ** 40], chunks: [2 ** 30] } }],
    ["a fill value outside the type", "dtype", { v: { ...good, fill: 256 } }],
    ["NaN as the fill of integers", "dtype", { v: { ...good, fill: Number.NaN } }],
    ["data of another shape", "shape", { v: { ...good, data: NDArray.zeros("uint8", [5]) } }],
    ["dimension names of another rank", "argument", { v: { ...good, dimensionNames: ["y", "x"] } }],
    ["a function as attribute", "argument", { v: { ...good, attributes: { f: () => 1 } } }],
    ["an integer attribute beyond 2^53", "argument", { v: { ...good, attributes: { n: 2n ** 60n } } }],
    ["a codec we do not write", "unsupported", { v: { ...good, codecs: [{ id: "lz4", options: {} }] } }],
    ["blosc with lz4", "unsupported", { v: { ...good, codecs: [{ id: "blosc", options: { cname: "lz4" } }] } }],
  ];
  test.each(cases)("%s: %s", async (_, code, arrays) => {
    expect(await codeOf(() => createZarr(store, { arrays }))).toBe(code);
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a block that is not the chunk", async () => {
    const target = await createZarr(store, { arrays: { v: good } });
    const write = (block: NDArray, chunkIndex: number[], at?: number[]) =>
      codeOf(() => writeZarrObjectSync(target, "v", { chunkIndex, block, ...(at ? { at } : {}) }, context));
    expect(await write(NDArray.zeros("uint8", [3]), [0])).toBe("shape");
    expect(await write(NDArray.zeros("int8", [2]), [0])).toBe("shape");
    expect(await write(NDArray.zeros("uint8", [2]), [2])).toBe("shape");
    expect(await write(NDArray.zeros("uint8", [2]), [0], [1])).toBe("shape");
  });

  test("a web server", async () => {
    expect(await codeOf(() => createZarr("http://127.0.0.1:9/x.zarr", { arrays: {} }))).toBe("unsupported");
  });

  test("a folder that cannot be written: a typed error and nothing left", async () => {
    writeFileSync(join(folder, "file"), "");
    expect(await codeOf(() => createZarr(join(folder, "file", "a.zarr"), { arrays: { v: good } }))).toBe("write");
    expect(readdirSync(folder)).toEqual(["file"]);
  });
});
