// Written by `npm run doors`; do not edit.
import { load } from "../load.js";

await load("register");
const door = await load("index");
export const {
  Client,
  DataArray,
  Dataset,
  LocalCluster,
  NDArray,
  RsdatError,
  SlurmCluster,
  array,
  asCompleted,
  compute,
  config,
  explain,
  expr,
  formatBytes,
  formatDuration,
  isRsdatError,
  openRaster,
  openZarr,
  parseBytes,
  persist,
  processPeakBytes,
  progressBar,
  py,
  quicklook,
  slice,
  thinningOf,
  visualize,
  wait,
  where,
  xr,
} = door;
