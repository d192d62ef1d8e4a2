/** Our side of bench/ndvi: `ours.ts INPUT DATES OUT CHUNK threads|cluster THREADS`; prints the statistics as JSON. */
import { join } from "node:path";
import { Client, compute, type DataArray, expr, LocalCluster, openRaster, xr } from "rsdat";

const [folder, dates, out, chunk, mode, threads] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
  string,
];

async function main(): Promise<void> {
  const chunks = { y: Number(chunk), x: Number(chunk) };
  const layers: DataArray<"y" | "x">[] = [];
  for (let k = 0; k < Number(dates); k++) {
    const [red, nir] = await Promise.all(
      ["red", "nir"].map((name) => openRaster(join(folder, `${name}-${k}.tif`), { band: 1, chunks })),
    );
    layers.push(
      expr`(${nir as DataArray<"y" | "x">} - ${red as DataArray<"y" | "x">}) / (${nir as DataArray<"y" | "x">} + ${red as DataArray<"y" | "x">})`,
    );
  }
  const ndvi = xr.concat(layers, "time").rename("ndvi");
  const exact = ndvi.astype("float64");
  const work = [
    await ndvi.toZarr(join(out, "ndvi.zarr"), {
      mode: "w",
      encoding: { ndvi: { chunks: [1, 1024, 1024] } },
      compute: false,
    }),
    await ndvi.toCog(join(out, "ndvi.tif"), {
      mode: "w",
      compress: "deflate",
      level: 6,
      blocksize: 512,
      overviews: "average",
      compute: false,
    }),
    ndvi.count(),
    exact.mean(),
    ndvi.min(),
    ndvi.max(),
  ] as const;
  const [, , valid, mean, min, max] = await compute(work);
  const number = (x: { values: { item(): unknown } }): number => Number(x.values.item());
  process.stdout.write(
    `${JSON.stringify({ valid: number(valid), mean: number(mean), min: number(min), max: number(max) })}\n`,
  );
}

if (mode === "cluster") {
  await using cluster = await LocalCluster.start({ nWorkers: 1, threadsPerWorker: Number(threads) });
  await using _client = await Client.connect({ cluster });
  await main();
} else await main();
