/**
 * 2 GiB of input under a memory limit of 512 MiB: every process stays within 1.15 of it, on threads and on a LocalCluster,
 * also where blocks have to be held; without admission it does not, so the check can fail.
 */
import { linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createZarr, finishZarr, plainByteKernels, writeZarrObjectSync } from "../../src/io/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { ROOT } from "../peers.ts";
import { start } from "../processes.ts";

const GIB = 2 ** 30;
const LIMIT_BYTES = 512 * 2 ** 20;
const PEAK_BYTES_MAX = 1.15 * LIMIT_BYTES;
/** Compressed input, the index as Zarr (compressed), and something to spare. */
const DISK_BYTES = GIB;

const [TIMES, ROWS, COLS] = [16, 8192, 4096];
const CHUNK = [1, 1024, 2048] as const;
/** Values repeat along x with this period; one of each period is missing. */
const PERIOD = 256;
const MISSING = 7;

const stored = (base: number, slope: number) => (t: number, x: number) =>
  x % PERIOD === MISSING ? 0 : base + slope * ((37 * x) % PERIOD) + 16 * t;
const BANDS = { red: stored(1000, 1), nir: stored(3000, 3) } as const;

const folder = mkdtempSync(join(tmpdir(), "rsdat-e2e-memory-"));
const input = join(folder, "in.zarr");
const output = join(folder, "out.zarr");

/** Two uint16 variables of 1 GiB; objects of one date have one content, so one is written and the others are links to it. */
beforeAll(async () => {
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize < DISK_BYTES)
    throw new Error(`${folder} has ${bavail * bsize} bytes free, ${DISK_BYTES} are needed`);
  const [shape, dimensionNames] = [
    [TIMES, ROWS, COLS],
    ["time", "y", "x"],
  ];
  const spec = {
    shape,
    chunks: CHUNK,
    dtype: "uint16",
    fill: 0,
    dimensionNames,
    attributes: { _FillValue: 0 },
  } as const;
  const target = await createZarr(pathToFileURL(input).href, { arrays: { red: spec, nir: spec } });
  await finishZarr(target);
  const inPlace = await createZarr(pathToFileURL(input).href, { arrays: { red: spec, nir: spec } }, { mode: "r+" });
  for (const [name, value] of Object.entries(BANDS)) {
    for (let t = 0; t < TIMES; t++) {
      const row = Uint16Array.from({ length: CHUNK[2] }, (_, x) => value(t, x));
      const data = new Uint16Array(CHUNK[1] * CHUNK[2]);
      for (let y = 0; y < CHUNK[1]; y++) data.set(row, y * CHUNK[2]);
      const block = NDArray.of(data, CHUNK);
      writeZarrObjectSync(inPlace, name, { chunkIndex: [t, 0, 0], block }, { kernels: plainByteKernels });
      linkCopies(join(input, name, "c", String(t)));
    }
  }
});

function linkCopies(date: string): void {
  for (let y = 0; y < ROWS / CHUNK[1]; y++) {
    for (let x = y === 0 ? 1 : 0; x < COLS / CHUNK[2]; x++) {
      const path = join(date, String(y), String(x));
      mkdirSync(dirname(path), { recursive: true });
      linkSync(join(date, "0", "0"), path);
    }
  }
}

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What a period holds, by arithmetic in float32 as NumPy's: index by date and column. */
const INDEX = Array.from({ length: TIMES }, (_, t) =>
  Array.from({ length: PERIOD }, (_, x) => {
    const [red, nir] = [BANDS.red(t, x), BANDS.nir(t, x)];
    return x === MISSING ? null : Math.fround((nir - red) / (nir + red));
  }).filter((v) => v !== null),
);
const VALID = (TIMES * ROWS * COLS * (PERIOD - 1)) / PERIOD;

interface Told {
  readonly statistics: readonly number[];
  readonly seconds: number;
  readonly peaks: Readonly<Record<string, number>>;
  readonly leastBytes: number;
}

