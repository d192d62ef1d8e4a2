/**
 * From numbers to a picture: percentiles, a histogram, a stretch to bytes, a PNG.
 *
 *   node examples/arrays/stretch.ts
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { array, openRaster, quicklook } from "rsdat";

const bands = (await openRaster("examples/data/L7_ETMs.tif", { decode: "raw" })).data; // band, y, x
const swir = bands.slice(5);

// Both percentiles from one selection; the array is made whole for it, which explain() would show.
const [low, high] = (await array.percentile(swir.ravel(), [2, 98]).compute()).toArray() as [number, number];
console.log(`stretch from ${low} to ${high}`);

const [counts] = array.histogram(swir, { bins: 16, range: [0, 256] });
console.log(`histogram ${(await counts.compute()).toArray()}`);

const stretched = swir
  .astype("float64") // bytes would wrap below 0: see UnsignedWrapWarning
  .sub(low)
  .mul(255 / (high - low))
  .clip(0, 255)
  .round()
  .astype("uint8");
const picture = await stretched.compute();
mkdirSync("out", { recursive: true });
writeFileSync("out/stretch.png", quicklook(picture, { colors: "viridis" }));
console.log(`mean byte ${(await stretched.mean().compute()).item()}`);
