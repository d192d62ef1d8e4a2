/** How this process and its machine fare: a row of figures every `distributed.admin.system-monitor.interval`. */
import { performance } from "node:perf_hooks";
import type { Clock } from "../base/index.ts";
import { type Config, config } from "./config.ts";
import { cpuSeconds, diskBytes, HOST_FILES, type HostFiles, networkBytes, openFiles } from "./host-counters.ts";
import { systemClock } from "./logger.ts";
import { every } from "./loop-watch.ts";

/** Values of some quantities for one row, `seconds` after the last one; an empty list: cannot be read any more. */
type Probe = readonly [names: readonly string[], read: (seconds: number) => readonly number[]];

/** What a monitor looks at: this process's settings, clock and machine, unless others are given. */
export interface MonitorSources {
  readonly config?: Config;
  readonly clock?: Clock;
  readonly files?: HostFiles;
}

/** What Dask's `get_monitor_info` answers. */
export type MonitorInfo = ReadonlyMap<string, unknown>;

/**
 * Measures from its making to its `close`. Quantities, under the names of Dask's: `cpu` (percent of one CPU, all threads of the
 * process), `memory` (resident bytes), `time` (seconds since 1970), `host_net_io.*` and `host_disk_io.*` (bytes per second of
 * the machine), `host_cpu.*` (CPUs of the machine by kind), `gil_contention`, `num_fds`. One that this system does not tell is
 * absent. Source of semantics: distributed `system_monitor.py`.
 *
 * `gil_contention` is the share (0 to 1) of the time in which the event loop of this thread was busy. It is JavaScript's
 * counterpart of Python's lock: who else wants to run here has to wait for it. The loop counts exactly, so
 * `gil.interval` does not make it more exact: it is the least time over which the share is taken.
 */
export class SystemMonitor implements Disposable {
  readonly #clock: Clock;
  readonly #files: HostFiles;
  readonly #rowsMax: number;
  readonly #probes: readonly Probe[];
  /** Each a ring of the last `#rowsMax` values; NaN where one could not be read. */
  readonly #columns: ReadonlyMap<string, number[]>;
  readonly #timer: NodeJS.Timeout;
  #count = 0;
  #lastMs: number;
  #busySeconds: number | null;

