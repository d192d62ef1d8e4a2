/**
 * The main job: red and near-infrared → mask → NDVI → statistics, a Zarr store, a COG and a PNG.
 *
 *   npm start                                      the Landsat 7 scene in examples/data
 *   npm start -- --red FILE[:BAND] --nir FILE[:BAND] [--mask FILE[:BAND]] [--keep 4,5,6] [--out DIR]
 *
 * Several --red and --nir pairs are dates of one grid and add a time axis; one mask serves all dates, or one each.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import {
  type ChunkedArray,
  compute,
  type DataArray,
  explain,
  expr,
  formatBytes,
  formatDuration,
  openRaster,
  processPeakBytes,
  progressBar,
  quicklook,
  slice,
  thinningOf,
  xr,
} from "rsdat";

const SCENE = new URL("./data/L7_ETMs.tif", import.meta.url).pathname;
/** Sentinel-2 scene classes that are land or water seen clearly. */
const KEEP = "4,5,6,7,11";

interface Job {
  readonly red: readonly string[];
  readonly nir: readonly string[];
  readonly mask: readonly string[];
  readonly keep: readonly number[];
  readonly out: string;
}

function readArguments(): Job {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    options: {
      red: { ...text, multiple: true },
      nir: { ...text, multiple: true },
      mask: { ...text, multiple: true },
      keep: text,
      out: text,
    },
  });
  const job = {
    red: values.red ?? [],
    nir: values.nir ?? [],
    mask: values.mask ?? [],
    keep: (values.keep ?? KEEP).split(",").map(Number),
    out: values.out ?? "out",
  };
  if (job.red.length !== job.nir.length)
    throw new Error(`--red is given ${job.red.length} times and --nir ${job.nir.length} times: give them in pairs`);
  if (job.mask.length > 1 && job.mask.length !== job.red.length)
    throw new Error(`--mask is given ${job.mask.length} times for ${job.red.length} dates: give one, or one each`);
  if (job.keep.some((k) => !Number.isInteger(k)))
    throw new Error(`--keep ${values.keep}: expected class numbers such as ${KEEP}`);
  return job;
}

/** A band of `FILE[:BAND]` (bands count from 1); scale and offset are applied where the file has them. */
async function openBand(text: string, decode: "scaled" | "raw"): Promise<DataArray<"y" | "x">> {
  const [, file, band] = /^(.*?)(?::(\d+))?$/.exec(text) ?? [];
  return openRaster(file as string, { band: Number(band ?? 1), decode });
}

/** NDVI of one date; missing where either band is, or where their sum is 0. */
function ndviOf(red: DataArray<"y" | "x">, nir: DataArray<"y" | "x">): DataArray<"y" | "x"> {
  return expr`${nir} + ${red} != 0 ? (${nir} - ${red}) / (${nir} + ${red}) : nan`.astype("float32").rename("ndvi");
}

/** The committed scene: 0 and the saturated 255 are missing, a rule on the bands themselves. */
async function openScene(): Promise<DataArray<"y" | "x">[]> {
  const [red, nir] = [await openBand(`${SCENE}:3`, "scaled"), await openBand(`${SCENE}:4`, "scaled")];
  const seen = expr`${red} != 0 && ${red} != 255 && ${nir} != 0 && ${nir} != 255`;
  return [ndviOf(red, nir).where(seen)];
}

async function openDates(job: Job): Promise<DataArray<"y" | "x">[]> {
  const dates: DataArray<"y" | "x">[] = [];
  for (const [k, red] of job.red.entries()) {
    const ndvi = ndviOf(await openBand(red, "scaled"), await openBand(job.nir[k] as string, "scaled"));
    const mask = job.mask[Math.min(k, job.mask.length - 1)];
    dates.push(mask === undefined ? ndvi : ndvi.where((await openBand(mask, "raw")).isin(job.keep)));
  }
  return dates;
}

const job = readArguments();
const started = performance.now();
const dates = job.red.length === 0 ? await openScene() : await openDates(job);
const first = dates[0] as DataArray<"y" | "x">;
const ndvi: DataArray = dates.length === 1 ? first : xr.concat(dates, "time");

await mkdir(job.out, { recursive: true });
const at = (name: string): string => join(job.out, name);
const exact = ndvi.astype("float64");
const [height, width] = first.shape as [number, number];
const step = thinningOf(height, width);
const thin = first.isel({ y: slice(null, null, step), x: slice(null, null, step) });
const work = [
  await ndvi.rename("ndvi").toZarr(at("ndvi.zarr"), { mode: "w", compute: false }),
  // Small tiles for a small raster, so that it has overviews too.
  await ndvi.toCog(at("ndvi.tif"), {
    mode: "w",
    blocksize: Math.max(height, width) > 1024 ? 512 : 128,
    compute: false,
  }),
  thin,
  ndvi.count(),
  exact.mean(),
  ndvi.min(),
  ndvi.max(),
] as const;

console.log(String(await explain(work)));
const bar = progressBar({ label: "ndvi" });
let bytesRead = 0;
const [zarr, cog, picture, valid, mean, min, max] = await compute(work, {
  onProgress: (p) => {
    bytesRead = p.bytesRead;
    bar.update(p);
  },
});
bar.close();
await writeFile(
  at("ndvi.png"),
  quicklook(picture.values, { range: [-0.2, 0.9], colors: "vegetation", text: { CRS: String(first.rio.crs) } }),
);

const count = Number(valid.values.item());
const number = (x: DataArray): number | null =>
  count === 0 ? null : Number((x as DataArray & { values: { item(): number } }).values.item());
const summary = {
  valid: count,
  missing: (ndvi.data as ChunkedArray).size - count,
  mean: number(mean),
  min: number(min),
  max: number(max),
  seconds: (performance.now() - started) / 1000,
  peakBytes: processPeakBytes(),
  bytesRead,
};
await writeFile(at("summary.json"), `${JSON.stringify(summary, null, 2)}\n`);

console.log(
  `NDVI of ${dates.length} date${dates.length === 1 ? "" : "s"}, ${height} × ${width} pixels: ${summary.valid} valid, ${summary.missing} missing, mean ${summary.mean?.toFixed(4) ?? "none"}`,
);
console.log(
  `  ${zarr.url}  ${formatBytes(zarr.bytes)}\n  ${cog.url}  ${formatBytes(cog.bytes)}\n  ${at("ndvi.png")}\n  ${at("summary.json")}`,
);
console.log(
  `read ${formatBytes(bytesRead)}, peak memory ${formatBytes(summary.peakBytes)}, ${formatDuration(summary.seconds * 1000)}`,
);
