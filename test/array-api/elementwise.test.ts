/** Elementwise functions: dtypes by promotion, broadcasting, values against a reference per element. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type DType, dtypeInfo } from "../../src/dtype/index.ts";
import { useInlineRunner } from "../run-inline.ts";
import {
  ALL,
  arrayOf,
  at,
  BOOL,
  broadcastable,
  COMPLEX,
  dtype,
  type Element,
  FLOATS,
  INTEGERS,
  indices,
  NUMERIC,
  promotable,
  promoted,
  REAL,
  same,
  shapes,
  xp,
} from "./arbitraries.ts";

useInlineRunner();
const RUNS = { numRuns: 25 };

type Value = number | bigint | boolean;

/** Integers wrap, floats are rounded to the dtype. */
function narrowed(v: Value, to: DType): Element {
  const { kind, itemsize } = dtypeInfo(to);
  if (kind === "b") return Boolean(v);
  if (kind === "f") return to === "float32" ? Math.fround(Number(v)) : Number(v);
  const wrap = kind === "i" ? BigInt.asIntN : BigInt.asUintN;
  const wrapped = wrap(itemsize * 8, typeof v === "number" ? BigInt(v) : BigInt(v));
  return itemsize === 8 ? wrapped : Number(wrapped);
}

/** Near enough for functions whose last bits are a library's own. */
function near(got: Element, want: number, of: DType): boolean {
  const value = Number(got as number); // real results
  if (Number.isNaN(want)) return Number.isNaN(value);
  const expected = of === "float32" ? Math.fround(want) : want;
  if (value === expected || !Number.isFinite(expected)) return value === expected || Math.abs(value) > 3e38;
  const tolerance = of === "float32" ? 1e-5 : 1e-12;
  return (
    Math.abs(value - expected) <= tolerance * Math.max(Math.abs(expected), 1e-300) + (of === "float32" ? 1e-37 : 0)
  );
}

const bigs = (v: Element): bigint => BigInt(v as number | bigint | boolean);
const isInteger = (of: DType): boolean => "iu".includes(dtypeInfo(of).kind);

interface Unary {
  readonly dtypes: readonly DType[];
  readonly result?: (of: DType) => DType;
  /** Exact in the dtype. */
  readonly exact?: (v: Element, of: DType) => Value;
  /** Within a tolerance. */
  readonly near?: (v: number) => number;
}

const bool = (): DType => "bool";
const whole = (f: (v: number) => number): Unary => ({
  dtypes: REAL,
  exact: (v, of) => (isInteger(of) ? (v as bigint) : f(Number(v as number))),
});

