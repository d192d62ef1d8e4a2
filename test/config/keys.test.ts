/**
 * Every key of the schema: set it, and something changes, or it says why nothing does. A key's row gives what to read with
 * and without it; behaviour behind a setting that is only handed on is tested where it lives, which the row names.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, describe, expect, test, vi } from "vitest";
import { Rpc } from "../../src/comm/index.ts";
import { array, Client } from "../../src/index.ts";
import "../../src/register.ts";
import { CommError, RemoteError, silentLogger } from "../../src/base/index.ts";
import { workerOptions } from "../../src/cli/worker.ts";
import type { Future } from "../../src/client/index.ts";
import { dashboardLinkOf } from "../../src/client/operate.ts";
import { retried } from "../../src/client/retry.ts";
import { adaptiveOptions } from "../../src/cluster/adaptive.ts";
import {
  Config,
  type ConfigValue,
  commSettings,
  computeThreads,
  config,
  levelFor,
  memoryLimitBytes,
  preload,
  SCHEMA,
  SystemMonitor,
  securityFor,
  spillSetting,
  watchLoop,
  workerSpillSetting,
} from "../../src/config/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { remoteError } from "../../src/protocol/index.ts";
import { desiredWorkers } from "../../src/scheduler/adaptive.ts";
import { Figures } from "../../src/scheduler/figures.ts";
import type { Hub } from "../../src/scheduler/hub.ts";
import { type SchedulerServer, startScheduler } from "../../src/scheduler/index.ts";
import { machineSettings, pageGroups } from "../../src/scheduler/settings.ts";
import { taskFailure } from "../../src/worker/failure.ts";
import { Worker } from "../../src/worker/index.ts";
import { workerLimits } from "../../src/worker/limits.ts";

const folder = mkdtempSync(join(tmpdir(), "rsdat-keys-"));
afterAll(() => rmSync(folder, { recursive: true }));
const PEM = "-----BEGIN CERTIFICATE-----\nnone\n";
const limits = () =>
  workerLimits({ budgetBytes: 1e9, threads: 1 }, { address: "w", isForeign: false, resources: undefined });
const worker = () => workerOptions("tcp://h:1", { nanny: false });
/** A scheduler with forty ready tasks that nobody has timed, and no worker. */
const waiting = () =>
  desiredWorkers({
    workers: new Map(),
    figures: new Figures(),
    machine: {
      views: {
        counts: () => ({ tasks: { queued: 40, "no-worker": 0 } }),
        workers: () => [],
        readyPrefixes: () => ["load"],
      },
    },
  } as unknown as Hub); // what the function reads of it
const tls = (role: "scheduler" | "worker" | "client") => {
  using _ca = config.set({
    "distributed.comm.tls.ca-file": config.text("distributed.comm.tls.ca-file") ?? PEM,
    [`distributed.comm.tls.${role}.cert`]: config.text(`distributed.comm.tls.${role}.cert`) ?? PEM,
  });
  return securityFor(role).tls;
};
/** What a scheduler of this process does with its setting, as far as it can be seen soon. */
const lived = async (): Promise<string> => {
  await using scheduler = await startScheduler({ port: 0, logger: silentLogger });
  // One that is to end may be slow to do so.
  const patienceMs = config.get("distributed.scheduler.idle-timeout") === null ? 300 : 15_000;
  return await Promise.race([
    scheduler.finished.then(() => "ended"),
    new Promise<string>((resolve) => setTimeout(resolve, patienceMs, "lives")),
  ]);
};

/** What a monitor of this process measures. */
const quantities = (): string[] => {
  using monitor = new SystemMonitor();
  return Array.from(monitor.recent().keys());
};
/** Share of the event loop's time, and rows that are kept, when it has stood still and been looked at three times. */
const monitored = (): unknown => {
  using monitor = new SystemMonitor();
  for (let i = 0; i < 3; i++) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    monitor.update();
  }
  return { share: monitor.recent().get("gil_contention"), rows: monitor.rangeQuery(0).get("time")?.length };
};
/** Whether a monitor measures of its own accord within a second. */
const isRegular = async (): Promise<boolean> => {
  using monitor = new SystemMonitor();
  for (const until = performance.now() + 1_000; monitor.count < 2 && performance.now() < until; ) await sleep(20);
  return monitor.count > 1;
};

