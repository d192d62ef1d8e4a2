// Computes for a long time: the process must stay alive meanwhile, and leave nothing behind when it is killed.
import { Client, LocalCluster } from "./rsdat.ts";

const cluster = await LocalCluster.start({ nWorkers: 2, threadsPerWorker: 1, memoryLimit: "512MiB" });
const client = await Client.connect({ cluster });
console.log("pids", JSON.stringify([cluster.pids.scheduler, ...cluster.pids.workers]));
const spin = (seconds: number) => {
  const until = Date.now() + seconds * 1000;
  while (Date.now() < until);
  return "spun";
};
const futures = await client.map(spin, process.argv.slice(2).map(Number));
console.log("computing");
console.log(await client.gather(futures));
