/** Time coordinates: nanoseconds since 1970 in int64, from dates and ISO texts, and CF's encoding of them. */
import { ArgumentError, MetadataError } from "../base/index.ts";
import { NDArray } from "../ndarray/index.ts";

/** Not a time. */
export const NAT: bigint = -(2n ** 63n);

/** Anything with an epoch in nanoseconds: Temporal's Instant and ZonedDateTime. */
interface Epoch {
  readonly epochNanoseconds: bigint;
}

/** What a time label may be written as. */
export type TimeLike = Date | string | Epoch;

const ISO =
  /^(\d{4})(?:-(\d{2})(?:-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(Z|[+-]\d{2}:?\d{2})?)?)?)?$/;

/**
 * Nanoseconds since 1970; texts without a zone are UTC.
 * @throws {ArgumentError} no time
 */
export function instant(value: TimeLike): bigint {
  if (value instanceof Date && !Number.isNaN(value.getTime())) return BigInt(value.getTime()) * 1_000_000n;
  if (typeof value === "string") return intervalOf(value).first;
  if (typeof value === "object" && "epochNanoseconds" in value) return value.epochNanoseconds;
  throw new ArgumentError(
    `${String(value)} is not a time; expected a Date, an ISO text such as "2024-06-01", or a Temporal instant`,
  );
}

/**
 * First and last nanosecond of all that an ISO text covers: `"2023-06"` is a month, `"2023"` a year.
 * @throws {ArgumentError} no ISO date
 */
export function intervalOf(text: string): { readonly first: bigint; readonly last: bigint; readonly isExact: boolean } {
  const found = ISO.exec(text);
  if (!found)
    throw new ArgumentError(`${JSON.stringify(text)} is not a time; expected ISO text such as "2024-06-01T10:30:00Z"`);
  const [, year, month, day, hour, minute, second, fraction = "", zone] = found;
  const part = (value: string | undefined, fallback: number): number =>
    value === undefined ? fallback : Number(value);
  const utc = (y: number, mo: number, d: number): bigint =>
    BigInt(Date.UTC(y, mo, d, part(hour, 0), part(minute, 0), part(second, 0))) * 1_000_000n;
  const [y, mo, d] = [Number(year), part(month, 1) - 1, part(day, 1)];
  const first = utc(y, mo, d) + BigInt(fraction.padEnd(9, "0")) - zoneNs(zone);
  if (hour !== undefined) return { first, last: first, isExact: true };
  const next = month === undefined ? utc(y + 1, 0, 1) : day === undefined ? utc(y, mo + 1, 1) : utc(y, mo, d + 1);
  return { first, last: next - 1n, isExact: false };
}

function zoneNs(zone: string | undefined): bigint {
  const found = /^([+-])(\d{2}):?(\d{2})$/.exec(zone ?? "");
  if (!found) return 0n;
  const ns = (BigInt(found[2] as string) * 60n + BigInt(found[3] as string)) * 60_000_000_000n; // digits by the pattern
  return found[1] === "-" ? -ns : ns;
}

/** Times as a coordinate. */
export function timeValues(values: readonly TimeLike[]): NDArray {
  return new NDArray("datetime64[ns]", BigInt64Array.from(values, instant), [values.length]);
}

/** ISO text of a time, to the millisecond or as exact as it is. */
export function timeText(ns: bigint): string {
  if (ns === NAT) return "NaT";
  const ms = ns >= 0n ? ns / 1_000_000n : (ns - 999_999n) / 1_000_000n;
  const rest = ns - ms * 1_000_000n;
  const text = new Date(Number(ms)).toISOString();
  return rest === 0n ? text : text.replace("Z", `${String(rest).padStart(6, "0")}Z`);
}

const UNITS: readonly (readonly [name: string, ns: bigint])[] = [
  ["days", 86_400_000_000_000n],
  ["hours", 3_600_000_000_000n],
  ["minutes", 60_000_000_000n],
  ["seconds", 1_000_000_000n],
  ["milliseconds", 1_000_000n],
  ["microseconds", 1_000n],
  ["nanoseconds", 1n],
];

