/**
 * How fast and how lean is the main job against the Python stack (xarray, dask, rioxarray, zarr)?
 *
 * Same files, same cores, same outputs (Zarr codec, level and chunks; COG compression, level, predictor, blocksize and
 * overviews; the same statistics), compared before anything is timed; then pairs in ABAB order, on threads and on a
 * local cluster.
 */
import { mkdirSync, readdirSync, rmSync, statfsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Bench, type BenchRow, OutputsDifferError, row } from "../contract.ts";
import { type Cost, measure } from "../measure.ts";

const HERE = dirname(fileURLToPath(import.meta.url));
const PYTHON = process.env["RSDAT_PYTHON"] ?? join(HERE, "../../.venv/bin/python");
/** Largest relative difference between two means summed in different orders. */
const MEAN_TOLERANCE = 1e-9;

/** What the peer is made of. */
const VERSIONS =
  "import dask,distributed,numpy,rasterio,rioxarray,xarray,zarr,sys;print(', '.join(f'{m.__name__} {m.__version__}' for m in (xarray,dask,distributed,rioxarray,rasterio,zarr,numpy)), 'GDAL', rasterio.__gdal_version__, 'Python', sys.version.split()[0])";

interface Setting {
  readonly size: number;
  readonly dates: number;
  readonly chunk: number;
  readonly pairs: number;
}

/** Threads of each side; the embedded runner takes them from Dask's own variable. */
const THREADS = 2;

const FULL: Setting = { size: 10_000, dates: 2, chunk: 2048, pairs: 5 };
const QUICK: Setting = { size: 1024, dates: 2, chunk: 512, pairs: 1 };

interface Side {
  readonly name: string;
  readonly out: string;
  run(mode: string): Promise<Cost>;
}

/** The bench: `npm run bench -- ndvi [--quick]`. */
export const bench: Bench = async ({ quick, say }) => {
  const setting = quick ? QUICK : FULL;
  const { size, dates, chunk, pairs } = setting;
  const data = join(HERE, "../data", `ndvi-${size}`);
  mkdirSync(data, { recursive: true });
  const needed = size * size * dates * (2 * 2 + 4 * 4);
  const { bavail, bsize } = statfsSync(data);
  if (bavail * bsize < needed)
    throw new Error(`bench/ndvi needs ${needed} bytes free in ${data}; there are ${bavail * bsize}`);
  say(
    `input ${size} × ${size} × 2 bands × ${dates} dates, uint16 COGs; both sides in chunks of ${chunk} on ${THREADS} threads`,
  );
  await measure(PYTHON, [join(HERE, "make_input.py"), data, String(size), String(dates)], { timeoutMs: 1_200_000 });
  const side = (name: string, command: string, script: string): Side => ({
    name,
    out: join(data, name),
    run: (mode) =>
      measure(
        command,
        [join(HERE, script), data, String(dates), join(data, name), String(chunk), mode, String(THREADS)],
        {
          timeoutMs: 1_800_000,
          env: { DASK_NUM_WORKERS: String(THREADS) },
        },
      ),
  });
  say(
    `peer: ${(await measure(PYTHON, ["-c", VERSIONS], { timeoutMs: 60_000 })).stdout.trim()}; open_rasterio(lock=False, masked), one graph, threaded scheduler or distributed with processes of one thread; GeoTIFF under a lock, then GDAL's COG driver`,
  );
  const ours = side("rsdat", process.execPath, "ours.ts");
  const peer = side("xarray+dask", PYTHON, "peer.py");
  const rows: BenchRow[] = [];
  try {
    for (const mode of ["threads", "cluster"]) rows.push(...(await compareMode(mode, ours, peer, pairs, say)));
  } finally {
    for (const { out } of [ours, peer]) rmSync(out, { recursive: true, force: true });
  }
  return rows;
};

async function compareMode(
  mode: string,
  ours: Side,
  peer: Side,
  pairs: number,
  say: (line: string) => void,
): Promise<BenchRow[]> {
  const [a, b] = [await fresh(ours, mode), await fresh(peer, mode)];
  await check(a, b, ours.out, peer.out);
  for (const { name, out } of [ours, peer])
    say(
      `${mode}: ${name} wrote ${bytesOf(join(out, "ndvi.zarr"))} bytes of Zarr, ${bytesOf(join(out, "ndvi.tif"))} of COG`,
    );
  const samples: [Cost, Cost][] = [];
  for (let k = 0; k < pairs; k++) {
    samples.push([await fresh(ours, mode), await fresh(peer, mode)]);
    const [x, y] = samples.at(-1) as [Cost, Cost]; // just pushed
    say(`${mode}: pair ${k + 1} of ${pairs}: ${x.wallSeconds.toFixed(1)} s against ${y.wallSeconds.toFixed(1)} s`);
  }
  const metric = (name: string, unit: string, of: (cost: Cost) => number, target?: number): BenchRow =>
    row({
      id: `ndvi-${mode}-${name}`,
      metric: `${name} ${unit}`,
      ours: samples.map(([x]) => of(x)),
      peer: { name: peer.name, samples: samples.map(([, y]) => of(y)) },
      ...(target === undefined ? {} : { target }),
    });
  return [
    metric("wall", "s", (c) => c.wallSeconds, 0.5),
    metric("cpu", "s", (c) => c.cpuSeconds),
    metric("peak", "MiB", (c) => c.peakBytes / 2 ** 20, 0.5),
  ];
}

async function fresh(side: Side, mode: string): Promise<Cost> {
  rmSync(side.out, { recursive: true, force: true });
  mkdirSync(side.out, { recursive: true });
  return side.run(mode);
}

async function check(a: Cost, b: Cost, ours: string, peer: string): Promise<void> {
  const [p, q] = [a, b].map((c) => JSON.parse(c.stdout.trim().split("\n").at(-1) ?? "") as Record<string, number>) as [
    Record<string, number>,
    Record<string, number>,
  ];
  for (const name of ["valid", "min", "max"])
    if (p[name] !== q[name]) throw new OutputsDifferError(`${name}: ${p[name]} and ${q[name]}`);
  const [m, n] = [p["mean"] as number, q["mean"] as number];
  if (!(Math.abs(m - n) <= MEAN_TOLERANCE * Math.abs(n))) throw new OutputsDifferError(`mean: ${m} and ${n}`);
  const { stdout } = await measure(PYTHON, [join(HERE, "compare.py"), ours, peer], { timeoutMs: 600_000 });
  const { differ } = JSON.parse(stdout) as { differ: string[] };
  if (differ.length > 0) throw new OutputsDifferError(differ.slice(0, 5).join("; "));
}

function bytesOf(path: string): number {
  const stat = statSync(path);
  return stat.isDirectory() ? readdirSync(path).reduce((sum, name) => sum + bytesOf(join(path, name)), 0) : stat.size;
}
