/** Writes an array of many objects: `resumes.ts INPUT OUT [xr]`, where INPUT is a GeoTIFF; prints what it did as JSON. */
import { array, openRaster, xr } from "rsdat";

const [input = "", out = "", labels] = process.argv.slice(2);
const { data } = await openRaster(input, { band: 1 });
const spread = array.arange(3000, { dtype: "float64", chunks: 100 }).reshape([3000, 1]).mul(0.25);
const values = array.sqrt(spread.add(data.slice([0, 1], [0, 300]).astype("float64")));
const options = { resume: true, compute: false } as const;
const write = labels
  ? await xr
      .dataArray(values, { dims: ["y", "x"] })
      .toZarr(out, { ...options, encoding: { data: { chunks: [25, 50] } } })
  : await array.toZarr(values, out, { ...options, chunks: [25, 50] });
const found = write.resumed;
console.log(`found ${found}`);
const { resumed, tasks } = await write.compute();
console.log(JSON.stringify({ resumed, tasks }));
