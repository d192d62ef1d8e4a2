/**
 * A cloud-free composite: the median and the 90 % quantile of a stack of dates, clouds left out. The masking is part of
 * the selection's own kernel: no cube of floats is ever made.
 *
 *   node examples/arrays/composite.ts
 */
import { array, openRaster } from "rsdat";

const scene = (await openRaster("examples/data/L7_ETMs.tif", { band: 4, decode: "raw" })).data;
const [rows, columns] = scene.shape as [number, number];

// Twelve dates of one scene that brightens from date to date, under clouds that move.
const date = array.arange(12).slice(":", null, null);
const row = array.arange(rows).slice(null, ":", null);
const column = array.arange(columns).slice(null, null, ":");
const stack = scene.slice(null, "...").add(date.mul(3)).rechunk([-1, 128, 128]);
const cloudy = row.mul(7).add(column.mul(13)).add(date.mul(29)).mod(10).lt(3);

const clear = stack.where(cloudy.not()); // NaN under clouds
const median = array.nanmedian(clear, 0);
const bright = array.nanquantile(clear, 0.9, 0);
const seen = cloudy.not().sum(0);

console.log(String(await median.explain()));
console.log(`median ${(await median.mean().compute()).item()}`);
console.log(`bright ${(await bright.mean().compute()).item()}`);
console.log(`seen at least ${(await seen.min().compute()).item()} times`);
