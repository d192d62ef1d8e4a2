/** How a worker makes itself known to its scheduler, and what it says of itself beyond Dask's fields. */
import { randomUUID } from "node:crypto";
import { LONGEST_TIMER_MS, WorkerStartError } from "../base/index.ts";
import type { Comm } from "../comm/index.ts";
import { packageVersion } from "../config/index.ts";
import type { Executor } from "../executor/index.ts";
import { REGISTER_WORKER, type WorkerMetrics, type WorkerRegistered } from "../protocol/index.ts";
import { workerResources } from "./limits.ts";
import { jobFacts, versionsOf } from "./metrics.ts";
import type { WorkerOptions } from "./options.ts";

/** What the scheduler is told. */
export interface Introduction {
  readonly options: WorkerOptions;
  readonly executor: Executor;
  readonly address: string;
  readonly name: string;
  readonly wallMs: number;
  readonly memoryLimitBytes: number;
  readonly metrics: WorkerMetrics;
  /** What it holds, when it comes back to a scheduler that was started again. */
  readonly inventory: readonly unknown[] | null;
  readonly stimulusId: string;
  /** Give up when no answer has come for this long. */
  readonly timeoutMs: number;
}

/**
 * Register over this connection.
 * @throws {WorkerStartError} the scheduler refused, with its reason
 */
export async function register(comm: Comm, given: Introduction): Promise<WorkerRegistered> {
  const { options, executor, timeoutMs } = given;
  const me = REGISTER_WORKER.ask({
    address: given.address,
    status: "init",
    nthreads: executor.threads,
    name: given.name,
    now: given.wallMs / 1000,
    resources: new Map(workerResources(options.resources)),
    memoryLimit: given.memoryLimitBytes,
    localDirectory: options.localDirectory ?? "",
    services: new Map(),
    nanny: options.nanny ?? null,
    pid: process.pid,
    versions: versionsOf(packageVersion()),
    metrics: given.metrics,
    extra: factsOf(given),
    stimulusId: given.stimulusId,
    serverId: `Worker-${randomUUID()}`,
  });
  comm.send({ ...me, reply: false });
  const reply = REGISTER_WORKER.parseAnswer(
    await comm.next(AbortSignal.timeout(Math.min(timeoutMs, LONGEST_TIMER_MS))),
  );
  if (reply.status === "OK" && !reply.error) return reply;
  const reason = reply.status === "OK" ? reply.error : (reply.message ?? reply.error ?? reply.status);
  throw new WorkerStartError(`scheduler ${options.scheduler} refused this worker: ${reason}`, {
    details: { scheduler: options.scheduler },
  });
}

/** What our scheduler and clusters want to know, beyond Dask's fields. */
function factsOf({ options, executor, inventory }: Introduction): Map<string, unknown> {
  return new Map<string, unknown>([
    ["language", "rsdat"],
    ["version", packageVersion()],
    ["columns", true],
    ["budget_bytes", executor.budgetBytes],
    ["spill_bytes", executor.spillBytes],
    ["has_token", options.token !== null && options.token !== undefined],
    ["allows_insecure", options.allowInsecure ?? false],
    ...jobFacts(process.env),
    ...(options.extra ?? []),
    ...(inventory === null ? [] : [["inventory", inventory] as const]),
  ]);
}
