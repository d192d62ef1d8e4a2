/** Where a cluster's time has gone, asked from its scheduler. */
import { RemoteProtocolError, UnsupportedError } from "../base/index.ts";
import type { RunnerFigures } from "../graph/index.ts";
import { checkReply } from "../protocol/index.ts";
import type { Link } from "./link.ts";

/** Sums of one worker since its start. */
export type WorkerAccounting = Omit<RunnerFigures, "clockSeconds" | "workers" | "schedulerSeconds">;

/** Sums of a cluster since its start. */
export interface ClusterAccounting extends RunnerFigures {
  /** Tasks that were computed again because their results were lost. */
  readonly recomputed: number;
  readonly byWorker: ReadonlyMap<string, WorkerAccounting>;
}

/**
 * @throws {UnsupportedError} the scheduler is Dask's, which keeps no such sums
 * @throws {RemoteProtocolError} the answer is none
 */
export async function clusterAccounting(link: Link): Promise<ClusterAccounting> {
  if (!link.isNative)
    throw new UnsupportedError("accounting: Dask's scheduler keeps no sums; getTaskStream tells of single tasks");
  const answer = await link.rpc.call(link.address, { op: "accounting" });
  checkReply(answer);
  if (!(answer instanceof Map)) throw new RemoteProtocolError("answer to accounting: expected a map");
  const workers = answer.get("workers");
  const byWorker = new Map(
    workers instanceof Map ? Array.from(workers, ([address, sums]) => [String(address), workerOf(sums)] as const) : [],
  );
  const all = [...byWorker.values()];
  const sum = (pick: (one: WorkerAccounting) => number): number => all.reduce((total, one) => total + pick(one), 0);
  const most = (pick: (one: WorkerAccounting) => number): number => Math.max(0, ...all.map(pick));
  return {
    clockSeconds: numberIn(answer, "clock_seconds"),
    schedulerSeconds: numberIn(answer, "scheduler_seconds"),
    recomputed: numberIn(answer, "recomputed"),
    workers: all.length,
    threads: sum((one) => one.threads),
    tasks: sum((one) => one.tasks),
    busySeconds: sum((one) => one.busySeconds),
    storeSeconds: sum((one) => one.storeSeconds),
    transferSeconds: sum((one) => one.transferSeconds),
    bytesRead: sum((one) => one.bytesRead),
    bytesWritten: sum((one) => one.bytesWritten),
    bytesTransferred: sum((one) => one.bytesTransferred),
    bytesSpilled: sum((one) => one.bytesSpilled),
    peakBytes: most((one) => one.peakBytes),
    budgetBytes: most((one) => one.budgetBytes),
    reads: all.flatMap((one) => one.reads ?? []),
    kernels: {
      modulesCompiled: sum((one) => one.kernels.modulesCompiled),
      moduleBytes: sum((one) => one.kernels.moduleBytes),
      compileMs: sum((one) => one.kernels.compileMs),
      cacheHits: sum((one) => one.kernels.cacheHits),
      interpreted: sum((one) => one.kernels.interpreted),
    },
    byWorker,
  };
}

function workerOf(sums: unknown): WorkerAccounting {
  if (!(sums instanceof Map)) throw new RemoteProtocolError("answer to accounting: expected figures of a worker");
  const kernels: unknown = sums.get("kernels");
  const of = kernels instanceof Map ? kernels : new Map();
  return {
    threads: numberIn(sums, "threads"),
    tasks: numberIn(sums, "tasks"),
    busySeconds: numberIn(sums, "busySeconds"),
    storeSeconds: numberIn(sums, "storeSeconds"),
    transferSeconds: numberIn(sums, "transferSeconds"),
    bytesRead: numberIn(sums, "bytesRead"),
    bytesWritten: numberIn(sums, "bytesWritten"),
    bytesTransferred: numberIn(sums, "transferBytes"),
    bytesSpilled: numberIn(sums, "bytesSpilled"),
    peakBytes: numberIn(sums, "peakBytes"),
    budgetBytes: numberIn(sums, "budgetBytes"),
    reads: readsIn(sums.get("reads")),
    kernels: {
      modulesCompiled: numberIn(of, "modulesCompiled"),
      moduleBytes: numberIn(of, "moduleBytes"),
      compileMs: numberIn(of, "compileMs"),
      cacheHits: numberIn(of, "cacheHits"),
      interpreted: numberIn(of, "interpreted"),
    },
  };
}

/** Hosts that are taken from one worker; it tells of fewer. */
const HOSTS_MAX = 100;

function readsIn(told: unknown): NonNullable<WorkerAccounting["reads"]> {
  return (Array.isArray(told) ? told : [])
    .slice(0, HOSTS_MAX)
    .flatMap((each) =>
      each instanceof Map
        ? [{ host: String(each.get("host")), requests: numberIn(each, "requests"), bytes: numberIn(each, "bytes") }]
        : [],
    );
}

/** A peer's number; nonsense counts as nothing, since it is only shown. */
function numberIn(map: ReadonlyMap<unknown, unknown>, name: string): number {
  const value = map.get(name);
  const n = typeof value === "bigint" ? Number(value) : value;
  return typeof n === "number" && Number.isFinite(n) ? n : 0;
}
