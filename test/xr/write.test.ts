/** Stores and COGs as the Python stack reads them. */
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { ascontiguous, NDArray } from "../../src/ndarray/index.ts";
import { compute, concat, type DataArray, dataArray, dataset, openRaster, openZarr } from "../../src/xr/index.ts";
import { ROOT } from "../find-peers.ts";
import { describePeer, runPython } from "../peers.ts";
import { useInlineRunner } from "../run-inline.ts";
import { sha256 } from "./sha.ts";

useInlineRunner();
const folder = mkdtempSync(join(tmpdir(), "rsdat-xr-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => join(folder, name);

const [ROWS, COLS] = [301, 457];
const GRID = { crs: 32631, transform: [10, 0, 600000, 0, -10, 5800000] } as const;

/** Smooth integers with a corner of nodata (0). */
function counts(k: number): NDArray {
  const data = new Uint16Array(ROWS * COLS);
  for (let r = 0; r < ROWS; r++)
    for (let c = 0; c < COLS; c++)
      data[r * COLS + c] = r < 40 && c < 50 + k ? 0 : 1 + ((r * 7 + c * 3 + k * 101) % 9000);
  return NDArray.of(data, [ROWS, COLS]);
}

function scene(k = 0): DataArray<"y" | "x"> {
  return dataArray(counts(k), { dims: ["y", "x"], ...GRID, nodata: 0, name: "dn" }).chunk({ y: 128, x: 200 });
}

const index = (k: number): DataArray<"y" | "x"> => scene(k).sub(500).div(scene(k).add(500)).rename("index");
const series = concat([index(0), index(1), index(2)], "time", {
  values: ["2024-06-01", "2024-06-11T10:30:00Z", new Date("2024-07-01")],
});

/** What read_back.py prints for one file, loosely: the assertions name what they need. */
interface Read {
  readonly vars: Readonly<Record<string, { readonly mean: number }>>;
  readonly attrs: unknown;
}

async function readBack(...names: string[]): Promise<Read[]> {
  const found = JSON.parse(await runPython(["test/xr/read_back.py", ...names.map(at)]));
  return names.map((name) => found[at(name)]);
}

async function values(x: DataArray<string>): Promise<NDArray> {
  return (await x.compute()).values;
}

function countMissing(block: NDArray, nodata = Number.NaN): number {
  let n = 0;
  for (const v of ascontiguous(block).data) if (v === nodata || Number.isNaN(v)) n++;
  return n;
}

describePeer("Zarr stores", ["xarray", "rioxarray", "zarr"], () => {
  test("a time series of floats: labels, CRS and missing values are right in xarray", async () => {
    const written = await series.toZarr(at("series.zarr"));
    const [read] = await readBack("series.zarr");
    const block = await values(series);
    expect(written.bytes).toBeGreaterThan(1000);
    expect(read).toMatchObject({
      coords: ["spatial_ref", "time", "x", "y"],
      x: [600005, 600005 + 10 * (COLS - 1)],
      y: [5799995, 5799995 - 10 * (ROWS - 1)],
      vars: {
        index: {
          dims: ["time", "y", "x"],
          dtype: "float32",
          decoded: "float32",
          sha: sha256(block),
          missing: countMissing(block),
          epsg: 32631,
          transform: GRID.transform,
          nodata: "NaN",
          time: [Date.UTC(2024, 5, 1), Date.UTC(2024, 5, 11, 10, 30), Date.UTC(2024, 6, 1)].map((ms) => ms * 1e6),
        },
      },
    });
  });

  test("integers keep dtype and nodata; scale and offset are applied by the reader", async () => {
    const pair = dataset({ dn: scene(), quantised: index(0) }, { title: "two variables" });
    await pair.toZarr(at("pair.zarr"), {
      encoding: {
        dn: { chunks: { y: 100, x: 457 } },
        quantised: { dtype: "int16", scale_factor: 1e-4, add_offset: 0, _FillValue: -32768 },
      },
    });
    const [read] = await readBack("pair.zarr");
    expect(read?.attrs).toEqual({ title: "two variables" });
    expect(read?.vars["dn"]).toMatchObject({
      dtype: "uint16",
      decoded: "float32",
      nodata: 0,
      chunks: [100, 457],
      missing: 2000,
      sha: sha256(counts(0)),
      epsg: 32631,
    });
    const quantised = read?.vars["quantised"];
    expect(quantised).toMatchObject({ dtype: "int16", nodata: -32768, missing: 2000 });
    const mean = Number((await values(index(0).astype("float64").mean())).item());
    expect(Math.abs((quantised?.mean ?? 0) - mean)).toBeLessThan(1e-6);
  });

  test("what was written opens as it was", async () => {
    await series.toZarr(at("again.zarr"));
    const { index: back } = (await openZarr(at("again.zarr"), { vars: ["index"] })).vars;
    expect(sha256(await values(back))).toBe(sha256(await values(series)));
    expect([back.dims, back.rio.crs, back.rio.transform]).toEqual([["time", "y", "x"], "EPSG:32631", GRID.transform]);
    expect(back.coord("time").values.toArray()).toEqual(series.coord("time").values.toArray());
    expect((await values(back.sel({ time: "2024-06-11" }))).shape).toEqual([1, ROWS, COLS]);
  });
});

describePeer("COGs", ["rasterio", "rio-cogeo"], () => {
  test("floats, integers, quantised floats, bands: valid, equal, overviews are means", async () => {
    await compute([
      await index(0).toCog(at("float.tif"), { compute: false, blocksize: 128 }),
      await scene().toCog(at("dn.tif"), { compute: false, blocksize: 128, compress: "zstd" }),
      await index(0).toCog(at("quantised.tif"), {
        compute: false,
        dtype: "int16",
        scale: 1e-4,
        nodata: -32768,
        blocksize: 128,
      }),
      await series.toCog(at("series.tif"), { compute: false, blocksize: 128 }),
      await scene().gt(4000).toCog(at("flag.tif"), { compute: false, blocksize: 512 }),
    ]);
    const [float, dn, quantised, bands, flag] = await readBack(
      "float.tif",
      "dn.tif",
      "quantised.tif",
      "series.tif",
      "flag.tif",
    );
    const shared = {
      valid: true,
      complaints: [],
      epsg: 32631,
      transform: GRID.transform,
      overviews: [2, 4],
      overviewsAreMeans: [true, true],
    };
    const block = await values(index(0));
    expect(float).toMatchObject({
      ...shared,
      sha: sha256(block),
      nodata: "NaN",
      blocks: [128, 128],
      descriptions: ["index"],
      missing: countMissing(block),
    });
    expect(dn).toMatchObject({
      ...shared,
      sha: sha256(counts(0)),
      nodata: 0,
      dtype: "uint16",
      compression: "ZSTD",
      missing: 2000,
    });
    expect(quantised).toMatchObject({
      ...shared,
      dtype: "int16",
      nodata: -32768,
      scales: [1e-4],
      offsets: [0],
      missing: 2000,
    });
    expect(bands).toMatchObject({ ...shared, shape: [3, ROWS, COLS], sha: sha256(await values(series)) });
    expect(flag).toMatchObject({ valid: true, dtype: "uint8", nodata: null, overviews: [] });
  });

  test("quantised values are the nearest stored ones, saturated beside nodata", async () => {
    const x = dataArray(
      [
        [-4, 4, 0.00005, 0.00025],
        [Number.NaN, 0.12344, -0.12346, 3.2767],
      ],
      { dims: ["y", "x"], ...GRID },
    );
    await x.toCog(at("edges.tif"), { dtype: "int16", scale: 1e-4, nodata: -32768 });
    const raw = await values(await openRaster(at("edges.tif"), { decode: "raw" }));
    // Half to even of value / 1e-4; -4 and 4 lie beyond int16.
    expect(raw.toArray()).toEqual([
      [-32767, 32767, 0, 2],
      [-32768, 1234, -1235, 32767],
    ]);
    const back = await openRaster(at("edges.tif"), { decode: "scaled" });
    const expected = (n: number): number => Math.fround(n * 1e-4);
    expect((await values(back)).toArray()).toEqual([
      [expected(-32767), expected(32767), 0, expected(2)],
      [Number.NaN, expected(1234), expected(-1235), expected(32767)],
    ]);
  });
});

describe("targets", () => {
  test("an existing output is kept unless mode says otherwise, and a failed write leaves nothing", async () => {
    await scene().toCog(at("once.tif"));
    await expect(scene().toCog(at("once.tif"))).rejects.toMatchObject({
      code: "exists",
      message: expect.stringContaining("once.tif"),
    });
    await scene(1).toCog(at("once.tif"), { mode: "w" });
    expect(sha256(await values(await openRaster(at("once.tif"), { decode: "raw" })))).toBe(sha256(counts(1)));
    await scene().toZarr(at("once.zarr"));
    await expect(scene().toZarr(at("once.zarr"))).rejects.toMatchObject({ code: "exists" });
    await scene(1).toZarr(at("once.zarr"), { mode: "w" });
    expect(sha256(await values((await openZarr(at("once.zarr"))).get("dn")))).toBe(sha256(counts(1)));
  });

  test("a task that fails takes all writes of its graph away", async () => {
    await scene().toCog(at("broken-source.tif"), { compress: "none", overviews: false });
    const source = await openRaster(at("broken-source.tif"));
    writeFileSync(at("broken-source.tif"), "II*");
    const before = readdirSync(folder).sort();
    const writes = [
      await source.toCog(at("never.tif"), { compute: false }),
      await source.rename("v").toZarr(at("never.zarr"), { compute: false }),
    ] as const;
    await expect(compute(writes)).rejects.toThrow(/broken-source/);
    expect(readdirSync(folder).sort()).toEqual(before);
    expect(existsSync(at("never.zarr"))).toBe(false);
  });

  test.each([
    ["dimensions that are not (y, x)", () => scene().transpose("x", "y").toCog(at("no.tif")), "shape", /\(x, y\)/],
    ["NaN into integers without nodata", () => index(0).toCog(at("no.tif"), { dtype: "int16" }), "nodata", /int16/],
    [
      "nodata outside the dtype",
      () => index(0).toCog(at("no.tif"), { dtype: "uint8", nodata: -1 }),
      "nodata",
      /-1.*uint8/,
    ],
    [
      "an unknown overview method",
      () => scene().toCog(at("no.tif"), { overviews: "cubic" as never }),
      "argument",
      /cubic/,
    ],
    ["an unknown mode", () => scene().toCog(at("no.tif"), { mode: "x" as never }), "argument", /"x"/],
    ["scale 0", () => index(0).toCog(at("no.tif"), { scale: 0, dtype: "int16", nodata: 0 }), "argument", /scale 0/],
    [
      "encoding of no variable",
      () => scene().toZarr(at("no.zarr"), { encoding: { other: {} } }),
      "argument",
      /other.*dn/,
    ],
    [
      "an unknown encoding",
      () => scene().toZarr(at("no.zarr"), { encoding: { dn: { zip: 1 } as never } }),
      "argument",
      /zip/,
    ],
    ["a Zarr mode that is none", () => scene().toZarr(at("no.zarr"), { mode: "rw" as never }), "argument", /rw/],
    ["Zarr v2", () => scene().toZarr(at("no.zarr"), { zarrFormat: 2 as never }), "argument", /2/],
    ["a variable named like a coordinate", () => scene().rename("x").toZarr(at("no.zarr")), "argument", /"x"/],
  ])("refuses %s", async (_, run, code, message) => {
    await expect(run()).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    expect(readdirSync(folder).filter((n) => n.includes("no."))).toEqual([]);
  });
});

describe("what a writer records", () => {
  test("an array without a name becomes the variable data", async () => {
    await dataArray([[1, 2]], { dims: ["y", "x"] }).toZarr(at("unnamed.zarr"));
    expect(Object.keys((await openZarr(at("unnamed.zarr"))).vars)).toEqual(["data"]);
  });

  test("a place that is no folder is refused by name", async () => {
    writeFileSync(at("file"), "x");
    const refused = { code: "write", message: expect.stringMatching(/file/) };
    await expect(scene().toCog(at("file/a.tif"))).rejects.toMatchObject(refused);
    await expect(scene().toZarr(at("file/a.zarr"))).rejects.toMatchObject(refused);
  });

  test("labels that differ between variables label none; nodata follows what is true of the values", async () => {
    const file = join(ROOT, "examples", "data", "L7_ETMs.tif");
    const [red, nir] = [await openRaster(file, { band: 3 }), await openRaster(file, { band: 4 })];
    await dataset({ red, nir }).toZarr(at("bands.zarr"));
    const back = await openZarr(at("bands.zarr"));
    expect(back.get("red").coords).toEqual(["y", "x"]);
    const filled = scene().fillna(0);
    expect([
      filled.rio.encodedNodata,
      scene().astype("float32").rio.encodedNodata,
      scene().where(scene().gt(5)).rio.encodedNodata,
    ]).toEqual([null, null, 0]);
    await filled.toCog(at("filled.tif"));
    const raw = await openRaster(at("filled.tif"));
    expect([raw.rio.nodata, Number((await values(raw.count())).item())]).toEqual([null, ROWS * COLS]);
  });

  test("evenly spaced labels are a grid, and are written as one", async () => {
    const x = dataArray(
      [
        [1, 2, 3],
        [4, 5, 6],
      ],
      { dims: ["lat", "lon"], coords: { lat: [51, 50.5], lon: [3, 3.5, 4] }, crs: 4326 },
    );
    expect(x.rio.bounds).toEqual([2.75, 50.25, 4.25, 51.25]);
    await x.astype("float32").toCog(at("labels.tif"));
    expect((await openRaster(at("labels.tif"))).rio.geobox).toMatchObject({
      crs: "EPSG:4326",
      bbox: [2.75, 50.25, 4.25, 51.25],
    });
  });
});
