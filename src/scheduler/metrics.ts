/** `/metrics`: what the scheduler counts, in Prometheus' text format 0.0.4, under Dask's names where Dask has one. */
import { desiredWorkers } from "./adaptive.ts";
import type { PrefixFigures } from "./figures.ts";
import type { Hub } from "./hub.ts";
import { memoryOf } from "./rebalance.ts";
import type { RequestContext } from "./requests.ts";
import type { WorkerView } from "./state/index.ts";

/** One line of a family: labels and value. */
type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

/** How many running workers have less than half of what they could do, less than all, and all; and who does not run. */
export function saturationOf(workers: readonly WorkerView[]): {
  readonly idle: number;
  readonly partly: number;
  readonly saturated: number;
  readonly paused: number;
  readonly retiring: number;
} {
  const out = { idle: 0, partly: 0, saturated: 0, paused: 0, retiring: 0 };
  for (const { status, processing, facts } of workers) {
    const share = processing / Math.max(1, facts.nthreads);
    if (status === "paused") out.paused++;
    else if (status !== "running") out.retiring++;
    else if (share < 0.5) out.idle++;
    else if (share < 1) out.partly++;
    else out.saturated++;
  }
  return out;
}

/** The page. */
export function metricsText(context: RequestContext): string {
  context.monitor.update(); // as Dask does
  return [
    ...connections(context),
    ...tasks(context),
    ...byPrefix(context),
    ...semaphores(context),
    ...own(context),
  ].join("");
}

function connections(context: RequestContext): string[] {
  const { hub, process, monitor } = context;
  const { figures } = hub;
  const { idle, partly, saturated, paused, retiring } = saturationOf(hub.machine.views.workers());
  const { clients } = hub.machine.views.counts();
  return [
    gauge("clients", "Number of clients connected", clients),
    counter("client_connections_added_total", "Clients that connected", figures.clients.added),
    counter("client_connections_removed_total", "Clients that left", figures.clients.removed),
    gauge("desired_workers", "Number of workers scheduler needs for task graph", desiredWorkers(hub)),
    gauge("workers", "Number of workers scheduler knows", [
      [{ state: "idle" }, idle],
      [{ state: "partially_saturated" }, partly],
      [{ state: "saturated" }, saturated],
      [{ state: "paused" }, paused],
      [{ state: "retiring" }, retiring],
    ]),
    counter("workers_added_total", "Workers that joined", figures.workers.added),
    counter("workers_removed_total", "Workers that left", figures.workers.removed),
    ...(monitor.busySeconds === null
      ? []
      : [counter("gil_contention_seconds_total", "Time for which the event loop was busy", monitor.busySeconds)]),
    counter("gc_collection_seconds_total", "Time spent on garbage collection", process.gcSeconds),
    counter("last_time_total", "UTC, seconds since 1970", context.wallSeconds()),
    gauge(
      "tick_duration_maximum_seconds",
      "Longest stay of the event loop with one turn, since the last look",
      process.takeLongestTickSeconds(),
    ),
    counter("tick_count_total", "Turns of the event loop that were timed", process.ticks),
  ];
}

function tasks({ hub }: RequestContext): string[] {
  const { figures } = hub;
  const counts = hub.machine.views.counts();
  const known = Object.values(counts.tasks).reduce((sum, n) => sum + n, 0);
  const ended = figures.total();
  return [
    gauge(
      "tasks",
      "Number of tasks at scheduler",
      Object.entries(counts.tasks).map(([state, n]): Sample => [{ state }, n]),
    ),
    counter(
      "tasks_forgotten_total",
      "Tasks that ended and are known no longer",
      Math.max(0, ended.done + ended.erred - known),
    ),
    gauge("task_groups", "Kinds of keys that have been seen", figures.prefixes.size),
  ];
}

/** Seconds, bytes and ends by kind of key; tasks that came in columns stand under their own. */
function byPrefix({ hub: { figures } }: RequestContext): string[] {
  const rows: (readonly [string, Readonly<PrefixFigures>])[] = [...figures.prefixes];
  if (figures.columns.done > 0) rows.push(["(columns)", figures.columns]);
  const of = (pick: (sums: Readonly<PrefixFigures>) => number): Sample[] =>
    rows.map(([name, sums]) => [{ task_prefix_name: name }, pick(sums)]);
  return [
    counter(
      "tasks_suspicious_total",
      "Tasks whose worker died under them",
      of((sums) => sums.suspicious),
    ),
    counter(
      "tasks_compute_seconds_total",
      "Time of computing",
      of((sums) => sums.computeSeconds),
    ),
    counter(
      "tasks_transfer_seconds_total",
      "Time of waiting for inputs",
      of((sums) => sums.transferSeconds),
    ),
    gauge(
      "tasks_output_bytes",
      "Bytes of results",
      of((sums) => sums.outputBytes),
    ),
    counter(
      "prefix_state_totals_total",
      "Tasks that came to each state",
      rows.flatMap(([name, sums]): Sample[] => [
        [{ task_prefix_name: name, state: "memory" }, sums.done],
        [{ task_prefix_name: name, state: "erred" }, sums.erred],
      ]),
    ),
  ];
}

