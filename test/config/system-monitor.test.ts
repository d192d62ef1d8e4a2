/** A monitor's rows: what they say of given counters, how many are kept, and what the settings change. Names and psutil: test/interop. */
import { pbkdf2 } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { afterEach, describe, expect, test, vi } from "vitest";
import { silentLogger } from "../../src/base/index.ts";
import type { HostFiles } from "../../src/config/host-counters.ts";
import { type ConfigValue, config, SystemMonitor, watchLoop } from "../../src/config/index.ts";
import { startScheduler } from "../../src/scheduler/index.ts";
import { Worker } from "../../src/worker/index.ts";

const PREFIX = "distributed.admin.system-monitor";

/** A machine whose counters and clock the test moves. */
class Machine implements HostFiles {
  readonly texts = new Map<string, string>();
  readonly folders = new Map<string, readonly string[]>();
  ms = 1_000;

  read(path: string): string | null {
    return this.texts.get(path) ?? null;
  }

  list(path: string): readonly string[] | null {
    return this.folders.get(path) ?? null;
  }

  /** Two interfaces, a disk with one partition, a disk with a slash in its name. */
  count({ received = 0, sent = 0, sectorsRead = 0, sectorsWritten = 0, ticks = "0 0 0 0" }): void {
    this.texts.set(
      "/proc/net/dev",
      [
        "Inter-|   Receive                                                |  Transmit",
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed",
        `    lo: ${received} 1    0    0    0     0          0         0 ${sent} 2    0    0    0     0       0          0`,
        `eth0:1:${received} 3 0 0 0 0 0 0 ${sent} 4 0 0 0 0 0 0`,
        "",
      ].join("\n"),
    );
    const disk = (name: string): string =>
      `   8       0 ${name} 7 0 ${sectorsRead} 1 8 0 ${sectorsWritten} 2 0 3 4 0 0 0 0 0 0`;
    this.texts.set("/proc/diskstats", ["sda", "sda1", "cciss/c0d0"].map(disk).join("\n"));
    this.folders.set("/sys/block", ["sda", "cciss!c0d0"]);
    this.texts.set("/proc/stat", `cpu  ${ticks}\ncpu0 9 9 9 9\nintr 1\n`);
    this.folders.set("/proc/self/fd", ["0", "1", "2"]);
  }
}

/** Ends what the tests of this file began. */
let open = new DisposableStack();
afterEach(() => {
  open.dispose();
  open = new DisposableStack();
});

function monitorOf(machine: Machine, settings: Record<string, ConfigValue> = {}): SystemMonitor {
  using _set = config.set(Object.fromEntries(Object.entries(settings).map(([key, v]) => [`${PREFIX}.${key}`, v])));
  const clock = { now: () => machine.ms, wall: () => 5e5 + machine.ms };
  return open.use(new SystemMonitor({ clock, files: machine }));
}

/** Stay with one turn of the event loop. */
function stand(ms: number): void {
  for (const until = performance.now() + ms; performance.now() < until; );
}

