/** What a worker says to its scheduler before anything else, and coming back to a scheduler that was started again from its journal. */
import { setTimeout as sleep } from "node:timers/promises";
import {
  type CommSettings,
  ConnectTimeoutError,
  errorToRecord,
  isRsdatError,
  LONGEST_TIMER_MS,
  type Logger,
  type Security,
} from "../base/index.ts";
import { type Comm, type ConnectOptions, connect } from "../comm/index.ts";
import { commSettings, packageVersion, speaksDialect } from "../config/index.ts";
import { type KeyValue, valueOfKey } from "../graph/index.ts";
import type { Values } from "./values.ts";

/** Pause between two tries to register. */
const RETRY_MS = 200;
const DEATH_TIMEOUT_MS = 60_000;

/** How the scheduler is reached. */
export interface ReconnectOptions extends Omit<ConnectOptions, "timeoutMs"> {
  readonly scheduler: string;
  /** Give up when the scheduler has not answered for this long. Default 60 s. */
  readonly deathTimeoutMs?: number;
  readonly signal: AbortSignal;
  readonly logger: Logger;
}

/** Connect and register, again and again until it succeeds or the time is over. @throws the last reason */
export async function reconnect(
  { scheduler, deathTimeoutMs = DEATH_TIMEOUT_MS, ...options }: ReconnectOptions,
  register: (comm: Comm) => Promise<void>,
): Promise<void> {
  const timeout = AbortSignal.timeout(Math.min(deathTimeoutMs, LONGEST_TIMER_MS));
  const signal = AbortSignal.any([options.signal, timeout]);
  let last: unknown = new ConnectTimeoutError(`no connection to ${scheduler} within ${deathTimeoutMs / 1000} s`);
  while (!signal.aborted) {
    let comm: Comm | undefined;
    try {
      comm = await connect(scheduler, { ...options, signal, timeoutMs: deathTimeoutMs });
      return await register(comm);
    } catch (error) {
      if (isRsdatError(error, "invariant")) throw error;
      last = error;
      options.logger.debug(`not back yet: ${errorToRecord(error).message}`);
      void comm?.close();
      await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined); // aborted: the loop ends
    }
  }
  throw last;
}

/** What a worker holds, as it says when it comes back: pairs of key and bytes. */
export function inventoryOf(values: Values): readonly (readonly [KeyValue, number])[] {
  return Array.from(values.facts(), ([key, { nbytes }]) => [valueOfKey(key), nbytes] as const);
}

/** Says nothing once the worker closes: connections that break then are meant to. */
export function untilAborted(logger: Logger, signal: AbortSignal): Logger {
  const gate =
    (level: keyof Logger) =>
    (message: string, details?: Readonly<Record<string, unknown>>): void => {
      if (!signal.aborted) logger[level](message, details);
    };
  return { debug: gate("debug"), info: gate("info"), warning: gate("warning"), error: gate("error") };
}

/** Our half of the handshake, the certificates that go before it, and how messages are written. @throws {ConfigError} */
export function handshakeOf(options: { readonly dialect?: boolean; readonly security?: Security }): {
  readonly version: string;
  readonly dialect: boolean;
  readonly security?: Security;
  readonly settings: CommSettings;
} {
  const { dialect = speaksDialect(), security } = options;
  return { version: packageVersion(), dialect, settings: commSettings(), ...(security ? { security } : {}) };
}
