/** The special cases that the standard states for real operands of elementwise functions, on pairs from a pool. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { array } from "../../src/array/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { useInlineRunner } from "../run-inline.ts";
import { ours, xp } from "./arbitraries.ts";

type Case = readonly [conditions: readonly string[], result: string];
const { cases } = JSON.parse(readFileSync(new URL("./fixtures/special_cases.json", import.meta.url), "utf8")) as {
  cases: Record<string, Case[]>;
};
useInlineRunner();

const POOL = [
  0,
  -0,
  1,
  -1,
  2,
  -2,
  3,
  -3,
  0.5,
  -0.5,
  1.5,
  -1.5,
  7.25,
  -7.25,
  1e10,
  -1e10,
  1e-10,
  -1e-10,
  1e300,
  -1e300,
  5e-324,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  Number.NaN,
];

const isOdd = (v: number): boolean => Number.isInteger(v) && Math.abs(v % 2) === 1;

/** What a condition says of one operand. */
function holds(token: string, v: number): boolean {
  const compared = /^(!=|[<>]=?)([+-]?\d+)$/.exec(token);
  if (compared) {
    const bound = Number(compared[2]);
    const [op] = compared.slice(1);
    return op === "!="
      ? v !== bound
      : op === ">"
        ? v > bound
        : op === "<"
          ? v < bound
          : op === ">="
            ? v >= bound
            : v <= bound;
  }
  const finite = Number.isFinite(v);
  const meanings: Record<string, boolean> = {
    any: true,
    nan: Number.isNaN(v),
    "!nan": !Number.isNaN(v),
    inf: Math.abs(v) === Number.POSITIVE_INFINITY,
    "+inf": v === Number.POSITIVE_INFINITY,
    "-inf": v === Number.NEGATIVE_INFINITY,
    zero: v === 0,
    "+0": Object.is(v, 0),
    "-0": Object.is(v, -0),
    finite,
    "finite-or-nan": finite || Number.isNaN(v),
    "nonzero-finite": finite && v !== 0,
    "positive-finite": finite && v > 0,
    "negative-finite": finite && v < 0,
    int: Number.isInteger(v),
    "!int": !Number.isInteger(v),
    odd: isOdd(v),
    "!odd": !isOdd(v),
  };
  return meanings[token] ?? v === Number(token);
}

const sign = (v: number): number => (Object.is(v, -0) || v < 0 ? -1 : 1);

function meets(condition: string, x1: number, x2: number): boolean {
  if (condition === "same") return x1 === x2;
  if (condition === "different") return x1 !== x2;
  if (condition === "opposite") return x1 === -x2;
  if (condition === "same-sign") return sign(x1) === sign(x2);
  if (condition === "other-sign") return sign(x1) !== sign(x2);
  const [operand = "", token = ""] = condition.split(" ");
  if (operand === "either") return holds(token, x1) || holds(token, x2);
  const v = operand.includes("x2") ? x2 : x1;
  return holds(token, operand.startsWith("|") ? Math.abs(v) : v);
}

/** Whether a result is what the case says. */
function fits(result: string, out: number, [x1, x2]: readonly [number, number]): boolean {
  const pi = /^([+-])(\d)pi\/(\d)$/.exec(result);
  if (pi) return Math.abs(out - (Number(`${pi[1]}1`) * Number(pi[2]) * Math.PI) / Number(pi[3])) < 1e-15;
  const values: Record<string, number> = {
    x: x1,
    x1,
    x2,
    "|x1|": Math.abs(x1),
    "|x2|": Math.abs(x2),
    "-|x1|": -Math.abs(x1),
  };
  if (result in values) return Object.is(out, values[result]);
  if (result === "positive") return Number.isNaN(out) || sign(out) === 1;
  if (result === "negative") return Number.isNaN(out) || sign(out) === -1;
  if (result === "true" || result === "false") return out === Number(result === "true");
  if (result === "nan") return Number.isNaN(out);
  if (result.endsWith("inf")) return out === Number(`${result.replace("inf", "Infinity")}`);
  if (result === "+0" || result === "-0") return Object.is(out, Number(result));
  return out === Number(result);
}

/** The standard lets libraries follow Python in these, as NumPy and we do. */
const PYTHONS = (name: string, x1: number, x2: number): boolean =>
  name === "floor_divide" &&
  (Math.abs(x1) === Number.POSITIVE_INFINITY ||
    (Math.abs(x2) === Number.POSITIVE_INFINITY && sign(x1) !== sign(x2) && x1 !== 0));

test.each(Object.keys(cases))("%s", async (name) => {
  const isUnary = cases[name]?.[0]?.[0].every((c) => c.startsWith("x "));
  const pairs = POOL.flatMap((x1) => (isUnary ? [[x1, x1] as const] : POOL.map((x2) => [x1, x2] as const)));
  const column = (k: 0 | 1) => array(NDArray.of(Float64Array.from(pairs, (p) => p[k])), { chunks: [17] });
  const lazy =
    name === "clip" ? xp("clip", column(0), -2, 2) : isUnary ? xp(name, column(0)) : xp(name, column(0), column(1));
  const out = (await lazy.compute()).data;
  const wrong: string[] = [];
  for (const [conditions, result] of cases[name] ?? []) {
    let met = 0;
    pairs.forEach(([x1, x2], i) => {
      if (!conditions.every((c) => meets(c, x1, x2)) || PYTHONS(name, x1, x2)) return;
      met++;
      const got = Number(out[i]);
      // products that leave the range of float64 are still of the right sign; a quotient may round to 0
      if (!fits(result, got, [x1, x2]))
        wrong.push(`${ours(name)}(${x1}, ${x2}) = ${got}: ${conditions.join(" & ")} -> ${result}`);
    });
    if (met === 0 && name !== "floor_divide") wrong.push(`no pair meets ${conditions.join(" & ")}`);
  }
  expect(wrong).toEqual([]);
});

test.each([
  ["mean", Number.NaN],
  ["prod", 1],
  ["std", Number.NaN],
  ["sum", 0],
  ["var", Number.NaN],
])("%s of nothing is %d", async (name, value) => {
  expect((await xp(name, array(NDArray.of(new Float64Array(0)))).compute()).item()).toBe(value);
});