const UNARY: Readonly<Record<string, Unary>> = {
  abs: {
    dtypes: REAL,
    exact: (v, of) => (isInteger(of) ? (bigs(v) < 0n ? -bigs(v) : bigs(v)) : Math.abs(v as number)),
  },
  negative: { dtypes: REAL, exact: (v, of) => (isInteger(of) ? -bigs(v) : -(v as number)) },
  positive: { dtypes: REAL, exact: (v) => v as Value },
  square: { dtypes: REAL, exact: (v, of) => (isInteger(of) ? bigs(v) * bigs(v) : (v as number) * (v as number)) },
  sign: {
    dtypes: REAL,
    exact: (v, of) => (isInteger(of) ? (bigs(v) > 0n ? 1n : bigs(v) < 0n ? -1n : 0n) : Math.sign(v as number) + 0),
  },
  floor: whole(Math.floor),
  ceil: whole(Math.ceil),
  trunc: whole(Math.trunc),
  round: whole((v) => {
    const floor = Math.floor(v);
    const rest = v - floor;
    const even = floor % 2 === 0 ? floor : floor + 1;
    return !Number.isFinite(v) ? v : rest < 0.5 ? floor : rest > 0.5 ? floor + 1 : even;
  }),
  isnan: { dtypes: REAL, result: bool, exact: (v) => Number.isNaN(v) },
  isinf: { dtypes: REAL, result: bool, exact: (v) => Math.abs(Number(v)) === Number.POSITIVE_INFINITY },
  isfinite: { dtypes: REAL, result: bool, exact: (v) => Number.isFinite(Number(v)) },
  signbit: { dtypes: FLOATS, result: bool, exact: (v) => Number.isNaN(v) || Object.is(v, -0) || (v as number) < 0 },
  logical_not: { dtypes: BOOL, exact: (v) => !v },
  bitwise_invert: { dtypes: [...BOOL, ...INTEGERS], exact: (v, of) => (of === "bool" ? !v : ~bigs(v)) },
  sqrt: { dtypes: FLOATS, exact: (v) => Math.sqrt(v as number) },
  reciprocal: { dtypes: FLOATS, exact: (v) => 1 / (v as number) },
  acos: { dtypes: FLOATS, near: Math.acos },
  acosh: { dtypes: FLOATS, near: Math.acosh },
  asin: { dtypes: FLOATS, near: Math.asin },
  asinh: { dtypes: FLOATS, near: Math.asinh },
  atan: { dtypes: FLOATS, near: Math.atan },
  atanh: { dtypes: FLOATS, near: Math.atanh },
  cos: { dtypes: FLOATS, near: Math.cos },
  cosh: { dtypes: FLOATS, near: Math.cosh },
  exp: { dtypes: FLOATS, near: Math.exp },
  expm1: { dtypes: FLOATS, near: Math.expm1 },
  log: { dtypes: FLOATS, near: Math.log },
  log1p: { dtypes: FLOATS, near: Math.log1p },
  log2: { dtypes: FLOATS, near: Math.log2 },
  log10: { dtypes: FLOATS, near: Math.log10 },
  sin: { dtypes: FLOATS, near: Math.sin },
  sinh: { dtypes: FLOATS, near: Math.sinh },
  tan: { dtypes: FLOATS, near: Math.tan },
  tanh: { dtypes: FLOATS, near: Math.tanh },
};

test.each(Object.entries(UNARY))("%s", async (name, { dtypes, result = (of) => of, exact, near: close }) => {
  const inputs = fc.tuple(dtype(dtypes), shapes()).chain(([of, shape]) => arrayOf(of, shape));
  await fc.assert(
    fc.asyncProperty(inputs, async ({ block, lazy }) => {
      const out = xp(name, lazy);
      const of = result(block.dtype);
      expect([out.dtype, out.shape]).toEqual([of, block.shape]);
      const got = await out.compute();
      for (const i of indices(block.shape)) {
        const [v, o] = [at(block, i), at(got, i)];
        if (exact && isInteger(block.dtype) && of !== "bool")
          expect(o).toEqual(narrowed(exact(bigs(v), block.dtype), of));
        else if (name === "signbit" && Number.isNaN(v))
          continue; // JavaScript does not tell the sign of NaN
        else if (exact) expect([v, o, same(o, narrowed(exact(v, block.dtype), of))]).toEqual([v, o, true]);
        else expect([v, o, near(o, close?.(v as number) ?? Number.NaN, of)]).toEqual([v, o, true]);
      }
    }),
    RUNS,
  );
});

interface Binary {
  readonly dtypes: readonly DType[];
  readonly result?: (of: DType) => DType;
  readonly integer?: (a: bigint, b: bigint, of: DType) => bigint | boolean;
  readonly float?: (a: number, b: number) => number | boolean;
  readonly near?: (a: number, b: number) => number;
  readonly bool?: (a: boolean, b: boolean) => boolean;
}

const floored = (a: bigint, b: bigint): bigint => {
  if (b === 0n) return 0n;
  const q = a / b;
  return a % b !== 0n && a < 0n !== b < 0n ? q - 1n : q;
};
const compared = (test: (a: Value, b: Value) => boolean, dtypes: readonly DType[] = REAL): Binary => ({
  dtypes,
  result: bool,
  integer: test,
  float: test,
  bool: test,
});
const logical = (f: (a: boolean, b: boolean) => boolean): Binary => ({ dtypes: BOOL, bool: f });
const bits = (f: (a: bigint, b: bigint) => bigint, g: (a: boolean, b: boolean) => boolean): Binary => ({
  dtypes: [...BOOL, ...INTEGERS],
  integer: f,
  bool: g,
});

