/** COGs of every kind, written in parts and assembled: GDAL finds them valid and reads the pixels back. */
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import {
  abortCog,
  assembleCogSync,
  type CogPartRef,
  type CogPlan,
  type CogSpec,
  checkCogTarget,
  openTiff,
  plainByteKernels,
  planCog,
  writePartSync,
} from "../../../src/io/index.ts";
import { NDArray } from "../../../src/ndarray/index.ts";
import { describePeer, runPython } from "../../peers.ts";
import { readAll, sha256 } from "../tiff/support.ts";
import { blockOf } from "./support.ts";

const folder = mkdtempSync(join(tmpdir(), "rsdat-cog-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const context = { kernels: plainByteKernels };
type Value = (index: number, level: number) => number;

/** Write the plan's levels in parts of `tileRows` rows of tiles, as tasks of a graph would. */
function writeParts(plan: CogPlan, value: Value, tileRows: number): { parts: CogPartRef[]; hashes: string[] } {
  const parts: CogPartRef[] = [];
  const hashes = plan.levels.map((level, k) => {
    const block = blockOf(plan, k, (i) => value(i, k));
    let firstTile = 0;
    for (let y = 0; y < level.height; y += tileRows * plan.blocksize) {
      const rows = Math.min(tileRows * plan.blocksize, level.height - y);
      const lead = plan.rank === 3 ? [plan.bands] : [];
      const band = new NDArray(block.dtype, block.data, [...lead, rows, level.width], block.stride, y * level.width);
      const { tileSizes } = writePartSync(plan, k, firstTile, band, context);
      parts.push({ level: k, firstTile, tileSizes: Array.from(tileSizes) });
      firstTile += tileSizes.length;
    }
    return createHash("sha256").update(new Uint8Array(block.data.buffer)).digest("hex");
  });
  return { parts, hashes };
}

const utm = { crs: { epsg: 32631 }, transform: [10, 0, 500000, 0, -10, 5800000] } as const;
const albers =
  'PROJCS["Albers",GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]],PROJECTION["Albers_Conic_Equal_Area"],PARAMETER["standard_parallel_1",29.5],PARAMETER["standard_parallel_2",45.5],PARAMETER["latitude_of_center",23],PARAMETER["longitude_of_center",-96],PARAMETER["false_easting",0],PARAMETER["false_northing",0],UNIT["metre",1]]';

/** Smooth, with a run of missing values at the start: with blocks of 512 the first tile is all missing. */
const holey =
  (missing: number): Value =>
  (i) =>
    i % 1301 < 600 && i < 520 * 1301 ? missing : (i * 7) % 3989;

interface Case {
  readonly name: string;
  readonly spec: Omit<CogSpec, "url" | "key">;
  readonly value: Value;
  readonly finds?: Readonly<Record<string, unknown>>;
}

const cases: readonly Case[] = [
  {
    name: "classic",
    spec: { dtype: "uint16", shape: [701, 1301], nodata: 0, ...utm },
    value: holey(0),
    finds: {
      big: false,
      nodata: 0,
      compression: "DEFLATE",
      predictor: "2",
      layout: "COG",
      epsg: 32631,
      block: [512, 512],
    },
  },
  {
    name: "big",
    spec: { dtype: "uint16", shape: [701, 1301], nodata: 0, bigtiff: true, compress: "zstd", ...utm },
    value: holey(0),
    finds: { big: true, compression: "ZSTD" },
  },
  {
    name: "float",
    spec: { dtype: "float32", shape: [701, 1301], nodata: Number.NaN, ...utm },
    value: holey(Number.NaN),
    finds: { nodata: "nan", predictor: "3" },
  },
  {
    name: "dense",
    spec: { dtype: "float32", shape: [701, 1301], nodata: Number.NaN, sparse: false },
    value: holey(Number.NaN),
  },
  {
    name: "pixel",
    spec: { dtype: "float32", shape: [3, 200, 333], blocksize: 128, ...utm },
    value: (i) => Math.sin(i / 99),
    finds: { count: 3, interleave: "PIXEL", layout: "COG" },
  },
  {
    name: "band",
    spec: { dtype: "float32", shape: [3, 200, 333], blocksize: 128, interleave: "band", ...utm },
    value: (i) => Math.sin(i / 99),
    finds: { count: 3, interleave: "BAND" },
  },
  {
    name: "one",
    spec: { dtype: "float64", shape: [1, 200, 333], blocksize: 64, compress: "lzw", overviews: 1 },
    value: (i) => Math.sqrt(i),
    finds: { count: 1, compression: "LZW" },
  },
  {
    name: "raw",
    spec: {
      dtype: "int16",
      shape: [333, 222],
      blocksize: 128,
      compress: "none",
      transform: [10, 1, 500000, 2, -10, 5800000],
    },
    value: (i) => i % 999,
    finds: { compression: null, transform: [10, 1, 500000, 2, -10, 5800000] },
  },
  { name: "int8", spec: { dtype: "int8", shape: [300, 600], blocksize: 256 }, value: (i) => (i % 256) - 128 },
  {
    name: "int64",
    spec: { dtype: "int64", shape: [300, 600], blocksize: 256, nodata: -(2n ** 40n) },
    value: (i) => (i - 90_000) * 2 ** 30,
  },
  { name: "uint64", spec: { dtype: "uint64", shape: [2, 300, 600], blocksize: 256 }, value: (i) => i * 2 ** 35 },
  {
    name: "uint32",
    spec: { dtype: "uint32", shape: [2, 300, 600], blocksize: 256, predictor: 1, compress: "zstd" },
    value: (i) => i * 11_000,
    finds: { predictor: null },
  },
  {
    name: "scaled",
    spec: {
      dtype: "int16",
      shape: [2, 40, 50],
      scale: [1e-4, 2],
      offset: -0.1,
      units: ["1", null],
      descriptions: ['a <b> & "c"', null],
      tags: { NOTE: "x < y & z" },
    },
    value: (i) => i,
    finds: {
      scales: [1e-4, 2],
      offsets: [-0.1, -0.1],
      units: ["1", null],
      descriptions: ['a <b> & "c"', null],
      tags: expect.objectContaining({ NOTE: "x < y & z" }),
    },
  },
  {
    name: "geographic",
    spec: { dtype: "uint8", shape: [40, 50], crs: { epsg: 4326 }, transform: [0.1, 0, 5, 0, -0.1, 50] },
    value: (i) => i % 200,
    finds: { epsg: 4326, transform: [0.1, 0, 5, 0, -0.1, 50] },
  },
  {
    name: "described",
    spec: { dtype: "uint8", shape: [40, 50], crs: { wkt: albers }, transform: [1, 0, 0, 0, -1, 0] },
    value: (i) => i % 200,
    finds: { wkt: expect.stringMatching(/Albers_Conic_Equal_Area.*29\.5/) },
  },
  {
    name: "palette",
    spec: {
      dtype: "uint8",
      shape: [40, 50],
      colorMap: [0, 1, 2].map((c) => Array.from({ length: 256 }, (_, i) => ((i * (c + 1)) % 256) * 257)),
    },
    value: (i) => i % 200,
    finds: { colorinterp: "palette" },
  },
  { name: "pixel-1x1", spec: { dtype: "uint8", shape: [1, 1], ...utm }, value: () => 7 },
  { name: "empty", spec: { dtype: "uint8", shape: [1500, 1500], nodata: 255, ...utm }, value: () => 255 },
];

describePeer("COGs that GDAL reads", ["rasterio", "rio-cogeo", "numpy"], () => {
  test("valid, framed, in order, with pixels, overviews and metadata as given", async () => {
    const hashes: string[][] = [];
    for (const { name, spec, value } of cases) {
      const plan = planCog({ url: join(folder, `${name}.tif`), key: "0123456789ab", ...spec });
      const made = writeParts(plan, value, 1);
      hashes.push(made.hashes);
      const { bytes } = assembleCogSync(plan, made.parts.reverse());
      expect(statSync(plan.path).size, name).toBe(bytes);
      expect(bytes, name).toBeLessThanOrEqual(plan.fileBytesMax);
    }
    expect(readdirSync(folder).filter((f) => f.startsWith("."))).toEqual([]);
    const found: Record<string, unknown>[] = JSON.parse(
      await runPython([
        join(import.meta.dirname, "check_cogs.py"),
        ...cases.map(({ name }) => join(folder, `${name}.tif`)),
      ]),
    );
    cases.forEach(({ name, spec, finds = {} }, i) => {
      expect(found[i], name).toMatchObject({
        valid: true,
        errors: [],
        problems: [],
        dtype: spec.dtype,
        sha256: hashes[i],
        ...finds,
      });
    });
  }, 480_000);
});

test.each(cases)("$name reads back with what was given", async ({ name, spec, value }) => {
  const plan = planCog({ url: join(folder, "back", `${name}.tif`), key: "0123456789ab", ...spec });
  const { parts, hashes } = writeParts(plan, value, 2);
  assembleCogSync(plan, parts);
  const info = await openTiff(plan.path);
  const { bands } = plan;
  expect(info.levels.map((_, k) => sha256(readAll(info.source("all", k))))).toEqual(hashes);
  expect(info).toMatchObject({ bands, dtype: spec.dtype, transform: spec.transform ?? null, warnings: [] });
  expect(info.nodata).toEqual(new Array(bands).fill(spec.nodata ?? null));
  expect(info.crs).toEqual(spec.crs?.wkt ? { wkt: spec.crs.wkt, citation: expect.any(String) } : (spec.crs ?? null));
  expect([info.scale, info.offset]).toEqual([plan.scale, plan.offset]);
  expect(info.descriptions).toEqual(spec.descriptions ?? new Array(bands).fill(null));
  expect(info.colorMap).toEqual(spec.colorMap ?? null);
});

describe("the planner", () => {
  const base = { url: join(folder, "plan.tif"), dtype: "uint8", key: "0123456789ab" } as const;

  test("halves until one tile holds a level, rounding up", () => {
    const { levels } = planCog({ ...base, shape: [1000, 2049] });
    expect(levels.map((l) => [l.height, l.width, l.down, l.across])).toEqual([
      [1000, 2049, 2, 5],
      [500, 1025, 1, 3],
      [250, 513, 1, 2],
      [125, 257, 1, 1],
    ]);
    expect(planCog({ ...base, shape: [1000, 2049], overviews: false }).levels).toHaveLength(1);
    expect(planCog({ ...base, shape: [1000, 2049], overviews: 2 }).levels).toHaveLength(3);
  });

  test("is BigTIFF from the bound, never midway", () => {
    const side = 65536 - 512;
    expect(planCog({ ...base, shape: [side, side - 20000], overviews: false }).isBig).toBe(false);
    expect(planCog({ ...base, shape: [side, side], overviews: false }).isBig).toBe(true);
  });

  test("is plain data", () => {
    const plan = planCog({ ...base, dtype: "float32", shape: [40, 50], nodata: Number.NaN, ...utm });
    expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
    expect(plan.nodata).toBe("nan");
  });

  const refusals: readonly (readonly [string, Partial<CogSpec>, string, RegExp])[] = [
    ["bool", { dtype: "bool" }, "dtype", /bool/],
    ["complex", { dtype: "complex64" }, "dtype", /complex64/],
    ["one axis", { shape: [9] }, "shape", /\(9\)/],
    ["an empty axis", { shape: [0, 9] }, "shape", /\(0, 9\)/],
    ["blocksize", { blocksize: 100 }, "argument", /100/],
    ["level", { level: 77 }, "argument", /deflate level 77/],
    ["predictor", { predictor: 3 }, "argument", /predictor 3/],
    ["nodata", { nodata: 300 }, "nodata", /300 is no uint8/],
    ["scale", { shape: [3, 9, 9], scale: [1, 2] }, "argument", /expected 3/],
    ["web target", { url: "https://host/a.tif" }, "unsupported", /https:/],
    [
      "huge tile",
      { dtype: "float64", shape: [400, 9, 9], blocksize: 1024, interleave: "pixel" },
      "argument",
      /smaller blocksize/,
    ],
  ];
  test.each(refusals)("refuses %s", (_, change, code, says) => {
    expect(() => planCog({ ...base, shape: [9, 9], ...change })).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(says) }),
    );
  });
});

