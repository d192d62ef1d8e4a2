/**
 * Arithmetic and comparison of complex numbers. Each operation rounds to the parts' precision, as a machine with float32
 * or float64 lanes does; nothing is fused, so bits are the same on every CPU (NumPy's product is fused where the CPU
 * has such an instruction, and differs then in the last bit of a part). Source: NumPy 2.4 `loops.c.src`, `npy_math_complex`.
 */
import type { DType } from "../../dtype/index.ts";
import type { CompareOp } from "../../graph/index.ts";
import { hypot } from "../map/scalar-float.ts";
import { binaryFunction } from "../map/scalar-ops.ts";
import { type ComplexUnary, copySign, exp, log, type Pair } from "./parts.ts";

/** Rounds to the precision of a part. */
export type Round = (x: number) => number;
/** Function of two complex numbers. */
type ComplexBinary = (a: Pair, b: Pair, out: Pair) => void;

function set(out: Pair, re: number, im: number): void {
  out[0] = re;
  out[1] = im;
}
const re = (z: Pair): number => z[0] as number; // pairs have two parts
const im = (z: Pair): number => z[1] as number;

/** Quotient by Smith's method; by zero: each part divided by zero. */
function divide(round: Round): ComplexBinary {
  return (a, b, out) => {
    const [x, y] = [Math.abs(re(b)), Math.abs(im(b))];
    if (x === 0 && y === 0) return set(out, re(a) / x, im(a) / x);
    if (x >= y) {
      const ratio = round(im(b) / re(b));
      const scale = round(1 / round(re(b) + round(im(b) * ratio)));
      return set(out, round(re(a) + round(im(a) * ratio)) * scale, round(im(a) - round(re(a) * ratio)) * scale);
    }
    // Also where a part is NaN, which is then in both results.
    const ratio = round(re(b) / im(b));
    const scale = round(1 / round(im(b) + round(re(b) * ratio)));
    set(out, round(round(re(a) * ratio) + im(a)) * scale, round(round(im(a) * ratio) - re(a)) * scale);
  };
}

function multiply(round: Round): ComplexBinary {
  return (a, b, out) =>
    set(out, round(re(a) * re(b)) - round(im(a) * im(b)), round(re(a) * im(b)) + round(im(a) * re(b)));
}

/** Lexicographic order: by real, then by imaginary part. A NaN anywhere compares false. */
const isAtLeast = (a: Pair, b: Pair): boolean =>
  (re(a) > re(b) && !Number.isNaN(im(a)) && !Number.isNaN(im(b))) || (re(a) === re(b) && im(a) >= im(b));
const isAbove = (a: Pair, b: Pair): boolean =>
  (re(a) > re(b) && !Number.isNaN(im(a)) && !Number.isNaN(im(b))) || (re(a) === re(b) && im(a) > im(b));
/** True where either part is NaN. */
export const hasNaN = (z: Pair): boolean => Number.isNaN(re(z)) || Number.isNaN(im(z));

/** Larger (or smaller) of two in lexicographic order; the first that holds a NaN wins. */
const larger: ComplexBinary = (a, b, out) => out.set(hasNaN(a) || isAtLeast(a, b) ? a : b);
const smaller: ComplexBinary = (a, b, out) => out.set(hasNaN(a) || isAtLeast(b, a) ? a : b);

/** Powers: whole exponents below 100 by squaring, others by exp(b·log a). Source: NumPy `npy_cpow`. */
function power(round: Round): ComplexBinary {
  const times = multiply(round);
  const over = divide(round);
  const [base, product, one] = [new Float64Array(2), new Float64Array(2), Float64Array.of(1, 0)];
  const rounded = (z: Pair): Pair => {
    set(z, round(re(z)), round(im(z)));
    return z;
  };
  return (a, b, out) => {
    const n = re(b);
    if (n === 0 && im(b) === 0) return set(out, 1, 0);
    if (re(a) === 0 && im(a) === 0) {
      const isZero = n > 0 && im(b) === 0;
      return set(out, isZero ? 0 : Number.NaN, isZero ? 0 : Number.NaN);
    }
    if (im(b) === 0 && Number.isInteger(n) && Math.abs(n) < 100) {
      if (n === 1) return out.set(a);
      base.set(a);
      product.set(one);
      for (let left = Math.abs(n); ; ) {
        if (left % 2 === 1) {
          times(product, base, out);
          product.set(rounded(out));
        }
        left = Math.floor(left / 2);
        if (left === 0) break;
        times(base, base, out);
        base.set(rounded(out));
      }
      if (n < 0) over(one, product, out);
      else out.set(product);
      return;
    }
    log(re(a), im(a), base);
    exp(re(b) * re(base) - im(b) * im(base), re(b) * im(base) + im(b) * re(base), out);
  };
}

