/** Starting and ending the child processes of a cluster. */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { errorFromRecord, WorkerStartError } from "../base/index.ts";
import { config } from "../config/index.ts";
import type { ChildAnswer, ChildRole } from "./child.ts";

/** A child that runs. It does not keep its parent alive. */
export interface Child {
  readonly pid: number;
  readonly address: string;
  /** How it ended, once it has. */
  readonly ended: Promise<string>;
  /** End it: ask, wait a little, kill. */
  stop(): Promise<void>;
}

const START_MS = 60_000;
/** Time a child has to end by itself. */
const STOP_MS = 5_000;

/** Sources run as they are; what is published is compiled. */
const ENTRY = fileURLToPath(new URL(import.meta.url.endsWith(".ts") ? "./child.ts" : "./child.js", import.meta.url));

/**
 * Start a child and wait until it has an address. `signal` ends the wait, and the child.
 * @throws {WorkerStartError} it ended, or said nothing for a minute, or is not wanted any more; otherwise the error it reports
 */
export async function startChild(role: ChildRole, signal?: AbortSignal): Promise<Child> {
  // What was set in this process counts there too, as in Dask.
  const env = { ...process.env, DASK_INTERNAL_INHERIT_CONFIG: config.serialize() };
  const child = spawn(process.execPath, ["--max-semi-space-size=4", ENTRY], {
    env,
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const ended = new Promise<string>((resolve) => {
    // Not only once: what could not be started cannot be told its role either.
    child.on("error", (error) => resolve(error.message));
    child.once("exit", (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
  child.send(role);
  const address = await firstAnswer({ child, role: role.role, ended }, signal);
  child.unref();
  child.channel?.unref();
  return { pid: child.pid as number, address, ended, stop: () => stop(child, ended) }; // it has answered, so it has a pid
}

async function firstAnswer(
  { child, role, ended }: { readonly child: ChildProcess; readonly role: string; readonly ended: Promise<string> },
  signal: AbortSignal | undefined,
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<ChildAnswer>();
  const timer = setTimeout(
    () => reject(new WorkerStartError(`the ${role} process did not start within ${START_MS / 1000} s`)),
    START_MS,
  );
  const giveUp = (): void => reject(new WorkerStartError(`the ${role} process is not wanted any more`));
  if (signal?.aborted) giveUp();
  signal?.addEventListener("abort", giveUp, { once: true });
  child.once("message", (message) => resolve(message as ChildAnswer)); // children send nothing else
  void ended.then((how) => reject(new WorkerStartError(`the ${role} process ended before it was there: ${how}`)));
  try {
    const answer = await promise;
    if ("error" in answer) throw errorFromRecord(answer.error);
    return answer.address;
  } catch (error) {
    await stop(child, ended);
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", giveUp);
  }
}

async function stop(child: ChildProcess, ended: Promise<string>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.ref();
  if (child.connected) child.disconnect(); // the child ends when its channel closes
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
  await ended;
  clearTimeout(timer);
}
