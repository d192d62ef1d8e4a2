/** A worker as a whole process: signals, lifetime, a parent that may die. */
import { config, createLogger, memoryLimitBytes, preload } from "../config/index.ts";
import { prepareFor } from "../executor/index.ts";
import { parseAddress } from "../protocol/index.ts";
import { serveWorkerHttp } from "./http.ts";
import { callAfter, staggeredMs } from "./lifetime.ts";
import type { WorkerNotice } from "./nanny.ts";
import type { WorkerOptions } from "./options.ts";
import { Worker } from "./worker.ts";

/** How a worker process is to live. */
export interface WorkerProcessOptions extends WorkerOptions {
  /** Leave in good order after this time. Default `distributed.worker.lifetime`. */
  readonly lifetimeMs?: number;
  /** Modules to import first. Default `distributed.worker.preload`. */
  readonly preload?: readonly string[];
  /** Port of `/health` and `/metrics`. Default: none. */
  readonly httpPort?: number;
  /** Told once the worker is registered. */
  readonly onStart?: (worker: Worker) => void;
}

/** A process that is told twice to end, or whose parent is gone, ends after this whatever it is doing. */
const HURRY_MS = 2_000;

/**
 * Run a worker until it has closed. SIGTERM, SIGUSR2 (Slurm's warning before the end of a job) and the end of its
 * lifetime make it leave in good order: nothing new is started, what runs ends, what is only here moves to others.
 * SIGINT closes at once, and so does the end of the parent where this process has an IPC channel.
 *
 * @returns the process's exit code
 */
export async function runWorkerProcess(options: WorkerProcessOptions): Promise<number> {
  prepareFor(options.memoryLimitBytes ?? memoryLimitBytes());
  const logger = options.logger ?? createLogger("rsdat.worker");
  let worker: Worker | undefined;
  let isLeaving = false;
  const hurry = (): void => void setTimeout(() => process.exit(1), HURRY_MS).unref();
  const leave = (reason: string): void => {
    if (!worker || isLeaving) return process.exit(worker ? 1 : 0);
    isLeaving = true;
    void worker.leave(reason);
  };
  const close = (reason: string, isSchedulerGone = false): void => {
    if (!worker) return process.exit(0);
    hurry();
    void worker.close(reason, { isSchedulerGone });
  };
  const handlers: [NodeJS.Signals, () => void][] = [
    ["SIGTERM", () => leave("SIGTERM")],
    ["SIGUSR2", () => leave("SIGUSR2")],
    // A terminal sends Ctrl-C to the whole group: a worker with a parent leaves it to the parent to decide.
    ["SIGINT", () => (process.connected ? undefined : close("SIGINT"))],
    ["SIGHUP", () => (process.connected ? undefined : close("SIGHUP"))],
  ];
  for (const [signal, handler] of handlers) process.on(signal, handler);
  const onDisconnect = (): void => close("its parent process ended", true);
  if (process.connected) process.on("disconnect", onDisconnect);
  let lifetime: Disposable | undefined;
  try {
    const preloads = await preload(
      options.preload ?? config.texts("distributed.worker.preload"),
      config.lists("distributed.worker.preload-argv"),
    );
    worker = await Worker.start({ ...options, logger });
    await preloads.setup(worker);
    if (options.httpPort !== undefined) {
      const host = parseAddress(worker.address).host;
      const { port } = await serveWorkerHttp(worker, { host, port: options.httpPort });
      logger.info(`metrics at http://${host}:${port}/metrics`);
    }
    options.onStart?.(worker);
    tellNanny({ notice: "registered" });
    const lifetimeMs = options.lifetimeMs ?? configuredLifetimeMs();
    if (lifetimeMs !== null) {
      lifetime = callAfter(lifetimeMs, () => {
        tellNanny({ notice: "lifetime" });
        leave("its lifetime is over");
      });
    }
    logger.info(`closed: ${await worker.closed}`);
    await preloads.teardown(worker);
    return 0;
  } catch (error) {
    await worker?.close("its process cannot begin"); // it is registered, and nobody else would end it
    throw error;
  } finally {
    lifetime?.[Symbol.dispose]();
    process.off("disconnect", onDisconnect);
    for (const [signal, handler] of handlers) process.off(signal, handler);
  }
}

/** A parent that is no nanny hears it too, and passes it over. */
function tellNanny(notice: WorkerNotice): void {
  // The nanny may be gone without our knowing it yet: an error without a listener ends the process at once.
  if (process.connected) process.send?.(notice, () => undefined);
}

function configuredLifetimeMs(): number | null {
  const lifetimeMs = config.durationMs("distributed.worker.lifetime.duration");
  const staggerMs = config.durationMs("distributed.worker.lifetime.stagger") ?? 0;
  return lifetimeMs === null ? null : staggeredMs(lifetimeMs, staggerMs, process.pid);
}
