/**
 * NDVI of the committed scene, in blocks small enough that every worker has some: `ndvi-bits.ts PLACE OUT` writes
 * OUT/ndvi.zarr and OUT/ndvi.tif and prints the statistics as JSON. PLACE: threads | cluster.
 */
import { join } from "node:path";
import { Client, compute, expr, LocalCluster, openRaster } from "rsdat";

const [place = "", out = ""] = process.argv.slice(2);
const cluster =
  place === "cluster" ? await LocalCluster.start({ nWorkers: 2, threadsPerWorker: 1, memoryLimit: "512MiB" }) : null;
const client = cluster ? await Client.connect({ cluster }) : null;

const scene = join(import.meta.dirname, "..", "..", "..", "examples", "data", "L7_ETMs.tif");
const open = (band: number) => openRaster(scene, { band, decode: "scaled", chunks: { y: 64, x: 96 } });
const [red, nir] = [await open(3), await open(4)];
const seen = expr`${red} != 0 && ${red} != 255 && ${nir} != 0 && ${nir} != 255`;
const ndvi = expr`${nir} + ${red} != 0 ? (${nir} - ${red}) / (${nir} + ${red}) : nan`
  .astype("float32")
  .where(seen)
  .rename("ndvi");
const [, , ...statistics] = await compute([
  await ndvi.toCog(join(out, "ndvi.tif"), { blocksize: 128, overviews: "average", compute: false }),
  await ndvi.toZarr(join(out, "ndvi.zarr"), { encoding: { ndvi: { chunks: { y: 64, x: 96 } } }, compute: false }),
  ndvi.count(),
  ndvi.astype("float64").mean(),
  ndvi.min(),
  ndvi.max(),
  ndvi.std(),
  ndvi.sum("x").mean(),
]);
const workers = client ? ((await client.schedulerInfo()).workers?.size ?? 0) : 0;
console.log(
  JSON.stringify({
    workers,
    isNative: client?.isNative ?? null,
    statistics: statistics.map((x) => Number(x.values.item())),
  }),
);
await client?.close();
await cluster?.close();
