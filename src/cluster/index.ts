/**
 * Room: cluster. Clusters that are started from a script: processes of this machine.
 * In: how many workers, threads and bytes. Out: a ClusterHandle that a Client connects to. Touches processes and files.
 * Imports: base, config, client, scheduler, worker.
 * @module
 */
export { LocalCluster } from "./local-cluster.ts";
export type { LocalClusterOptions } from "./local-cluster.ts";
