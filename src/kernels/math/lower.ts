/**
 * Which form an elementary function takes: vectors of its dtype, float32 in float64's vectors, or lane by lane through
 * the host. All forms of a value depend on that value alone, so a block's cuts never show.
 */
import type { DType } from "../../dtype/index.ts";
import { hostCode, isBinaryCode } from "../host.ts";
import { highHalf, type LaneCode, type Lanes, lowHalves, type V } from "../map/lanes.ts";
import { type Local, vector1 } from "../wasm/builder.ts";
import { i0 } from "./bessel.ts";
import { exponent, frexpRare, mantissa, spacing, spacingRare } from "./bits.ts";
import { cosh, exp, exp2, expm1, hyperbolicMax, type Precision, sinh, tanh } from "./exponential.ts";
import { FloatCode, type LaneFloat } from "./float-code.ts";
import { acosh, asinh, atanh, INVERSE_MAX, logAddExp, logAddExpCancels, nextAfter } from "./hyperbolic.ts";
import { acos, asin, atan, atan2, atan2Rare } from "./inverse.ts";
import { log, log1p, log2, log10 } from "./logarithm.ts";
import { cbrt, cbrtRare, hypot, hypotRare, pow, powFar, powShort, powShortRare, signedPowers } from "./power.ts";
import { powSingle } from "./power-single.ts";
import { floorOf, fmodDouble, fmodShort, modOf } from "./remainder.ts";
import { cos, sin, TRIG_MAX, tan, trigRare } from "./trigonometric.ts";

interface Form1 {
  readonly of: (m: FloatCode, xs: readonly V[], precision: Precision) => V[];
  /** Lanes that the host computes. */
  readonly rare?: (m: FloatCode, x: V) => V;
  /** float32 has vectors of its own. */
  readonly single?: true;
}

const beyond =
  (limit: number) =>
  (m: FloatCode, x: V): V =>
    m.compare("gt", m.abs(x), m.c(limit));

const hyperbolicRare = (m: FloatCode, x: V): V => m.compare("gt", m.abs(x), m.c(hyperbolicMax(m)));

const FORMS1: Readonly<Record<string, Form1>> = {
  exp: { of: exp, single: true },
  exp2: { of: exp2, single: true },
  expm1: { of: expm1, single: true },
  log: { of: log, single: true },
  log2: { of: log2, single: true },
  log10: { of: log10, single: true },
  log1p: { of: log1p, single: true },
  sin: { of: sin, rare: trigRare, single: true },
  cos: { of: cos, rare: trigRare, single: true },
  tan: { of: tan, rare: trigRare, single: true },
  asin: { of: asin, single: true },
  acos: { of: acos, single: true },
  atan: { of: atan, single: true },
  sinh: { of: sinh, rare: hyperbolicRare, single: true },
  cosh: { of: cosh, rare: hyperbolicRare, single: true },
  tanh: { of: tanh, single: true },
  cbrt: { of: cbrt, rare: cbrtRare, single: true },
  asinh: { of: asinh, rare: beyond(INVERSE_MAX), single: true },
  acosh: { of: acosh, rare: beyond(INVERSE_MAX), single: true },
  atanh: { of: atanh, single: true },
  i0: { of: i0 },
};

/** Forms that give the interpreter's bits. */
const EXACT1: Readonly<Record<string, Form1>> = {
  mantissa: { of: mantissa, rare: frexpRare, single: true },
  exponent: { of: exponent, rare: frexpRare, single: true },
  spacing: { of: spacing, rare: spacingRare, single: true },
};

const APPROXIMATE_OF_TWO: ReadonlySet<string> = new Set(["atan2", "pow", "hypot", "logaddexp", "logaddexp2"]);

/** True where vector code differs from the interpreter by a bounded error: then even small blocks are compiled. */
export function isApproximate(op: string): boolean {
  return Object.hasOwn(FORMS1, op) || APPROXIMATE_OF_TWO.has(op);
}

function widened(code: LaneCode, v: readonly V[]): V[] {
  return v.flatMap((x) => [
    code.let(vector1("f64x2.promote_low_f32x4", x)),
    code.let(vector1("f64x2.promote_low_f32x4", highHalf(x))),
  ]);
}

function narrowed(code: LaneCode, v: readonly V[]): V[] {
  const halves = code.map1("f32x4.demote_f64x2_zero", v);
  return Array.from({ length: v.length / 2 }, (_, k) =>
    code.let(lowHalves(halves[2 * k] as V, halves[2 * k + 1] as V)),
  );
}

/** Locals of their own, which lanes can be patched in. */
function own(code: LaneCode, v: readonly V[]): Local<"v128">[] {
  return v.map((x) => code.let(x));
}

function codeOf(op: string, dtype: DType): number {
  return hostCode(op, dtype) as number; // every form has a host function
}

