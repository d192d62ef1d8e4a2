/** What the kernel counts of the whole machine, and of this process's open files. Null: this system does not tell. */
import { closeSync, openSync, readdirSync, readSync } from "node:fs";
import { cpus } from "node:os";

/** Where the counters come from; tests hand in their own. */
export interface HostFiles {
  /** Text of a file, or null where it cannot be read. */
  read(path: string): string | null;
  /** Names in a folder, or null where it cannot be read. */
  list(path: string): readonly string[] | null;
}

/** Those of this machine. */
export const HOST_FILES: HostFiles = {
  read: (path) => orNull(() => textOf(path)),
  list: (path) => orNull(() => readdirSync(path)),
};

/** More than the kernel tells of thousands of devices. */
const TEXT_BYTES_MAX = 2 ** 18;
let space: Buffer | undefined;

/** A line of `/proc/net/dev`: the first and the ninth count are bytes. The name of an alias has a colon too. */
const INTERFACE = /:\s*(\d+)(?:\s+\d+){7}\s+(\d+)/g;
/** A line of `/proc/diskstats`: name, reads, merged, sectors, milliseconds, and the same of writes. */
const DEVICE = /^\s*\d+\s+\d+\s+(\S+)\s+\d+\s+\d+\s+(\d+)\s+\d+\s+\d+\s+\d+\s+(\d+)/gm;
const SECTOR_BYTES = 512;
/** Linux counts in these for programs, whatever its own clock does. */
const TICKS_PER_SECOND = 100;
/** Columns of the first line of `/proc/stat`; old kernels have the first seven. */
const CPU_KINDS = [
  "user",
  "nice",
  "system",
  "idle",
  "iowait",
  "irq",
  "softirq",
  "steal",
  "guest",
  "guest_nice",
] as const;

/** Bytes that all interfaces received and sent, the loopback too. Source: psutil `net_io_counters`. */
export function networkBytes(files: HostFiles): readonly [received: number, sent: number] | null {
  const text = files.read("/proc/net/dev");
  if (text === null) return null;
  let [received, sent] = [0, 0];
  for (const [, into, out] of text.matchAll(INTERFACE)) {
    received += Number(into);
    sent += Number(out);
  }
  return [received, sent];
}

/** Bytes read from and written to all block devices, not counting their partitions. Source: psutil `disk_io_counters`. */
export function diskBytes(files: HostFiles): readonly [read: number, written: number] | null {
  const text = files.read("/proc/diskstats");
  const devices = new Set(files.list("/sys/block"));
  if (text === null || devices.size === 0) return null;
  let [bytesRead, bytesWritten] = [0, 0];
  for (const [, name = "", sectorsRead, sectorsWritten] of text.matchAll(DEVICE)) {
    if (!devices.has(name.replaceAll("/", "!"))) continue;
    bytesRead += SECTOR_BYTES * Number(sectorsRead);
    bytesWritten += SECTOR_BYTES * Number(sectorsWritten);
  }
  return [bytesRead, bytesWritten];
}

/** Seconds that all processors together spent, by kind. Source: psutil `cpu_times`. */
export function cpuSeconds(files: HostFiles): ReadonlyMap<string, number> | null {
  const ticks = files
    .read("/proc/stat")
    ?.match(/^cpu .*$/m)?.[0]
    .match(/\d+/g);
  if (ticks)
    return new Map(CPU_KINDS.slice(0, ticks.length).map((kind, i) => [kind, Number(ticks[i]) / TICKS_PER_SECOND]));
  const all = cpus().map(({ times }) => times);
  if (all.length === 0) return null;
  const of = (kind: "user" | "nice" | "sys" | "idle"): number =>
    all.reduce((sum, times) => sum + times[kind], 0) / 1000;
  return new Map([
    ["user", of("user")],
    ["nice", of("nice")],
    ["system", of("sys")],
    ["idle", of("idle")],
  ]);
}

/** Files and sockets that this process has open. Source: psutil `num_fds`. */
export function openFiles(files: HostFiles): number | null {
  return (files.list("/proc/self/fd") ?? files.list("/dev/fd"))?.length ?? null;
}

/** A file of the kernel's, which comes a page at a time; several times as fast as `readFileSync`. */
function textOf(path: string): string | null {
  space ??= Buffer.allocUnsafeSlow(TEXT_BYTES_MAX);
  const fd = openSync(path, "r");
  try {
    let length = 0;
    for (let n = -1; n !== 0 && length < TEXT_BYTES_MAX; length += n)
      n = readSync(fd, space, length, TEXT_BYTES_MAX - length, null);
    return length < TEXT_BYTES_MAX ? space.toString("latin1", 0, length) : null;
  } finally {
    closeSync(fd);
  }
}

function orNull<T>(ask: () => T | null): T | null {
  try {
    return ask();
  } catch {
    return null; // absent on this system, or not ours to read
  }
}
