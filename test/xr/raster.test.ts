/** Rasters opened: bands, overviews, decoding, masks; numbers by GDAL (the committed scene, and RSDAT_TEST_DATA). */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { NDArray } from "../../src/ndarray/index.ts";
import { openRaster, openZarr } from "../../src/xr/index.ts";
import { ROOT } from "../find-peers.ts";
import { describePeer } from "../peers.ts";
import { useInlineRunner } from "../run-inline.ts";
import { sha256 } from "./sha.ts";

const runner = useInlineRunner();
const SCENE = join(ROOT, "examples", "data", "L7_ETMs.tif");
const DATA = process.env["RSDAT_TEST_DATA"] ?? "";

describe("the committed scene", () => {
  const truth = JSON.parse(readFileSync(join(ROOT, "test", "oracle", "scene_ndvi.json"), "utf8"));

  test("all bands are a dimension, one band is none; both are the same pixels", async () => {
    const all = await openRaster(SCENE, { chunks: { y: 100, x: 100 } });
    expect([all.dims, all.shape, all.dtype, all.rio.nodata]).toEqual([
      ["band", "y", "x"],
      [6, 352, 349],
      "uint8",
      null,
    ]);
    expect(all.coord("band").values.toArray()).toEqual([1n, 2n, 3n, 4n, 5n, 6n]);
    const red = await openRaster(SCENE, { band: 3 });
    expect([red.dims, red.coord("band").values.item()]).toEqual([["y", "x"], 3n]);
    expect(sha256((await red.compute()).values)).toBe(truth.red.sha256);
    expect(sha256((await all.sel({ band: 3 } as never).compute()).values)).toBe(truth.red.sha256);
  });

  test("nodata, scale and offset may be given; scaled is float32, rounded once", async () => {
    const given = await openRaster(SCENE, { band: 3, nodata: 255, scale: 0.1, offset: -1, decode: "scaled" });
    const raw = (await (await openRaster(SCENE, { band: 3, decode: "raw" })).compute()).values;
    const scaled = (await given.compute()).values;
    expect(scaled.dtype).toBe("float32");
    const expected = Float32Array.from(raw.data as Uint8Array, (dn) => (dn === 255 ? Number.NaN : dn * 0.1 + -1));
    expect(sha256(scaled)).toBe(sha256(NDArray.of(expected)));
    const masked = await openRaster(SCENE, { band: 3, nodata: 255 });
    expect([masked.dtype, masked.rio.nodata]).toEqual(["uint8", 255]);
    expect((await masked.isnull().sum().compute()).values.item()).toBe(
      BigInt((raw.data as Uint8Array).filter((v) => v === 255).length),
    );
  });

  test("a slice reads only what it names", async () => {
    const red = await openRaster(SCENE, { band: 3 });
    const whole = await red.explain();
    const pixel = await red.isel({ y: 10, x: 10 }).explain();
    expect(pixel.bytesRead).toBeLessThan(whole.bytesRead / 10);
    await red.isel({ y: 10, x: 10 }).compute();
    expect(runner.plans.at(-1)?.bytesRead).toBe(pixel.bytesRead);
  });

  test.each([
    [
      "a band that is not there",
      () => openRaster(SCENE, { band: 7 }),
      "selection",
      /no band 7; its bands are 1, 2, 3, 4, 5, 6/,
    ],
    ["band 0", () => openRaster(SCENE, { band: 0 }), "selection", /no band 0/],
    [
      "an overview that is not there",
      () => openRaster(SCENE, { overview: 9 }),
      "selection",
      /no overview 9; it has 0 \(176 × 175\)/,
    ],
    [
      "an unknown decode",
      () => openRaster(SCENE, { decode: "float" as never }),
      "argument",
      /"float".*"raw", "masked" or "scaled"/,
    ],
    ["chunks of an unknown dimension", () => openRaster(SCENE, { chunks: { t: 1 } as never }), "argument", /"t"/],
    ["chunks that do not add up", () => openRaster(SCENE, { band: 1, chunks: [[100], -1] }), "chunk", /add up to 100/],
    ["a file that is not there", () => openRaster(join(ROOT, "examples", "none.tif")), "not-found", /none\.tif/],
    ["a file that is no TIFF", () => openRaster(join(ROOT, "package.json")), "tiff-magic", /package\.json/],
    ["no URL", () => openRaster(undefined as never), "argument", /url undefined/],
    ["a folder that is no Zarr store", () => openZarr(join(ROOT, "examples")), "not-found", /no Zarr store/],
  ])("refuses %s", async (_, open, code, message) => {
    await expect(open()).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });
});

