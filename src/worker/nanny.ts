/** The nanny: a parent process that starts a worker again when it dies, and ends one that takes too much memory. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { formatBytes, type Logger } from "../base/index.ts";
import type { NannyPlugins } from "./nanny-plugins.ts";

/** How to watch. */
export interface NannyOptions {
  /** Program and arguments of the worker; it gets an IPC channel and ends when that closes. */
  readonly command: readonly string[];
  /** Deaths within a minute of their start after which the nanny gives up. Default 5. */
  readonly restartsMax?: number;
  /** Resident bytes at which the worker is killed and started again; null: never. */
  readonly memoryMaxBytes?: number | null;
  /** Time between two looks at its memory. Default 100 ms. */
  readonly monitorIntervalMs?: number;
  /** A worker whose lifetime is over is started again. Default false. */
  readonly restartsAfterLifetime?: boolean;
  /** Plugins, which set the worker's environment and may have it started anew. */
  readonly plugins?: NannyPlugins;
  readonly logger: Logger;
  /** Aborted: the worker is asked to leave (SIGTERM), and is not started again. */
  readonly signal: AbortSignal;
}

/** What a worker tells its nanny. */
export type WorkerNotice =
  /** It is registered: from now on its death is no mistake in how it was started. */
  | { readonly notice: "registered" }
  /** It leaves because its lifetime is over. */
  | { readonly notice: "lifetime" };

/** How one worker's process ended. */
interface End {
  readonly code: number;
  /** Why, for people. */
  readonly how: string;
  readonly wasRegistered: boolean;
  readonly isLifetime: boolean;
  readonly isKilled: boolean;
  /** A plugin wanted it to be started anew. */
  readonly isRestart: boolean;
  readonly livedMs: number;
}

/** A worker that lived so long is forgiven its death: it does not count towards `restartsMax`. */
const STABLE_MS = 60_000;

/**
 * Run the worker until it ends well, is asked to leave, cannot even start, or dies too often.
 * @returns the exit code for the nanny's process
 */
export async function runNanny(options: NannyOptions): Promise<number> {
  const { restartsMax = 5, restartsAfterLifetime = false, logger, signal } = options;
  for (let deaths = 0; ; ) {
    const end = await runOnce(options);
    if (signal.aborted) return end.code;
    if (end.isRestart) continue;
    if (end.isLifetime && restartsAfterLifetime) {
      logger.info("the worker's lifetime is over; starting it again");
      continue;
    }
    if (end.code === 0) return 0;
    if (!end.wasRegistered && !end.isKilled) return end.code; // it said why
    deaths = end.livedMs >= STABLE_MS ? 1 : deaths + 1;
    if (deaths > restartsMax) {
      logger.error(`the worker died ${deaths} times, the last time with ${end.how}; giving up`);
      return 1;
    }
    logger.warning(`the worker died with ${end.how}; starting it again (${deaths} of ${restartsMax})`);
  }
}

async function runOnce(options: NannyOptions): Promise<End> {
  const [program = "", ...args] = options.command;
  const ended = Promise.withResolvers<{ readonly code: number; readonly how: string }>();
  const started = performance.now();
  const { plugins } = options;
  const child = spawn(program, args, {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    ...(plugins ? { env: plugins.env } : {}),
  });
  const told = new Set<string>();
  child.on("message", (message) => {
    const { notice } = message as WorkerNotice; // our own worker sends nothing else
    told.add(notice);
    if (notice === "registered") plugins?.workerStarted();
  });
  const ask = (): void => void child.kill("SIGTERM");
  const restart = plugins?.workerStarts();
  restart?.addEventListener("abort", ask, { once: true });
  options.signal.addEventListener("abort", ask, { once: true });
  child.once("error", ended.reject);
  child.once("exit", (code, by) => ended.resolve({ code: code ?? 128, how: by ?? `exit code ${code}` }));
  const watch = new AbortController();
  const killed = watchMemory(child, options, watch.signal);
  try {
    const { code, how } = await ended.promise;
    watch.abort();
    return {
      code,
      how: (await killed) ?? how,
      isKilled: (await killed) !== null,
      isRestart: restart?.aborted === true,
      wasRegistered: told.has("registered"),
      isLifetime: told.has("lifetime") && code === 0,
      livedMs: performance.now() - started,
    };
  } finally {
    watch.abort();
    options.signal.removeEventListener("abort", ask);
  }
}

/** Look at the child's memory until it is too much, and kill it then; resolves with why it was killed, or null. */
async function watchMemory(
  child: ChildProcess,
  { memoryMaxBytes = null, monitorIntervalMs = 100, logger }: NannyOptions,
  signal: AbortSignal,
): Promise<string | null> {
  if (memoryMaxBytes === null || child.pid === undefined) return null;
  while (!signal.aborted) {
    await sleep(monitorIntervalMs, undefined, { signal }).catch(() => undefined); // aborted when the child has ended
    if (signal.aborted) return null;
    const bytes = residentBytes(child.pid);
    if (bytes <= memoryMaxBytes) continue;
    const why = `${formatBytes(bytes)} of memory, over ${formatBytes(memoryMaxBytes)}`;
    logger.warning(`worker process ${child.pid} takes ${why}; it is killed`);
    child.kill("SIGKILL"); // leaving in good order would take memory that it does not have
    return why;
  }
  return null;
}

/** Resident memory of a process; 0 where it cannot be read. */
export function residentBytes(pid: number): number {
  try {
    const found = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"));
    return found ? Number(found[1]) * 1024 : 0;
  } catch {
    return 0; // it is gone, or this is no Linux
  }
}
