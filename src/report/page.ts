/** A performance report as one HTML page, which needs nothing but itself: no script, no address. Well-formed XML as well. Pure. */
import { escapeXml, formatBytes, formatDuration } from "../base/index.ts";
import type { LogLine } from "../client/index.ts";
import type { RunAccounting } from "../graph/index.ts";
import { memorySvg } from "./memory-picture.ts";
import { PAGE_STYLE } from "./page-style.ts";
import {
  isTold,
  type NotTold,
  type PerformanceData,
  type PrefixSums,
  secondsByAction,
  sumsByPrefix,
  transfersByPair,
  type WorkerPart,
} from "./performance-data.ts";
import { LANES_MAX, lanesOf, RECTANGLES_MAX, streamSvg, thinned } from "./stream-picture.ts";

/** Rows of a table, lines of a log, characters of a line, workers with logs, characters of code. */
const ROWS_MAX = 100;
const LINES_MAX = 200;
const LINE_MAX = 2_000;
const LOGS_MAX = 50;
const CODE_MAX = 20_000;

/** Colours of kinds of keys, most computing first: none of them red, orange or gray, which Dask has for other things. */
const COLOURS = [
  "#3b7dd8",
  "#2ca25f",
  "#8e63ce",
  "#17a2b8",
  "#d6619e",
  "#9aa227",
  "#9c6b4e",
  "#4b5fd0",
  "#63b946",
  "#35b5c9",
  "#b085d6",
  "#5b7fa6",
];

/** The page. */
export function performancePage(data: PerformanceData): string {
  const tasks = isTold(data.tasks) ? data.tasks : [];
  const sums = sumsByPrefix(tasks);
  const colours = new Map(sums.map(({ prefix }, i) => [prefix, colourAt(i)]));
  const colourOf = (prefix: string): string => colours.get(prefix) ?? colourAt(0);
  const sections: readonly (readonly [id: string, title: string, body: string])[] = [
    ["summary", "Summary", summary(data)],
    ["task-stream", "Task stream", taskStream(data, colourOf)],
    ["keys", "Computing by kind of key", orWhy(data.tasks, () => keysTable(sums, colourOf))],
    ["workers", "Workers", orWhy(data.workers, workersTable)],
    ["memory", "Memory of processes", memorySvg(data.memory) ?? note("no moment was sampled")],
    ["transfers", "Transfers between workers", orWhy(data.tasks, transfers)],
    ["reads", "Reads by host", orWhy(data.reads, readsTable)],
    ["runs", "Runs", runsTable(data.runs)],
    ["logs", "Logs", logs(data)],
    ["versions", "Versions", orWhy(data.versions, versionsTable)],
    ["code", "Calling code", data.code === null ? note("none") : `<pre>${escapeXml(cut(data.code, CODE_MAX))}</pre>`],
  ];
  const when = new Date(data.startedAt).toISOString().replace("T", " ").slice(0, 19);
  return `<!DOCTYPE html>
<html lang="en" xmlns="http://www.w3.org/1999/xhtml">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="color-scheme" content="light dark"/>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/>
<title>${escapeXml(data.title)}</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<header>
<h1>${escapeXml(data.title)}</h1>
<p>${escapeXml(`${when} UTC, ${data.runner}`)}</p>
<nav>${sections.map(([id, title]) => `<a href="#${id}">${title}</a>`).join(" ")}</nav>
</header>
<main>
${data.error === null ? "" : `<p class="error" id="error">It ended with an error: ${escapeXml(cut(data.error, LINE_MAX))}</p>`}
${sections.map(([id, title, body]) => `<section id="${id}">\n<h2>${title}</h2>\n${body}\n</section>`).join("\n")}
</main>
</body>
</html>
`;
}

function colourAt(i: number): string {
  return COLOURS[i] ?? `hsl(${80 + ((i * 47) % 240)} 45% 52%)`;
}