describe("the target", () => {
  const spec = { dtype: "uint8", shape: [9, 9], key: "0123456789ab" } as const;

  test("is not replaced unless asked, and then whole or not at all", async () => {
    const url = join(folder, "old.tif");
    writeFileSync(url, "old");
    const careful = planCog({ url, ...spec });
    expect(() => checkCogTarget(careful)).toThrow(
      expect.objectContaining({ code: "exists", message: expect.stringMatching(/old\.tif/) }),
    );
    const { parts } = writeParts(careful, (i) => i, 1);
    expect(() => assembleCogSync(careful, parts)).toThrow(expect.objectContaining({ code: "exists" }));
    expect(statSync(url).size).toBe(3);
    const bold = planCog({ url, ...spec, overwrite: true });
    checkCogTarget(bold);
    assembleCogSync(bold, parts);
    expect(readAll((await openTiff(url)).source(0)).toArray()).toHaveLength(9);
  });

  test("is not written when a part is missing or has another length", () => {
    const url = join(folder, "broken.tif");
    const plan = planCog({ url, ...spec });
    const { parts } = writeParts(plan, (i) => i, 1);
    const part = join(plan.spool, readdirSync(plan.spool)[0]!);
    writeFileSync(part, "short");
    expect(() => assembleCogSync(plan, parts)).toThrow(
      expect.objectContaining({ code: "cog-part", message: expect.stringMatching(/has 5 bytes/) }),
    );
    rmSync(part);
    expect(() => assembleCogSync(plan, parts)).toThrow(
      expect.objectContaining({ code: "cog-part", message: expect.stringMatching(/missing/) }),
    );
    expect(() => assembleCogSync(plan, [])).toThrow(expect.objectContaining({ code: "invariant" }));
    abortCog(plan);
    expect([existsSync(url), existsSync(plan.spool)]).toEqual([false, false]);
  });

  test("any cut into parts gives the same bytes", () => {
    const files = [1, 2, 3].map((tileRows) => {
      const plan = planCog({
        url: join(folder, `cut-${tileRows}.tif`),
        dtype: "int16",
        shape: [300, 200],
        blocksize: 64,
        key: "0123456789ab",
      });
      assembleCogSync(plan, writeParts(plan, (i, k) => (i * 13 + k) % 2000, tileRows).parts);
      return readFileSync(plan.path);
    });
    expect(files[1]!.equals(files[0]!) && files[2]!.equals(files[0]!)).toBe(true);
  });
});
