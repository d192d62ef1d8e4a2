/**
 * One workload in processes of its own; prints results, plan, seconds and peaks as one JSON line.
 *
 *   ours.ts WORKLOAD BYTES LIMIT PLACE     PLACE: threads | cluster
 */
import { readFileSync } from "node:fs";
import { array, Client, compute, explain, isRsdatError, LocalCluster } from "rsdat";
import { WORKLOADS } from "./workloads.ts";

const [name = "", bytes = "0", limit = "0", place = "threads"] = process.argv.slice(2);
const workload = WORKLOADS[name];
if (!workload) throw new RangeError(`no workload ${name}`);

const peakOf = (pid: number | "self"): number =>
  1024 * Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]);

const cluster =
  place === "cluster"
    ? await LocalCluster.start({ nWorkers: 2, threadsPerWorker: 1, memoryLimit: Number(limit) })
    : null;
const client = cluster ? await Client.connect({ cluster }) : null;
const work = workload.build(array, Number(bytes));
const started = performance.now();
let outcome: Record<string, unknown>;
let memory: unknown = null;
try {
  const plan = await explain(work);
  if (process.env["RSDAT_BENCH_EXPLAIN"]) console.error(String(plan));
  const { leastBytes, peakWorkerBytes, largestTaskBytes, bytesSpilled, bytesMoved, tasks, warnings } = plan;
  const planSeconds = (performance.now() - started) / 1000;
  const onProgress = (progress: { readonly memory?: unknown }): void => {
    memory = progress.memory ?? memory;
  };
  const results = (await compute(work, { onProgress })).map((r) => Number((r as { item(): unknown }).item())); // 0-d arrays
  outcome = {
    results,
    planSeconds,
    plan: { leastBytes, peakWorkerBytes, largestTaskBytes, bytesSpilled, bytesMoved, tasks, warnings },
  };
} catch (error) {
  if (!isRsdatError(error)) throw error;
  outcome = { error: `${error.name}: ${error.message}` };
}
const seconds = (performance.now() - started) / 1000;
const peaks = cluster
  ? Object.fromEntries(cluster.pids.workers.map((pid, k) => [`worker${k}`, peakOf(pid)]))
  : { process: peakOf("self") };
console.log(JSON.stringify({ ...outcome, memory, seconds, peaks }));
await client?.close();
await cluster?.close();
