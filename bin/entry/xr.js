// Written by `npm run doors`; do not edit.
import { load } from "../load.js";

await load("register");
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
  slice,
  where,
} = await load("xr/index");
