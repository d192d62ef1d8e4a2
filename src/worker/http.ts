/** A worker's pages for machines: `/health` and `/metrics`, in Prometheus' text format 0.0.4 under Dask's names. */
import { createServer } from "node:http";
import { ProcessFigures } from "../config/index.ts";
import type { HostReads, IoFigures } from "../executor/index.ts";
import type { Worker } from "./worker.ts";

/** Serve on `port` of the worker's host; port 0 chooses one. */
export async function serveWorkerHttp(
  worker: Worker,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<{ readonly port: number; close(): void }> {
  const own = new ProcessFigures();
  const server = createServer((request, response) => {
    const path = request.url?.split("?")[0];
    const page = path === "/health" ? "ok" : path === "/metrics" ? workerMetricsText(worker, own) : null;
    response.writeHead(page === null ? 404 : 200, { "content-type": "text/plain" });
    response.end(page ?? "not found\n");
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(port, host, resolve);
  await promise;
  // An accept that fails (no descriptor left) must not end the worker; whoever asks for a page asks again.
  server.on("error", () => undefined);
  server.unref(); // nobody waits for a page
  const bound = server.address();
  return {
    port: typeof bound === "object" && bound ? bound.port : port,
    close: () => {
      own.close();
      server.close();
      server.closeAllConnections();
    },
  };
}

type Samples = number | readonly (readonly [label: string, value: number])[];
type Family = readonly [name: string, type: "gauge" | "counter", help: string, samples: Samples];

/** The page. */
function workerMetricsText(worker: Worker, own: ProcessFigures): string {
  const { figures, io, metrics, busySeconds, outgoingBytesTotal, latencyMs } = worker.describe();
  const { transfer, managedBytes, memory, taskCounts, spilledBytes } = metrics;
  const rows: readonly Family[] = [
    ["tasks", "gauge", "Number of tasks at worker", Array.from(taskCounts, ([state, n]) => [`state="${state}"`, n])],
    ["threads", "gauge", "Number of worker threads", figures.threads],
    [
      "memory_bytes",
      "gauge",
      "Memory breakdown",
      [
        ['type="managed"', managedBytes],
        ['type="unmanaged"', Math.max(0, memory - managedBytes)],
        ['type="spilled"', spilledBytes.disk],
      ],
    ],
    ["transfer_incoming_bytes", "gauge", "Bytes of open transfers from other workers", transfer.incomingBytes],
    ["transfer_incoming_count", "gauge", "Open transfers from other workers", transfer.incomingCount],
    ["transfer_incoming_count_total", "counter", "Transfers from other workers", transfer.incomingCountTotal],
    ["transfer_outgoing_bytes", "gauge", "Bytes of open transfers to other workers", transfer.outgoingBytes],
    ["transfer_outgoing_count", "gauge", "Open transfers to other workers", transfer.outgoingCount],
    ["transfer_outgoing_bytes_total", "counter", "Bytes sent to other workers", outgoingBytesTotal],
    ["transfer_outgoing_count_total", "counter", "Transfers to other workers", transfer.outgoingCountTotal],
    [
      "spill_bytes_total",
      "counter",
      "Bytes moved for want of room",
      [
        ['activity="disk-write"', figures.bytesSpilled],
        ['activity="disk-read"', figures.bytesUnspilled],
      ],
    ],
    [
      "spill_count_total",
      "counter",
      "Blocks moved for want of room",
      [
        ['activity="disk-write"', figures.spill.writes],
        ['activity="disk-read"', figures.spill.reads],
      ],
    ],
    [
      "spill_time_seconds_total",
      "counter",
      "Time of these moves, beside the tasks",
      [
        ['activity="disk-write"', figures.spill.writeSeconds],
        ['activity="disk-read"', figures.spill.readSeconds],
      ],
    ],
    ["latency_seconds", "gauge", "Time that the scheduler took to answer", latencyMs / 1000],
    ...processRows(own, busySeconds),
  ];
  const others: readonly Family[] = [
    ["busy_seconds_total", "counter", "Time of compute threads in tasks", figures.busySeconds],
    ["store_seconds_total", "counter", "Of that: in tasks that read or wrote stores", figures.storeSeconds],
    ["written_bytes_total", "counter", "Bytes written to stores", figures.bytesWritten],
    ...readingRows(io),
    ["peak_bytes", "gauge", "Highest bytes of live blocks", figures.peakBytes],
    ["kernels_compiled_total", "counter", "Kernels compiled", figures.kernels.modulesCompiled],
  ];
  return [...rows.map((row) => family("dask_worker_", row)), ...others.map((row) => family("rsdat_worker_", row))].join(
    "",
  );
}

/** Families of the process; `busySeconds` is null where nobody wants it measured. */
function processRows(own: ProcessFigures, busySeconds: number | null): Family[] {
  const busy = "Time for which the event loop was busy";
  return [
    ...(busySeconds === null ? [] : [["gil_contention_seconds_total", "counter", busy, busySeconds] as const]),
    ["gc_collection_seconds_total", "counter", "Time spent on garbage collection", own.gcSeconds],
    [
      "tick_duration_maximum_seconds",
      "gauge",
      "Longest stay of the event loop with one turn, since the last look",
      own.takeLongestTickSeconds(),
    ],
    ["tick_count_total", "counter", "Turns of the event loop that were timed", own.ticks],
  ];
}

/** Families of what was read, of the whole process. */
function readingRows({ reads, caches, decodeSeconds }: IoFigures): Family[] {
  const byHost = (value: (each: HostReads) => number): Samples =>
    reads.map((each) => [`host="${each.host.replace(/[\\"\n]/g, "_")}"`, value(each)]);
  const byCache = (name: "hits" | "misses"): Samples => caches.map((each) => [`cache="${each.cache}"`, each[name]]);
  return [
    ["read_bytes_total", "counter", "Bytes that stores sent", byHost((each) => each.bytes)],
    [
      "read_requests_total",
      "counter",
      "Requests to stores, repeated ones included; reads of files",
      byHost((each) => each.requests),
    ],
    ["cache_hits_total", "counter", "Questions that a cache of the readers answered", byCache("hits")],
    ["cache_misses_total", "counter", "Questions that it could not answer", byCache("misses")],
    ["decode_seconds_total", "counter", "Time of decoding chunks and tiles, all threads", decodeSeconds],
  ];
}

function family(prefix: string, [name, type, help, samples]: Family): string {
  const full = `${prefix}${name}`;
  const lines =
    typeof samples === "number"
      ? [`${full} ${samples}\n`]
      : samples.map(([label, value]) => `${full}{${label}} ${value}\n`);
  return `# HELP ${full} ${help}\n# TYPE ${full} ${type}\n${lines.join("")}`;
}
