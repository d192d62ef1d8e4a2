/** A minimal nanny: a parent process that starts a worker again when it dies, a bounded number of times. */
import { spawn } from "node:child_process";
import type { Logger } from "../base/index.ts";

/** How to watch. */
export interface NannyOptions {
  /** Program and arguments of the worker; it gets an IPC channel and ends when that closes. */
  readonly command: readonly string[];
  /** Deaths after which the nanny gives up. Default 5. */
  readonly restartsMax?: number;
  readonly logger: Logger;
  /** Aborted: the worker is asked to leave (SIGTERM), and is not started again. */
  readonly signal: AbortSignal;
}

/** Run the worker until it ends well, is asked to leave, or has died too often; the exit code for the nanny's process. */
export async function runNanny({ command, restartsMax = 5, logger, signal }: NannyOptions): Promise<number> {
  for (let deaths = 0; ; deaths++) {
    const code = await runOnce(command, signal);
    if (code === 0 || signal.aborted) return code;
    if (deaths >= restartsMax) {
      logger.error(`the worker died ${deaths + 1} times, the last time with ${code}; giving up`);
      return 1;
    }
    logger.warning(`the worker died with ${code}; starting it again (${deaths + 1} of ${restartsMax})`);
  }
}

async function runOnce(command: readonly string[], signal: AbortSignal): Promise<number> {
  const [program = "", ...args] = command;
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const child = spawn(program, args, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const ask = (): void => void child.kill("SIGTERM");
  signal.addEventListener("abort", ask, { once: true });
  child.once("error", reject);
  child.once("exit", (code, by) => resolve(code ?? (by === null ? 1 : 128)));
  try {
    return await promise;
  } finally {
    signal.removeEventListener("abort", ask);
  }
}
