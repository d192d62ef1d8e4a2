// An unhandled error while a cluster is there.
import { Client, LocalCluster } from "./rsdat.ts";

const cluster = await LocalCluster.start({ threadsPerWorker: 1, memoryLimit: "512MiB" });
const client = await Client.connect({ cluster });
console.log("pids", JSON.stringify([cluster.pids.scheduler, ...cluster.pids.workers]));
const future = await client.submit(
  () => {
    throw new RangeError("no such band");
  },
  [],
  { key: "bad" },
);
await future.result();
