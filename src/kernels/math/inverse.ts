/**
 * asin, acos, atan and atan2 over vectors: FreeBSD's msun (`e_asin.c`, `e_acos.c`, `s_atan.c`, `e_atan2.c` and their float
 * versions: Copyright (C) 1993 by Sun Microsystems, Inc., freely granted provided that this notice is preserved), with
 * selections where they branch; atan by three ranges instead of five, over which its polynomial holds as well. float32 has
 * forms with one division or root: `inverse-single.ts`.
 */
import type { V } from "../map/lanes.ts";
import type { Precision } from "./exponential.ts";
import type { FloatCode } from "./float-code.ts";
import { acosSingle, asinSingle, atan2Single, atanSingle } from "./inverse-single.ts";

const P: readonly number[] = [
  0.16666666666666666, -0.3255658186224009, 0.20121253213486293, -0.04005553450067941, 0.0007915349942898145,
  3.479331075960212e-5,
];
const Q: readonly number[] = [1, -2.403394911734414, 2.0209457602335057, -0.6882839716054533, 0.07703815055590194];

function rational(m: FloatCode, z: V): V {
  return m.div(m.mul(z, m.poly(z, P)), m.poly(z, Q));
}

/** π/2, π/4 and π: what float64 has of them, and the rest. */
const [HALF_HIGH, HALF_LOW] = [1.5707963267948966, 6.123233995736766e-17];
const [QUARTER_HIGH, QUARTER_LOW] = [0.7853981633974483, 3.061616997868383e-17];
const [PI_HIGH, PI_LOW] = [Math.PI, 1.2246467991473532e-16];

function truncated(m: FloatCode, x: V): V {
  return m.and(x, m.bits(0xffffffff00000000n));
}

export function asin(m: FloatCode, xs: readonly V[], _precision: Precision): V[] {
  if (m.isSingle) return m.each(xs, (x) => asinSingle(m, x));
  return m.each(xs, (x) => {
    const a = m.abs(x);
    const isSmall = m.compare("lt", a, m.c(0.5));
    const far = m.mul(m.sub(m.c(1), a), m.c(0.5));
    const z = m.select(isSmall, m.mul(x, x), far);
    const r = rational(m, z);
    const small = m.mulAdd(a, r, a);
    const s = m.sqrt(z);
    const head = truncated(m, s);
    const c = m.div(m.sub(z, m.mul(head, head)), m.add(s, head));
    const first = m.sub(m.mul(m.add(s, s), r), m.sub(m.c(HALF_LOW), m.add(c, c)));
    const second = m.sub(m.c(QUARTER_HIGH), m.add(head, head));
    const general = m.sub(m.c(QUARTER_HIGH), m.sub(first, second));
    // at 1 the quotient is 0/0
    const one = m.select(m.compare("eq", a, m.c(1)), m.c(HALF_HIGH), general);
    return m.copySign(m.select(isSmall, small, one), x);
  });
}

export function acos(m: FloatCode, xs: readonly V[], _precision: Precision): V[] {
  if (m.isSingle) return m.each(xs, (x) => acosSingle(m, x));
  return m.each(xs, (x) => {
    const a = m.abs(x);
    const isSmall = m.compare("lt", a, m.c(0.5));
    const z = m.select(isSmall, m.mul(x, x), m.mul(m.sub(m.c(1), a), m.c(0.5)));
    const r = rational(m, z);
    const small = m.sub(m.c(HALF_HIGH), m.sub(x, m.sub(m.c(HALF_LOW), m.mul(x, r))));
    const s = m.sqrt(z);
    const low = m.sub(m.mul(r, s), m.c(HALF_LOW));
    const below = m.sub(m.c(HALF_HIGH), m.add(s, low));
    const head = truncated(m, s);
    const c = m.div(m.sub(z, m.mul(head, head)), m.add(s, head));
    const above = m.add(head, m.mulAdd(r, s, c));
    const large = m.select(m.compare("lt", x, m.c(0)), below, above);
    const y = m.select(isSmall, small, m.add(large, large));
    return m.select(m.compare("eq", x, m.c(1)), m.c(0), y); // at 1 the quotient is 0/0
  });
}

const AT: readonly number[] = [
  0.3333333333333293, -0.19999999999876483, 0.14285714272503466, -0.11111110405462356, 0.09090887133436507,
  -0.0769187620504483, 0.06661073137387531, -0.058335701337905735, 0.049768779946159324, -0.036531572744216916,
  0.016285820115365782,
];
/** tan(π/8) and tan(3π/8): between them the angle is near π/4, above near π/2. */
const BELOW = 0.41421356237309503;
const ABOVE = 2.414213562373095;

/** Angle of (x, y), both not negative, by one quotient of magnitude at most tan(π/8). */
function angleOf(m: FloatCode, y: V, x: V): V {
  const middle = m.compare("gt", y, m.mul(x, m.c(BELOW)));
  const top = m.compare("gt", y, m.mul(x, m.c(ABOVE)));
  const over = m.select(top, m.neg(x), m.select(middle, m.sub(y, x), y));
  const under = m.select(top, y, m.select(middle, m.add(y, x), x));
  const t = m.div(over, under);
  const z = m.mul(t, t);
  const series = m.mul(z, m.poly(z, AT));
  const high = m.select(top, m.c(HALF_HIGH), m.and(middle, m.c(QUARTER_HIGH)));
  const low = m.select(top, m.c(HALF_LOW), m.and(middle, m.c(QUARTER_LOW)));
  return m.sub(high, m.sub(m.sub(m.mul(t, series), low), t));
}

export function atan(m: FloatCode, xs: readonly V[], _precision: Precision): V[] {
  if (m.isSingle) return m.each(xs, (x) => atanSingle(m, x));
  return m.each(xs, (x) => m.copySign(angleOf(m, m.abs(x), m.c(1)), x));
}

/** Angle of (x, y); origins, infinities and very large operands are the host's. */
export function atan2(m: FloatCode, ys: readonly V[], xs: readonly V[]): V[] {
  if (m.isSingle) return m.each(ys, (y, k) => atan2Single(m, y, xs[k] as V)); // as many
  return m.each(ys, (y, k) => {
    const x = xs[k] as V; // as many
    const angle = angleOf(m, m.abs(y), m.abs(x));
    const left = m.sub(m.c(PI_HIGH), m.sub(angle, m.c(PI_LOW)));
    return m.copySign(m.select(m.signMask(x), left, angle), y);
  });
}

export function atan2Rare(m: FloatCode, y: V, x: V): V {
  const large = m.c(m.isSingle ? 2 ** 126 : 2 ** 1022);
  const isLarge = m.or(m.compare("gt", m.abs(x), large), m.compare("gt", m.abs(y), large));
  return m.or(isLarge, m.compare("eq", m.or(m.abs(x), m.abs(y)), m.c(0)));
}
