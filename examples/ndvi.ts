/**
 * The main job: red and near-infrared → mask → NDVI → statistics, a Zarr store, a COG and a PNG.
 *
 *   npm start                                      the Landsat 7 scene in examples/data
 *   npm start -- --red FILE[:BAND] --nir FILE[:BAND] [--mask FILE[:BAND]] [--keep 4,5,6] [--out DIR]
 *
 * Several --red and --nir pairs are dates of one grid and add a time axis; one mask serves all dates, or one each.
 */
import { rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import {
  compute,
  type DataArray,
  explain,
  expr,
  formatBytes,
  formatDuration,
  isRsdatError,
  openRaster,
  processPeakBytes,
  progressBar,
  quicklook,
  slice,
  thinningOf,
  xr,
} from "rsdat";
import { ioCounters } from "rsdat/io";

const SCENE = fileURLToPath(new URL("./data/L7_ETMs.tif", import.meta.url));
/** Sentinel-2 scene classes that are land or water seen clearly. */
const KEEP = "4,5,6,7,11";
/** Blocks of whole rows, as the parts of a COG are; small, as every thread holds some, and large against a task's cost. */
const BLOCKS = { y: "8MiB", x: -1 } as const;

/** Aborted by Ctrl-C or an end that Slurm announces: what the run has begun is removed. A second one ends it at once. */
const interrupted = new AbortController();
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;
for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => interrupted.abort(name));
const { signal } = interrupted;

interface Job {
  readonly red: readonly string[];
  readonly nir: readonly string[];
  readonly mask: readonly string[];
  readonly keep: readonly number[];
  readonly out: string;
}

/** What is wrong with the command line. */
class ArgumentsError extends Error {}

function readArguments(): Job {
  const text = { type: "string" } as const;
  const many = { type: "string", multiple: true, default: [] as string[] } as const;
  const { values } = parseArgs({ options: { red: many, nir: many, mask: many, keep: text, out: text } });
  const { red, nir, mask, keep = KEEP, out = "out" } = values;
  if (red.length !== nir.length)
    throw new ArgumentsError(`--red is given ${red.length} times and --nir ${nir.length} times; give them in pairs`);
  if (mask.length > 0 && red.length === 0)
    throw new ArgumentsError("--mask is given without --red and --nir; the scene of this example has its own rule");
  if (mask.length > 1 && mask.length !== red.length)
    throw new ArgumentsError(`--mask is given ${mask.length} times for ${red.length} dates; give one, or one each`);
  if (values.keep !== undefined && mask.length === 0)
    throw new ArgumentsError(`--keep ${keep} is given without --mask, whose classes it names`);
  if (!/^-?\d+(,-?\d+)*$/.test(keep))
    throw new ArgumentsError(`--keep ${JSON.stringify(keep)}: expected class numbers such as ${KEEP}`);
  if (out === "") throw new ArgumentsError('--out "": expected a folder');
  return { red, nir, mask, keep: keep.split(",").map(Number), out };
}

interface BandOptions {
  /** `"scaled"`: scale and offset are applied where the file has them. */
  readonly decode: "scaled" | "raw";
  /** Cut into the blocks of this array, so that blocks meet their like whatever the dtype. */
  readonly like?: DataArray<"y" | "x">;
}

/** A band of `FILE[:BAND]`; bands count from 1. */
async function openBand(text: string, { decode, like }: BandOptions): Promise<DataArray<"y" | "x">> {
  const [, file, band] = /^(.*?)(?::(\d+))?$/.exec(text) ?? [];
  const chunks = like ? { y: like.chunks[0]?.[0] as number, x: -1 } : BLOCKS;
  return openRaster(file as string, { band: Number(band ?? 1), decode, chunks, signal });
}

/** NDVI of one date; missing where either band is, or where their sum is 0. */
function ndviOf(red: DataArray<"y" | "x">, nir: DataArray<"y" | "x">): DataArray<"y" | "x"> {
  return expr`${nir} + ${red} != 0 ? (${nir} - ${red}) / (${nir} + ${red}) : nan`.astype("float32").rename("ndvi");
}

/** The committed scene: 0 and the saturated 255 are missing, a rule on the bands themselves. */
async function openScene(): Promise<DataArray<"y" | "x">[]> {
  const red = await openBand(`${SCENE}:3`, { decode: "scaled" });
  const nir = await openBand(`${SCENE}:4`, { decode: "scaled", like: red });
  const seen = expr`${red} != 0 && ${red} != 255 && ${nir} != 0 && ${nir} != 255`;
  return [ndviOf(red, nir).where(seen)];
}