/** Vector code of `op` on one float operand; null when there is none, and no host function. */
export function lowerMath1(op: string): ((code: LaneCode, a: Lanes) => Lanes) | null {
  const form = Object.hasOwn(FORMS1, op) ? FORMS1[op] : Object.hasOwn(EXACT1, op) ? EXACT1[op] : undefined;
  if (!form) {
    const known = hostCode(op, "float64");
    return known === undefined || isBinaryCode(known) ? null : (code, a) => byLane(code, op, a, null);
  }
  return (code, a) => {
    const dtype = a.dtype as LaneFloat; // the table asks for floats that have lanes
    if (dtype === "float32" && !form.single) return throughDouble(code, a, form);
    const m = new FloatCode(code, dtype);
    const out = own(code, form.of(m, a.v, { short: false }));
    if (form.rare === trigRare && dtype === "float32") return beyondSingle(code, op, form, { a, out });
    if (form.rare)
      m.patch(
        out,
        a.v.map((x) => form.rare?.(m, x) as V), // it is there
        codeOf(op, dtype),
        [a.v],
      );
    return { ...a, v: out };
  };
}

/** sin, cos and tan of float32 lanes too large for float32's reduction: in float64, the largest by the host. */
function beyondSingle(
  code: LaneCode,
  op: string,
  form: Form1,
  { a, out }: { readonly a: Lanes; readonly out: readonly Local<"v128">[] },
): Lanes {
  const m = new FloatCode(code, "float32");
  const large = a.v.map((x) => trigRare(m, x));
  code.f.if(m.any(large), () => {
    const wide = new FloatCode(code, "float64");
    const xs = widened(code, m.apart(a.v));
    const exact = own(code, form.of(wide, xs, { short: false }));
    wide.patch(
      exact,
      xs.map((x) => beyond(TRIG_MAX)(wide, x)),
      codeOf(op, "float64"),
      [xs],
    );
    const narrow = narrowed(code, exact);
    m.replace(out, (k) => m.select(large[k] as V, narrow[k] as V, out[k] as V)); // as many
  });
  return { ...a, v: out };
}

function throughDouble(code: LaneCode, a: Lanes, form: Form1): Lanes {
  const m = new FloatCode(code, "float64");
  const xs = widened(code, a.v);
  const out = own(code, form.of(m, xs, { short: true }));
  return { ...a, v: narrowed(code, out) };
}

/** Vector code of `op` on two float operands; null when there is none, and no host function. */
export function lowerMath2(op: string): ((code: LaneCode, a: Lanes, b: Lanes) => Lanes) | null {
  if (op === "pow") return lowerPow;
  if (op === "hypot") return lowerHypot;
  if (op === "atan2") return lowerAtan2;
  if (op === "logaddexp" || op === "logaddexp2") {
    const form = logAddExp(op === "logaddexp" ? "e" : "2");
    return (code, a, b) => lowerLogAddExp(code, a, b, form);
  }
  if (op === "nextafter")
    return (code, a, b) => ({ ...a, v: nextAfter(new FloatCode(code, a.dtype as LaneFloat), a.v, b.v) }); // floats that have lanes
  if (op === "fmod" || op === "mod" || op === "floordiv") return (code, a, b) => lowerRemainder(code, op, a, b);
  const known = hostCode(op, "float64");
  return known !== undefined && isBinaryCode(known) ? (code, a, b) => byLane(code, op, a, b) : null;
}

function lowerPow(code: LaneCode, a: Lanes, b: Lanes): Lanes {
  if (a.dtype === "float32") return lowerPowSingle(code, a, b);
  const m = new FloatCode(code, "float64");
  const [xs, ys] = [a.v, b.v];
  const { out, rare, exponents } = pow(m, xs, ys);
  const patched = own(code, out);
  code.f.if(m.any(rare), () => {
    const unknown = rare.map((mask, k) => {
      const far = powFar(m, xs[k] as V, ys[k] as V, exponents[k] as V); // as many
      code.f.set(patched[k] as Local<"v128">, m.select(far.known, far.value, patched[k] as V));
      return m.andNot(mask, far.known);
    });
    m.patch(patched, unknown, codeOf("pow", "float64"), [xs, ys]);
  });
  return { ...a, v: patched };
}

/**
 * float32: signs are seen to where an iteration has a negative base; where one has what is no normal number, or powers
 * near the end of the range, those are computed in float64, infinities and zeros by the host.
 */
function lowerPowSingle(code: LaneCode, a: Lanes, b: Lanes): Lanes {
  const m = new FloatCode(code, "float32");
  const { values, rare } = powSingle(m, a.v, b.v);
  const out = own(code, values);
  const isNegative = a.v.map((x) => m.compare("lt", x, m.c(0)));
  code.f.if(m.any(isNegative), () => {
    const signs = signedPowers(m, m.apart(a.v), m.apart(b.v), m.apart(out));
    m.replace(out, (k) => signs[k] as V); // as many
  });
  code.f.if(m.any(rare), () => {
    const exact = powWidened(code, { ...a, v: m.apart(a.v) }, { ...b, v: m.apart(b.v) });
    m.replace(out, (k) => m.select(rare[k] as V, exact[k] as V, out[k] as V)); // as many
  });
  return { ...a, v: out };
}

