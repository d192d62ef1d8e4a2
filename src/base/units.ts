/** Byte sizes and durations as people write them. Semantics of dask.utils `parse_bytes` and `parse_timedelta`. */
import { ArgumentError } from "./errors.ts";

const BYTE_UNITS: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  k: 1e3,
  kb: 1e3,
  m: 1e6,
  mb: 1e6,
  g: 1e9,
  gb: 1e9,
  t: 1e12,
  tb: 1e12,
  p: 1e15,
  pb: 1e15,
  ki: 2 ** 10,
  kib: 2 ** 10,
  mi: 2 ** 20,
  mib: 2 ** 20,
  gi: 2 ** 30,
  gib: 2 ** 30,
  ti: 2 ** 40,
  tib: 2 ** 40,
  pi: 2 ** 50,
  pib: 2 ** 50,
};

/**
 * Bytes from `"64MiB"`, `"28 GB"`, `"1e6"` or a number; 1000-based for `MB`, 1024-based for `MiB`.
 * @throws {ArgumentError} the text is no size
 */
export function parseBytes(text: string | number, what = "size"): number {
  if (typeof text === "number") return checkSize(text, text, what);
  const found = /^\s*([0-9.]+(?:e[+-]?\d+)?)?\s*([a-z]*)\s*$/i.exec(text);
  const unit = found ? BYTE_UNITS[found[2]?.toLowerCase() ?? ""] : undefined;
  if (!found || unit === undefined || text.trim() === "") {
    throw new ArgumentError(`${what} ${JSON.stringify(text)} is not a number of bytes; expected e.g. "64MiB" or "2GB"`);
  }
  return checkSize(Math.round(Number(found[1] ?? "1") * unit), text, what);
}

function checkSize(n: number, given: string | number, what: string): number {
  if (!(n >= 0) || !Number.isFinite(n))
    throw new ArgumentError(`${what} ${JSON.stringify(given)} is not a number of bytes`);
  return n;
}

/** `1536` → `"1.50 KiB"`. */
export function formatBytes(n: number): string {
  for (const [unit, size] of [
    ["PiB", 2 ** 50],
    ["TiB", 2 ** 40],
    ["GiB", 2 ** 30],
    ["MiB", 2 ** 20],
    ["KiB", 2 ** 10],
  ] as const) {
    if (Math.abs(n) >= size * 0.9) return `${(n / size).toFixed(2)} ${unit}`;
  }
  return `${n} B`;
}

const DURATION_UNITS: Readonly<Record<string, number>> = {
  s: 1e3,
  sec: 1e3,
  second: 1e3,
  seconds: 1e3,
  m: 6e4,
  min: 6e4,
  minute: 6e4,
  minutes: 6e4,
  h: 36e5,
  hr: 36e5,
  hour: 36e5,
  hours: 36e5,
  d: 864e5,
  day: 864e5,
  days: 864e5,
  ms: 1,
  us: 1e-3,
  ns: 1e-6,
};

/**
 * Milliseconds from `"30s"`, `"100 ms"`, `"1.5 hours"` or a number of seconds, which may be Infinity.
 * @param bare unit of numbers without one
 * @throws {ArgumentError} the text is no duration, or the number is NaN or below 0
 */
export function parseDurationMs(text: string | number, what = "duration", bare: "s" | "ms" = "s"): number {
  if (typeof text === "number") {
    if (text >= 0) return text * (bare === "s" ? 1e3 : 1);
    throw notDuration(what, text);
  }
  const found = /^\s*([0-9.]+(?:e[+-]?\d+)?)?\s*([a-z]*)\s*$/i.exec(text);
  const unit = found ? DURATION_UNITS[found[2]?.toLowerCase() || bare] : undefined;
  const ms = found && unit !== undefined ? Number(found[1] ?? "1") * unit : Number.NaN;
  if (!Number.isFinite(ms) || text.trim() === "") throw notDuration(what, JSON.stringify(text));
  return ms;
}

/** Milliseconds of a caller's time limit, as {@link parseDurationMs}; what is left of a longer one may be below 0: it is over. */
export function parseTimeoutMs(timeout: string | number): number {
  return parseDurationMs(typeof timeout === "number" && timeout < 0 ? 0 : timeout, "timeout");
}

function notDuration(what: string, given: string | number): Error {
  return new ArgumentError(`${what} ${given} is not a duration; expected e.g. "30s" or "5 min"`);
}

/** `61234` → `"1m 01s"`. */
export function formatDuration(ms: number): string {
  if (ms < 1e3) return `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
  if (ms < 6e4) return `${(ms / 1e3).toFixed(1)} s`;
  const s = Math.round(ms / 1e3);
  const [h, m] = [Math.floor(s / 3600), Math.floor((s % 3600) / 60)];
  const two = (v: number): string => String(v).padStart(2, "0");
  return h > 0 ? `${h}h ${two(m)}m ${two(s % 60)}s` : `${m}m ${two(s % 60)}s`;
}

/** The longest time of one of Node's timers, 24.8 days: one that is told more ends at once. */
export const LONGEST_TIMER_MS: number = 2 ** 31 - 1;
