/** Files that the Python stack wrote, read by rsdat. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type DataArray, openRaster, openZarr, slice } from "../../src/xr/index.ts";
import { describePeer, runPython } from "../peers.ts";
import { useInlineRunner } from "../run-inline.ts";

useInlineRunner();

interface Sums {
  readonly count: number;
  readonly sum: number;
}

interface StoreTruth extends Sums {
  readonly raw: number;
  readonly flag: number;
  readonly time: readonly number[];
  readonly latitude: readonly number[];
}

interface Truth {
  readonly masked: Sums;
  readonly bands: Sums;
  readonly era2: StoreTruth;
  readonly era3: StoreTruth;
}

async function number(x: DataArray<string>): Promise<number> {
  return Number((await x.compute()).values.item());
}

describePeer("files of the Python stack", ["rasterio", "xarray", "zarr"], () => {
  const folder = mkdtempSync(join(tmpdir(), "rsdat-foreign-"));
  let truth: Truth;
  beforeAll(async () => {
    truth = JSON.parse(await runPython(["test/xr/make_foreign.py", folder]));
  }, 240_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test.each(["mask.tif", "alpha.tif"])("what %s masks is missing, as floats wide enough", async (file) => {
    const one = (await openRaster(join(folder, file), {
      chunks: { y: 25, x: 40 },
      ...(file === "alpha.tif" ? { band: 1 } : {}),
    })) as DataArray<string>;
    expect(one.dtype).toBe("float32");
    expect([await number(one.count()), await number(one.astype("float64").sum())]).toEqual([
      truth.masked.count,
      truth.masked.sum,
    ]);
    expect((await openRaster(join(folder, file), { decode: "raw" })).dtype).toBe("uint8");
  });

  test("scale and offset by band, descriptions and units", async () => {
    const scaled = await openRaster(join(folder, "bands.tif"), { decode: "scaled" });
    expect([scaled.dims, scaled.dtype, scaled.attrs]).toEqual([
      ["band", "y", "x"],
      "float32",
      { long_name: ["blue", "red"], units: "K" },
    ]);
    expect([await number(scaled.count()), await number(scaled.astype("float64").sum())]).toEqual([
      truth.bands.count,
      truth.bands.sum,
    ]);
    const red = await openRaster(join(folder, "bands.tif"), { band: 2 });
    expect([red.dtype, red.rio.nodata, red.attrs["long_name"]]).toEqual(["int16", -1, "red"]);
    await expect(openRaster(join(folder, "bands.tif"), { band: 3 })).rejects.toThrow(/1 \(blue\), 2 \(red\)/);
  });

  test.each(["era2", "era3"] as const)("%s: packed integers, CF times, coordinates", async (name) => {
    const expected = truth[name];
    const url = join(folder, `${name}.zarr`);
    const store = await openZarr(url, { vars: ["t2m"], decode: "scaled", chunks: { time: 1 } });
    const { t2m } = store.vars;
    expect(Object.keys(store.vars)).toEqual(["t2m"]);
    expect([t2m.dims, t2m.dtype, t2m.attrs["units"]]).toEqual([["time", "latitude", "longitude"], "float32", "K"]);
    expect(await number(t2m.count())).toBe(expected.count);
    expect(Math.abs((await number(t2m.astype("float64").sum())) / expected.sum - 1)).toBeLessThan(1e-7);
    expect(t2m.coord("time").values.toArray()).toEqual(
      expected.time.map((ns) => BigInt(Math.round(ns / 1e9)) * 1_000_000_000n),
    );
    expect(t2m.coord("latitude").values.toArray()).toEqual(expected.latitude);
    expect(t2m.coord("level").values.item()).toBe(850n);
    expect(t2m.rio.resolution).toEqual([expect.closeTo(0.25, 12), expect.closeTo(0.25, 12)]);
    expect(t2m.sel({ latitude: slice(51, 52), time: "2000-02" }).shape).toEqual([2, 5, 12]);
    const all = await openZarr(url);
    expect([Object.keys(all.vars).sort(), all.attrs]).toEqual([["flag", "t2m"], { title: "foreign" }]);
    expect([all.get("t2m").dtype, all.get("t2m").rio.nodata]).toEqual(["int16", -32768]);
    expect(await number((await openZarr(url, { decode: "raw" })).get("t2m").sum())).toBe(expected.raw);
    expect(await number(all.get("flag").sum())).toBe(expected.flag);
    await expect(openZarr(url, { vars: ["t3m"] })).rejects.toMatchObject({
      code: "selection",
      message: expect.stringMatching(/"t3m".*t2m/),
    });
  });
});
