/** Vector code of the checked index: the value itself where it lies within bounds; any other ends the run by an error. */
import { failureCode } from "../host.ts";
import { anyTrue, callHost, extract, type F64, scalar1, vector2 } from "../wasm/builder.ts";
import type { LaneCode, Lanes, V } from "./lanes.ts";

/** Compares lanes; gives masks of the operands' width. */
type Compare = (code: LaneCode, a: Lanes, b: Lanes) => Lanes;

/** 64-bit `a` where 0 <= a < b. The lanes behind a row's last element repeat an element of it, so they fail with it or not at all. */
export function checkedIndex(compare: (op: "lt" | "ge") => Compare): (code: LaneCode, a: Lanes, b: Lanes) => Lanes {
  return (code, a, b) => {
    const { f } = code;
    const zero: Lanes = { ...a, v: code.splat(a.width, new Uint8Array(16)) };
    const [below, above] = [compare("lt")(code, a, zero), compare("ge")(code, a, b)];
    const bad = code.map2("v128.or", below.v, above.v);
    f.if(anyTrue(bad.reduce((m, x) => code.let(vector2("v128.or", m, x)))), () => {
      for (const [k, mask] of bad.entries())
        for (const lane of [0, 1])
          f.if(extract("i32x4.extract_lane", mask, 2 * lane), () => fail(code, a, b, { k, lane }));
    });
    return a;
  };
}

function fail({ f }: LaneCode, a: Lanes, b: Lanes, { k, lane }: { readonly k: number; readonly lane: number }): void {
  const at = (x: Lanes): F64 => scalar1("f64.convert_i64_s", extract("i64x2.extract_lane", x.v[k] as V, lane)); // k-th vector
  f.let(callHost(failureCode("index"), at(a), at(b)));
}
