/**
 * A script with two workers and one job more than the test cluster has room for, which prints the ids of its jobs. `hang`
 * waits to be killed; `end` closes nothing and comes to its end.
 */
import { SlurmCluster } from "rsdat";

const folder = process.env["TEST_FOLDER"] ?? ".";
const cluster = await SlurmCluster.start({
  cores: 2,
  memory: "400MiB",
  walltime: "00:05:00",
  deathTimeout: "10s",
  jobs: 3,
  sharedTempDirectory: folder,
  logDirectory: folder,
});
await cluster.waitForWorkers(2, { timeout: "60s" });
console.log(`jobs ${cluster.jobs.map(({ id }) => id).join(" ")}.`);
if (process.argv[2] === "hang") setInterval(() => undefined, 1000);