/** Function of a binary operation; undefined where NumPy has none for complex numbers. */
export function binaryOf(op: string, round: Round): ComplexBinary | undefined {
  switch (op) {
    case "add":
      return (a, b, out) => set(out, re(a) + re(b), im(a) + im(b));
    case "sub":
      return (a, b, out) => set(out, re(a) - re(b), im(a) - im(b));
    case "mul":
      return multiply(round);
    case "div":
      return divide(round);
    case "pow":
      return power(round);
    case "max":
      return larger;
    case "min":
      return smaller;
    default:
      return undefined;
  }
}

/** Comparisons of two complex numbers. */
export const COMPARE: Readonly<Record<CompareOp, (a: Pair, b: Pair) => boolean>> = {
  eq: (a, b) => re(a) === re(b) && im(a) === im(b),
  ne: (a, b) => re(a) !== re(b) || im(a) !== im(b),
  lt: (a, b) => isAbove(b, a),
  le: (a, b) => isAtLeast(b, a),
  gt: isAbove,
  ge: isAtLeast,
};

/** z/|z|; 0 for 0, NaN where the direction is unknown. Source: NumPy `@TYPE@_sign`. */
const sign: ComplexUnary = (x, y, out) => {
  const size = hypot(x, y);
  const [farX, farY] = [Math.abs(x) === Number.POSITIVE_INFINITY, Math.abs(y) === Number.POSITIVE_INFINITY];
  if (Number.isNaN(size) || (farX && farY)) return set(out, Number.NaN, Number.NaN);
  if (size === 0) return set(out, 0, 0);
  if (farX) set(out, copySign(1, x), 0);
  else if (farY) set(out, 0, copySign(1, y));
  else set(out, x / size, y / size);
};

/** 1/z by Smith's method. Source: NumPy `@TYPE@_reciprocal`. */
export function reciprocal(round: Round): ComplexUnary {
  return (x, y, out) => {
    if (Math.abs(y) <= Math.abs(x)) {
      const ratio = round(y / x);
      const d = round(x + round(y * ratio));
      return set(out, 1 / d, -ratio / d);
    }
    const ratio = round(x / y);
    const d = round(round(x * ratio) + y);
    set(out, ratio / d, -1 / d);
  };
}

/** Unary operations that are arithmetic; the elementary functions are in `parts.ts`. */
export function unaryOf(op: string, round: Round): ComplexUnary | undefined {
  switch (op) {
    case "neg":
      return (x, y, out) => set(out, -x, -y);
    case "conj":
      return (x, y, out) => set(out, x, -y);
    case "square":
      return (x, y, out) => set(out, round(x * x) - round(y * y), round(x * y) + round(y * x));
    case "reciprocal":
      return reciprocal(round);
    case "sign":
      return sign;
    default:
      return undefined;
  }
}

/** Function of a unary operation whose result is real or bool; undefined where the result is complex. */
export function toRealOf(op: string, part: DType): ((x: number, y: number) => number) | undefined {
  // The modulus is `hypot` of the parts, in their dtype; floats are numbers.
  if (op === "abs") return binaryFunction("hypot", part) as (x: number, y: number) => number;
  return TO_REAL[op];
}

const TO_REAL: Readonly<Record<string, (x: number, y: number) => number>> = {
  real: (x) => x,
  imag: (_, y) => y,
  isnan: (x, y) => (Number.isNaN(x) || Number.isNaN(y) ? 1 : 0),
  isinf: (x, y) => (Math.abs(x) === Number.POSITIVE_INFINITY || Math.abs(y) === Number.POSITIVE_INFINITY ? 1 : 0),
  isfinite: (x, y) => (Number.isFinite(x) && Number.isFinite(y) ? 1 : 0),
};
