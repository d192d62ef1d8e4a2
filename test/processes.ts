/** Real processes for tests: started, waited for by what they print, ended by their id. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { PYTHON, ROOT } from "./peers.ts";

/** A process whose output is kept. */
export interface Running extends AsyncDisposable {
  readonly process: ChildProcess;
  /** Everything it has printed. */
  output(): string;
  /** The first match in its output; rejects when the process ends, or after `timeoutMs`, without one. */
  waitFor(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>;
  /** Its exit code, or the signal that ended it. */
  readonly exit: Promise<number | string>;
}

/** Start a command; it is killed when disposed of. */
export function start(
  command: string,
  args: readonly string[],
  { env = {}, cwd = ROOT }: { readonly env?: Readonly<Record<string, string>>; readonly cwd?: string } = {},
): Running {
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  const watchers = new Set<() => void>();
  const hear = (chunk: Buffer): void => {
    text += chunk.toString();
    for (const watcher of watchers) watcher();
  };
  child.stdout.on("data", hear);
  child.stderr.on("data", hear);
  const exit = new Promise<number | string>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => resolve(code ?? signal ?? "unknown"));
  });
  const waitFor = (pattern: RegExp, timeoutMs = 120_000): Promise<RegExpExecArray> => {
    const { promise, resolve, reject } = Promise.withResolvers<RegExpExecArray>();
    const look = (): void => {
      const found = pattern.exec(text);
      if (found) resolve(found);
    };
    const timer = setTimeout(
      () => reject(new Error(`${command} ${args.join(" ")} did not print ${pattern} in ${timeoutMs} ms:\n${text}`)),
      timeoutMs,
    );
    void exit.then((how) =>
      reject(new Error(`${command} ${args.join(" ")} ended with ${how} before printing ${pattern}:\n${text}`)),
    );
    watchers.add(look);
    look();
    return promise.finally(() => {
      clearTimeout(timer);
      watchers.delete(look);
    });
  };
  return {
    process: child,
    output: () => text,
    waitFor,
    exit,
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
      await exit;
    },
  };
}

const DASK = join(dirname(PYTHON), "dask");

/** A real Dask scheduler on loopback, and its address. */
export async function startDaskScheduler(): Promise<{ readonly scheduler: Running; readonly address: string }> {
  const scheduler = start(DASK, ["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-jupyter"]);
  const [, address] = await scheduler.waitFor(/Scheduler at:\s+(tcp:\/\/\S+)/);
  return { scheduler, address: address as string };
}

/** A real Dask worker, registered. */
export async function startDaskWorker(scheduler: string): Promise<Running> {
  const worker = start(DASK, [
    "worker",
    scheduler,
    "--host",
    "127.0.0.1",
    "--nthreads",
    "1",
    "--no-nanny",
    "--no-dashboard",
  ]);
  await worker.waitFor(/Registered to:/);
  return worker;
}

/** The command line of this clone. */
export function startRsdat(
  args: readonly string[],
  { nodeArgs = [], ...options }: Parameters<typeof start>[2] & { readonly nodeArgs?: readonly string[] } = {},
): Running {
  return start(process.execPath, [...nodeArgs, join(ROOT, "test", "rsdat-cli.ts"), ...args], options);
}

/** True while the process exists and is no zombie. */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false; // no such process
  }
}

/** Resolves when none of the processes exists any more; rejects after `timeoutMs`. */
export async function waitGone(pids: readonly number[], timeoutMs = 60_000): Promise<void> {
  const until = Date.now() + timeoutMs;
  for (;;) {
    const left = pids.filter(isAlive);
    if (left.length === 0) return;
    if (Date.now() > until) throw new Error(`processes ${left.join(", ")} still run after ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
