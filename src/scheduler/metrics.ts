/** `/metrics`: what the scheduler counts, in Prometheus' text format 0.0.4, under Dask's names where Dask has one. */
import type { SchedulerViews } from "./state/index.ts";

/** One line of a family: labels and value. */
type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

/** The page. `now` in seconds since 1970. */
export function metricsText(views: SchedulerViews, now: number): string {
  const counts = views.counts();
  const workers = views.workers();
  const busy = (least: number, most: number): number =>
    workers.filter(({ status, processing, facts }) => {
      const share = processing / Math.max(1, facts.nthreads);
      return status === "running" && share >= least && share < most;
    }).length;
  const plain = (value: number): Sample[] => [[{}, value]];
  return [
    family("dask_scheduler_clients", "gauge", "Number of clients connected", plain(counts.clients)),
    family(
      "dask_scheduler_desired_workers",
      "gauge",
      "Number of workers scheduler needs for task graph",
      plain(workers.length),
    ),
    family("dask_scheduler_workers", "gauge", "Number of workers scheduler knows", [
      [{ state: "idle" }, busy(0, 0.5)],
      [{ state: "partially_saturated" }, busy(0.5, 1)],
      [{ state: "saturated" }, busy(1, Number.POSITIVE_INFINITY)],
      [{ state: "paused_or_retiring" }, workers.filter(({ status }) => status !== "running").length],
    ]),
    family(
      "dask_scheduler_tasks",
      "gauge",
      "Number of tasks at scheduler",
      Object.entries(counts.tasks).map(([state, n]): Sample => [{ state }, n]),
    ),
    family("dask_scheduler_last_time_total", "counter", "UTC, seconds since 1970", plain(now)),
    family("rsdat_scheduler_transitions_total", "counter", "Transitions of tasks", plain(counts.transitions)),
    family("rsdat_scheduler_tasks_sent_total", "counter", "Tasks sent to workers", plain(counts.sent)),
    family(
      "rsdat_scheduler_tasks_recomputed_total",
      "counter",
      "Tasks computed again after a loss",
      plain(counts.recomputed),
    ),
    family(
      "rsdat_scheduler_tasks_stolen_total",
      "counter",
      "Tasks moved from busy to idle workers",
      plain(counts.stolen),
    ),
    family(
      "rsdat_scheduler_blocks_evicted_total",
      "counter",
      "Early results dropped to make room",
      plain(counts.evicted),
    ),
    family(
      "rsdat_scheduler_reserved_bytes",
      "gauge",
      "Bytes reserved on every worker for open graphs",
      plain(counts.openLeastBytes),
    ),
    family(
      "rsdat_scheduler_held_bytes",
      "gauge",
      "Bytes of results by worker",
      workers.map((w): Sample => [{ worker: w.facts.address }, w.heldBytes]),
    ),
  ].join("");
}

function family(name: string, type: "gauge" | "counter", help: string, samples: readonly Sample[]): string {
  const lines = samples.map(([labels, value]) => {
    const text = Object.entries(labels).map(
      ([k, v]) => `${k}="${v.replace(/[\\"]/g, "\\$&").replaceAll("\n", "\\n")}"`,
    );
    return `${name}${text.length > 0 ? `{${text.join(",")}}` : ""} ${value}\n`;
  });
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("")}`;
}
