/**
 * Entry of a cluster's child process: a scheduler or a worker that lives as long as its parent.
 *
 * The parent sends the role as the first IPC message and gets one answer: the address, or why there is none. When the
 * channel closes, because the parent closed it or died in whatever way, the process ends.
 */
import { rmSync } from "node:fs";
import { type ErrorRecord, errorToRecord } from "../base/index.ts";
import { startScheduler } from "../scheduler/index.ts";
import { runWorkerProcess } from "../worker/index.ts";
import { cancelListedJobs } from "./slurm-commands.ts";

/** What a child is to be. Plain data. */
export type ChildRole =
  | {
      readonly role: "scheduler";
      readonly host: string;
      readonly port: number;
      readonly dialect: boolean;
      readonly temporaryFolder: string;
      readonly token: string;
    }
  | {
      readonly role: "worker";
      readonly scheduler: string;
      readonly name: string;
      readonly nthreads: number;
      readonly memoryLimitBytes: number;
      readonly token: string;
      readonly dialect: boolean;
    };

/** A child's one answer. */
export type ChildAnswer = { readonly address: string } | { readonly error: ErrorRecord };

process.once("message", (role: ChildRole) => {
  void run(role).catch((error: unknown) => {
    answer({ error: errorToRecord(error) });
    process.exitCode = 1;
    if (process.connected) process.disconnect();
  });
});

function answer(message: ChildAnswer): void {
  // A parent that gave up may have closed the channel without our knowing it yet: an error without a listener ends the process.
  if (process.connected) process.send?.(message, () => undefined);
}

async function run(role: ChildRole): Promise<void> {
  if (role.role === "worker") {
    process.exitCode = await runWorkerProcess({ ...role, onStart: ({ address }) => answer({ address }) });
    if (process.connected) process.disconnect();
    return;
  }
  const { temporaryFolder, ...options } = role;
  // Ctrl-C, or the end of a terminal, reaches the whole group of processes; what to do about it is the parent's decision.
  for (const signal of ["SIGINT", "SIGHUP"] as const) process.on(signal, () => undefined);
  // Code of whoever has the token runs on all workers of this cluster as its owner, and no other code; so it does here.
  const scheduler = await startScheduler({ ...options, plugins: true });
  const end = (): void => void scheduler.close();
  process.on("SIGTERM", end);
  if (process.connected) process.on("disconnect", end);
  else end();
  answer({ address: scheduler.address });
  await scheduler.finished;
  cancelListedJobs(temporaryFolder);
  rmSync(temporaryFolder, { recursive: true, force: true });
  if (process.connected) process.disconnect();
  process.exit(); // connections that linger are nobody's any more
}
