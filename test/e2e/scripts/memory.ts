/**
 * One job on more data than its memory, as a user would write it; prints results, plan and peaks as one JSON line.
 *
 *   memory.ts JOB PLACE INPUT OUTPUT     JOB: ndvi | anomaly   PLACE: threads | cluster | tcp://…
 */
import { readFileSync } from "node:fs";
import { Client, compute, type DataArray, explain, expr, LocalCluster, openZarr } from "rsdat";

const [job = "", place = "", input = "", output = ""] = process.argv.slice(2);
const MEMORY = "512MiB";

const peakOf = (pid: number | "self"): number =>
  1024 * Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]);
const numbers = (arrays: readonly { values: { item(): unknown } }[]): number[] =>
  arrays.map((a) => Number(a.values.item()));

/** Red and near-infrared of 2 GiB, and their index: 2 GiB of float32. */
async function indexOf(chunks: Readonly<Record<string, number>>): Promise<DataArray> {
  const scene = await openZarr(input, { chunks });
  const [red, nir] = [scene.get("red"), scene.get("nir")];
  return expr`(${nir} - ${red}) / (${nir} + ${red})`.rename("ndvi");
}

async function ndvi() {
  const x = await indexOf({ time: 1, y: 1024, x: 2048 });
  const work = [
    await x.toZarr(output, { mode: "w", compute: false }),
    x.count(),
    x.astype("float64").mean(),
    x.min(),
    x.max(),
  ] as const;
  const plan = await explain(work);
  const [, ...statistics] = await compute(work);
  return { plan, statistics: numbers(statistics) };
}

/** The mean needs all of a block, and the difference the block again: it has to be held meanwhile. */
async function anomaly() {
  const x = await indexOf({ time: 16, y: 1024, x: 1024 });
  const difference = x.sub(x.mean("time"));
  const work = [difference.count(), difference.min(), difference.max()] as const;
  const plan = await explain(work);
  return { plan, statistics: numbers(await compute(work)) };
}

const cluster =
  place === "cluster" ? await LocalCluster.start({ nWorkers: 1, threadsPerWorker: 2, memoryLimit: MEMORY }) : null;
const client = cluster ? await Client.connect({ cluster }) : place.includes("://") ? await Client.connect(place) : null;
const started = performance.now();
const { plan, statistics } = await (job === "ndvi" ? ndvi() : anomaly());
const seconds = (performance.now() - started) / 1000;
const peaks = {
  self: peakOf("self"),
  ...(cluster ? { scheduler: peakOf(cluster.pids.scheduler) } : {}),
  ...Object.fromEntries((cluster?.pids.workers ?? []).map((pid, k) => [`worker${k}`, peakOf(pid)])),
};
const { leastBytes, peakWorkerBytes } = plan;
console.log(JSON.stringify({ statistics, seconds, peaks, leastBytes, peakWorkerBytes }));
await client?.close();
await cluster?.close();
