/**
 * A function of your own over neighbourhoods: the standard deviation in a window of 3 × 3 pixels. Blocks arrive with
 * their halo, so that the result does not depend on the chunks.
 *
 *   node examples/arrays/texture.ts
 */
import { array, openRaster } from "rsdat";

const band = (await openRaster("examples/data/L7_ETMs.tif", { band: 4, decode: "raw" })).data.astype("float64");

/** Travels as text to wherever it runs: it uses nothing but its parameters and the language. */
const texture = (block: array.UserBlock): Float64Array => {
  const [rows = 0, columns = 0] = block.shape;
  const out = new Float64Array(rows * columns);
  for (let y = 1; y < rows - 1; y++)
    for (let x = 1; x < columns - 1; x++) {
      let [sum, squares] = [0, 0];
      for (let dy = -1; dy <= 1; dy++)
        for (let dx = -1; dx <= 1; dx++) {
          const v = block.data[(y + dy) * columns + x + dx] ?? 0;
          sum += v;
          squares += v * v;
        }
      out[y * columns + x] = Math.sqrt(squares / 9 - (sum / 9) ** 2);
    }
  return out;
};

const over = (chunk: number) =>
  array.mapOverlap(texture, band.rechunk(chunk), { depth: 1, boundary: "reflect", dtype: "float64" });

const [small, large] = await Promise.all([over(64).compute(), over(512).compute()]);
const mean = small.data as Float64Array;
console.log(`texture ${mean.reduce((a, b) => a + b, 0) / mean.length}`);
console.log(`same bits whatever the chunks: ${mean.every((v, i) => Object.is(v, large.data[i]))}`);
