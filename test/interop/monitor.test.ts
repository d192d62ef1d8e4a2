/** What monitors say, beside a live Dask worker's: the same names, the same rows; and psutil's counters, which lie between two of ours. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { silentLogger } from "../../src/base/index.ts";
import { cpuSeconds, diskBytes, HOST_FILES, networkBytes } from "../../src/config/host-counters.ts";
import { config, SystemMonitor } from "../../src/config/index.ts";
import { startScheduler } from "../../src/scheduler/index.ts";
import { Worker } from "../../src/worker/index.ts";
import { describePeer, runPython } from "../peers.ts";

interface Answer {
  readonly range_query: Readonly<Record<string, number>>;
  readonly count: number;
  readonly last_time: number;
}

interface Everything {
  readonly names: readonly string[];
  readonly lengths: readonly number[];
  readonly count: number;
  readonly later: readonly number[];
}

interface Values {
  readonly cpu: number;
  readonly gil_contention: number;
  readonly num_fds: number;
  readonly event_loop_interval: number;
  readonly host_net_io: { readonly read_bps: number };
}

interface Printed {
  readonly ranges: readonly (readonly number[])[];
  readonly answers: Readonly<Record<"dask" | "worker" | "scheduler", Answer>>;
  readonly all: Readonly<Record<"dask" | "worker" | "scheduler", Everything>>;
  readonly metrics: { readonly dask: unknown; readonly worker: unknown; readonly values: Values };
  readonly counters: {
    readonly net: readonly number[];
    readonly disk: readonly number[] | null;
    readonly cpu: Readonly<Record<string, number>>;
  };
}

const counters = () => ({
  net: networkBytes(HOST_FILES),
  disk: diskBytes(HOST_FILES),
  cpu: cpuSeconds(HOST_FILES),
});

/** Every value of `between` lies between those of `before` and `after`. */
function expectBetween(
  between: readonly number[] | null,
  before: readonly number[] | null,
  after: readonly number[] | null,
): void {
  expect(before?.length).toBe(between?.length);
  for (const [i, value] of (between ?? []).entries()) {
    expect(value).toBeGreaterThanOrEqual(before?.[i] ?? Number.NaN);
    expect(value).toBeLessThanOrEqual(after?.[i] ?? Number.NaN);
  }
}

describePeer("monitors", ["dask", "distributed"], () => {
  test("a Python rpc and a Python client read the same of our worker and scheduler as of Dask's worker", async () => {
    using _set = config.set({
      "distributed.admin.system-monitor.host-cpu": true,
      "distributed.admin.tick.interval": "40ms",
    });
    await using scheduler = await startScheduler({ port: 0, logger: silentLogger });
    await using _worker = await Worker.start({
      scheduler: scheduler.address,
      nthreads: 1,
      memoryLimitBytes: 2 ** 29,
      logger: silentLogger,
    });
    const before = counters();
    const script = join(import.meta.dirname, "monitor_peer.py");
    const printed = JSON.parse(await runPython([script, scheduler.address])) as Printed;
    const after = counters();
    const { answers, all, metrics } = printed;
    for (const name of ["worker", "scheduler"] as const) {
      expect(Object.keys(answers[name]).sort()).toEqual(Object.keys(answers.dask).sort());
      expect(Object.keys(answers[name].range_query).sort()).toEqual(Object.keys(answers.dask.range_query).sort());
      expect(all[name].names).toEqual(all.dask.names);
      // All rows since the start, none of those to come.
      expect([all[name].lengths, all[name].later]).toEqual([[all[name].count], [0]]);
      expect(all[name].count).toBeGreaterThan(0);
      const row = answers[name].range_query;
      expect(Math.abs((row["time"] ?? 0) - Date.now() / 1000)).toBeLessThan(60);
      // This process: it has the sockets of this test.
      expect(row["memory"]).toBeGreaterThan(2e7);
      expect(row["num_fds"]).toBeGreaterThan(10);
    }
    expect([all.dask.lengths, all.dask.later]).toEqual([[all.dask.count], [0]]);
    expect(metrics.worker).toEqual(metrics.dask);
    // From a heartbeat; the clock of the event loop goes off no sooner than it is told to.
    expect(metrics.values.num_fds).toBeGreaterThan(10);
    expect(metrics.values.cpu).toBeGreaterThan(0);
    expect(metrics.values.gil_contention).toBeGreaterThan(0);
    expect(metrics.values.host_net_io.read_bps).toBeGreaterThan(0);
    expect(metrics.values.event_loop_interval).toBeGreaterThan(0.035);
    expectBetween(printed.counters.net, before.net, after.net);
    expectBetween(printed.counters.disk, before.disk, after.disk);
    expect(Object.keys(printed.counters.cpu)).toEqual(Array.from(before.cpu?.keys() ?? []));
    for (const kind of ["user", "system"])
      expectBetween([printed.counters.cpu[kind] ?? -1], [before.cpu?.get(kind) ?? 0], [after.cpu?.get(kind) ?? 0]);
    // Rows that are kept and asked for, by their places.
    using _three = config.set({ "distributed.admin.system-monitor.log-length": 3 });
    let now = 0;
    using monitor = new SystemMonitor({ clock: { now: () => now, wall: () => now } });
    for (now = 1_000; now < 5_000; now += 1_000) monitor.update();
    const starts = printed.ranges.map((_, i) => i - 6);
    expect(starts.map((start) => monitor.rangeQuery(start).get("time"))).toEqual(printed.ranges);
  });
});
