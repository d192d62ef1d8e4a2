/**
 * fmod, mod and floordiv of floats over vectors: NumPy's `npy_divmod` (kernels.md §11) on an exact C `fmod`.
 *
 * float32: in float64, where q = trunc(a/b) is right and a - q·b exact for |q| < 2^28. float64: q·b with its exact error
 * (Dekker), and a step back where q is one too large, for |q| < 2^51. Other quotients, divisors of extreme size and
 * zeros are the host's.
 */
import type { V } from "../map/lanes.ts";
import type { FloatCode } from "./float-code.ts";

/** Remainder with the dividend's sign, and the lanes that are the host's. */
export interface Remainder {
  readonly value: V;
  readonly rare: V;
}

/** float32 values in float64's lanes. */
export function fmodShort(m: FloatCode, a: V, b: V): Remainder {
  const ratio = m.div(a, b);
  const r = m.sub(a, m.mul(m.trunc(ratio), b));
  const known = m.andNot(m.compare("lt", m.abs(ratio), m.c(2 ** 28)), m.isNaN(r)); // 0·inf is the host's
  return { value: m.copySign(r, a), rare: outside(m, a, b, known) };
}

export function fmodDouble(m: FloatCode, a: V, b: V): Remainder {
  const [x, y] = [m.abs(a), m.abs(b)];
  const ratio = m.div(x, y);
  const q = m.trunc(ratio);
  const product = m.mul(q, y);
  const rest = m.sub(m.sub(x, product), productError(m, q, y, product));
  const stepped = m.select(m.compare("lt", rest, m.c(0)), m.add(rest, y), rest);
  const large = m.or(m.compare("gt", x, m.c(2 ** 900)), m.compare("gt", y, m.c(2 ** 900)));
  const inside = m.andNot(m.and(m.compare("lt", ratio, m.c(2 ** 51)), m.compare("gt", y, m.c(2 ** -900))), large);
  return { value: m.copySign(stepped, a), rare: outside(m, a, b, inside) };
}

/** Not `known`, and neither operand NaN. */
function outside(m: FloatCode, a: V, b: V, known: V): V {
  return m.andNot(m.not(known), m.or(m.isNaN(a), m.isNaN(b)));
}

/** a·b - fl(a·b). Source: Dekker 1971. */
function productError(m: FloatCode, a: V, b: V, product: V): V {
  const split = (x: V): readonly [high: V, low: V] => {
    const c = m.mul(x, m.c(134217729));
    const high = m.sub(c, m.sub(c, x));
    return [high, m.sub(x, high)];
  };
  const [[ah, al], [bh, bl]] = [split(a), split(b)];
  const cross = m.add(m.sub(m.mul(ah, bh), product), m.mul(ah, bl));
  return m.add(m.add(cross, m.mul(al, bh)), m.mul(al, bl));
}

/** Where the remainder must move to the divisor's sign. */
function crosses(m: FloatCode, r: V, b: V): V {
  return m.and(m.compare("ne", r, m.c(0)), m.signMask(m.xor(r, b)));
}

/** Remainder with the divisor's sign, of C's remainder. */
export function modOf(m: FloatCode, r: V, b: V): V {
  const moved = m.select(crosses(m, r, b), m.add(r, b), r);
  return m.select(m.compare("eq", r, m.c(0)), m.and(b, m.signBit), moved);
}

/** Floor of the quotient, of C's remainder; every step rounded as NumPy's. */
export function floorOf(m: FloatCode, a: V, b: V, r: V): V {
  const ratio = m.div(m.sub(a, r), b);
  const div = m.select(crosses(m, r, b), m.sub(ratio, m.c(1)), ratio);
  const floor = m.floor(div);
  const up = m.compare("gt", m.sub(div, floor), m.c(0.5));
  const whole = m.add(floor, m.and(up, m.c(1)));
  const zero = m.copySign(m.c(0), m.div(a, b));
  return m.select(m.compare("eq", div, m.c(0)), zero, whole);
}