interface BandTruth {
  readonly count: number;
  readonly min: number;
  readonly max: number;
  readonly mean: number;
}

interface ReaderTruth {
  readonly crs: string | null;
  readonly transform: readonly number[];
  readonly bands: readonly BandTruth[];
  readonly overview_sha256?: readonly { readonly shape: readonly number[]; readonly sha256: string }[];
  readonly dataset_mask?: { readonly valid: number };
}

describePeer("rasters from elsewhere", "test-data", () => {
  const truths: Readonly<Record<string, ReaderTruth>> =
    DATA === "" ? {} : JSON.parse(readFileSync(join(DATA, "truth", "readers.json"), "utf8"));
  const truth = (file: string): ReaderTruth => truths[file] as ReaderTruth; // files of the manifest

  test.each([
    "rgb/RGB.byte.tif",
    "dem/swiss_dem.tif",
    "dem/srtm_ref.tif",
    "optical/c2l2/LC08_L2SR_099120_20191129_20201016_02_T2_SR_B4.TIF",
    "mosaic/mosaic_cog1.tif",
    "modis/modis_albers_int16.tif",
    "sar/cog_nodata_nan.tif",
  ])("statistics of the valid pixels of %s, band by band", async (file) => {
    const all = await openRaster(join(DATA, file));
    const { bands, transform, crs } = truth(file);
    expect(all.rio.transform.map((v) => v)).toEqual(transform.map((v) => expect.closeTo(v, 9)));
    if (crs?.startsWith("EPSG")) expect(all.rio.crs).toBe(crs);
    for (const [k, band] of bands.entries()) {
      const one = bands.length > 1 ? all.isel({ band: k } as never) : all;
      const wide = one.astype("float64");
      const number = async (x: typeof one): Promise<number> => Number((await x.compute()).values.item());
      expect(await number(one.count() as never)).toBe(band.count);
      expect(await number(one.min() as never)).toBe(band.min);
      expect(await number(one.max() as never)).toBe(band.max);
      expect(Math.abs((await number(wide.mean() as never)) / band.mean - 1)).toBeLessThan(1e-12);
    }
  });

  test("overviews, each on its own grid", async () => {
    const file = "optical/cog/LC8_B4_deflate256.tif";
    const full = await openRaster(join(DATA, file));
    const levels = truth(file).overview_sha256 ?? [];
    expect(levels.length).toBe(3);
    for (const [overview, level] of levels.entries()) {
      const coarse = await openRaster(join(DATA, file), { overview, decode: "raw" });
      expect([1, ...coarse.shape]).toEqual(level.shape);
      expect(sha256((await coarse.compute()).values)).toBe(level.sha256);
      const close = full.rio.bounds.map((v) => expect.closeTo(v, 6));
      expect(coarse.rio.bounds).toEqual(close);
    }
  });

  test("a palette makes class numbers: nothing is missing, nodata is kept for writing", async () => {
    const classes = await openRaster(join(DATA, "landcover/cog_cmap.tif"), { overview: 3 });
    expect([classes.rio.nodata, classes.rio.encodedNodata]).toEqual([null, 0]);
    expect((await classes.isin([0]).any().compute()).values.item()).toBe(true);
  });

  test("ground control points without a transform give no grid", async () => {
    const radar = await openRaster(join(DATA, "sar/cog_gcps.tif"));
    expect(() => radar.rio.geobox).toThrow(expect.objectContaining({ code: "no-grid" }));
    expect(radar.coords).toEqual(["band"]);
  });

  test("without a CRS, and with NaN as nodata", async () => {
    const x = await openRaster(join(DATA, "rgb/float_nan.tif"));
    expect(x.rio.hasCrs).toBe(false);
    expect(x.rio.nodata).toBeNaN();
  });
});