const BINARY: Readonly<Record<string, Binary>> = {
  add: { dtypes: REAL, integer: (a, b) => a + b, float: (a, b) => a + b },
  subtract: { dtypes: REAL, integer: (a, b) => a - b, float: (a, b) => a - b },
  multiply: { dtypes: REAL, integer: (a, b) => a * b, float: (a, b) => a * b },
  divide: { dtypes: FLOATS, float: (a, b) => a / b },
  floor_divide: { dtypes: INTEGERS, integer: floored },
  remainder: { dtypes: INTEGERS, integer: (a, b) => (b === 0n ? 0n : a - b * floored(a, b)) },
  maximum: {
    dtypes: REAL,
    integer: (a, b) => (a > b ? a : b),
    float: (a, b) => (Number.isNaN(a) || Number.isNaN(b) ? Number.NaN : a > b ? a : b),
  },
  minimum: {
    dtypes: REAL,
    integer: (a, b) => (a < b ? a : b),
    float: (a, b) => (Number.isNaN(a) || Number.isNaN(b) ? Number.NaN : a < b ? a : b),
  },
  greater: compared((a, b) => a > b),
  greater_equal: compared((a, b) => a >= b),
  less: compared((a, b) => a < b),
  less_equal: compared((a, b) => a <= b),
  equal: compared((a, b) => a === b, [...BOOL, ...REAL]),
  not_equal: compared((a, b) => a !== b, [...BOOL, ...REAL]),
  logical_and: logical((a, b) => a && b),
  logical_or: logical((a, b) => a || b),
  logical_xor: logical((a, b) => a !== b),
  bitwise_and: bits(
    (a, b) => a & b,
    (a, b) => a && b,
  ),
  bitwise_or: bits(
    (a, b) => a | b,
    (a, b) => a || b,
  ),
  bitwise_xor: bits(
    (a, b) => a ^ b,
    (a, b) => a !== b,
  ),
  atan2: { dtypes: FLOATS, near: Math.atan2 },
  hypot: { dtypes: FLOATS, near: Math.hypot },
  copysign: {
    dtypes: FLOATS,
    float: (a, b) =>
      Number.isNaN(a) || Number.isNaN(b) ? Number.NaN : (b < 0 || Object.is(b, -0) ? -1 : 1) * Math.abs(a),
  },
};

function truth(one: Binary, values: readonly [Element, Element], of: DType): Value {
  const [a, b] = values;
  if (of === "bool") return one.bool?.(Boolean(a), Boolean(b)) ?? false;
  if (isInteger(of)) return one.integer?.(bigs(a), bigs(b), of) ?? 0n;
  return one.float?.(Number(a as number), Number(b as number)) ?? Number.NaN;
}

test.each(Object.entries(BINARY))("%s", async (name, one) => {
  const inputs = fc
    .tuple(promotable(one.dtypes), broadcastable)
    .chain(([[p, q], [s, t, full]]) => fc.tuple(arrayOf(p, s), arrayOf(q, t), fc.constant(full)));
  await fc.assert(
    fc.asyncProperty(inputs, async ([x, y, full]) => {
      const common = promoted(x.block.dtype, y.block.dtype) as DType; // they promote
      const of = one.result?.(common) ?? common;
      const out = xp(name, x.lazy, y.lazy);
      expect([out.dtype, out.shape]).toEqual([of, full]);
      const got = await out.compute();
      for (const i of indices(full)) {
        const [a, b, o] = [at(x.block, i), at(y.block, i), at(got, i)];
        if (one.near)
          expect([a, b, o, near(o, one.near(Number(a as number), Number(b as number)), of)]).toEqual([a, b, o, true]);
        else {
          const want = narrowed(truth(one, [a, b], common), of);
          const isFree = name === "copysign" && Number.isNaN(Number(b as number)); // the sign of NaN
          expect([a, b, o, isFree || same(o, want)]).toEqual([a, b, o, true]);
        }
      }
    }),
    RUNS,
  );
});