/** CF form of times: whole numbers of the coarsest unit since 1970 that holds all of them. */
export function encodeTimes(values: NDArray): {
  readonly values: NDArray;
  readonly attrs: Readonly<Record<string, unknown>>;
} {
  const all = Array.from({ length: values.size }, (_, i) => values.item(...(values.ndim === 0 ? [] : [i])) as bigint);
  const [unit, ns] = UNITS.find(([, step]) => all.every((v) => v === NAT || v % step === 0n)) ?? ["nanoseconds", 1n];
  const data = BigInt64Array.from(all, (v) => (v === NAT ? NAT : v / ns));
  return {
    values: new NDArray("int64", data, values.shape),
    attrs: { units: `${unit} since 1970-01-01`, calendar: "proleptic_gregorian", standard_name: "time", axis: "T" },
  };
}

/** True for CF units of time. */
export function isTimeUnits(units: unknown): units is string {
  return typeof units === "string" && /^\s*\w+\s+since\s+\S/.test(units);
}

/**
 * Times from CF numbers.
 * @throws {MetadataError} a unit or calendar that is not read
 */
export function decodeTimes(values: NDArray, units: string, calendar: unknown): NDArray {
  const found = /^\s*(\w+?)s?\s+since\s+(\d{1,4})-(\d{1,2})-(\d{1,2})(?:[T ]+(.*))?$/.exec(units);
  const name = found?.[1]?.toLowerCase() ?? "";
  const unit = UNITS.find(([known]) => known.slice(0, -1) === (SHORT[name] ?? name));
  const kind = String(calendar ?? "standard").toLowerCase();
  if (!found || !unit || !["standard", "gregorian", "proleptic_gregorian"].includes(kind)) {
    throw new MetadataError(
      `time units ${JSON.stringify(units)} with calendar ${kind} are not read; expected e.g. "days since 1970-01-01" in the standard or proleptic_gregorian calendar`,
      { details: { units, calendar: kind } },
      "cf-time",
    );
  }
  const [, , year, month, day, clock = ""] = found;
  const date = `${year?.padStart(4, "0")}-${month?.padStart(2, "0")}-${day?.padStart(2, "0")}`;
  const origin = instant(clockOf(date, clock.trim()));
  const out = new BigInt64Array(values.size);
  for (let i = 0; i < out.length; i++) {
    const v = values.item(...(values.ndim === 0 ? [] : [i]));
    if (typeof v === "bigint") out[i] = v === NAT ? NAT : origin + v * unit[1];
    else out[i] = Number.isNaN(v) ? NAT : origin + fractionNs(Number(v), unit[1]);
  }
  return new NDArray("datetime64[ns]", out, values.shape);
}

const SHORT: Readonly<Record<string, string>> = {
  d: "day",
  h: "hour",
  hr: "hour",
  min: "minute",
  sec: "second",
  s: "second",
};

function clockOf(date: string, clock: string): string {
  const found = /^(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d+))?)?\s*(Z|UTC|GMT|[+-]\d{2}:?\d{2})?$/i.exec(clock);
  if (!found) return date;
  const two = (text: string | undefined): string => (text ?? "0").padStart(2, "0");
  const zone = found[5] === undefined || /^[A-Z]/i.test(found[5]) ? "Z" : found[5];
  const fraction = Number(found[4] ?? 0) === 0 ? "" : `.${found[4]?.slice(0, 9)}`;
  return `${date}T${two(found[1])}:${two(found[2])}:${two(found[3])}${fraction}${zone}`;
}

/** Whole part exactly, the fraction to the nearest nanosecond. */
function fractionNs(value: number, unitNs: bigint): bigint {
  const whole = Math.floor(value);
  return BigInt(whole) * unitNs + BigInt(Math.round((value - whole) * Number(unitNs)));
}
