/**
 * The main job, unchanged, on a Slurm cluster of two jobs. Arguments: those of examples/ndvi.ts. Last line: as JSON, the
 * nodes of the jobs, and those to which tasks were sent while the job ran.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Client, SlurmCluster } from "rsdat";
import { Rpc } from "../../../src/comm/index.ts";
import { HAS_WHAT } from "../../../src/protocol/index.ts";

await using cluster = await SlurmCluster.start({
  cores: 2,
  memory: "1GiB",
  walltime: "00:05:00",
  jobs: 2,
  sharedTempDirectory: process.env["TEST_FOLDER"] ?? ".",
  logDirectory: process.env["TEST_FOLDER"] ?? ".",
});
await cluster.waitForWorkers(2, { timeout: "60s" });
await using client = await Client.connect({ cluster });

const busy = new Set<string>();
let isDone = false;
const watching = (async () => {
  await using rpc = new Rpc();
  while (!isDone) {
    const answer = await rpc.call(cluster.schedulerAddress, { op: "processing", workers: null });
    for (const [address, keys] of HAS_WHAT.parseAnswer(answer)) if (keys.length > 0) busy.add(address);
    await sleep(10);
  }
})();
await import("../../../examples/ndvi.ts");
isDone = true;
await watching;
// A worker may join before Slurm has said where its job runs.
for (let k = 0; k < 400 && cluster.jobs.some(({ nodes }) => nodes === ""); k++) await sleep(50);
const nodeOf = new Map(cluster.jobs.map(({ workers, nodes }) => [workers[0], nodes]));
const names = new Map(
  Array.from((await client.schedulerInfo()).workers ?? [], ([address, { name }]) => [address, String(name)]),
);
const nodes = Array.from(nodeOf.values());
const busyNodes = Array.from(busy, (address) => nodeOf.get(names.get(address) ?? ""));
console.log(JSON.stringify({ nodes, busyNodes }));
