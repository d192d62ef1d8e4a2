/**
 * One expression is one pass over memory: NDVI of a Landsat scene, what it will cost, and its layers as a picture.
 *
 *   node examples/arrays/fused-index.ts
 */
import { mkdirSync } from "node:fs";
import { array, expr, openRaster, visualize } from "rsdat";

const scene = "examples/data/L7_ETMs.tif";
const [red, nir] = await Promise.all(
  [3, 4].map(async (band) => (await openRaster(scene, { band, decode: "raw" })).data.astype("float32")),
);
const ndvi = expr`(${nir!} - ${red!}) / (${nir!} + ${red!})`;

console.log(String(ndvi)); // shape, dtype, chunks, blocks, bytes, layers
console.log(String(await ndvi.explain())); // what will be read, how much memory, what fused

// A slice reads and computes only what it shows.
const corner = ndvi.slice([0, 10], [0, 10]);
console.log(`corner ${(await corner.mean().compute()).item()}`);
console.log(`mean ${(await array.nanmean(ndvi).compute()).item()}`);
console.log(`green ${(await ndvi.gt(0.2).sum().compute()).item()} of ${ndvi.size}`);

mkdirSync("out", { recursive: true });
await visualize(ndvi.sub(array.nanmean(ndvi)), { filename: "out/fused-index.svg", optimizeGraph: true });
