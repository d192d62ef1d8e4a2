/** Runs a command and tells what it and its children cost: time, processor time and peak memory. Linux only. */
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

export interface Cost {
  readonly wallSeconds: number;
  /** User and system time of the whole process tree, as last seen: short-lived children may be missed. */
  readonly cpuSeconds: number;
  /** Sum over the process tree of each process's own peak resident size (VmHWM), shared pages counted in each. */
  readonly peakBytes: number;
  readonly stdout: string;
}

export interface MeasureOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

const SAMPLE_MS = 20;
const TICKS_PER_SECOND = 100; // USER_HZ on every Linux that Node runs on

interface Seen {
  ticks: number;
  peakBytes: number;
}

/** A process's file in /proc, or nothing when it has ended meanwhile. */
function proc(pid: number | string, file: string): string | null {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return null; // it ended between the listing and the reading
  }
}

/** Fields of /proc/PID/stat after the command's name, which may hold spaces: state, parent, … */
function stat(pid: number | string): string[] | null {
  const text = proc(pid, "stat");
  return text === null ? null : text.slice(text.lastIndexOf(")") + 2).split(" ");
}

function sample(root: number, seen: Map<string, Seen>): void {
  const parents = new Map<string, string>();
  const stats = new Map<string, string[]>();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    const fields = stat(pid);
    if (!fields) continue;
    parents.set(pid, fields[1] ?? "0");
    stats.set(pid, fields);
  }
  const isOurs = (pid: string | undefined): boolean =>
    pid !== undefined && (pid === String(root) || seen.has(pid) || isOurs(parents.get(pid)));
  for (const [pid, fields] of stats) {
    if (!isOurs(pid)) continue;
    const peakKib = Number(/^VmHWM:\s+(\d+)/m.exec(proc(pid, "status") ?? "")?.[1] ?? 0);
    const entry = seen.get(pid) ?? { ticks: 0, peakBytes: 0 };
    entry.ticks = Math.max(entry.ticks, Number(fields[11]) + Number(fields[12]));
    entry.peakBytes = Math.max(entry.peakBytes, peakKib * 1024);
    seen.set(pid, entry);
  }
}

/**
 * Runs to the end.
 * @throws {Error} it failed or took longer than `timeoutMs`; carries its standard error
 */
export function measure(command: string, args: readonly string[], options: MeasureOptions): Promise<Cost> {
  return new Promise((resolve, reject) => {
    const { cwd, env, timeoutMs } = options;
    const started = process.hrtime.bigint();
    const child = spawn(command, args, {
      ...(cwd === undefined ? {} : { cwd }),
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      timeout: timeoutMs,
    });
    const seen = new Map<string, Seen>();
    const timer = setInterval(() => child.pid !== undefined && sample(child.pid, seen), SAMPLE_MS);
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk));
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk));
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearInterval(timer);
      const wallSeconds = Number(process.hrtime.bigint() - started) / 1e9;
      if (code !== 0) return reject(new Error(`${command} ${args.join(" ")}: ${signal ?? `exit ${code}`}\n${stderr}`));
      const all = [...seen.values()];
      resolve({
        wallSeconds,
        cpuSeconds: all.reduce((sum, { ticks }) => sum + ticks, 0) / TICKS_PER_SECOND,
        peakBytes: all.reduce((sum, { peakBytes }) => sum + peakBytes, 0),
        stdout,
      });
    });
  });
}
