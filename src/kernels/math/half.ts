/**
 * float16 over float32's vectors: every operation computes in float32 and rounds to even (kernels.md §11). Values between
 * operations are the 16 bits of memory. Conversions after F. Giesen, "half to float done quic", public domain.
 */
import type { LaneCode, Lanes, V } from "../map/lanes.ts";
import { highHalf, lowHalves } from "../map/lanes.ts";
import { bitselect, vector1, vector2 } from "../wasm/builder.ts";
import { FloatCode } from "./float-code.ts";

/** float32 lanes of float16 ones, exactly. */
export function widenHalf(code: LaneCode, a: Lanes): Lanes {
  const m = new FloatCode(code, "float32");
  const v = code.resize(a.v, 2, 4, false).map((h) => {
    const magnitude = m.shl(m.and(h, m.bits(0x7fffn)), 13);
    const scaled = m.mul(magnitude, m.c(2 ** 112)); // exact, subnormal numbers too
    const special = m.and(m.compare("ge", scaled, m.c(65536)), m.c(Number.POSITIVE_INFINITY));
    return m.or(m.or(scaled, special), m.shl(m.and(h, m.bits(0x8000n)), 16));
  });
  return { dtype: "float32", width: 4, v };
}

/** float16 lanes of float32 ones, rounded half to even; every NaN is the one quiet NaN. */
export function narrowHalf(code: LaneCode, a: Lanes): Lanes {
  const m = new FloatCode(code, "float32");
  const words = a.v.map((x) => {
    const magnitude = m.abs(x);
    const sign = m.shrU(m.and(x, m.signBit), 16);
    const odd = m.and(m.shrU(magnitude, 13), m.bits(1n));
    const rounded = m.addBits(m.addBits(magnitude, m.bits(0xc8000fffn)), odd); // exponent less 112, and half a unit
    const normal = m.shrU(rounded, 13);
    const tiny = m.subBits(m.add(magnitude, m.c(0.5)), m.c(0.5));
    const finite = m.select(m.compare("lt", magnitude, m.c(2 ** -14)), tiny, normal);
    const bounded = m.select(m.compare("ge", magnitude, m.c(65520)), m.bits(0x7c00n), finite);
    return m.select(m.isNaN(x), m.bits(0x7e00n), m.or(bounded, sign));
  });
  return { dtype: "float16", width: 2, v: code.resize(words, 4, 2, false) };
}

/** float32 lanes of float64 ones, rounded to odd, so that the next rounding is the only one. */
export function demoteToOdd(code: LaneCode, a: Lanes): Lanes {
  const halves = code.map1("f32x4.demote_f64x2_zero", a.v);
  const near = Array.from(
    { length: a.v.length / 2 },
    (_, k) => code.let(lowHalves(halves[2 * k] as V, halves[2 * k + 1] as V)), // an even count
  );
  const back = near.flatMap((x) => [
    code.let(vector1("f64x2.promote_low_f32x4", x)),
    code.let(vector1("f64x2.promote_low_f32x4", highHalf(x))),
  ]);
  const mask = (v: readonly V[]): readonly V[] => code.mask({ dtype: "bool", width: 8, v }, 4);
  const inexact = mask(code.map2("f64x2.ne", a.v, back));
  const over = mask(code.map2("f64x2.gt", code.map1("f64x2.abs", back), code.map1("f64x2.abs", a.v)));
  const one = code.f.constant(Uint8Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0));
  const v = near.map((x, k) => {
    const below = vector2("i32x4.add", x, over[k] as V); // all ones is -1
    return code.let(vector2("v128.or", below, vector2("v128.and", inexact[k] as V, one))); // equal counts
  });
  return { dtype: "float32", width: 4, v };
}

/** float16 lanes with every NaN as the one quiet NaN. */
export function quietHalf(code: LaneCode, a: Lanes): Lanes {
  const constant = (bits: number): V => code.f.constant(new Uint8Array(new Uint16Array(8).fill(bits).buffer));
  const v = a.v.map((x) => {
    const above = vector2("i16x8.gt_s", vector2("v128.and", x, constant(0x7fff)), constant(0x7c00));
    return code.let(bitselect(constant(0x7e00), x, above));
  });
  return { ...a, v };
}
