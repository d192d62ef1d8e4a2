/** A logger that remembers its last records, for whoever asks the server for its logs. */
import { type Clock, ConfigError, type Logger, type LogLevel } from "../base/index.ts";
import { config } from "./config.ts";
import { LOG_FORMAT, logLine } from "./log-format.ts";

/** Longest record that is kept. */
const CHARS_MAX = 2_000;

/** One record: level in Dask's words, and the line. */
export type LogRecord = readonly [level: string, line: string];

const LEVEL_NAMES: Readonly<Record<LogLevel, string>> = {
  debug: "DEBUG",
  info: "INFO",
  warning: "WARNING",
  error: "ERROR",
};

/** A logger, and what it was told. */
export interface KeptLogs {
  readonly logger: Logger;
  /** Records from `info` on, newest first; `count` null gives all that are kept. */
  last(count?: number | null): LogRecord[];
}

/**
 * Passes records on to `inner` and keeps the last of them: `distributed.admin.log-length`, in lines of
 * `distributed.admin.log-format`.
 */
export function keepLogs(
  inner: Logger,
  { name, clock, length = keptLength() }: { readonly name: string; readonly clock: Clock; readonly length?: number },
): KeptLogs {
  const kept: LogRecord[] = [];
  let next = 0;
  const format = config.text("distributed.admin.log-format") ?? LOG_FORMAT;
  const note =
    (level: LogLevel) =>
    (message: string, details?: Readonly<Record<string, unknown>>): void => {
      inner[level](message, details);
      if (level === "debug" || length === 0) return;
      const asctime = new Date(clock.wall()).toISOString();
      const line = logLine(format, { asctime, name, levelname: LEVEL_NAMES[level], message }).slice(0, CHARS_MAX);
      kept[next++ % length] = [LEVEL_NAMES[level], line];
    };
  return {
    logger: { debug: note("debug"), info: note("info"), warning: note("warning"), error: note("error") },
    last: (count = null) => {
      const n = Math.min(kept.length, count === null ? length : Math.max(0, count));
      return Array.from({ length: n }, (_, k) => kept[(next - 1 - k) % length] as LogRecord); // of those that are kept
    },
  };
}

/** @throws {ConfigError} anything but a whole number of 0 or more, or nothing: all are kept */
function keptLength(): number {
  const key = "distributed.admin.log-length";
  const value = config.number(key);
  if (value === null) return Number.POSITIVE_INFINITY;
  if (!Number.isInteger(value) || value < 0)
    throw new ConfigError(`configuration ${key} is ${value}, expected a whole number of 0 or more`, {
      details: { key, value },
    });
  return value;
}