/** Answers of a scheduler's pages. */
async function served(): Promise<unknown> {
  await using scheduler = await startScheduler({ port: 0, httpPort: 0, logger: silentLogger });
  const get = async (path: string): Promise<number> =>
    (await fetch(`http://127.0.0.1:${scheduler.httpPort}${path}`, { headers: { connection: "close" } })).status;
  const pages = ["/health", "/metrics", "/json/counts.json", "/json/identity.json"];
  return { groups: [...pageGroups()], answers: await Promise.all(pages.map(get)) };
}

type Row = readonly [value: ConfigValue, read: () => unknown, provenIn?: string];

const ROWS: Readonly<Record<string, Row>> = {
  "temporary-directory": [folder, () => spillSetting()?.folder],
  "num-workers": [3, () => computeThreads()],
  scheduler: ["synchronous", () => computeThreads(config, { ...FACTS })],
  "array.chunk-size": ["1MiB", () => array.zeros([4096, 4096]).chunks[0]?.length],
  "array.chunk-size-tolerance": [
    1,
    () => array.ones([100], { dtype: "uint8", chunks: [[60, 20, 20]] }).rechunk("auto", { blockSizeLimit: 50 }).chunks,
    "test/array/rechunk.test.ts",
  ],
  "array.rechunk.method": ["tasks", () => array.zeros([64, 64], { chunks: [1, 64] }).rechunk([64, 1]).node, "as above"],
  "array.rechunk.threshold": [
    1000,
    () => array.zeros([64, 64], { chunks: [1, 64] }).rechunk([64, 1], { method: "tasks", blockSizeLimit: 9000 }).node,
    "as above",
  ],
  "array.slicing.split-large-chunks": [
    true,
    () => {
      using _size = config.set({ "array.chunk-size": 80 });
      return array.take(array.ones([9]), array.zeros([20], { dtype: "int64" }).rechunk(20)).chunks;
    },
    "as above",
  ],
  "distributed.scheduler.allowed-failures": [0, () => machineSettings().allowedFailures, "test/scheduler/state"],
  "distributed.scheduler.worker-ttl": ["1s", () => machineSettings().workerTtlMs, "test/scheduler/state"],
  "distributed.scheduler.worker-saturation": [2, () => machineSettings().saturation, "saturation.test.ts"],
  "distributed.scheduler.work-stealing": [false, () => machineSettings().stealing, "saturation.test.ts"],
  "distributed.scheduler.no-workers-timeout": [
    "1s",
    () => machineSettings().noWorkersTimeoutMs,
    "test/scheduler/state/no-workers.test.ts",
  ],
  "distributed.scheduler.unknown-task-duration": ["4s", waiting],
  "distributed.scheduler.default-task-durations": [{ load: "4s" }, waiting, "test/scheduler/durations.test.ts"],
  "distributed.admin.low-level-log-length": [
    3,
    () => [machineSettings().storyLength, limits().storyLength],
    "test/scheduler/state/story.test.ts, test/worker/state/story.test.ts",
  ],
  "distributed.admin.event-loop": ["curio", lived],
  "distributed.scheduler.bandwidth": ["1MB", () => machineSettings().bandwidth, "test/scheduler/state/backlog.test.ts"],
  "distributed.scheduler.idle-timeout": ["40ms", lived],
  "distributed.scheduler.preload": [[join(folder, "no-such.js")], () => lived(), "test/e2e/cli.test.ts"],
  "distributed.scheduler.http.routes": [["distributed.http.health", "elsewhere.json"], served],
  "distributed.worker.memory.max-spill": ["1MB", () => workerSpillSetting(folder)?.limitBytes],
  "distributed.worker.memory.spill-compression": [
    "zlib",
    () => workerSpillSetting(folder)?.compression,
    "test/worker/spill-codec.test.ts",
  ],
  "distributed.worker.resources": [{ GPU: 2 }, () => worker().resources],
  "distributed.worker.lifetime.stagger": [
    "5s",
    () => workerOptions("tcp://h:1", { nanny: false, lifetime: "1h" }).lifetimeMs,
  ],
  "distributed.worker.memory.transfer": [0.5, () => limits().incomingBytesMax],
  "distributed.worker.connections.outgoing": [3, () => limits().incomingCountMax],
  "distributed.worker.transfer.message-bytes-limit": ["1MB", () => limits().messageBytesMax],
  "distributed.p2p.comm.buffer": ["1MB", () => limits().rechunks?.bytesMax, "test/worker/state/rechunks.test.ts"],
  "distributed.p2p.comm.concurrency": [3, () => limits().rechunks?.countMax, "test/worker/state/rechunks.test.ts"],
  "distributed.p2p.comm.message-bytes-limit": [
    "1MB",
    () => limits().rechunks?.messageBytesMax,
    "test/worker/rechunk-requests.test.ts",
  ],
  "distributed.comm.timeouts.tcp": ["1s", () => commSettings().tcpTimeoutMs, "test/comm/stalled.test.ts"],
  "distributed.comm.compression": ["zlib", () => commSettings().compression, "test/comm/compressed.test.ts"],
  "distributed.comm.shard": ["1MiB", () => commSettings().shardBytes, "test/comm/compressed.test.ts"],
  "distributed.comm.offload": ["1MiB", () => commSettings().offloadBytes, "test/comm/compressed.test.ts"],
  "distributed.comm.require-encryption": [
    true,
    () => {
      using _tls = config.set({ "distributed.comm.tls": { "ca-file": PEM, client: { cert: PEM } } });
      return securityFor("client").requiresEncryption;
    },
    "test/comm/tls.test.ts",
  ],
  "distributed.comm.tls.ca-file": [`${PEM}a`, () => tls("client")?.ca],
  "distributed.comm.tls.ciphers": ["ECDHE", () => tls("client")?.ciphers],
  "distributed.comm.tls.min-version": [1.3, () => tls("client")?.minVersion, "test/comm/tls.test.ts"],
  "distributed.comm.tls.max-version": [1.2, () => tls("client")?.maxVersion, "test/comm/tls.test.ts"],
  ...Object.fromEntries(
    (["scheduler", "worker", "client"] as const).flatMap((role) => [
      [`distributed.comm.tls.${role}.cert`, [`${PEM}c`, () => tls(role)?.cert, "test/interop/tls.test.ts"]],
      [`distributed.comm.tls.${role}.key`, [`${PEM}k`, () => tls(role)?.key, "test/interop/tls.test.ts"]],
    ]),
  ),
  "distributed.adaptive.interval": ["3s", () => adaptiveOptions().intervalMs, "test/e2e/adaptive.test.ts"],
  "distributed.adaptive.minimum": [2, () => adaptiveOptions().minimum, "test/e2e/adaptive.test.ts"],
  "distributed.adaptive.maximum": [7, () => adaptiveOptions().maximum, "test/e2e/adaptive.test.ts"],
  "distributed.adaptive.wait-count": [9, () => adaptiveOptions().waitCount, "adaptive.test.ts"],
  "distributed.adaptive.target-duration": ["1s", waiting],
  "distributed.dashboard.link": [
    "/proxy/{port}/status",
    () => dashboardLinkOf("tcp://h:1", new Map([["dashboard", 8787]])),
  ],
  "distributed.admin.system-monitor.interval": ["1h", isRegular, "system-monitor.test.ts"],
  "distributed.admin.system-monitor.log-length": [2, monitored, "system-monitor.test.ts"],
  "distributed.admin.system-monitor.disk": [false, quantities, "system-monitor.test.ts"],
  "distributed.admin.system-monitor.host-cpu": [true, quantities, "system-monitor.test.ts"],
  "distributed.admin.system-monitor.gil.enabled": [false, quantities, "system-monitor.test.ts"],
  "distributed.admin.system-monitor.gil.interval": ["1h", monitored, "system-monitor.test.ts"],
  "jobqueue.slurm": [{ cores: 3 }, () => config.get("jobqueue.slurm"), "test/cluster/slurm-options.test.ts"],
  "rsdat.memory-limit": ["1GiB", () => memoryLimitBytes()],
  "rsdat.spill.limit": [0, () => spillSetting(folder)],
  "rsdat.log-level": ["info", () => levelFor("rsdat.test")],
};

