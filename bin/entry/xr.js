// Written by `npm run doors`; do not edit.
import { load } from "../load.js";

await load("register");
const door = await load("xr/index");
export const {
  DataArray,
  Dataset,
  LazyWrite,
  compute,
  concat,
  dataArray,
  dataset,
  explain,
  expr,
  isLabelled,
  openRaster,
  openZarr,
  persist,
  slice,
  where,
} = door;
