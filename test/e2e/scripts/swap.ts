/**
 * Chunks of rows to chunks of columns of an array ten times as large as the cluster's blocks may be, on two processes.
 * Prints the result, the plan and each worker's figures as one JSON line; the same without a rechunk beside it.
 *
 *   swap.ts MEMORY_LIMIT SIDE ROWS
 */
import { readFileSync } from "node:fs";
import { array, Client, LocalCluster } from "rsdat";

const [limit = "", side = "", rows = ""] = process.argv.slice(2);
const [n, height] = [Number(side), Number(rows)];
const peakOf = (pid: number): number =>
  1024 * Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]);
const rowsOf = () => array.random.defaultRng(5).random([n, n], { chunks: [height, n] });

const expected = Number((await rowsOf().max(0).rechunk(height).sum().compute()).item());
const cluster = await LocalCluster.start({ nWorkers: 2, threadsPerWorker: 1, memoryLimit: limit });
const client = await Client.connect({ cluster });
const { memoryBytes } = await client.limits();
const job = rowsOf().rechunk([n, height]).max(0).sum();
const plan = await job.explain();
const value = Number((await job.compute()).item());
const peaks = cluster.pids.workers.map(peakOf);
const { bytesSpilled, bytesMoved, peakWorkerBytes } = plan;
console.log(
  JSON.stringify({ expected, value, memoryBytes, peaks, plan: { bytesSpilled, bytesMoved, peakWorkerBytes } }),
);
await client.close();
await cluster.close();
