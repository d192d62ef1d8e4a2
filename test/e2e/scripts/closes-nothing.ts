// A script that closes nothing: it must end with 0 right after its last await.
import { array, Client, LocalCluster } from "./rsdat.ts";

const cluster = await LocalCluster.start({ nWorkers: 2, threadsPerWorker: 1, memoryLimit: "512MiB" });
const client = await Client.connect({ cluster });
console.log("pids", JSON.stringify([cluster.pids.scheduler, ...cluster.pids.workers]));
const future = await client.submit((a: number, b: number) => a + b, [40, 2]);
console.log("submit", await future.result());
console.log("sum", String((await array.arange(1000, { chunks: 100, dtype: "int64" }).sum().compute()).item()));
console.log("last", Date.now());
