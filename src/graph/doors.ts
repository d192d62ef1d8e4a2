/** What lower rooms ask of higher ones, by way of a front door: clusters of this machine, arrays over held blocks. */
import { type RsdatError, UsageError } from "../base/index.ts";
import type { LayerNode } from "./layer.ts";
import type { Hold } from "./runner.ts";

/** What a cluster of this machine is to have; each defaults to what `LocalCluster.start` takes. */
export interface LocalClusterWish {
  /** Worker processes. */
  readonly nWorkers?: number;
  readonly threadsPerWorker?: number;
  /** Bytes of each worker process, `"4GiB"` or a number. */
  readonly memoryLimit?: string | number;
}

/** A running cluster, as far as a client needs it. */
export interface StartedCluster extends AsyncDisposable {
  readonly schedulerAddress: string;
  readonly token: string | null;
  readonly failure?: RsdatError | undefined;
  onFailure?(listener: (failure: RsdatError) => void): Disposable;
  close(): Promise<void>;
}

let registered: ((wish: LocalClusterWish) => Promise<StartedCluster>) | null = null;

/** Register how a cluster of this machine is started; called once by a front door. */
export function registerLocalCluster(start: (wish: LocalClusterWish) => Promise<StartedCluster>): void {
  registered = start;
}

/**
 * Start a cluster of this machine.
 * @throws {UsageError} no way is registered (a room was imported without a front door)
 */
export async function startLocalCluster(wish: LocalClusterWish): Promise<StartedCluster> {
  if (registered) return registered(wish);
  throw new UsageError(
    "no-cluster",
    'no scheduler: give an address, { schedulerFile } or a cluster, set DASK_SCHEDULER_ADDRESS, or import Client from "rsdat"',
  );
}

/** Makes the lazy array over blocks that a cluster holds, for as long as it is in use. */
export type ArrayMaker = (node: LayerNode, hold: Hold) => unknown;

let loadArrays: (() => Promise<ArrayMaker>) | null = null;

/** Register how lazy arrays are made; called once by a front door. */
export function registerArrays(load: () => Promise<ArrayMaker>): void {
  loadArrays = load;
}

/**
 * How lazy arrays are made.
 * @throws {UsageError} no way is registered (a room was imported without a front door)
 */
export async function arrayMaker(): Promise<ArrayMaker> {
  if (loadArrays) return loadArrays();
  throw new UsageError("no-array", 'lazy arrays need a front door: import from "rsdat" or one of its sub-paths');
}