function semaphores({ semaphores }: RequestContext): string[] {
  const all = semaphores();
  const of = (pick: (one: (typeof all)[number]) => number): Sample[] =>
    all.map((one) => [{ name: one.name }, pick(one)]);
  return [
    named(
      "dask_semaphore_max_leases",
      "gauge",
      "Leases of a semaphore",
      of((one) => one.max),
    ),
    named(
      "dask_semaphore_active_leases",
      "gauge",
      "Leases that are taken",
      of((one) => one.active),
    ),
    named(
      "dask_semaphore_pending_leases",
      "gauge",
      "Leases that are waited for",
      of((one) => one.pending),
    ),
    named(
      "dask_semaphore_average_pending_lease_time_s",
      "gauge",
      "Time that leases were waited for, the last ones weighing most",
      of((one) => one.averageWaitSeconds),
    ),
    named(
      "dask_semaphore_acquire_total",
      "counter",
      "Leases taken since the start",
      of((one) => one.acquired),
    ),
    named(
      "dask_semaphore_release_total",
      "counter",
      "Leases given back since the start",
      of((one) => one.released),
    ),
  ];
}

/** Parts of the memory of every worker, as they count where results are moved. */
function memorySamples(hub: Hub): Sample[] {
  return Array.from(hub.workers.values()).flatMap((worker): Sample[] => {
    const { managed, unmanagedOld, unmanagedRecent, spilled } = memoryOf(hub, worker);
    const parts = { managed, unmanaged_old: unmanagedOld, unmanaged_recent: unmanagedRecent, spilled };
    return Object.entries(parts).map(([type, bytes]): Sample => [{ worker: worker.address, type }, bytes]);
  });
}

/** What Dask has no name for. */
function own({ hub }: RequestContext): string[] {
  const { views } = hub.machine;
  const counts = views.counts();
  const workers = views.workers();
  const by = (pick: (view: WorkerView) => number): Sample[] =>
    workers.map((w) => [{ worker: w.facts.address }, pick(w)]);
  const prefix = "rsdat_scheduler_";
  return [
    named(`${prefix}transitions_total`, "counter", "Transitions of tasks", counts.transitions),
    named(`${prefix}tasks_sent_total`, "counter", "Tasks sent to workers", counts.sent),
    named(`${prefix}tasks_recomputed_total`, "counter", "Tasks computed again after a loss", counts.recomputed),
    named(`${prefix}tasks_stolen_total`, "counter", "Tasks moved from busy to idle workers", counts.stolen),
    named(`${prefix}blocks_evicted_total`, "counter", "Early results dropped to make room", counts.evicted),
    named(`${prefix}reserved_bytes`, "gauge", "Bytes reserved on every worker for open graphs", counts.openLeastBytes),
    named(`${prefix}worker_memory_bytes`, "gauge", "Memory breakdown by worker", memorySamples(hub)),
    named(
      `${prefix}held_bytes`,
      "gauge",
      "Bytes of results by worker",
      by((view) => view.heldBytes),
    ),
  ];
}

function gauge(name: string, help: string, samples: number | readonly Sample[]): string {
  return named(`dask_scheduler_${name}`, "gauge", help, samples);
}

function counter(name: string, help: string, samples: number | readonly Sample[]): string {
  return named(`dask_scheduler_${name}`, "counter", help, samples);
}

function named(name: string, type: "gauge" | "counter", help: string, samples: number | readonly Sample[]): string {
  return family(name, type, help, typeof samples === "number" ? [[{}, samples]] : samples);
}

/** One family in the text format: two lines of comment and a line for each sample. */
function family(name: string, type: "gauge" | "counter", help: string, samples: readonly Sample[]): string {
  const lines = samples.map(([labels, value]) => {
    const text = Object.entries(labels).map(
      ([k, v]) => `${k}="${v.replace(/[\\"]/g, "\\$&").replaceAll("\n", "\\n")}"`,
    );
    return `${name}${text.length > 0 ? `{${text.join(",")}}` : ""} ${value}\n`;
  });
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("")}`;
}
