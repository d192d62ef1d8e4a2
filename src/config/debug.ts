/** A debugger at errors of ours: what Python's `pdb` is to Dask. */
import { open, url, waitForDebugger } from "node:inspector";
import type { Logger } from "../base/index.ts";
import { type Config, config } from "./config.ts";

/**
 * Where `distributed.admin.pdb-on-err` is set, stop this process until a debugger is attached and lets it go on. Call it where a
 * promise of ours is broken. The inspector is opened on the loopback interface alone, and its address told in the log, once.
 * Whoever may use that interface, which is every user of the machine, can then run code in this process.
 */
export function debugOnError(logger: Pick<Logger, "warning">, from: Config = config): void {
  if (from.boolean("distributed.admin.pdb-on-err") !== true) return;
  if (url() === undefined) open(0, "127.0.0.1");
  if (!isTold) logger.warning(`an internal error: this process waits for a debugger at ${url()}`);
  isTold = true;
  waitForDebugger();
}

let isTold = false;