const FACTS = { env: {}, read: () => null, cores: 4, affinity: 4, freeBytes: 2 ** 33 };

/** Keys whose change is seen only in a process of its own: the test that sets them there. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  "distributed.worker.preload": "test/e2e/cli.test.ts",
  "distributed.scheduler.preload-argv": "below",
  "distributed.worker.preload-argv": "below",
  "distributed.worker.memory.target": "below",
  "distributed.worker.memory.spill": "below",
  "distributed.comm.retry.count": "below",
  "distributed.comm.retry.delay.min": "below",
  "distributed.comm.retry.delay.max": "below",
  "distributed.admin.log-format": "below",
  "distributed.admin.max-error-length": "below",
  "distributed.admin.large-graph-warning-threshold": "below",
  "distributed.admin.tick.interval": "below",
  "distributed.admin.tick.limit": "below",
  "distributed.admin.tick.cycle": "below",
  "distributed.worker.lifetime.duration": "test/e2e/cli.test.ts",
  "distributed.worker.lifetime.restart": "test/e2e/cli.test.ts",
  "distributed.worker.memory.pause": "below",
  "distributed.worker.memory.terminate": "test/e2e/cli.test.ts",
  "distributed.worker.memory.monitor-interval": "below",
  "distributed.worker.connections.incoming": "below",
  "distributed.worker.profile.enabled": "test/worker/profile-live.test.ts",
  "distributed.worker.profile.interval": "test/worker/profile-live.test.ts",
  "distributed.worker.profile.cycle": "test/worker/profile-live.test.ts",
  "distributed.worker.profile.low-level": "test/worker/profile-live.test.ts",
  "distributed.comm.timeouts.connect": "below",
  "distributed.comm.socket-backlog": "handed to listen",
  "distributed.admin.log-length": "below",
  "distributed.p2p.storage.disk": "test/local/rechunk-storage.test.ts",
  "rsdat.scheduler.plugins": "test/scheduler/scheduler-plugins.test.ts",
  "distributed.admin.pdb-on-err": "test/config/debug.test.ts",
  "distributed.worker.memory.recent-to-old-time": "test/scheduler/rebalance.test.ts",
  "distributed.worker.memory.rebalance.measure": "test/scheduler/rebalance.test.ts",
  "distributed.worker.memory.rebalance.sender-min": "test/scheduler/rebalance.test.ts",
  "distributed.worker.memory.rebalance.recipient-max": "test/scheduler/rebalance.test.ts",
  "distributed.worker.memory.rebalance.sender-recipient-gap": "test/scheduler/rebalance.test.ts",
  "rsdat.io.max-block-bytes": "test/io",
  "rsdat.kernels.wide": "test/executor/wide.test.ts",
  "rsdat.kernels.huge-pages": "test/kernels/huge-pages.test.ts",
  "rsdat.accounting": "test/report/accounting.test.ts",
};

describe("keys that something follows from", () => {
  test("each has a row", () => {
    const active = Object.keys(SCHEMA).filter((key) => !SCHEMA[key]?.isInert);
    expect(active.filter((key) => !ROWS[key] && !ELSEWHERE[key])).toEqual([]);
    expect([...Object.keys(ROWS), ...Object.keys(ELSEWHERE)].filter((key) => !active.includes(key))).toEqual([]);
  });

  test.each(Object.entries(ROWS))("%s", async (key, [value, read]) => {
    const before = await read();
    using _set = config.set({ [key]: value });
    const after = await Promise.resolve()
      .then(read)
      .catch((error: unknown) => String(error));
    expect(after).not.toEqual(before);
  });
});

/** A scheduler and a worker in this process, under settings. */
async function together<T>(
  settings: Record<string, ConfigValue>,
  look: (scheduler: SchedulerServer) => Promise<T>,
): Promise<T> {
  using _set = config.set(settings);
  await using scheduler = await startScheduler({ port: 0, logger: silentLogger });
  return await joined(scheduler, {}, () => look(scheduler));
}

