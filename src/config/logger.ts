/** The default logger and the real clock. */
import { pino } from "pino";
import { type Clock, ConfigError, type Logger, type LogLevel } from "../base/index.ts";
import { config } from "./config.ts";
import { LOG_FORMAT, logLine } from "./log-format.ts";

/** Time as the machine has it. */
export const systemClock: Clock = { now: () => performance.now(), wall: () => Date.now() };

const PINO_LEVEL: Readonly<Record<LogLevel, string>> = {
  debug: "debug",
  info: "info",
  warning: "warn",
  error: "error",
};

/**
 * Writes JSON lines to stderr, plain ones where that is a terminal, and those of `distributed.admin.log-format` where it is
 * set; `name` says who speaks. The least level that is written: `RSDAT_LOG` ("debug", or "rsdat.worker=debug,error"), else `rsdat.log-level`, else `fallback`.
 * @throws {ConfigError} what is set is no level
 */
export function createLogger(name: string, fallback: LogLevel = "warning"): Logger {
  const sink = pino(
    { name, level: PINO_LEVEL[levelFor(name, fallback)], base: { name } },
    process.stderr.isTTY || isFormatted()
      ? { write: (line) => void process.stderr.write(plainLine(line)) }
      : pino.destination({ fd: 2, sync: true }),
  );
  return {
    debug: (message, details) => sink.debug(details ?? {}, message),
    info: (message, details) => sink.info(details ?? {}, message),
    warning: (message, details) => sink.warn(details ?? {}, message),
    error: (message, details) => sink.error(details ?? {}, message),
  };
}

/** A JSON line of the log as people read it: `14:02:11 WARN rsdat.write: message {…}`. */
export function plainLine(json: string): string {
  const { level, time, name, msg, ...details } = JSON.parse(json) as Readonly<Record<string, unknown>>; // of our own logger
  const word = pino.levels.labels[Number(level)]?.toUpperCase() ?? "";
  const more = Object.keys(details).length === 0 ? "" : ` ${JSON.stringify(details)}`;
  if (isFormatted()) {
    const parts = { asctime: new Date(Number(time)).toISOString(), name: String(name), message: `${msg}${more}` };
    return `${logLine(logFormat(), { ...parts, levelname: word === "WARN" ? "WARNING" : word })}\n`;
  }
  return `${new Date(Number(time)).toTimeString().slice(0, 8)} ${word} ${name}: ${msg}${more}\n`;
}

/** True where somebody wants lines of a form of his own. */
function isFormatted(): boolean {
  return logFormat() !== LOG_FORMAT;
}

function logFormat(): string {
  return config.text("distributed.admin.log-format") ?? LOG_FORMAT;
}

/** The least level that a logger of this name writes. @throws {ConfigError} what is set is no level */
export function levelFor(name: string, fallback: LogLevel = "warning"): LogLevel {
  return levelOf(levelIn(process.env["RSDAT_LOG"] ?? "", name) ?? config.text("rsdat.log-level") ?? fallback);
}

/** @throws {ConfigError} not a level */
export function levelOf(text: string): LogLevel {
  const level = text.toLowerCase();
  if (Object.hasOwn(PINO_LEVEL, level)) return level as LogLevel; // a key of the table of levels
  throw new ConfigError(`log level ${JSON.stringify(text)} is none of ${Object.keys(PINO_LEVEL).join(", ")}`);
}

/** The level that a list such as "rsdat.worker=debug,error" gives to `name`: its own, a parent's, or the one without a name. */
export function levelIn(list: string, name: string): string | null {
  let best: string | null = null;
  let length = -1;
  for (const part of list.split(",").map((piece) => piece.trim())) {
    if (part === "") continue;
    const [scope, level] = part.includes("=")
      ? [part.slice(0, part.indexOf("=")), part.slice(part.indexOf("=") + 1)]
      : ["", part];
    if (scope !== "" && name !== scope && !name.startsWith(`${scope}.`)) continue;
    if (scope.length <= length) continue;
    length = scope.length;
    best = level;
  }
  return best;
}