/** float32 through float64. */
function powWidened(code: LaneCode, a: Lanes, b: Lanes): V[] {
  const m = new FloatCode(code, "float64");
  const [xs, ys] = [widened(code, a.v), widened(code, b.v)];
  const out = own(code, signedPowers(m, xs, ys, powShort(m, xs, ys)));
  m.patch(out, powShortRare(m, xs, ys), codeOf("pow", "float64"), [xs, ys]);
  return narrowed(code, out);
}

function lowerHypot(code: LaneCode, a: Lanes, b: Lanes): Lanes {
  if (a.dtype === "float32") return lowerHypotSingle(code, a, b);
  const m = new FloatCode(code, "float64");
  const out = own(code, hypot(m, a.v, b.v, { short: false }));
  const rare = a.v.map((x, k) => hypotRare(m, x, b.v[k] as V)); // as many
  m.patch(out, rare, codeOf("hypot", "float64"), [a.v, b.v]);
  return { ...a, v: out };
}

/** float32 in its own lanes; iterations with squares that leave the normal range, infinities or NaN in float64 too. */
function lowerHypotSingle(code: LaneCode, a: Lanes, b: Lanes): Lanes {
  const m = new FloatCode(code, "float32");
  const out = own(code, hypot(m, a.v, b.v, { short: false }));
  const rare = a.v.map((x, k) => hypotRare(m, x, b.v[k] as V)); // as many
  code.f.if(m.any(rare), () => {
    const wide = new FloatCode(code, "float64");
    const [xs, ys] = [widened(code, m.apart(a.v)), widened(code, m.apart(b.v))];
    const exact = narrowed(code, hypot(wide, xs, ys, { short: true }));
    m.replace(out, (k) => m.select(rare[k] as V, exact[k] as V, out[k] as V)); // as many
  });
  return { ...a, v: out };
}

function lowerAtan2(code: LaneCode, a: Lanes, b: Lanes): Lanes {
  const dtype = a.dtype as LaneFloat; // the table asks for floats that have lanes
  const m = new FloatCode(code, dtype);
  const out = own(code, atan2(m, a.v, b.v));
  const rare = a.v.map((y, k) => atan2Rare(m, y, b.v[k] as V)); // as many
  m.patch(out, rare, codeOf("atan2", dtype), [a.v, b.v]);
  return { ...a, v: out };
}

/** float32 in its own lanes; iterations in which a sum may cancel in float64 too, with all of its precision. */
function lowerLogAddExp(code: LaneCode, a: Lanes, b: Lanes, form: ReturnType<typeof logAddExp>): Lanes {
  const m = new FloatCode(code, a.dtype as LaneFloat); // the table asks for floats that have lanes
  const out = own(code, form(m, a.v, b.v, { short: false }));
  if (!m.isSingle) return { ...a, v: out };
  const cancels = a.v.map((x, k) => logAddExpCancels(m, x, b.v[k] as V)); // as many
  code.f.if(m.any(cancels), () => {
    const wide = new FloatCode(code, "float64");
    const [xs, ys] = [widened(code, m.apart(a.v)), widened(code, m.apart(b.v))];
    const exact = narrowed(code, form(wide, xs, ys, { short: false }));
    m.replace(out, (k) => m.select(cancels[k] as V, exact[k] as V, out[k] as V)); // as many
  });
  return { ...a, v: out };
}

function lowerRemainder(code: LaneCode, op: "fmod" | "mod" | "floordiv", a: Lanes, b: Lanes): Lanes {
  const single = a.dtype === "float32";
  const wide = new FloatCode(code, "float64");
  const [xs, ys] = single ? [widened(code, a.v), widened(code, b.v)] : [a.v, b.v];
  const exact = xs.map((x, k) => (single ? fmodShort : fmodDouble)(wide, x, ys[k] as V)); // as many
  const out = own(
    code,
    exact.map(({ value }) => value),
  );
  const rare = exact.map((e) => e.rare);
  wide.patch(out, rare, codeOf("fmod", "float64"), [xs, ys]);
  const rest = single ? narrowed(code, out) : out;
  if (op === "fmod") return { ...a, v: rest };
  // The host's remainders serve the other two as well, but where the divisor is 0.
  const m = new FloatCode(code, a.dtype as LaneFloat); // the table asks for floats that have lanes
  const v = a.v.map((x, k): V => {
    const [y, r] = [b.v[k] as V, rest[k] as V]; // as many
    if (op === "mod") return modOf(m, r, y);
    return m.select(m.compare("eq", y, m.c(0)), m.div(x, y), floorOf(m, x, y, r));
  });
  return { ...a, v };
}

/** float16 values in float32's lanes through the host. */
export function lowerHalfByLane(code: LaneCode, op: string, a: Lanes, b: Lanes | null): Lanes {
  return byLane(code, op, a, b, "float16");
}

/** Every lane through the host. */
function byLane(code: LaneCode, op: string, a: Lanes, b: Lanes | null, dtype: DType = a.dtype): Lanes {
  const m = new FloatCode(code, a.dtype as LaneFloat); // the table asks for floats that have lanes
  const out = own(code, a.v);
  m.all(out, codeOf(op, dtype), b === null ? [a.v] : [a.v, b.v]);
  return { ...a, v: out };
}
