/** What a worker says about itself: versions, metrics, facts for its registration. */
import { readdirSync } from "node:fs";
import { arch, hostname, platform, release } from "node:os";
import type { Clock } from "../base/index.ts";
import type { Executor } from "../executor/index.ts";
import type { Versions, WorkerMetrics } from "../protocol/index.ts";
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

/** Builds {@link WorkerMetrics} from what there is; one per worker, since CPU use is measured between calls. */
export class MetricsSource {
  readonly #clock: Clock;
  readonly #executor: Executor;
  #cpuAt: number;
  #cpuUsed = process.cpuUsage();

  constructor(clock: Clock, executor: Executor) {
    this.#clock = clock;
    this.#executor = executor;
    this.#cpuAt = clock.now();
  }

  read(counts: WorkerCounts, transfers: TransferFigures, memoryBytes: number): WorkerMetrics {
    const stats = this.#executor.stats();
    return {
      taskCounts: counts.tasks,
      bandwidth: { total: transfers.bandwidth, workers: new Map(), types: new Map() },
      digestsTotalSinceHeartbeat: new Map(),
      managedBytes: counts.managedBytes,
      spilledBytes: { memory: stats.spill.bytesOnDisk, disk: stats.spill.bytesOnDisk },
      transfer: {
        incomingBytes: counts.incomingBytes,
        incomingCount: counts.incomingCount,
        incomingCountTotal: transfers.incomingCountTotal,
        outgoingBytes: transfers.outgoingBytes,
        outgoingCount: transfers.outgoingCount,
        outgoingCountTotal: transfers.outgoingCountTotal,
      },
      eventLoopInterval: 0.02,
      cpu: this.#cpuPercent(),
      memory: Math.max(memoryBytes, stats.bytesLive),
      time: this.#clock.wall() / 1000,
      hostNetIo: { readBps: 0, writeBps: 0 },
      hostDiskIo: { readBps: 0, writeBps: 0 },
      numFds: countFds(),
    };
  }

  #cpuPercent(): number {
    const now = this.#clock.now();
    const used = process.cpuUsage();
    const spent = used.user + used.system - this.#cpuUsed.user - this.#cpuUsed.system;
    const percent = now > this.#cpuAt ? spent / 10 / (now - this.#cpuAt) : 0;
    this.#cpuAt = now;
    this.#cpuUsed = used;
    return Math.round(percent * 10) / 10;
  }
}

function countFds(): number {
  try {
    return readdirSync("/proc/self/fd").length;
  } catch {
    return 0; // no such folder on this system; nobody decides by it
  }
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
