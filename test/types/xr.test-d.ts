/** What compiles and what must not: checked by `tsc`, never run. */
import {
  array,
  type ChunkedArray,
  compute,
  type DataArray,
  type Dataset,
  expr,
  type NDArray,
  openRaster,
  openZarr,
  slice,
  type Written,
  where,
  xr,
} from "../../src/index.ts";

/** Compiles only when both types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_: Same<A, B>): void {
  // Types only.
}

declare const red: DataArray<"y" | "x">;
declare const nir: DataArray<"y" | "x">;
declare const cube: DataArray<"time" | "y" | "x">;
declare const lazy: ChunkedArray;
declare const ds: Dataset<{ red: DataArray<"y" | "x">; nir: DataArray<"y" | "x"> }>;

// Dimensions: joined by arithmetic, gone after a reduction.
same<ReturnType<typeof red.not>, DataArray<"y" | "x">>(true);
const joined = red.add(cube);
same<typeof joined, DataArray<"time" | "y" | "x">>(true);
const perPixel = cube.mean("time");
same<typeof perPixel, DataArray<"y" | "x">>(true);
const perDate = cube.max(["y", "x"], { skipna: false });
same<typeof perDate, DataArray<"time">>(true);
const one = cube.count();
same<typeof one, DataArray<never>>(true);
const kept = cube
  .isel({ time: 0, y: slice(0, 10) })
  .chunk({ x: 100 })
  .where(red.gt(0))
  .clip({ min: 0 });
same<typeof kept, DataArray<"time" | "y" | "x">>(true);
const stacked = xr.concat([red, nir], "time", { values: ["2024-01-01", new Date()] });
same<typeof stacked, DataArray<"time" | "y" | "x">>(true);
const made = xr.dataArray([[1, 2]], { dims: ["row", "col"] });
same<typeof made, DataArray<"row" | "col">>(true);

// @ts-expect-error a misspelt dimension
cube.mean("tmie");
// @ts-expect-error a dimension that a reduction has taken away
perPixel.max("time");
// @ts-expect-error a misspelt dimension
cube.isel({ z: 1 });
// @ts-expect-error a misspelt dimension
cube.sel({ lat: 5 });
// @ts-expect-error a misspelt dimension
cube.chunk({ tyme: 1 });
// @ts-expect-error a misspelt dimension
cube.transpose("x", "y", "t");

// Operators on lazy arrays.
// @ts-expect-error arithmetic
nir - red;
// @ts-expect-error arithmetic
red * 2;
// @ts-expect-error arithmetic
lazy + 1;
// @ts-expect-error text is no operand
red.add("1");

// expr: labelled if any operand is; texts and booleans are no operands.
const ndvi = expr`(${nir} - ${red}) / (${nir} + ${red})`;
same<typeof ndvi, DataArray<"y" | "x">>(true);
const mixed = expr`${cube} * ${red} + ${lazy} + ${2}`;
same<typeof mixed, DataArray<"time" | "y" | "x">>(true);
const plain = expr`${lazy} * ${2}`;
same<typeof plain, ChunkedArray>(true);
// @ts-expect-error text is no operand
expr`${red} + ${"1"}`;
// @ts-expect-error a boolean is no operand
expr`${red} + ${true}`;

// where
const chosen = where(red.gt(0), cube, 0);
same<typeof chosen, DataArray<"time" | "y" | "x">>(true);
const unlabelled = where(lazy, 1, lazy);
same<typeof unlabelled, ChunkedArray>(true);

// Datasets know their variables.
const { red: again } = ds.vars;
same<typeof again, DataArray<"y" | "x">>(true);
same<ReturnType<typeof ds.get<"nir">>, DataArray<"y" | "x">>(true);
// @ts-expect-error an unknown variable
ds.vars.blue;
// @ts-expect-error an unknown variable
ds.get("blue");
const more = ds.assign({ cube });
more.vars.cube.mean("time");

// Results.
async function results(): Promise<void> {
  // @ts-expect-error a lazy array has no values
  red.values;
  const done = await red.compute();
  same<typeof done.values, NDArray>(true);
  const loaded = await ds.compute();
  same<typeof loaded.vars.red.values, NDArray>(true);
  const write = await red.toCog("a.tif", { compute: false });
  const [written, mean, block] = await compute([write, red.mean(), lazy]);
  same<typeof written, Written>(true);
  same<typeof mean.values, NDArray>(true);
  same<typeof block, NDArray>(true);
  same<Awaited<ReturnType<typeof red.toZarr>>, Written>(true);
  const opened = await openRaster("a.tif", { band: 1, decode: "scaled", chunks: { y: 512 } });
  same<typeof opened, DataArray<"y" | "x">>(true);
  const store = await openZarr("a.zarr", { vars: ["t2m", "tp"] });
  store.vars.t2m.mean("time");
  // @ts-expect-error a variable that was not asked for
  store.vars.u10;
  // @ts-expect-error an unknown mode
  await openRaster("a.tif", { decode: "scale" });
}

export const used: readonly unknown[] = [
  results,
  array,
  kept,
  stacked,
  made,
  ndvi,
  mixed,
  plain,
  chosen,
  unlabelled,
  more,
];