describe("shifts", () => {
  test.each(["bitwise_left_shift", "bitwise_right_shift"])("%s", async (name) => {
    const inputs = dtype(INTEGERS).chain((of) => fc.tuple(arrayOf(of, [7]), fc.integer({ min: 0, max: 70 })));
    await fc.assert(
      fc.asyncProperty(inputs, async ([{ block, lazy }, by]) => {
        const got = await xp(name, lazy, xp("full_like", lazy, by)).compute();
        const { itemsize } = dtypeInfo(block.dtype);
        for (const i of indices(block.shape)) {
          const v = bigs(at(block, i));
          const shifted = name.includes("left") ? (by >= itemsize * 8 ? 0n : v << BigInt(by)) : v >> BigInt(by);
          expect(at(got, i)).toEqual(narrowed(shifted, block.dtype));
        }
      }),
      RUNS,
    );
  });
});

test("clip keeps what is between, with either bound or none", async () => {
  const inputs = dtype(REAL).chain((of) =>
    fc.tuple(
      arrayOf(of, [9], true),
      fc.option(fc.integer({ min: 0, max: 9 })),
      fc.option(fc.integer({ min: 0, max: 9 })),
    ),
  );
  await fc.assert(
    fc.asyncProperty(inputs, async ([{ block, lazy }, low, high]) => {
      const out = await xp("clip", lazy, low, high).compute();
      expect(out.dtype).toBe(block.dtype);
      for (const i of indices([9])) {
        let v = Number(at(block, i) as number);
        if (low !== null) v = Math.max(v, low);
        if (high !== null) v = Math.min(v, high);
        expect(Number(at(out, i) as number)).toBe(v);
      }
    }),
    RUNS,
  );
});

test("pow of integers wraps, of floats is near", async () => {
  const inputs = dtype(REAL).chain((of) => fc.tuple(arrayOf(of, [6], true), fc.integer({ min: 0, max: 5 })));
  await fc.assert(
    fc.asyncProperty(inputs, async ([{ block, lazy }, by]) => {
      const got = await xp("pow", lazy, xp("full_like", lazy, by)).compute();
      for (const i of indices([6])) {
        const [v, o] = [at(block, i), at(got, i)];
        if (isInteger(block.dtype)) expect(o).toEqual(narrowed(bigs(v) ** BigInt(by), block.dtype));
        else expect([v, by, o, near(o, (v as number) ** by, block.dtype)]).toEqual([v, by, o, true]);
      }
    }),
    RUNS,
  );
});

test("logaddexp is the logarithm of the sum", async () => {
  const inputs = dtype(FLOATS).chain((of) => fc.tuple(arrayOf(of, [6], true), arrayOf(of, [6], true)));
  await fc.assert(
    fc.asyncProperty(inputs, async ([x, y]) => {
      const got = await xp("logaddexp", x.lazy, y.lazy).compute();
      for (const i of indices([6])) {
        const [a, b] = [Number(at(x.block, i) as number), Number(at(y.block, i) as number)];
        const want = Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b)));
        expect([a, b, at(got, i), near(at(got, i), want, x.block.dtype)]).toEqual([a, b, at(got, i), true]);
      }
    }),
    RUNS,
  );
});

test("nextafter is one unit away, towards the other", async () => {
  const inputs = dtype(FLOATS).chain((of) => fc.tuple(arrayOf(of, [6], true), arrayOf(of, [6], true)));
  await fc.assert(
    fc.asyncProperty(inputs, async ([x, y]) => {
      const got = await xp("nextafter", x.lazy, y.lazy).compute();
      const round = x.block.dtype === "float32" ? Math.fround : (v: number) => v;
      for (const i of indices([6])) {
        const [a, b, o] = [at(x.block, i) as number, at(y.block, i) as number, at(got, i) as number];
        expect(Math.sign(o - a)).toBe(Math.sign(b - a));
        const between = round((a + o) / 2);
        expect(a === b || between === a || between === o).toBe(true);
      }
    }),
    RUNS,
  );
});

