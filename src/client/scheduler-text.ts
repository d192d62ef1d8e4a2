/** What a scheduler says of itself, for people: `String(await client.schedulerInfo())`. */
import { formatBytes } from "../base/index.ts";
import type { Identity, WorkerIdentity } from "../protocol/index.ts";

/** Workers that are listed. */
const WORKERS_MAX = 20;

/** The same description, which is a text as well. */
export function withText(identity: Identity): Identity {
  return Object.defineProperty(identity, "toString", { value: () => schedulerText(identity), enumerable: false });
}

/** A line for the scheduler and one for each worker. */
function schedulerText({ address, workers, totalThreads = 0, totalMemory = 0 }: Identity): string {
  const all = Array.from(workers ?? []);
  const head = `Scheduler ${address ?? ""}: ${all.length} workers, ${totalThreads} threads, ${formatBytes(totalMemory)}`;
  const lines = all.slice(0, WORKERS_MAX).map(([at, worker]) => workerText(at, worker));
  const more = all.length > WORKERS_MAX ? [`  and ${all.length - WORKERS_MAX} more`] : [];
  return [head, ...lines, ...more].join("\n");
}

function workerText(address: string, worker: WorkerIdentity): string {
  const { name, nthreads, memoryLimit, metrics, status, language } = worker;
  const memory = Number(metrics.get("memory") ?? 0);
  const limit = memoryLimit ? ` of ${formatBytes(memoryLimit)}` : "";
  const own = String(name) === address ? "" : `${String(name)} `;
  return `  ${own}${address}: ${status}, ${language ?? "python"}, ${nthreads} threads, ${formatBytes(memory)}${limit}`;
}