/** A further worker, under settings; `look` is told its address. */
async function joined<T>(
  scheduler: SchedulerServer,
  settings: Record<string, ConfigValue>,
  look: (address: string) => Promise<T>,
): Promise<T> {
  using _set = config.set(settings);
  await using worker = await Worker.start({
    scheduler: scheduler.address,
    nthreads: 1,
    memoryLimitBytes: 2 ** 29,
    logger: silentLogger,
  });
  return await look(worker.address);
}

describe("in one process", () => {
  test("only the groups of pages that are wanted are served", async () => {
    expect(await served()).toMatchObject({ answers: [200, 200, 200, 200] });
    using _set = config.set({ "distributed.scheduler.http.routes": ["distributed.http.health", "elsewhere.json"] });
    expect(await served()).toEqual({ groups: ["health", "json"], answers: [200, 404, 200, 200] });
  });

  test("levels of logs by name: RSDAT_LOG before the configuration, the longest name counts", () => {
    using _set = config.set({ "rsdat.log-level": "error" });
    const before = process.env["RSDAT_LOG"];
    try {
      process.env["RSDAT_LOG"] = "rsdat.worker=debug, rsdat.worker.spill=warning, rsdat.sched=debug";
      const levels = ["rsdat.worker", "rsdat.worker.fetch", "rsdat.worker.spill", "rsdat.scheduler", "rsdat"].map(
        (name) => levelFor(name, "info"),
      );
      expect(levels).toEqual(["debug", "debug", "warning", "error", "error"]);
      process.env["RSDAT_LOG"] = "rsdat.worker=debug,info";
      expect([levelFor("rsdat.worker"), levelFor("rsdat.scheduler")]).toEqual(["debug", "info"]);
      process.env["RSDAT_LOG"] = "loud";
      expect(() => levelFor("rsdat")).toThrow(/loud.*none of debug, info, warning, error/);
    } finally {
      if (before === undefined) delete process.env["RSDAT_LOG"];
      else process.env["RSDAT_LOG"] = before;
    }
  });

  test("a client asks its scheduler again where results are, if the question broke off", async () => {
    await together({}, async ({ address }) => {
      await using client = await Client.connect(address, { logger: silentLogger });
      const [first, second] = (await client.scatter([7, 8])) as [Future<number>, Future<number>]; // one for one
      const { rpc } = client.link;
      const call = vi.spyOn(rpc, "call");
      const breaks = (): void => {
        call.mockRejectedValueOnce(new CommError("comm-closed", "broken"));
      };
      breaks();
      await expect(first.result()).rejects.toThrow("broken");
      using _set = config.set({ "distributed.comm.retry.count": 1 });
      breaks();
      expect(await second.result()).toBe(8);
      vi.restoreAllMocks();
    });
  });

  test("a client asks its scheduler again to gather what no worker gave it, if that question broke off", async () => {
    await together({}, async ({ address }) => {
      await using client = await Client.connect(address, { logger: silentLogger });
      const [first, second] = (await client.scatter([7, 8])) as [Future<number>, Future<number>]; // one for one
      const { rpc } = client.link;
      const use = rpc.use.bind(rpc);
      vi.spyOn(rpc, "use").mockImplementation(async (to, ...rest) => {
        if (to !== address) throw new CommError("comm-closed", "no worker can be reached");
        return use(to, ...rest);
      });
      let gathers = 0;
      const call = rpc.call.bind(rpc);
      vi.spyOn(rpc, "call").mockImplementation(async (to, request, options) => {
        if (request["op"] === "gather" && ++gathers % 2 === 1) throw new CommError("comm-closed", "broken gather");
        return call(to, request, options);
      });
      await expect(first.result()).rejects.toThrow("broken gather");
      expect(gathers).toBe(1);
      gathers = 0;
      using _set = config.set({ "distributed.comm.retry.count": 1 });
      expect(await second.result()).toBe(8);
      expect(gathers).toBe(2);
      vi.restoreAllMocks();
    });
  });

  test("a worker pauses at its fraction of memory, as often as it looks", async () => {
    const ballast = Buffer.alloc(400e6, 1); // bytes that no plan knows of
    const settings = { "distributed.worker.memory.monitor-interval": "10ms" };
    const status = (scheduler: SchedulerServer): string | undefined => scheduler.views.workers()[0]?.status;
    await together({ ...settings, "distributed.worker.memory.pause": 1e-6 }, async (scheduler) => {
      await expect.poll(() => status(scheduler)).toBe("paused");
    });
    await together({ ...settings, "distributed.worker.memory.pause": false }, async (scheduler) => {
      await expect.poll(() => status(scheduler)).toBe("running");
    });
    // It does not look for an hour; one that came later, and looks often, has paused meanwhile.
    const rare = { "distributed.worker.memory.monitor-interval": "1h", "distributed.worker.memory.pause": 1e-6 };
    await together(rare, async (scheduler) => {
      await expect.poll(() => status(scheduler)).toBe("running");
      await joined(scheduler, settings, async (second) => {
        const both = (): unknown[] => scheduler.views.workers().map((each) => [each.facts.address, each.status]);
        await expect.poll(both).toContainEqual([second, "paused"]);
      });
      expect(status(scheduler)).toBe("running");
    });
    expect(ballast.length).toBe(400e6);
  });

  test("a worker that may answer nobody at once is busy", async () => {
    await together({ "distributed.worker.connections.incoming": 0 }, async (scheduler) => {
      await using rpc = new Rpc();
      const address = scheduler.views.workers()[0]?.facts.address ?? "";
      expect(await rpc.call(address, { op: "get_data", keys: [], who: null })).toEqual(new Map([["status", "busy"]]));
    });
  });

  test("a scheduler keeps as many records of its log as it is told", async () => {
    await together({ "distributed.admin.log-length": 1 }, async (scheduler) => {
      await using rpc = new Rpc();
      expect(await rpc.call(scheduler.address, { op: "get_logs", n: 10 })).toHaveLength(1);
    });
  });

  test("both keep as many records as wanted, in the form that is wanted", async () => {
    const settings = {
      "distributed.admin.log-length": 2,
      "distributed.admin.log-format": "%(levelname)-8s|%(name)s|%(message).19s %%",
      // Something to tell, again and again.
      "distributed.admin.tick.cycle": "10ms",
      "distributed.admin.tick.limit": "0s",
    };
    await together(settings, async (scheduler) => {
      await using rpc = new Rpc();
      for (const [address, name] of [
        [scheduler.address, "rsdat.scheduler"],
        [scheduler.views.workers()[0]?.facts.address ?? "", "rsdat.worker"],
      ] as const) {
        const record = ["WARNING", `WARNING |${name}|the event loop was  %`];
        const kept = (): Promise<unknown> => rpc.call(address, { op: "get_logs", n: 10 });
        await expect.poll(kept, { interval: 10 }).toEqual([record, record]);
      }
    });
  });

  test("modules get their arguments, one list for all or a list for each", async () => {
    const module = join(folder, "argv.mjs");
    writeFileSync(module, "export function setup(server, argv) { (globalThis.rsdatArgv ??= []).push(argv); }");
    const own = globalThis as { rsdatArgv?: unknown }; // where the module notes what it got
    for (const [argv, expected] of [
      [
        ["--fast", "7"],
        ["--fast", "7"],
      ],
      [[["alone"]], ["alone"]],
    ] as const) {
      delete own.rsdatArgv;
      using _set = config.set({
        "distributed.scheduler.preload": [module],
        "distributed.scheduler.preload-argv": argv,
      });
      await using _scheduler = await startScheduler({ port: 0, logger: silentLogger });
      expect(own.rsdatArgv).toEqual([expected]);
    }
    using _set = config.set({
      "distributed.scheduler.preload": [module],
      "distributed.scheduler.preload-argv": [[], []],
    });
    await expect(startScheduler({ port: 0, logger: silentLogger })).rejects.toMatchObject({ code: "config" });
    delete own.rsdatArgv;
    await (await preload([module], config.lists("distributed.worker.preload-argv"))).setup(null);
    expect(own.rsdatArgv).toEqual([[]]);
  });

  test("a worker that may neither aim for memory nor spill keeps nothing on disk", () => {
    const spills = (settings: Record<string, ConfigValue>): boolean => {
      using _set = config.set(settings);
      return workerSpillSetting(folder) !== null;
    };
    const [target, spill] = ["distributed.worker.memory.target", "distributed.worker.memory.spill"];
    expect([spills({}), spills({ [target]: false }), spills({ [spill]: false })]).toEqual([true, true, true]);
    expect(spills({ [target]: false, [spill]: false })).toBe(false);
    expect(spills({ "distributed.worker.memory.max-spill": 0 })).toBe(false);
  });

  test("a question whose connection breaks is asked again, so often and after such times", async () => {
    const times: number[] = [];
    const broken = (): Promise<never> => {
      times.push(performance.now());
      return Promise.reject(new CommError("comm-closed", "broken"));
    };
    await expect(retried(broken)).rejects.toThrow("broken");
    expect(times.splice(0)).toHaveLength(1);
    using _set = config.set({
      "distributed.comm.retry.count": 3,
      "distributed.comm.retry.delay.min": "200ms",
      "distributed.comm.retry.delay.max": "250ms",
    });
    await expect(retried(broken)).rejects.toThrow("broken");
    // At once, after 200 ms, and after 250 ms instead of 600; each a tenth later at the most, unless the machine is busy.
    const waits = times.slice(1).map((time, i) => time - (times[i] as number)); // one before
    expect(waits).toHaveLength(3);
    expect(waits[1]).toBeGreaterThanOrEqual(198);
    expect(waits[2]).toBeGreaterThanOrEqual(248);
    expect(Math.min(waits[2] as number, 600)).toBeLessThan(600);
    const answer = new RemoteError("no");
    times.length = 0;
    await expect(
      retried(() => {
        times.push(0);
        return Promise.reject(answer);
      }),
    ).rejects.toBe(answer);
    expect(times).toHaveLength(1);
  });

  test("an error's text, also that of its cause, is no longer than wanted", () => {
    using _set = config.set({ "distributed.admin.max-error-length": 40 });
    const thrown = new Error("x".repeat(1000), { cause: new Error("y".repeat(1000)) });
    const { exceptionText, tracebackText, exception } = taskFailure(thrown, "tcp://w:1");
    expect(exceptionText).toBe(`Error: ${"x".repeat(33)}…`);
    expect(tracebackText.length).toBe(41);
    // What our own clients read holds no more.
    expect(remoteError(exception).cause).toMatchObject({
      message: `${"x".repeat(40)}…`,
      cause: { message: `${"y".repeat(40)}…` },
    });
  });

  test("a client warns of a large graph; scheduler and worker of an event loop that stands still", async () => {
    const told: string[] = [];
    const logger = { ...silentLogger, warning: (message: string) => void told.push(message) };
    const block = array.fromArray(NDArray.of(Float64Array.from({ length: 4096 }, (_, i) => i))).add(1);
    for (const [threshold, count] of [
      ["1MB", 0],
      ["16kB", 1],
    ] as const) {
      await together({ "distributed.admin.large-graph-warning-threshold": threshold }, async ({ address }) => {
        await using client = await Client.connect(address, { logger });
        await client.compute(block.sum());
      });
      expect(told.splice(0).filter((line) => line.startsWith("a graph of "))).toHaveLength(count);
    }
    const stand = async (settings: Record<string, ConfigValue>): Promise<number> => {
      using _set = config.set(settings);
      using _watch = watchLoop(logger);
      await sleep(25);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 150);
      await sleep(50);
      return told.splice(0).filter((line) => line.startsWith("the event loop was unresponsive for 0.")).length;
    };
    const quick = { "distributed.admin.tick.cycle": "10ms", "distributed.admin.tick.limit": "100ms" };
    expect(await stand(quick)).toBeGreaterThan(0);
    expect(await stand({ ...quick, "distributed.admin.tick.limit": "1h" })).toBe(0);
    expect(await stand({ ...quick, "distributed.admin.tick.cycle": "1h" })).toBe(0);
    expect(await stand({ ...quick, "distributed.admin.tick.interval": "1h" })).toBe(0);
  });

  test("a client gives up after the time to connect", async () => {
    using _set = config.set({ "distributed.comm.timeouts.connect": "150ms" });
    await expect(Client.connect("tcp://127.0.0.1:9")).rejects.toMatchObject({
      code: "connect-timeout",
      message: expect.stringContaining("within 0.15 s"),
    });
  });
});

