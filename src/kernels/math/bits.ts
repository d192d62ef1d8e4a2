/** Functions that are read off a float's bits, exactly: `frexp`'s two parts and `spacing`. */
import type { V } from "../map/lanes.ts";
import type { FloatCode } from "./float-code.ts";

/** Bits of the exponent. */
function exponentBits(m: FloatCode): V {
  return m.bits(m.isSingle ? 0x7f800000n : 0x7ffn << 52n);
}

/** Smallest normal number. */
function leastNormal(m: FloatCode): number {
  return m.isSingle ? 2 ** -126 : 2 ** -1022;
}

/** Lanes that are not below `most` (NaN among them), and those below `least` that are not zero. */
function outside(m: FloatCode, x: V, least: number, most: number): V {
  const size = m.abs(x);
  const small = m.and(m.compare("lt", size, m.c(least)), m.compare("ne", x, m.c(0)));
  return m.or(small, m.not(m.compare("lt", size, m.c(most))));
}

/** Subnormal, infinite and NaN lanes of `frexp`. */
export function frexpRare(m: FloatCode, x: V): V {
  return outside(m, x, leastNormal(m), Number.POSITIVE_INFINITY);
}

/** C `frexp`'s mantissa, in [0.5, 1) with the sign of `x`; 0 stays. */
export function mantissa(m: FloatCode, xs: readonly V[]): V[] {
  return m.each(xs, (x) => {
    const scaled = m.or(m.andNot(x, exponentBits(m)), m.c(0.5));
    return m.select(m.compare("eq", x, m.c(0)), x, scaled);
  });
}

/** C `frexp`'s exponent, as a float; 0 of 0. */
export function exponent(m: FloatCode, xs: readonly V[]): V[] {
  return m.each(xs, (x) => {
    const known = m.add(m.exponent(m.abs(x)), m.c(1));
    return m.select(m.compare("eq", x, m.c(0)), x, known);
  });
}

/** Lanes of `spacing` whose last place is subnormal, or whose neighbour is no number: the largest one's. */
export function spacingRare(m: FloatCode, x: V): V {
  const largest = m.isSingle ? (2 - 2 ** -23) * 2 ** 127 : Number.MAX_VALUE;
  return m.or(m.compare("eq", x, m.c(0)), outside(m, x, leastNormal(m) * 2 ** m.mantissaBits, largest));
}

/** NumPy `spacing`: the last place of `x`, with its sign. */
export function spacing(m: FloatCode, xs: readonly V[]): V[] {
  return m.each(xs, (x) => {
    const place = m.bits(BigInt(m.mantissaBits) << BigInt(m.mantissaBits));
    return m.copySign(m.subBits(m.and(x, exponentBits(m)), place), x);
  });
}
