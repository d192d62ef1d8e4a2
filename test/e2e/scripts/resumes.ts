/**
 * Writes an array of many objects: `resumes.ts INPUT OUT [xr]`, where INPUT is a GeoTIFF; prints what it did as JSON.
 * After some blocks it waits until there is a file OUT.go, so that whoever strikes finds it half-way.
 */
import { array, openRaster, xr } from "rsdat";

const [input = "", out = "", labels] = process.argv.slice(2);
const { data } = await openRaster(input, { band: 1 });
const spread = array.arange(3000, { dtype: "float64", chunks: 100 }).reshape([3000, 1]).mul(0.25);
const values = array.sqrt(spread.add(data.slice([0, 1], [0, 300]).astype("float64"))).mapBlocks(
  (block, _info, { go, most }: { readonly go: string; readonly most: number }) => {
    const fs = process.getBuiltinModule("node:fs");
    const made = `${go}-${process.pid}`;
    fs.appendFileSync(made, ".");
    while (fs.statSync(made).size > most && !fs.existsSync(go))
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    return block;
  },
  { args: { go: `${out}.go`, most: 10 }, name: "halves" },
);
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
