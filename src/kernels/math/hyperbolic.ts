/**
 * asinh, acosh, atanh and logaddexp over vectors, by log1p and exp: the formulas of FreeBSD's msun (`s_asinh.c`,
 * `e_acosh.c`, `e_atanh.c`: Copyright (C) 1993 by Sun Microsystems, Inc., freely granted provided that this notice is
 * preserved) and NumPy's `npy_logaddexp`.
 */
import type { V } from "../map/lanes.ts";
import type { Local } from "../wasm/builder.ts";
import { exp, exp2, type Precision } from "./exponential.ts";
import type { FloatCode } from "./float-code.ts";
import { log1p } from "./logarithm.ts";
import { log1pCore } from "./logarithm-single.ts";

/** Magnitudes from here on are the host's. */
export const INVERSE_MAX: number = 2 ** 28;

function logOf(m: FloatCode, inner: readonly V[], precision: Precision): V[] {
  return m.isSingle ? m.each(inner, (x) => log1pCore(m, x)) : log1p(m, inner, precision);
}

export function asinh(m: FloatCode, xs: readonly V[], precision: Precision): V[] {
  const inner = m.each(xs, (x) => {
    const a = m.abs(x);
    const square = m.mul(a, a);
    return m.add(a, m.div(square, m.add(m.sqrt(m.add(square, m.c(1))), m.c(1))));
  });
  return m.each(logOf(m, inner, precision), (y, k) => {
    const x = xs[k] as V; // as many
    if (m.isSingle) return m.or(y, m.and(x, m.signBit));
    return m.select(m.compare("lt", m.abs(x), m.c(2 ** -28)), x, m.copySign(y, x));
  });
}

export function acosh(m: FloatCode, xs: readonly V[], precision: Precision): V[] {
  const inner = m.each(xs, (x) => {
    const t = m.sub(x, m.c(1));
    return m.add(t, m.sqrt(m.mulAdd(t, t, m.add(t, t))));
  });
  return m.each(logOf(m, inner, precision), (y, k) =>
    m.select(m.compare("lt", xs[k] as V, m.c(1)), m.c(Number.NaN), y),
  ); // as many
}

/** log(1 + 2a/(1 - a))/2; the ends of the range and what lies beyond are mended where an iteration has one. */
function atanhSingle(m: FloatCode, xs: readonly V[]): V[] {
  const { f } = m.code;
  const wild = f.let(m.any(xs.map((x) => m.compare("ge", m.abs(x), m.c(1)))));
  const out = m
    .each(xs, (x) => {
      const a = m.abs(x);
      const inner = m.div(m.add(a, a), m.sub(m.c(1), a));
      return m.or(m.mul(log1pCore(m, inner), m.c(0.5)), m.and(x, m.signBit));
    })
    .map((y) => m.let(y));
  f.if(wild, () =>
    xs.forEach((x, k) => {
      const a = m.abs(x);
      const beyond = m.select(m.compare("gt", a, m.c(1)), m.c(Number.NaN), out[k] as V); // as many
      const end = m.or(m.c(Number.POSITIVE_INFINITY), m.and(x, m.signBit));
      f.set(out[k] as Local<"v128">, m.select(m.compare("eq", a, m.c(1)), end, beyond));
    }),
  );
  return out;
}

export function atanh(m: FloatCode, xs: readonly V[], precision: Precision): V[] {
  if (m.isSingle) return atanhSingle(m, xs);
  const inner = m.each(xs, (x) => {
    const a = m.abs(x);
    const twice = m.add(a, a);
    const rest = m.sub(m.c(1), a);
    const small = m.mulAdd(twice, m.div(a, rest), twice);
    return m.select(m.compare("lt", a, m.c(0.5)), small, m.div(twice, rest));
  });
  return m.each(logOf(m, inner, precision), (y, k) => {
    const x = xs[k] as V; // as many
    return m.select(m.compare("lt", m.abs(x), m.c(2 ** -28)), x, m.copySign(m.mul(y, m.c(0.5)), x));
  });
}

/** log(e^a + e^b), or log2(2^a + 2^b). */
export function logAddExp(
  base: "e" | "2",
): (m: FloatCode, xs: readonly V[], ys: readonly V[], precision: Precision) => V[] {
  return (m, xs, ys, precision) => {
    const apart = xs.map((x, k) => m.sub(x, ys[k] as V)); // as many
    const powers = (base === "e" ? exp : exp2)(
      m,
      apart.map((d) => m.neg(m.abs(d))),
      precision,
    );
    return m.each(log1p(m, powers, precision), (l, k) => {
      const [x, y] = [xs[k] as V, ys[k] as V]; // as many
      const d = apart[k] as V;
      const larger = m.select(m.compare("gt", d, m.c(0)), x, y);
      const sum = m.add(larger, base === "e" ? l : m.mul(l, m.c(Math.LOG2E)));
      const either = m.select(m.isNaN(d), d, sum);
      return m.select(m.compare("eq", x, y), m.add(x, m.c(base === "e" ? Math.LN2 : 1)), either);
    });
  };
}

/** Lanes whose larger operand is small beside what is added to it (log 2 or 1 at the most), or cancels it. */
export function logAddExpCancels(m: FloatCode, x: V, y: V): V {
  const larger = m.select(m.compare("gt", x, y), x, y);
  return m.and(m.compare("lt", larger, m.c(2 ** -6)), m.compare("gt", larger, m.c(-3)));
}

/** The next float from a towards b: one more or less in the bits. */
export function nextAfter(m: FloatCode, xs: readonly V[], ys: readonly V[]): V[] {
  return m.each(xs, (a, k) => {
    const b = ys[k] as V; // as many
    const rises = m.compare("gt", b, a);
    const isPositive = m.compare("gt", a, m.c(0));
    const away = m.not(m.xor(rises, isPositive));
    const step = m.or(away, m.bits(1n)); // all ones is -1
    const moved = m.subBits(a, step);
    const smallest = m.copySign(m.bits(1n), b);
    const y = m.select(m.compare("eq", a, m.c(0)), smallest, moved);
    const same = m.select(m.compare("eq", a, b), b, y);
    const nan = m.or(m.isNaN(a), m.isNaN(b));
    return m.select(nan, m.c(Number.NaN), same);
  });
}
