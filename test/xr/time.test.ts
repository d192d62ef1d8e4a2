import { expect, test } from "vitest";
import { NDArray } from "../../src/ndarray/index.ts";
import { decodeTimes, encodeTimes, instant, intervalOf, NAT, timeText, timeValues } from "../../src/xr/time.ts";

const ms = (...parts: [number, number, number, number?, number?, number?]): bigint =>
  BigInt(Date.UTC(...parts)) * 1_000_000n;

test("instants: dates, texts, zones, nanoseconds, Temporal-like values", () => {
  expect(instant(new Date(5))).toBe(5_000_000n);
  expect(instant("2024-06")).toBe(ms(2024, 5, 1));
  expect(instant("1969-12-31T23:59:59.999999999Z")).toBe(-1n);
  expect(instant("2024-06-01T12:00+02:00")).toBe(ms(2024, 5, 1, 10));
  expect(instant({ epochNanoseconds: 7n })).toBe(7n);
  expect(() => instant("June")).toThrow(
    expect.objectContaining({ code: "argument", message: expect.stringMatching(/"June"/) }),
  );
  expect(() => instant(new Date(Number.NaN))).toThrow(expect.objectContaining({ code: "argument" }));
});

test("what a partial date covers", () => {
  expect(intervalOf("2024-02")).toEqual({ first: ms(2024, 1, 1), last: ms(2024, 2, 1) - 1n, isExact: false });
  expect(intervalOf("2023")).toEqual({ first: ms(2023, 0, 1), last: ms(2024, 0, 1) - 1n, isExact: false });
  expect(intervalOf("2023-01-02T00:00").isExact).toBe(true);
});

test.each([
  ["days since 1970-01-01", [0, 1.5], [0n, ms(1970, 0, 2, 12)]],
  ["hours since 1950-01-01", [622584], [ms(2021, 0, 9)]],
  ["seconds since 2000-02-28 12:00:00.0", [86400], [ms(2000, 1, 29, 12)]],
  ["minutes since 2000-1-1 0:0:0 UTC", [1], [ms(2000, 0, 1, 0, 1)]],
  ["milliseconds since 1970-01-01T00:00:00+01:00", [3_600_000], [0n]],
  ["day since 1900-01-01 00:00", [Number.NaN], [NAT]],
])("CF times: %s", (units, numbers, expected) => {
  const values = NDArray.of(Float64Array.from(numbers));
  expect(decodeTimes(values, units, undefined).toArray()).toEqual(expected);
});

test("other calendars and units are refused by name", () => {
  const one = NDArray.of(Float64Array.of(1));
  expect(() => decodeTimes(one, "days since 2000-01-01", "noleap")).toThrow(/noleap/);
  expect(() => decodeTimes(one, "months since 2000-01-01", "standard")).toThrow(/months/);
});

test("times are written as whole numbers of the coarsest unit that holds them", () => {
  const units = (...texts: string[]): unknown => encodeTimes(timeValues(texts)).attrs["units"];
  expect(units("2024-01-01", "1969-12-31")).toBe("days since 1970-01-01");
  expect(units("2024-01-01", "2024-01-01T10:30:00Z")).toBe("minutes since 1970-01-01");
  expect(units("2024-01-01T00:00:00.000000001Z")).toBe("nanoseconds since 1970-01-01");
  const values = timeValues(["2024-01-01T10:30:00Z", "1960-05-05"]);
  const { values: numbers, attrs } = encodeTimes(values);
  expect(decodeTimes(numbers, String(attrs["units"]), attrs["calendar"]).toArray()).toEqual(values.toArray());
  expect([timeText(instant("1960-05-05T00:00:00.5Z")), timeText(-1n), timeText(NAT)]).toEqual([
    "1960-05-05T00:00:00.500Z",
    "1969-12-31T23:59:59.999999999Z",
    "NaT",
  ]);
});
