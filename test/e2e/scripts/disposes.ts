// The same with `await using`.
import { array, Client, LocalCluster } from "./rsdat.ts";

await using cluster = await LocalCluster.start({ threadsPerWorker: 1, memoryLimit: "512MiB" });
await using client = await Client.connect({ cluster });
console.log("pids", JSON.stringify([cluster.pids.scheduler, ...cluster.pids.workers]));
console.log("sum", String((await array.arange(1000, { chunks: 100, dtype: "int64" }).sum().compute()).item()));
console.log("last", Date.now());
void client;
