/** What a client needs of a cluster: where its scheduler is, and the secret that vouches for user code. */

/** A running cluster: processes of this machine, Slurm jobs, or anything else with a scheduler. */
export interface ClusterHandle extends AsyncDisposable {
  readonly schedulerAddress: string;
  /** The cluster's token; null: its workers run no user code, or any. */
  readonly token: string | null;
  /** End all of its processes. */
  close(): Promise<void>;
}