describe("complex operands", () => {
  test("conj, real, imag, abs", async () => {
    await fc.assert(
      fc.asyncProperty(
        dtype(COMPLEX).chain((of) => arrayOf(of, [5], true)),
        async ({ block, lazy }) => {
          const part = block.dtype === "complex64" ? "float32" : "float64";
          const [conj, re, im, abs] = await Promise.all(
            ["conj", "real", "imag", "abs"].map((n) => xp(n, lazy).compute()),
          );
          expect([conj?.dtype, re?.dtype, im?.dtype, abs?.dtype]).toEqual([block.dtype, part, part, part]);
          for (const i of indices([5])) {
            const z = at(block, i) as { re: number; im: number };
            expect(same(at(conj as typeof block, i), { re: z.re, im: -z.im })).toBe(true);
            expect([at(re as typeof block, i), at(im as typeof block, i)]).toEqual([z.re, z.im]);
            expect(near(at(abs as typeof block, i), Math.hypot(z.re, z.im), part)).toBe(true);
          }
        },
      ),
      RUNS,
    );
  });

  test.each(["add", "subtract", "multiply", "equal", "not_equal"])("%s", async (name) => {
    const pairs = dtype(COMPLEX).chain((of) => fc.tuple(arrayOf(of, [5], true), arrayOf(of, [5], true)));
    await fc.assert(
      fc.asyncProperty(pairs, async ([x, y]) => {
        const got = await xp(name, x.lazy, y.lazy).compute();
        const round = x.block.dtype === "complex64" ? Math.fround : (v: number) => v;
        for (const i of indices([5])) {
          const [a, b] = [at(x.block, i), at(y.block, i)] as { re: number; im: number }[];
          if (!a || !b) throw new Error("complex elements");
          const equal = a.re === b.re && a.im === b.im;
          const wants = {
            add: { re: round(a.re + b.re), im: round(a.im + b.im) },
            subtract: { re: round(a.re - b.re), im: round(a.im - b.im) },
            multiply: { re: a.re * b.re - a.im * b.im, im: a.re * b.im + a.im * b.re },
            equal,
            not_equal: !equal,
          };
          const want = wants[name as "add"] as Element;
          const o = at(got, i);
          if (name !== "multiply") expect(same(o, want)).toBe(true);
          else {
            const [p, q] = [o, want] as { re: number; im: number }[];
            const scale = Math.hypot(a.re, a.im) * Math.hypot(b.re, b.im);
            const bound = (x.block.dtype === "complex64" ? 1e-6 : 1e-14) * Math.max(scale, 1e-30);
            expect(Math.hypot((p?.re ?? 0) - (q?.re ?? 0), (p?.im ?? 0) - (q?.im ?? 0))).toBeLessThanOrEqual(bound);
          }
        }
      }),
      RUNS,
    );
  });
});

describe("scalars", () => {
  const NAMES = ["add", "subtract", "multiply", "maximum", "minimum", "equal", "greater", "less_equal"];
  test.each(NAMES)("%s with a number on either side is as with an array of the dtype", async (name) => {
    await fc.assert(
      fc.asyncProperty(
        dtype(REAL).chain((of) => arrayOf(of, [5], true)),
        fc.integer({ min: 0, max: 9 }),
        async ({ lazy }, scalar) => {
          const full = xp("full_like", lazy, scalar);
          for (const [a, b] of [
            [xp(name, lazy, scalar), xp(name, lazy, full)],
            [xp(name, scalar, lazy), xp(name, full, lazy)],
          ] as const) {
            expect(a.dtype).toBe(b.dtype);
            expect((await a.compute()).toArray()).toEqual((await b.compute()).toArray());
          }
        },
      ),
      RUNS,
    );
  });

  test("where takes scalars for either branch", async () => {
    await fc.assert(
      fc.asyncProperty(
        dtype([...NUMERIC]).chain((of) => fc.tuple(arrayOf("bool", [5]), arrayOf(of, [5], true))),
        async ([cond, { block, lazy }]) => {
          const out = await xp("where", cond.lazy, lazy, 1).compute();
          expect(out.dtype).toBe(block.dtype);
          for (const i of indices([5])) {
            const one: Element = block.dtype.startsWith("c") ? { re: 1, im: 0 } : (narrowed(1, block.dtype) as Element);
            expect(same(at(out, i), at(cond.block, i) ? at(block, i) : one)).toBe(true);
          }
        },
      ),
      RUNS,
    );
  });
});

test("shapes that do not broadcast are refused", () => {
  for (const of of ALL) {
    expect(() => xp("equal", xp("zeros", [2, 3], { dtype: of }), xp("zeros", [2], { dtype: of }))).toThrow(/\(2, 3\)/);
  }
});
