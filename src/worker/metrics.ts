/** What a worker says about itself: versions, metrics, facts for its registration. */
import { arch, hostname, platform, release } from "node:os";
import type { SystemMonitor } from "../config/index.ts";
import type { Executor } from "../executor/index.ts";
import type { IoRates, Versions, WorkerMetrics } from "../protocol/index.ts";
import type { WorkerCounts } from "./state/index.ts";

/** Transfers since the start. */
export interface TransferFigures {
  incomingCountTotal: number;
  incomingBytesTotal: number;
  /** Sum of the times of transfers that came in; several at once count several times. */
  incomingSecondsTotal: number;
  outgoingBytes: number;
  outgoingCount: number;
  outgoingCountTotal: number;
  outgoingBytesTotal: number;
  /** Time that the scheduler took to answer the last heartbeat. */
  latencyMs: number;
  /** Bytes per second of the transfers that came in. */
  bandwidth: number;
}

/** None yet. */
export function newTransfers(): TransferFigures {
  return {
    incomingCountTotal: 0,
    incomingBytesTotal: 0,
    incomingSecondsTotal: 0,
    outgoingBytes: 0,
    outgoingCount: 0,
    outgoingCountTotal: 0,
    outgoingBytesTotal: 0,
    latencyMs: 0,
    bandwidth: 1e8,
  };
}

/** A transfer has come in. */
export function noteIncoming(transfers: TransferFigures, nbytes: number, seconds: number): void {
  transfers.incomingCountTotal++;
  transfers.incomingBytesTotal += nbytes;
  transfers.incomingSecondsTotal += seconds;
  if (seconds > 0.005 && nbytes > 1e6) transfers.bandwidth = 0.9 * transfers.bandwidth + 0.1 * (nbytes / seconds);
}

/** Versions of our software in the form of Dask's; Python packages are absent here and say so. */
export function versionsOf(version: string): Versions {
  return {
    host: new Map<string, unknown>([
      ["rsdat", version],
      ["node", process.versions.node],
      ["OS", platform()],
      ["OS-release", release()],
      ["machine", arch()],
      ["host", hostname()],
    ]),
    packages: new Map<string, unknown>([["rsdat", version]]),
  };
}

/** What {@link metricsOf} puts together. */
export interface MetricsSources {
  readonly counts: WorkerCounts;
  readonly transfers: TransferFigures;
  readonly stats: ReturnType<Executor["stats"]>;
  /** The last row of the worker's monitor. */
  readonly recent: ReturnType<SystemMonitor["recent"]>;
  readonly eventLoopInterval: number;
}

/** What a heartbeat tells. */
export function metricsOf({ counts, transfers, stats, recent, eventLoopInterval }: MetricsSources): WorkerMetrics {
  return {
    taskCounts: counts.tasks,
    bandwidth: { total: transfers.bandwidth, workers: new Map(), types: new Map() },
    digestsTotalSinceHeartbeat: new Map(),
    managedBytes: counts.managedBytes,
    spilledBytes: { memory: stats.spill.bytesAway, disk: stats.spill.bytesOnDisk },
    transfer: {
      incomingBytes: counts.incomingBytes,
      incomingCount: counts.incomingCount,
      incomingCountTotal: transfers.incomingCountTotal,
      outgoingBytes: transfers.outgoingBytes,
      outgoingCount: transfers.outgoingCount,
      outgoingCountTotal: transfers.outgoingCountTotal,
    },
    eventLoopInterval,
    cpu: recent.get("cpu") ?? 0,
    memory: Math.max(recent.get("memory") ?? 0, stats.bytesLive),
    time: recent.get("time") ?? 0,
    ...ofMachine(recent),
  };
}

/** What not every system tells: Dask's `{"foo.bar": 1}` as `{foo: {bar: 1}}`. */
function ofMachine(recent: MetricsSources["recent"]): Partial<WorkerMetrics> {
  const under = (device: string): ReadonlyMap<string, number> | undefined => {
    const rows = Array.from(recent).filter(([name]) => name.startsWith(`${device}.`));
    return rows.length === 0 ? undefined : new Map(rows.map(([name, value]) => [name.slice(device.length + 1), value]));
  };
  const rates = (device: string): IoRates | undefined => {
    const found = under(device);
    return found && { readBps: found.get("read_bps") ?? 0, writeBps: found.get("write_bps") ?? 0 };
  };
  const all = {
    hostNetIo: rates("host_net_io"),
    hostDiskIo: rates("host_disk_io"),
    hostCpu: under("host_cpu"),
    gilContention: recent.get("gil_contention"),
    numFds: recent.get("num_fds"),
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

/** Facts of a batch job, where this process runs in one: Slurm's ids under the names that the cluster side asks for. */
export function jobFacts(env: Readonly<Record<string, string | undefined>>): Map<string, unknown> {
  const names = {
    SLURM_JOB_ID: "slurm_job_id",
    SLURM_ARRAY_JOB_ID: "slurm_array_job_id",
    SLURM_ARRAY_TASK_ID: "slurm_array_task_id",
    SLURM_PROCID: "slurm_procid",
    SLURMD_NODENAME: "slurm_node",
    SLURM_RESTART_COUNT: "slurm_restart_count",
    SLURM_JOB_END_TIME: "slurm_job_end_time",
  } as const;
  const out = new Map<string, unknown>();
  for (const [variable, name] of Object.entries(names)) {
    const value = env[variable];
    if (value !== undefined) out.set(name, value);
  }
  return out;
}
