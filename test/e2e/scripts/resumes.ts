/**
 * Writes an array of many objects: `resumes.ts INPUT OUT [xr]`, where INPUT is a GeoTIFF; prints what it did as JSON.
 * Once some objects are recorded, further blocks wait until there is a file OUT.go, so that whoever strikes finds it half-way.
 */
import { dirname } from "node:path";
import { array, openRaster, xr } from "rsdat";

const [input = "", out = "", labels] = process.argv.slice(2);
const { data } = await openRaster(input, { band: 1 });
const spread = array.arange(3000, { dtype: "float64", chunks: 100 }).reshape([3000, 1]).mul(0.25);
const values = array.sqrt(spread.add(data.slice([0, 1], [0, 300]).astype("float64"))).mapBlocks(
  (block, _info, { folder, go }: { readonly folder: string; readonly go: string }) => {
    const fs = process.getBuiltinModule("node:fs");
    const isHalf = (): boolean => {
      try {
        const names = fs.readdirSync(folder, { recursive: true }).map(String);
        const ledgers = names.filter((name) => name.endsWith(".ledger"));
        return ledgers.reduce((bytes, name) => bytes + fs.statSync(`${folder}/${name}`).size, 0) > 40 * 16;
      } catch {
        return false; // it was moved while it was read
      }
    };
    while (!fs.existsSync(go) && isHalf()) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    return block;
  },
  { args: { folder: dirname(out), go: `${out}.go` }, name: "halves" },
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
