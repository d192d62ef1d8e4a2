// What a callback of a future throws is the script's own affair; the client goes on.
import { Client, LocalCluster } from "./rsdat.ts";

process.on("uncaughtException", (error) => console.log("uncaught", error.message));
await using cluster = await LocalCluster.start({ nWorkers: 1, threadsPerWorker: 1, memoryLimit: "512MiB" });
await using client = await Client.connect({ cluster });
const first = await client.submit((n: number) => n + 1, [1]);
first.addDoneCallback(() => {
  throw new Error("my callback");
});
console.log("first", await first.result());
console.log("second", await (await client.submit((n: number) => n + 1, [2])).result());
