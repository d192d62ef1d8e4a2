/**
 * Room: cluster. Clusters that are started from a script: processes of this machine, Slurm jobs.
 * In: how many workers, threads and bytes. Out: a ClusterHandle that a Client connects to. Touches processes and files.
 * Imports: base, config, protocol, comm, client, scheduler, worker.
 * @module
 */

export type { AdaptOptions, ResolvedAdaptOptions } from "./adaptive.ts";
export { Adaptive } from "./adaptive.ts";
export type { LocalClusterOptions } from "./local-cluster.ts";
export { LocalCluster } from "./local-cluster.ts";
export type { BatchOptions } from "./slurm-batch.ts";
export { BatchJob, batchScript, slurmWishes, submitBatch } from "./slurm-batch.ts";
export type { SlurmScale } from "./slurm-cluster.ts";
export { SlurmCluster } from "./slurm-cluster.ts";
export type { SlurmOptions, SlurmSchedulerOptions } from "./slurm-options.ts";
export type { JobPhase, TrackedJob } from "./slurm-tracker.ts";