/** Some figures, each with its name. */
function summary(data: PerformanceData): string {
  const { accounting, workers, tasks } = data;
  const sums = isTold(accounting) ? accounting : null;
  const parts = isTold(workers) ? workers : [];
  const threads = parts.reduce((sum, worker) => sum + worker.threads, 0);
  const limit = parts.reduce((sum, { memoryLimitBytes }) => sum + memoryLimitBytes, 0);
  const actions = secondsByAction(isTold(tasks) ? tasks : []);
  const erred = isTold(tasks) ? tasks.filter(({ status }) => status !== "OK").length : 0;
  const computeSeconds = sums ? sums.computeSeconds : (actions.get("compute") ?? 0);
  const idleSeconds = sums ? sums.idleSeconds : Math.max(0, threads * data.seconds - computeSeconds);
  const disk = [...actions].reduce((sum, [action, s]) => sum + (action.startsWith("disk") ? s : 0), 0);
  const transfer = sums?.transferSeconds || (actions.get("transfer") ?? 0);
  const planned = data.runs.reduce((most, run) => Math.max(most, run.peakBytesPlanned), 0);
  const rows: readonly (readonly [id: string, name: string, value: string, more?: string])[] = [
    ["duration", "Duration", formatDuration(1000 * data.seconds)],
    ["tasks", "Tasks", count(data.tasksEnded), erred > 0 ? `${count(erred)} failed` : "none failed"],
    ["workers-count", "Workers", count(parts.length)],
    ["threads", "Threads", count(threads)],
    ["memory-limit", "Memory limit", limit > 0 ? formatBytes(limit) : "none", "of all workers"],
    ["compute-seconds", "Computing", seconds(computeSeconds), "thread-seconds"],
    [
      "store-seconds",
      "Stores",
      sums ? seconds(sums.storeSeconds) : UNKNOWN,
      "thread-seconds of tasks that read or write",
    ],
    ["idle-seconds", "Idle", seconds(idleSeconds), "thread-seconds"],
    ["transfer-seconds", "Transfers", seconds(transfer), sums ? formatBytes(sums.bytesTransferred) : "all workers"],
    ["disk-seconds", "Disk", seconds(disk), sums ? `spilled ${formatBytes(sums.bytesSpilled)}` : "to and from spill"],
    ["scheduler-seconds", "Scheduler", sums ? seconds(sums.schedulerSeconds) : UNKNOWN, "processor time"],
    ["read", "Read", sums ? formatBytes(sums.bytesRead) : UNKNOWN, "from stores"],
    ["written", "Written", sums ? formatBytes(sums.bytesWritten) : UNKNOWN, "to stores"],
    [
      "peak",
      "Peak of blocks",
      sums ? formatBytes(sums.peakBytesObserved) : UNKNOWN,
      planned > 0 ? `of ${formatBytes(planned)} planned, on one worker` : "on one worker, nothing planned",
    ],
  ];
  const cells = rows.map(
    ([id, name, value, more]) =>
      `<div><dt>${name}</dt><dd id="${id}">${value}</dd>${more === undefined ? "" : `<dd class="more">${more}</dd>`}</div>`,
  );
  const why = isTold(accounting) ? "" : note(`sums of the runner are not told: ${accounting.why}`);
  return `<dl class="figures">${cells.join("\n")}</dl>${why}`;
}

const UNKNOWN = "not told";

function taskStream(data: PerformanceData, colourOf: (prefix: string) => string): string {
  return orWhy(data.tasks, (tasks) => {
    if (tasks.length === 0) return note("no task ended");
    const workers = isTold(data.workers) ? data.workers : [];
    const threads = new Map(workers.map((worker) => [worker.address, worker.threads]));
    const lanes = lanesOf(tasks, (worker) => threads.get(worker) ?? 1);
    const { merged, left } = thinned(lanes);
    const notes = [
      data.tasksEnded > tasks.length
        ? `the scheduler kept the last ${count(tasks.length)} of ${count(data.tasksEnded)} tasks`
        : "",
      merged + left > 0
        ? `more than ${count(RECTANGLES_MAX)} rectangles: ${count(merged)} stand for several short ones, ${count(left)} are left out`
        : "",
      lanes.workers.length > LANES_MAX
        ? `the first ${count(LANES_MAX)} of ${count(lanes.workers.length)} threads are drawn`
        : "",
      tasks.some(({ thread }) => thread === null)
        ? "where a worker told how long tasks took, but not on which thread, they lie end to end"
        : "",
    ].filter((text) => text !== "");
    return `${LEGEND}<div class="wide">${streamSvg(lanes, colourOf)}</div>${notes.map(note).join("")}`;
  });
}