describe("rows", () => {
  test("rates are what was counted over the time between two rows", () => {
    const machine = new Machine();
    machine.count({ received: 1_000, sent: 500, sectorsRead: 10, sectorsWritten: 20, ticks: "100 0 50 1000 7 0 3" });
    const monitor = monitorOf(machine, { "host-cpu": true, interval: "1h" });
    machine.ms += 2_000;
    machine.count({ received: 5_000, sent: 700, sectorsRead: 14, sectorsWritten: 21, ticks: "300 0 51 1000 7 0 4" });
    monitor.update();
    // Two interfaces and two disks count alike; a sector has 512 bytes, a tick is a hundredth of a second; over 2 s.
    expect(Object.fromEntries(monitor.recent())).toEqual({
      cpu: expect.any(Number),
      memory: expect.any(Number),
      time: 503,
      "host_net_io.read_bps": 4_000,
      "host_net_io.write_bps": 200,
      "host_disk_io.read_bps": 2 * 4 * 256,
      "host_disk_io.write_bps": 2 * 1 * 256,
      "host_cpu.user": 1,
      "host_cpu.nice": 0,
      "host_cpu.system": 0.01, // half a hundredth, rounded
      "host_cpu.idle": 0,
      "host_cpu.iowait": 0,
      "host_cpu.irq": 0,
      "host_cpu.softirq": 0.01,
      gil_contention: expect.any(Number),
      num_fds: 3,
    });
    // An interface has gone, and with it its bytes.
    machine.count({});
    machine.ms += 1_000;
    monitor.update();
    expect(monitor.recent().get("host_net_io.read_bps")).toBe(0);
  });

  test("the share of a processor is that of all threads of the process, 100 for one", async () => {
    const machine = new Machine();
    const monitor = monitorOf(machine, { interval: "1h" });
    expect(monitor.recent().get("cpu")).toBe(0); // nothing to compare with
    const percentSince = (from: NodeJS.CpuUsage): number => {
      const { user, system } = process.cpuUsage(from);
      return (user + system) / 1e4; // of one second, which the clock will say has gone by
    };
    const outer = process.cpuUsage();
    monitor.update();
    const inner = process.cpuUsage();
    // On threads of the pool, while this one waits.
    const work = promisify(pbkdf2);
    await Promise.all([1, 2].map((n) => work("a", `salt${n}`, 100_000, 64, "sha512")));
    const least = percentSince(inner);
    machine.ms += 1_000;
    monitor.update();
    const cpu = monitor.recent().get("cpu");
    expect(least).toBeGreaterThan(5);
    expect(cpu).toBeGreaterThanOrEqual(least - 0.05); // it has one digit after the point
    expect(cpu).toBeLessThanOrEqual(percentSince(outer) + 0.05);
  });

  test("what a system does not tell is absent; what cannot be read for once is null", () => {
    const machine = new Machine();
    const bare = monitorOf(machine);
    expect(Array.from(bare.recent().keys())).toEqual(["cpu", "memory", "time", "gil_contention"]);
    machine.count({});
    const monitor = monitorOf(machine, { interval: "1h" });
    machine.texts.clear();
    machine.folders.clear();
    machine.ms += 1_000;
    monitor.update();
    expect(monitor.recent().has("host_net_io.read_bps")).toBe(false);
    expect(monitor.recent().has("num_fds")).toBe(false);
    expect(monitor.rangeQuery(0).get("num_fds")).toEqual([3, null]);
    // A disk's folder alone makes no disk.
    machine.count({});
    machine.folders.set("/sys/block", []);
    expect(monitorOf(machine).recent().has("host_disk_io.read_bps")).toBe(false);
  });

  test("as many rows are kept as wanted, or all", () => {
    const machine = new Machine();
    const times = (length: ConfigValue, start: number): unknown => {
      const monitor = monitorOf(machine, { "log-length": length, interval: "1h" });
      const began = machine.ms;
      for (let i = 0; i < 4; i++) {
        machine.ms += 1_000;
        monitor.update();
      }
      expect(monitor.count).toBe(5);
      return monitor
        .rangeQuery(start)
        .get("time")
        ?.map((time) => (time ?? 0) - (5e5 + began) / 1000);
    };
    expect(times(7200, 0)).toEqual([0, 1, 2, 3, 4]);
    expect(times(null, 0)).toEqual([0, 1, 2, 3, 4]);
    expect(times(3, 0)).toEqual([2, 3, 4]);
    expect(times(3, 4)).toEqual([4]);
    expect(times(0, 0)).toEqual([4]);
  });
});

describe("the event loop", () => {
  test("its share is of the time since the last row, none is measured where it is not wanted", async () => {
    const machine = new Machine();
    const monitor = monitorOf(machine, { interval: "1h" });
    await sleep(5);
    monitor.update();
    const before = monitor.busySeconds ?? Number.NaN;
    stand(30);
    machine.ms += 1_000;
    monitor.update();
    expect(monitor.recent().get("gil_contention")).toBeGreaterThan(0.99);
    expect((monitor.busySeconds ?? 0) - before).toBeGreaterThan(0.99);
    await sleep(200);
    monitor.update();
    expect(monitor.recent().get("gil_contention")).toBeLessThan(0.9);
    const without = monitorOf(machine, { "gil.enabled": false });
    expect([without.busySeconds, without.recent().has("gil_contention")]).toEqual([null, false]);
  });

  test("the share is taken over no less than the interval", () => {
    const shareOf = (interval: string): number | undefined => {
      const monitor = monitorOf(new Machine(), { "gil.interval": interval });
      stand(30);
      monitor.update();
      return monitor.recent().get("gil_contention");
    };
    expect(shareOf("1ms")).toBeGreaterThan(0.99);
    expect(shareOf("1h")).toBe(0);
  });

  test("the mean time between two ticks is what is set, and longer where the loop stands", async () => {
    using _set = config.set({ "distributed.admin.tick.interval": "5ms", "distributed.admin.tick.cycle": "100ms" });
    using watch = watchLoop(silentLogger);
    expect(watch.intervalSeconds).toBe(0.005);
    const seen = (): number => {
      stand(150); // every turn
      return watch.intervalSeconds;
    };
    await expect.poll(seen, { interval: 1 }).toBeGreaterThan(0.07);
  });
});

test("rows come at the interval, until it is closed", async () => {
  const monitor = monitorOf(new Machine(), { interval: "5ms" });
  const rare = monitorOf(new Machine(), { interval: "1h" });
  await expect.poll(() => monitor.count, { interval: 5 }).toBeGreaterThan(3);
  expect(rare.count).toBe(1);
  monitor.close();
  const { count } = monitor;
  await sleep(50);
  expect(monitor.count).toBe(count);
});

test("a scheduler and a worker end theirs, also a worker that is refused", async () => {
  const closed = vi.spyOn(SystemMonitor.prototype, "close");
  open.defer(() => closed.mockRestore());
  {
    await using scheduler = await startScheduler({ port: 0, logger: silentLogger });
    const options = { nthreads: 1, memoryLimitBytes: 2 ** 29, logger: silentLogger, name: "one" };
    await using _worker = await Worker.start({ ...options, scheduler: scheduler.address });
    await expect(Worker.start({ ...options, scheduler: scheduler.address })).rejects.toThrow(/name taken/);
    expect(closed).toHaveBeenCalledTimes(1);
  }
  expect(closed).toHaveBeenCalledTimes(3);
});