const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`;

async function runJob(title: string, script: string, ...args: string[]): Promise<Told> {
  const env = { DASK_RSDAT__MEMORY_LIMIT: "512MiB", DASK_NUM_WORKERS: "2" };
  await using running = start(process.execPath, [join(ROOT, "test", "e2e", "scripts", script), ...args], { env });
  expect(await running.exit, running.output()).toBe(0);
  const [line] = /^\{"statistics".*$/m.exec(running.output()) ?? [];
  expect(line, running.output()).toBeDefined();
  const told: Told = JSON.parse(line ?? "");
  const peaks = Object.entries(told.peaks).map(([name, bytes]) => `${name} ${mib(bytes)}`);
  const sum = Object.values(told.peaks).reduce((a, b) => a + b, 0);
  console.log(`memory, ${title}: ${peaks.join(", ")}, together ${mib(sum)}; ${told.seconds.toFixed(1)} s`);
  return told;
}

function expectIndex({ statistics }: Told): void {
  const [valid, mean = Number.NaN, min, max] = statistics;
  const all = INDEX.flat();
  expect([valid, min, max]).toEqual([VALID, Math.min(...all), Math.max(...all)]);
  const expected = all.reduce((a, b) => a + b, 0) / all.length;
  expect(Math.abs(mean / expected - 1)).toBeLessThan(1e-12);
}

function expectAnomaly({ statistics }: Told): void {
  // Sums of 16 such floats are exact in float64, in any order.
  const columns = (INDEX[0] as readonly number[]).map((_, x) => INDEX.map((row) => row[x] as number));
  const differences = columns.flatMap((values) => {
    const mean = Math.fround(values.reduce((a, b) => a + b, 0) / TIMES);
    return values.map((v) => Math.fround(v - mean));
  });
  expect(statistics).toEqual([VALID, Math.min(...differences), Math.max(...differences)]);
}

function expectWithin({ peaks, leastBytes }: Told): void {
  expect(leastBytes).toBeLessThan(LIMIT_BYTES);
  for (const [name, bytes] of Object.entries(peaks)) expect(bytes, name).toBeLessThan(PEAK_BYTES_MAX);
}

describe.each(["threads", "cluster"])("on %s", (place) => {
  test("NDVI to Zarr with statistics stays within the limit", async () => {
    const told = await runJob(`NDVI to Zarr on ${place}`, "memory.ts", "ndvi", place, input, output);
    expectIndex(told);
    expectWithin(told);
    const { shape, data_type } = JSON.parse(readFileSync(join(output, "ndvi", "zarr.json"), "utf8"));
    expect({ shape, data_type }).toEqual({ shape: [TIMES, ROWS, COLS], data_type: "float32" });
  });

  test("blocks that have to be held do too", async () => {
    const told = await runJob(`anomaly on ${place}`, "memory.ts", "anomaly", place, input, output);
    expectAnomaly(told);
    expectWithin(told);
  });
});

describe("without admission", () => {
  test("threads pass the limit", async () => {
    const told = await runJob("anomaly, no admission", "no-admission.ts", "threads", "anomaly", input, output);
    expectAnomaly(told);
    expect(told.peaks["self"]).toBeGreaterThan(PEAK_BYTES_MAX);
  });

  test("a worker passes the limit", async () => {
    await using node = start(process.execPath, [join(ROOT, "test", "e2e", "scripts", "no-admission.ts"), "node"]);
    const [, address = ""] = await node.waitFor(/listening at (\S+)/);
    expectAnomaly(await runJob("anomaly, no admission, client", "memory.ts", "anomaly", address, input, output));
    const [, kib = "0"] = /^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${node.process.pid}/status`, "latin1")) ?? [];
    console.log(`memory, anomaly, no admission, worker: ${mib(1024 * Number(kib))}`);
    expect(1024 * Number(kib)).toBeGreaterThan(PEAK_BYTES_MAX);
    node.process.kill("SIGTERM");
    expect(await node.exit, node.output()).toBe(0);
  });
});