  constructor({ config: from = config, clock = systemClock, files = HOST_FILES }: MonitorSources = {}) {
    const setting = (name: string): string => `distributed.admin.system-monitor.${name}`;
    this.#clock = clock;
    this.#files = files;
    this.#rowsMax = Math.max(1, Math.floor(from.number(setting("log-length")) ?? Number.POSITIVE_INFINITY));
    this.#busySeconds = from.boolean(setting("gil.enabled")) === true ? 0 : null;
    this.#lastMs = clock.now();
    this.#probes = [
      this.#ofProcess(),
      this.#rates("host_net_io", networkBytes),
      from.boolean(setting("disk")) === true ? this.#rates("host_disk_io", diskBytes) : null,
      from.boolean(setting("host-cpu")) === true ? this.#ofProcessors() : null,
      this.#busySeconds === null ? null : this.#ofLoop(from.durationMs(setting("gil.interval")) ?? 1),
      this.#ofOpenFiles(),
    ].filter((probe) => probe !== null);
    this.#columns = new Map(this.#probes.flatMap(([names]) => names.map((name) => [name, []] as const)));
    this.update();
    this.#timer = every(from.durationMs(setting("interval")) ?? 500, () => this.update());
  }

  /** Rows measured so far. */
  get count(): number {
    return this.#count;
  }

  /** Time for which the event loop was busy; null where that is not wanted. */
  get busySeconds(): number | null {
    return this.#busySeconds;
  }

  /** Measure a row now. */
  update(): void {
    const now = this.#clock.now();
    const seconds = (now - this.#lastMs) / 1000 || 0.001;
    this.#lastMs = now;
    const place = this.#count++ % this.#rowsMax;
    for (const [names, read] of this.#probes) {
      const values = read(seconds);
      // The columns were made from these names.
      for (let i = 0; i < names.length; i++)
        (this.#columns.get(names[i] as string) as number[])[place] = values[i] ?? Number.NaN;
    }
  }

  /** The last row, without what could not be read. */
  recent(): ReadonlyMap<string, number> {
    const place = (this.#count - 1) % this.#rowsMax;
    const row = Array.from(this.#columns, ([name, column]) => [name, column[place] ?? Number.NaN] as const);
    return new Map(row.filter(([, value]) => !Number.isNaN(value)));
  }

  /** The rows from number `start` that are kept, by quantity, oldest first; null where a value could not be read. */
  rangeQuery(start: number): ReadonlyMap<string, readonly (number | null)[]> {
    const first = Math.max(start, this.#count - Math.min(this.#count, this.#rowsMax));
    const length = Math.max(0, this.#count - first);
    const of = (column: readonly number[]): (number | null)[] =>
      Array.from({ length }, (_, i) => {
        const value = column[(first + i) % this.#rowsMax];
        return value === undefined || Number.isNaN(value) ? null : value;
      });
    return new Map(Array.from(this.#columns, ([name, column]) => [name, of(column)]));
  }

  /** Answer to a request `get_monitor_info`: `recent`, the last row; else all rows from `start`, 0 unless given. */
  answer(request: ReadonlyMap<unknown, unknown>): MonitorInfo {
    const start = request.get("start");
    const isRecent = request.get("recent") === true;
    return new Map<string, unknown>([
      ["range_query", isRecent ? this.recent() : this.rangeQuery(Number.isSafeInteger(start) ? (start as number) : 0)],
      ["count", this.#count],
      ["last_time", this.#lastMs / 1000],
    ]);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #ofProcess(): Probe {
    let last: NodeJS.CpuUsage | null = null;
    const read = (seconds: number): readonly number[] => {
      const used = process.cpuUsage();
      const micros = last === null ? 0 : used.user + used.system - last.user - last.system;
      last = used;
      return [Math.round(micros / 1e3 / seconds) / 10, process.memoryUsage.rss(), this.#clock.wall() / 1000];
    };
    return [["cpu", "memory", "time"], read];
  }

  /** Bytes per second, in and out. An interface or device that goes takes its bytes along: no rate is below 0. */
  #rates(device: string, count: (files: HostFiles) => readonly [number, number] | null): Probe | null {
    let last = count(this.#files);
    if (last === null) return null;
    const read = (seconds: number): readonly number[] => {
      const [before, now] = [last, count(this.#files)];
      last = now;
      if (before === null || now === null) return [];
      return [Math.max(0, now[0] - before[0]) / seconds, Math.max(0, now[1] - before[1]) / seconds];
    };
    return [[`${device}.read_bps`, `${device}.write_bps`], read];
  }

  #ofProcessors(): Probe | null {
    let last = cpuSeconds(this.#files);
    if (last === null) return null;
    const kinds = Array.from(last.keys());
    const read = (seconds: number): readonly number[] => {
      const [before, now] = [last, cpuSeconds(this.#files)];
      last = now;
      if (before === null || now === null) return [];
      // The kernel counts in hundredths of a second: more digits say nothing.
      return kinds.map((kind) => Math.round(100 * (((now.get(kind) ?? 0) - (before.get(kind) ?? 0)) / seconds)) / 100);
    };
    return [kinds.map((kind) => `host_cpu.${kind}`), read];
  }

  #ofLoop(leastMs: number): Probe {
    let [last, lastMs, share] = [performance.eventLoopUtilization(), performance.now(), 0];
    const read = (seconds: number): readonly number[] => {
      if (performance.now() - lastMs >= leastMs) {
        const now = performance.eventLoopUtilization();
        share = performance.eventLoopUtilization(now, last).utilization || 0; // no time has gone by
        [last, lastMs] = [now, performance.now()];
      }
      this.#busySeconds = (this.#busySeconds ?? 0) + share * seconds;
      return [share];
    };
    return [["gil_contention"], read];
  }

  #ofOpenFiles(): Probe | null {
    if (openFiles(this.#files) === null) return null;
    return [["num_fds"], () => [openFiles(this.#files) ?? Number.NaN]];
  }
}
