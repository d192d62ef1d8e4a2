/**
 * The front door: what a pipeline script needs.
 *
 * `array` is dask.array, `xr` is Xarray; rasters are opened with `openRaster`, stores with `openZarr`. Everything is lazy
 * until `compute`, `load` or a writer runs it: on threads of this process, or on the cluster of a connected `Client`.
 * @module
 */

export type { ChunkedArray, Computable, ComputeOptions } from "./array/index.ts";
export * as array from "./array/index.ts";
export { delayed, fromDelayed, toDelayed, visualize } from "./array/index.ts";
export { formatBytes, formatDuration, isRsdatError, parseBytes, RsdatError } from "./base/index.ts";
export type {
  ClientOptions,
  ClusterHandle,
  Future,
  MapOptions,
  NannyPlugin,
  SchedulerPlugin,
  SubmitOptions,
  WorkerPlugin,
} from "./client/index.ts";
export {
  asCompleted,
  Client,
  Event,
  fireAndForget,
  futuresOf,
  kernels,
  Lock,
  py,
  Queue,
  Semaphore,
  Variable,
  wait,
} from "./client/index.ts";
export type { SlurmOptions } from "./cluster/index.ts";
export { LocalCluster, SlurmCluster } from "./cluster/index.ts";
export { config } from "./config/index.ts";
export type { DType, Scalar } from "./dtype/index.ts";
export type { BBox, GeoBox } from "./geo/index.ts";
export type { Plan, RunAccounting } from "./graph/index.ts";
export { lastRun, watchAccounting } from "./graph/index.ts";
export { NDArray } from "./ndarray/index.ts";
export { quicklook, thinningOf } from "./plot/index.ts";
export type { PerformanceReportOptions } from "./report/index.ts";
export { accountingText, performanceReport, processPeakBytes, progress, progressBar } from "./report/index.ts";
export type { Computed, Written } from "./xr/index.ts";
export * as xr from "./xr/index.ts";
export { compute, DataArray, Dataset, explain, expr, openRaster, openZarr, persist, slice, where } from "./xr/index.ts";
