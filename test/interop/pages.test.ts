/** The pages for machines, beside those of a live Dask scheduler and worker: the same names, and what is left out and why. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { array, Client, LocalCluster } from "../../src/index.ts";
import "../../src/register.ts";
import { describePeer, runPython } from "../peers.ts";
import { startRsdat } from "../processes.ts";

/** Families that have no counterpart, each with the reason. */
const WITHOUT: Readonly<Record<string, string>> = {
  dask_stealing_request_cost_total: "stealing here weighs no cost: see rsdat_scheduler_tasks_stolen_total",
  dask_stealing_request_count_total: "its label is the cost",
};

interface Peer {
  readonly scheduler: readonly string[];
  readonly worker: readonly string[];
  readonly counts: readonly string[];
  readonly identity: readonly string[];
  readonly workerIdentity: readonly string[];
  readonly health: string;
}

function families(page: string): Set<string> {
  return new Set([...page.matchAll(/^# TYPE (\w+) /gm)].map(([, name]) => name as string)); // one group
}

describePeer("pages", ["dask", "distributed"], () => {
  test("metrics, counts, identity and health have Dask's names", async () => {
    const peer = JSON.parse(await runPython([join(import.meta.dirname, "pages_peer.py")])) as Peer;
    await using scheduler = startRsdat([
      "scheduler",
      "--host",
      "127.0.0.1",
      "--port",
      "0",
      "--dashboard-address",
      ":0",
    ]);
    const [, address = "", home = ""] = await scheduler.waitFor(
      /scheduler at (tcp:[\d./:]+)[\s\S]*pages at (http:[\d./:]+)/,
    );
    await using worker = startRsdat([
      ...[
        "worker",
        address,
        "--nthreads",
        "1",
        "--memory-limit",
        "512MiB",
        "--dashboard-address",
        ":0",
        "--allow-insecure",
      ],
    ]);
    const [, pages = ""] = await worker.waitFor(/metrics at (http:[\d./:]+)\/metrics/);
    await using client = await Client.connect(address);
    await client.compute(array.ones([8], { chunks: 2 }).add(1).sum());
    const text = async (url: string): Promise<string> => (await fetch(url)).text();
    const without = (names: readonly string[]): string[] => names.filter((name) => !WITHOUT[name]);
    const ours = families(await text(`${home}/metrics`));
    expect(without(peer.scheduler).filter((name) => !ours.has(name))).toEqual([]);
    const workers = families(await text(`${pages}/metrics`));
    expect(without(peer.worker).filter((name) => !workers.has(name))).toEqual([]);
    for (const name of Object.keys(WITHOUT)) expect([...peer.scheduler, ...peer.worker]).toContain(name);
    const counts = JSON.parse(await text(`${home}/json/counts.json`)) as Record<string, number>;
    expect(peer.counts.filter((name) => typeof counts[name] !== "number")).toEqual([]);
    expect(counts).toMatchObject({ workers: 1, hosts: 1, idle: 1, saturated: 0, desired_workers: 0, cores: 1 });
    const identity = JSON.parse(await text(`${home}/json/identity.json`)) as Record<string, unknown>;
    expect(peer.identity.filter((name) => !(name in identity))).toEqual([]);
    const [one = {}] = Object.values(identity["workers"] as Record<string, object>);
    expect(peer.workerIdentity.filter((name) => !(name in one))).toEqual([]);
    expect(await text(`${home}/health`)).toBe(peer.health);
    // What the figures say, not only that they are there.
    await (await client.submit((n: number) => new Float64Array(n), [1024], { key: ["sized", 0] })).wait();
    await (
      await client.submit((what: string) => Promise.reject(new Error(what)), ["no"], { key: ["failing", 0] })
    ).wait();
    const page = await text(`${home}/metrics`);
    expect(page).toMatch(/^dask_scheduler_workers_added_total 1$/m);
    expect(page).toMatch(/^dask_scheduler_client_connections_added_total 1$/m);
    const seconds = [...page.matchAll(/^dask_scheduler_tasks_compute_seconds_total\{[^}]*\} (\S+)$/gm)].map(([, n]) =>
      Number(n),
    );
    expect(Math.max(...seconds)).toBeGreaterThan(0);
    const value = (name: string, ...labels: string[]): number =>
      [...page.matchAll(new RegExp(`^${name}(?:\\{([^}]*)\\})? (\\S+)$`, "gm"))]
        .filter(([, found = ""]) => labels.every((label) => found.includes(label)))
        .reduce((sum, [, , n]) => sum + Number(n), 0);
    expect(value("dask_scheduler_clients")).toBe(1);
    expect(value("dask_scheduler_workers", 'state="idle"')).toBe(1);
    expect(value("dask_scheduler_workers")).toBe(1);
    expect(value("dask_scheduler_prefix_state_totals_total", 'state="erred"')).toBe(1);
    expect(value("dask_scheduler_prefix_state_totals_total", 'state="memory"')).toBeGreaterThan(1);
    expect(value("dask_scheduler_tasks_output_bytes")).toBeGreaterThanOrEqual(8192);
    expect(value("dask_scheduler_tasks_suspicious_total")).toBe(0);
    expect(value("dask_scheduler_tick_count_total")).toBeGreaterThan(0);
    expect(value("dask_scheduler_gil_contention_seconds_total")).toBeGreaterThan(0);
    expect(Math.abs(value("dask_scheduler_last_time_total") - Date.now() / 1000)).toBeLessThan(60);
    const own = await text(`${pages}/metrics`);
    expect(own).toMatch(/^dask_worker_threads 1$/m);
    expect(Number(/^dask_worker_gil_contention_seconds_total (\S+)$/m.exec(own)?.[1])).toBeGreaterThan(0);
    const processBytes = [...own.matchAll(/^dask_worker_memory_bytes\{type="(?:un)?managed"\} (\S+)$/gm)];
    expect(processBytes.reduce((sum, [, n]) => sum + Number(n), 0)).toBeGreaterThan(2e7);
    expect(Number(/^rsdat_worker_busy_seconds_total (\S+)$/m.exec(own)?.[1])).toBeGreaterThan(0);
    expect(Number(/^dask_worker_latency_seconds (\S+)$/m.exec(own)?.[1])).toBeGreaterThan(0);
  });
});

test("a local cluster's scheduler wants more workers while work waits", async () => {
  await using cluster = await LocalCluster.start({ nWorkers: 1, threadsPerWorker: 1, memoryLimit: "512MiB" });
  await using client = await Client.connect({ cluster });
  /** Works for a while, or waits for the end; tells how long it took. */
  const slow = (i: number): number => {
    const began = Date.now();
    while (i > 0 || Date.now() < began + 300);
    return Date.now() - began;
  };
  const [first] = await client.map(slow, [0]);
  const tookMs = (await first?.result()) ?? 0;
  const others = await client.map(
    slow,
    Array.from({ length: 39 }, (_, i) => i + 1),
  );
  // 39 tasks, each of which is to take about as long as the first, in 1 s.
  const expected = Math.min(39, (39 * tookMs) / 1000);
  const { rpc } = client.link;
  const targets: number[] = [];
  const ask = async (): Promise<number> => {
    targets.push(Number(await rpc.call(cluster.schedulerAddress, { op: "adaptive_target", target_duration: "1s" })));
    return targets.at(-1) as number; // just pushed
  };
  await expect.poll(ask, { interval: 20 }).toBeGreaterThanOrEqual(Math.floor(expected / 2));
  expect(Math.max(...targets)).toBeLessThanOrEqual(Math.min(39, Math.ceil(2 * expected)));
  client.cancel(others, { force: true });
});