test("settings without an effect, and unknown names of ours, are told once with what to do", () => {
  const told: string[] = [];
  const own = new Config({ DASK_ROOT_CONFIG: folder, HOME: folder, DASK_RSDAT__MEMORY_LIMT: "1GiB" }, (m) =>
    told.push(m),
  );
  const inert = Object.entries(SCHEMA).filter(([, { isInert }]) => isInert);
  expect(inert.length).toBeGreaterThan(0);
  for (const [key, { default: value }] of inert) {
    // What it is anyway says nothing; anything else is told, once.
    own.set({ [key]: value })[Symbol.dispose]();
    own.set({ [key]: "something else" })[Symbol.dispose]();
    own.set({ [key]: "something else" })[Symbol.dispose]();
  }
  expect(own.get("rsdat.memory-limit")).toBe("auto");
  expect(told).toEqual([
    ...inert.map(([key, { about }]) => `configuration ${key} has no effect here: ${about}`),
    "configuration rsdat.memory-limt is unknown; did you mean rsdat.memory-limit?",
  ]);
  // Unknown names of others are theirs.
  own.set({ "distributed.no-such": 1, elsewhere: 2, "rsdat.zzzzzzzzzzzz": 3 });
  expect(told.at(-1)).toMatch(/^configuration rsdat.zzzzzzzzzzzz is unknown; there are rsdat/);
});