const LEGEND = `<p class="legend"><i style="background:#e5342b"></i> transfer <i style="background:#f28e00"></i> disk <i style="background:#8c8c8c"></i> deserialize <i class="erred"></i> failed; computing in the colour of the kind of key</p>`;

/** What computing took, with a bar that is as long. */
function keysTable(sums: readonly PrefixSums[], colourOf: (prefix: string) => string): string {
  const most = Math.max(...sums.map((each) => each.computeSeconds), 1e-9);
  const rows = sums
    .slice(0, ROWS_MAX)
    .map((each) => [
      `<td><i style="background:${colourOf(each.prefix)}"></i> ${escapeXml(cut(each.prefix, 100))}</td>`,
      number(count(each.tasks)),
      number(each.erred > 0 ? count(each.erred) : ""),
      number(seconds(each.computeSeconds)),
      `<td class="bar"><b style="width:${((100 * each.computeSeconds) / most).toFixed(1)}%;background:${colourOf(each.prefix)}"></b></td>`,
      number(seconds(each.computeSeconds / each.tasks)),
      number(seconds(each.longestSeconds)),
      number(each.transferSeconds > 0 ? seconds(each.transferSeconds) : ""),
      number(each.diskSeconds > 0 ? seconds(each.diskSeconds) : ""),
      number(formatBytes(each.bytes)),
    ]);
  const head = ["kind", "tasks", "failed", "computing", "", "mean", "longest", "transfers", "disk", "results"];
  return table(head, rows, sums.length);
}

function workersTable(workers: readonly WorkerPart[]): string {
  const rows = workers
    .slice(0, ROWS_MAX)
    .map(({ address, name, language, threads, memoryLimitBytes, sums }) => [
      text(name),
      text(address),
      text(language),
      number(count(threads)),
      number(memoryLimitBytes > 0 ? formatBytes(memoryLimitBytes) : "none"),
      ...(sums
        ? [
            number(count(sums.tasks)),
            number(seconds(sums.busySeconds)),
            number(seconds(sums.storeSeconds)),
            number(seconds(sums.transferSeconds)),
            number(formatBytes(sums.bytesTransferred)),
            number(sums.transferSeconds > 0 ? `${formatBytes(sums.bytesTransferred / sums.transferSeconds)}/s` : ""),
            number(formatBytes(sums.bytesSpilled)),
            number(formatBytes(sums.peakBytes)),
          ]
        : Array.from({ length: 8 }, () => number(UNKNOWN))),
    ]);
  const head = ["name", "address", "language", "threads", "memory limit", "tasks", "busy", "stores"];
  return table(
    [...head, "transfers in", "bytes in", "bandwidth in", "spilled", "peak of blocks"],
    rows,
    workers.length,
  );
}

function transfers(tasks: Extract<PerformanceData["tasks"], readonly unknown[]>): string {
  const pairs = transfersByPair(tasks);
  if (pairs.length === 0) return note("no record names a transfer; sums by worker stand above, where they are told");
  const most = Math.max(...pairs.map((pair) => pair.seconds), 1e-9);
  const rows = pairs
    .slice(0, ROWS_MAX)
    .map((pair) => [
      text(pair.from),
      text(pair.to),
      number(count(pair.count)),
      number(seconds(pair.seconds)),
      `<td class="bar"><b style="width:${((100 * pair.seconds) / most).toFixed(1)}%;background:#e5342b"></b></td>`,
    ]);
  return table(["from", "to", "transfers", "time", ""], rows, pairs.length);
}

function readsTable(reads: Extract<PerformanceData["reads"], readonly unknown[]>): string {
  const busy = reads.filter(({ requests }) => requests > 0).sort((a, b) => b.bytes - a.bytes);
  if (busy.length === 0) return note("nothing was read");
  const rows = busy
    .slice(0, ROWS_MAX)
    .map(({ host, requests, bytes }) => [text(host), number(count(requests)), number(formatBytes(bytes))]);
  return table(["host", "requests", "bytes"], rows, busy.length);
}

