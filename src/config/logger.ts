/** The default logger and the real clock. */
import { pino } from "pino";
import type { Clock, Logger, LogLevel } from "../base/index.ts";
import { config } from "./config.ts";

/** Time as the machine has it. */
export const systemClock: Clock = { now: () => performance.now(), wall: () => Date.now() };

const PINO_LEVEL: Readonly<Record<LogLevel, string>> = {
  debug: "debug",
  info: "info",
  warning: "warn",
  error: "error",
};

/** Writes JSON lines to stderr from `rsdat.log-level` on; `name` says who speaks. */
export function createLogger(name: string, level: LogLevel | null = null): Logger {
  const wanted = level ?? config.text("rsdat.log-level") ?? "warning";
  const sink = pino(
    { name, level: PINO_LEVEL[wanted as LogLevel] ?? "warn", base: { name } },
    pino.destination({ fd: 2, sync: true }),
  );
  return {
    debug: (message, details) => sink.debug(details ?? {}, message),
    info: (message, details) => sink.info(details ?? {}, message),
    warning: (message, details) => sink.warn(details ?? {}, message),
    error: (message, details) => sink.error(details ?? {}, message),
  };
}