async function openDates(job: Job): Promise<DataArray<"y" | "x">[]> {
  const dates: DataArray<"y" | "x">[] = [];
  for (const [k, file] of job.red.entries()) {
    const like = dates[0] ? { like: dates[0] } : {};
    const red = await openBand(file, { decode: "scaled", ...like });
    const ndvi = ndviOf(red, await openBand(job.nir[k] as string, { decode: "scaled", like: red }));
    const mask = job.mask[Math.min(k, job.mask.length - 1)];
    dates.push(
      mask === undefined ? ndvi : ndvi.where((await openBand(mask, { decode: "raw", like: red })).isin(job.keep)),
    );
  }
  return dates;
}

/** One graph for all that is written and counted, so that every block is read once: says the plan, then runs it. */
async function runAll(ndvi: DataArray, first: DataArray<"y" | "x">, out: string) {
  const [height, width] = first.shape as [number, number];
  const step = thinningOf(height, width);
  // Small tiles for a small raster, so that it has overviews too.
  const blocksize = Math.max(height, width) > 1024 ? 512 : 128;
  const work = [
    // The COG leads, as its parts need all dates of their rows: work goes down the rows, not date by date.
    await ndvi.toCog(join(out, "ndvi.tif"), { mode: "w", blocksize, compute: false }),
    await ndvi.rename("ndvi").toZarr(join(out, "ndvi.zarr"), { mode: "w", compute: false }),
    first.isel({ y: slice(null, null, step), x: slice(null, null, step) }),
    ndvi.count(),
    ndvi.astype("float64").mean(),
    ndvi.min(),
    ndvi.max(),
  ] as const;
  console.log(String(await explain(work)));
  const { update, close } = progressBar({ label: "ndvi" });
  let bytesRead = 0;
  const run = compute(work, {
    signal,
    onProgress: (p) => {
      bytesRead = p.bytesRead;
      update(p);
    },
  });
  run.then(
    () => close(),
    () => close(true),
  );
  return { results: await run, bytesRead };
}

/** A file that is there whole or not at all. */
async function writeWhole(path: string, data: string | Uint8Array): Promise<void> {
  const beside = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(beside, data, { signal });
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}

async function main(): Promise<void> {
  const job = readArguments();
  const started = performance.now();
  const dates = job.red.length === 0 ? await openScene() : await openDates(job);
  const first = dates[0] as DataArray<"y" | "x">; // one at least
  const ndvi: DataArray = dates.length === 1 ? first : xr.concat(dates, "time");
  // Fetched from stores, as it is stored: headers when files were opened, then what the tasks read.
  const headerBytes = ioCounters().bytesRead;
  const { results, bytesRead: taskBytes } = await runAll(ndvi, first, job.out);
  const bytesRead = headerBytes + taskBytes;
  const [cog, zarr, picture, valid, mean, min, max] = results;
  const at = (name: string): string => join(job.out, name);
  await writeWhole(
    at("ndvi.png"),
    quicklook(picture.values, { range: [-0.2, 0.9], colors: "vegetation", text: { CRS: String(first.rio.crs) } }),
  );

  const count = Number(valid.values.item());
  const number = (x: { values: { item(): unknown } }): number | null => (count === 0 ? null : Number(x.values.item()));
  const summary = {
    valid: count,
    missing: ndvi.shape.reduce((n, extent) => n * extent, 1) - count,
    mean: number(mean),
    min: number(min),
    max: number(max),
    seconds: (performance.now() - started) / 1000,
    peakBytes: processPeakBytes(),
    bytesRead,
  };
  await writeWhole(at("summary.json"), `${JSON.stringify(summary, null, 2)}\n`);

  const what = `${dates.length} date${dates.length === 1 ? "" : "s"}, ${first.shape.join(" × ")} pixels`;
  console.log(
    `NDVI of ${what}: ${summary.valid} valid, ${summary.missing} missing, mean ${summary.mean?.toFixed(4) ?? "none"}
  ${zarr.url}  ${formatBytes(zarr.bytes)}
  ${cog.url}  ${formatBytes(cog.bytes)}
  ${at("ndvi.png")}
  ${at("summary.json")}
read ${formatBytes(bytesRead)}, peak memory ${formatBytes(summary.peakBytes)}, ${formatDuration(summary.seconds * 1000)}`,
  );
}

/** One line for what a user can change: an argument, a file, the system; anything else shows where it happened. */
function explainFailure(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const isExpected = error instanceof ArgumentsError || isRsdatError(error) || "code" in error;
  return isExpected ? error.message.replace(/\s*\n\s*/g, " ") : (error.stack ?? error.message);
}

try {
  await main();
} catch (error) {
  console.error(
    `error: ${signal.aborted ? `ended by ${signal.reason}; nothing half-written remains` : explainFailure(error)}`,
  );
  process.exitCode = signal.aborted ? EXIT_CODES[signal.reason as keyof typeof EXIT_CODES] : 1;
}