function runsTable(runs: readonly RunAccounting[]): string {
  if (runs.length === 0) return note("no run of lazy arrays was accounted for");
  const rows = runs
    .slice(0, ROWS_MAX)
    .map((run, i) => [
      number(count(i + 1)),
      text(run.runner),
      number(count(run.tasks)),
      number(seconds(run.seconds)),
      number(seconds(run.computeSeconds)),
      number(seconds(run.storeSeconds)),
      number(seconds(run.idleSeconds)),
      number(formatBytes(run.peakBytesPlanned)),
      number(formatBytes(run.peakBytesObserved)),
      text(run.isDone ? "done" : "failed"),
    ]);
  const head = ["run", "on", "tasks", "time", "computing", "stores", "idle", "peak planned", "peak observed", "end"];
  return table(head, rows, runs.length);
}

function logs({ schedulerLogs, workerLogs }: PerformanceData): string {
  const scheduler = orWhy(schedulerLogs, (lines) => log("Scheduler", lines));
  const workers = orWhy(workerLogs, (all) => {
    const some = [...all].slice(0, LOGS_MAX).map(([address, lines]) => log(address, lines));
    return some.join("\n") + (all.size > LOGS_MAX ? note(`and ${count(all.size - LOGS_MAX)} workers more`) : "");
  });
  return `${scheduler}\n${workers}`;
}

/** Lines come newest first, and are shown as they were written. */
function log(who: string, lines: readonly LogLine[]): string {
  const last = lines.slice(0, LINES_MAX).toReversed();
  const body = last.map(([, line]) => escapeXml(cut(line, LINE_MAX))).join("\n");
  return `<details><summary>${escapeXml(who)} <span>${count(last.length)} lines</span></summary><pre>${body}</pre></details>`;
}

/** Those that run the same, on whatever machine, in one row. */
function versionsTable(all: Extract<PerformanceData["versions"], readonly unknown[]>): string {
  const alike = [
    ...Map.groupBy(all, ({ versions }) => JSON.stringify([...versions].filter(([name]) => name !== "host"))).values(),
  ];
  const names = [...new Set(all.flatMap(({ versions }) => [...versions.keys()]))]
    .filter((name) => name !== "host")
    .slice(0, ROWS_MAX);
  const rows = alike.slice(0, ROWS_MAX).map((group) => {
    const [{ who, versions }] = group as [(typeof all)[number]]; // a group is never empty
    const more = group.length > 1 ? ` and ${count(group.length - 1)} more` : "";
    return [text(who + more), ...names.map((name) => text(cut(versions.get(name) ?? "", 60)))];
  });
  return table(["", ...names.map((name) => escapeXml(cut(name, 60)))], rows, alike.length);
}

function orWhy<T extends object>(part: T | NotTold, show: (part: T) => string): string {
  return isTold(part) ? show(part) : note(`not told: ${part.why}`);
}

function table(head: readonly string[], rows: readonly (readonly string[])[], total: number): string {
  const more = total > rows.length ? note(`and ${count(total - rows.length)} more`) : "";
  const lines = rows.map((cells) => `<tr>${cells.join("")}</tr>`);
  return `<div class="wide"><table><thead><tr>${head.map((name) => `<th>${name}</th>`).join("")}</tr></thead><tbody>
${lines.join("\n")}
</tbody></table></div>${more}`;
}

function text(value: string): string {
  return `<td>${escapeXml(value)}</td>`;
}

function number(value: string): string {
  return `<td class="n">${escapeXml(value)}</td>`;
}

function note(value: string): string {
  return `<p class="note">${escapeXml(value)}</p>`;
}

function seconds(value: number): string {
  return `${value.toFixed(3)} s`;
}

function count(value: number): string {
  return value.toLocaleString("en-GB");
}

function cut(value: string, max: number): string {
  return value.length > max ? `${value.slice(0, max - 1)}…` : value;
}
