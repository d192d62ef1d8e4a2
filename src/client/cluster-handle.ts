/** What a client needs of a cluster: where its scheduler is, and the secret that vouches for user code. */
import type { RsdatError } from "../base/index.ts";

/** A running cluster: processes of this machine, Slurm jobs, or anything else with a scheduler. */
export interface ClusterHandle extends AsyncDisposable {
  readonly schedulerAddress: string;
  /** The cluster's token; null: its workers run no user code, or any. */
  readonly token: string | null;
  /** Why there is no worker and none will come; undefined while there is hope. Whoever waits for results gets it. */
  readonly failure?: RsdatError | undefined;
  /** Tell when `failure` is set. */
  onFailure?(listener: (failure: RsdatError) => void): Disposable;
  /** End all of its processes. */
  close(): Promise<void>;
}
