/** What a test needs to speak to the test cluster. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { ROOT } from "../find-peers.ts";

export interface SlurmEnv {
  /** Makes `sbatch` and the others find the test cluster. */
  readonly SLURM_CONF: string;
  /** The address at which the cluster's nodes reach this machine. */
  readonly RSDAT_SLURM_LOGIN: string;
}

/**
 * The environment of the running test cluster, to be added to `process.env` of what is started.
 * @throws {Error} the cluster is down; use it inside `describePeer(…, "slurm", …)`
 */
export function slurmEnv(): SlurmEnv {
  const { status, stdout, stderr } = spawnSync(join(ROOT, "test", "slurm", "cluster"), ["env"], { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  const value = (name: string) => new RegExp(`^export ${name}=(.*)$`, "m").exec(stdout)?.[1] ?? "";
  return { SLURM_CONF: value("SLURM_CONF"), RSDAT_SLURM_LOGIN: value("RSDAT_SLURM_LOGIN") };
}
