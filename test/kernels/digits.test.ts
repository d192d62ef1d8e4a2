import { expect, test } from "vitest";
import { viewOf } from "../../src/dtype/index.ts";
import { orderByDigitCode, sortByDigitCode } from "../../src/kernels/order/digits.ts";

const DTYPES = ["float32", "int32", "uint32", "int16", "uint16"] as const;

/** A line with ties and extremes; `kind` many values, few, or one. */
function lineOf(dtype: (typeof DTYPES)[number], n: number, kind: number): Float32Array {
  const line = viewOf(dtype, new ArrayBuffer(8 * n + 8), 8, n) as Float32Array; // or another class whose elements are numbers
  const words = viewOf(line.BYTES_PER_ELEMENT === 2 ? "uint16" : "uint32", line.buffer, 8, n) as Uint32Array;
  for (let i = 0; i < n; i++) words[i] = kind === 0 ? Math.imul(i + 1, 0x9e3779b1) : kind === 1 ? (i * 7919) % 5 : 9;
  if (dtype === "float32" && kind === 1)
    line.set([Number.NaN, 0, -0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]);
  return line;
}

/** The stable order by JavaScript's sort: NaN last, or first of the descending order. */
function expected(line: Float32Array, descending: boolean): number[] {
  const at = (k: number): number => line[k] as number; // within the line
  const compare = (a: number, b: number): number =>
    Number(Number.isNaN(a)) - Number(Number.isNaN(b)) || (a < b ? -1 : a > b ? 1 : 0);
  const order = Array.from(line, (_, k) => k);
  return order.sort((i, j) => (descending ? compare(at(j), at(i)) : compare(at(i), at(j))) || i - j);
}

test.each(DTYPES)("orders of lines of %s are stable, values sorted", (dtype) => {
  for (const n of [512, 1003, 5000]) {
    for (const kind of [0, 1, 2]) {
      const line = lineOf(dtype, n, kind);
      for (const descending of [false, true]) {
        const words = orderByDigitCode(dtype, line, descending) as Int32Array; // long enough
        const got = Array.from({ length: n }, (_, k) => words[2 * k] as number);
        expect(got, `${n} ${kind} ${descending}`).toEqual(expected(line, descending));
        expect(words.filter((_, k) => k % 2 === 1).every((w) => w === 0)).toBe(true);
      }
      if (line.BYTES_PER_ELEMENT === 2) continue;
      const want = expected(line, false).map((k) => (line[k] as number) + 0); // -0 becomes 0
      expect(sortByDigitCode(dtype, line)).toBe(true);
      expect(Array.from(line), `${n} ${kind}`).toEqual(want);
    }
  }
});

test("short lines and other dtypes are left to other ways", () => {
  expect(sortByDigitCode("float32", new Float32Array(20))).toBe(false);
  expect(sortByDigitCode("float64", new Float64Array(2000))).toBe(false);
  expect(orderByDigitCode("int64", new BigInt64Array(2000), false)).toBe(null);
});

test("lines longer than the workspace that is kept have one of their own, and the next such line too", () => {
  const lineOf = (n: number): Float32Array => {
    const line = new Float32Array(n);
    for (let i = 0; i < n; i++) line[i] = ((Math.imul(i, 7919) >>> 0) % 100_003) - 50_000;
    return line;
  };
  for (const n of [(1 << 20) + 5, (1 << 20) + 900]) {
    const line = lineOf(n); // 16 MiB and a little for an order
    const words = orderByDigitCode("float32", line, false) as Int32Array; // long enough
    let wrong = 0;
    for (let k = 1; k < n; k++) {
      const [i, j] = [words[2 * k - 2] as number, words[2 * k] as number];
      const [a, b] = [line[i] as number, line[j] as number];
      if (!(a < b || (a === b && i < j)) || words[2 * k + 1] !== 0) wrong++;
    }
    expect(wrong).toBe(0);
  }
  const line = lineOf((1 << 21) + 5);
  const sum = line.reduce((a, b) => a + b, 0);
  expect(sortByDigitCode("float32", line)).toBe(true);
  let falls = 0;
  for (let k = 1; k < line.length; k++) falls += (line[k - 1] as number) > (line[k] as number) ? 1 : 0;
  expect([falls, line.reduce((a, b) => a + b, 0)]).toEqual([0, sum]);
});
