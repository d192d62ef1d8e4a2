/** Real scenes against GDAL's and NumPy's numbers, to the bit. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type DataArray, expr, openRaster, openZarr } from "../../src/xr/index.ts";
import { ROOT } from "../find-peers.ts";
import { describePeer } from "../peers.ts";
import { useInlineRunner } from "../run-inline.ts";
import { sha256 } from "./sha.ts";

useInlineRunner();
const DATA = process.env["RSDAT_TEST_DATA"] ?? "";

interface NdviTruth {
  readonly red: string;
  readonly nir: string;
  readonly nodata?: number;
  readonly scale?: number;
  readonly offset?: number;
  readonly qa?: string;
  readonly qa_reject?: number;
  readonly count: number;
  readonly nan: number;
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly std: number;
  readonly sha256_f4: string;
}

type Band = DataArray<"y" | "x">;

/** The same NDVI by methods and by expr. */
const FORMS: readonly (readonly [string, (nir: Band, red: Band) => DataArray<string>])[] = [
  ["methods", (nir, red) => nir.sub(red).div(nir.add(red))],
  ["expr", (nir, red) => expr`(${nir} - ${red}) / (${nir} + ${red})`],
];

async function openBand(file: string, truth: NdviTruth): Promise<Band> {
  const { nodata = null, scale, offset } = truth;
  const scaling = scale === undefined || offset === undefined ? {} : { scale, offset };
  const decode = scale === undefined ? "masked" : "scaled";
  const band = await openRaster(join(DATA, file), { nodata, decode, chunks: { y: 300, x: 500 }, ...scaling });
  return nodata === null ? band.astype("float32") : band;
}

describePeer("NDVI of real scenes", "test-data", () => {
  const all: Readonly<Record<string, NdviTruth>> =
    DATA === "" ? {} : JSON.parse(readFileSync(join(DATA, "truth", "ops.json"), "utf8"));
  const ndvi = Object.entries(all).filter(([name]) => name.startsWith("ndvi/"));

  test("there are such truths", () => expect(ndvi.length).toBeGreaterThanOrEqual(5));

  for (const [name, truth] of ndvi)
    test.each(FORMS)(`${name} by %s`, async (_, form) => {
      let out = form(await openBand(truth.nir, truth), await openBand(truth.red, truth));
      if (truth.qa !== undefined) {
        const qa = await openRaster(join(DATA, truth.qa));
        out = out.where(qa.and(truth.qa_reject ?? 0).eq(0));
      }
      const { values } = await out.compute();
      expect(values.dtype).toBe("float32");
      expect(sha256(values)).toBe(truth.sha256_f4);
      expect(Number((await out.count().compute()).values.item())).toBe(truth.count);
      expect(Number((await out.isnull().sum().compute()).values.item())).toBe(truth.nan);
      expect((await out.min().compute()).values.item()).toBe(Math.fround(truth.min));
      expect((await out.max().compute()).values.item()).toBe(Math.fround(truth.max));
      const wide = out.astype("float64");
      const mean = Number((await wide.mean().compute()).values.item());
      expect(Math.abs(mean / truth.mean - 1)).toBeLessThan(1e-12);
      const std = Number((await wide.std().compute()).values.item());
      expect(Math.abs(std / truth.std - 1)).toBeLessThan(1e-9);
    });
});

interface Statistics {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
}

describePeer("Zarr stores from elsewhere", "test-data", () => {
  const truth = DATA === "" ? {} : JSON.parse(readFileSync(join(DATA, "truth", "ops.json"), "utf8"));

  test.each(["zarr2", "zarr3"])("packed integers with a negative scale factor, %s", async (kind) => {
    const store = await openZarr(join(DATA, "climate", `eraint.${kind}`), { decode: "scaled", vars: ["z", "u"] });
    for (const name of ["z", "u"] as const) {
      const { values } = await store.get(name).compute();
      expect(sha256(values)).toBe(truth["zarr/eraint"].arrays[name].decoded_f4_sha256);
    }
    expect(store.get("u").attrs["units"]).toBe("m s**-1");
    expect((await openZarr(join(DATA, "climate", `eraint.${kind}`), { vars: ["u"] })).get("u").dtype).toBe("int16");
  });

  test.each(["zarr2", "zarr3"])("a masked series along time, %s", async (kind) => {
    const store = await openZarr(join(DATA, "series", `s2_ndvi.${kind}`), { chunks: { time: 68, y: 40, x: 40 } });
    const masked = store.get("ndvi").astype("float64").where(store.get("clm").eq(0));
    const expected = truth["masked_series/s2_ndvi"] as Record<string, Statistics> & { readonly clear: number };
    expect((await masked.count().compute()).values.item()).toBe(BigInt(expected.clear));
    for (const op of ["mean", "max", "std"] as const) {
      const reduced = masked[op]("time");
      const stats = [await reduced.min().compute(), await reduced.max().compute(), await reduced.mean().compute()];
      const { min, max, mean } = expected[op] as Statistics; // the file has all three
      stats.forEach(({ values }, k) => {
        expect(Math.abs(Number(values.item()) / ([min, max, mean][k] as number) - 1)).toBeLessThan(1e-12);
      });
    }
    expect(masked.coord("time").values.size).toBe(68);
  });
});

test("the committed scene equals what NumPy computes, to the bit", async () => {
  const truth = JSON.parse(readFileSync(join(ROOT, "test", "oracle", "scene_ndvi.json"), "utf8"));
  const scene = join(ROOT, "examples", "data", "L7_ETMs.tif");
  const [red, nir] = [
    await openRaster(scene, { band: 3, chunks: 100 }),
    await openRaster(scene, { band: 4, chunks: 100 }),
  ];
  expect(red.rio.crs).toBe(`EPSG:${truth.epsg}`);
  expect(red.rio.transform).toEqual(truth.transform);
  const seen = expr`${red} != 0 && ${red} != 255 && ${nir} != 0 && ${nir} != 255`;
  const [r, n] = [red.astype("float32"), nir.astype("float32")];
  const ndvi = n.sub(r).div(n.add(r)).where(seen);
  const { values } = await ndvi.compute();
  expect(sha256(values)).toBe(truth.sha256);
  expect(sha256((await ndvi.isnull().compute()).values)).toBe(truth.mask_sha256);
  expect((await ndvi.count().compute()).values.item()).toBe(BigInt(truth.valid));
  const mean = Number((await ndvi.astype("float64").mean().compute()).values.item());
  expect(Math.abs(mean / truth.mean - 1)).toBeLessThan(1e-12);
});
