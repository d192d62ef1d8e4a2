/**
 * Modules of random bits. `pcg64`: `k(block, 1, count)` writes `count` words of PCG64 (a multiple of four), or float64
 * of 53 bits. Four states take turns, each stepping four at a time, since one state's steps wait for each other.
 * `ziggurat`: words become draws, until one does not lie under the curve at once.
 */
import {
  type Address,
  type F64,
  FunctionBuilder,
  f64,
  type I32,
  type I64,
  i32,
  i64,
  type Local,
  loadScalar,
  scalar1,
  scalar2,
  scalarCompare,
} from "../wasm/builder.ts";
import { encodeModule } from "../wasm/encoder.ts";

/** States that take turns. */
export const LANES = 4;

/** Bytes of the block: states (low, high) of the lanes, what four steps add, then the words. */
export const PCG_WORD = { states: 0, increment: 64, words: 128 } as const;

const add = (a: I64, b: I64): I64 => scalar2("i64.add", a, b);
const mul = (a: I64, b: I64): I64 => scalar2("i64.mul", a, b);
const and = (a: I64, b: I64): I64 => scalar2("i64.and", a, b);
const or = (a: I64, b: I64): I64 => scalar2("i64.or", a, b);
const xor = (a: I64, b: I64): I64 => scalar2("i64.xor", a, b);
const right = (a: I64, n: bigint | I64): I64 => scalar2("i64.shr_u", a, typeof n === "bigint" ? i64(n) : n);
const left = (a: I64, n: bigint | I64): I64 => scalar2("i64.shl", a, typeof n === "bigint" ? i64(n) : n);
const LOW_32 = 0xffffffffn;

/** High half of the product of `a` and a constant, by 32-bit halves. */
function productHigh(f: FunctionBuilder, a: Local<"i64">, b: bigint): I64 {
  const [b0, b1] = [i64(b & LOW_32), i64(b >> 32n)];
  const a0 = f.let(and(a, i64(LOW_32)));
  const a1 = f.let(right(a, 32n));
  const mid = f.let(add(mul(a1, b0), right(mul(a0, b0), 32n)));
  const cross = add(mul(a0, b1), and(mid, i64(LOW_32)));
  return add(add(mul(a1, b1), right(mid, 32n)), right(cross, 32n));
}

interface Lane {
  readonly low: Local<"i64">;
  readonly high: Local<"i64">;
}

/** The word of a state. */
function output(f: FunctionBuilder, { low, high }: Lane): I64 {
  const folded = f.let(xor(high, low));
  const turn = f.let(right(high, 58n));
  return or(right(folded, turn), left(folded, and(scalar2("i64.sub", i64(64n), turn), i64(63n))));
}

/** Bytes of the module; `multiplier` is that of four steps. */
export function emitPcg64(multiplier: bigint, gives: "words" | "doubles"): Uint8Array<ArrayBuffer> {
  const [mulLow, mulHigh] = [multiplier & ((1n << 64n) - 1n), multiplier >> 64n];
  const f = new FunctionBuilder(["i32", "i32", "i32"]);
  const block = f.param(0, "i32");
  const at = (offset: number): Address => ({ memory: 0, base: block, offset });
  const load = (offset: number): Local<"i64"> => f.let(loadScalar("i64.load", at(offset)));
  const lanes = Array.from({ length: LANES }, (_, k): Lane => ({ low: load(16 * k), high: load(16 * k + 8) }));
  const [addLow, addHigh] = [load(PCG_WORD.increment), load(PCG_WORD.increment + 8)];
  const to = f.let(block);
  const end = f.let(scalar2("i32.add", block, scalar2("i32.mul", f.param(2, "i32"), i32(8))));
  f.doWhile(
    () => scalarCompare("i32.lt_u", to, end),
    () => {
      for (const [k, lane] of lanes.entries()) {
        const word = f.let(output(f, lane));
        const place: Address = { memory: 0, base: to, offset: PCG_WORD.words + 8 * k };
        if (gives === "words") f.storeScalar("i64.store", place, word);
        else f.storeScalar("f64.store", place, scaled(right(word, 11n)));
        const { low, high } = lane;
        const carried = f.let(productHigh(f, low, mulLow));
        f.set(high, add(add(add(carried, mul(low, i64(mulHigh))), mul(high, i64(mulLow))), addHigh));
        f.set(low, add(mul(low, i64(mulLow)), addLow));
        // The sum wrapped where it is less than what was added.
        f.set(high, add(high, scalar1("i64.extend_i32_u", scalarCompare("i64.lt_u", low, addLow))));
      }
      f.set(to, scalar2("i32.add", to, i32(8 * LANES)));
    },
  );
  for (const [k, { low, high }] of lanes.entries()) {
    f.storeScalar("i64.store", at(16 * k), low);
    f.storeScalar("i64.store", at(16 * k + 8), high);
  }
  return encodeModule([f.finish()], 1);
}

function scaled(bits: I64): F64 {
  // 53 bits: the signed conversion is the faster one.
  return scalar2("f64.mul", scalar1("f64.convert_i64_s", bits), f64(2 ** -53));
}

/** Words of the ziggurat's block, in bytes: next word and its end, next draw and its end; then edges and bits inside. */
export const ZIGGURAT_WORD = { from: 0, end: 4, to: 8, toEnd: 12, edges: 16, inside: 2064 } as const;

/** Bytes of the module: `normal` takes layer, sign and 52 bits from a word, `exponential` layer and 53 bits. */
export function emitZiggurat(kind: "normal" | "exponential"): Uint8Array<ArrayBuffer> {
  const f = new FunctionBuilder(["i32", "i32", "i32"]);
  const block = f.param(0, "i32");
  const at = (offset: number): Address => ({ memory: 0, base: block, offset });
  const [from, end] = [f.let(loadScalar("i32.load", at(0))), f.let(loadScalar("i32.load", at(4)))];
  const [to, toEnd] = [f.let(loadScalar("i32.load", at(8))), f.let(loadScalar("i32.load", at(12)))];
  const isNext = (): I32 =>
    scalar2("i32.and", scalarCompare("i32.lt_u", from, end), scalarCompare("i32.lt_u", to, toEnd));
  const more = f.let(isNext());
  f.if(more, () =>
    f.doWhile(
      () => more,
      () => {
        const word = f.let(loadScalar("i64.load", { memory: 0, base: from, offset: 0 }));
        const layer = kind === "normal" ? and(word, i64(0xffn)) : and(right(word, 3n), i64(0xffn));
        const entry = f.let(scalar2("i32.add", block, scalar2("i32.mul", scalar1("i32.wrap_i64", layer), i32(8))));
        const bits = f.let(kind === "normal" ? and(right(word, 9n), i64((1n << 52n) - 1n)) : right(word, 11n));
        const inside = loadScalar("i64.load", { memory: 0, base: entry, offset: ZIGGURAT_WORD.inside });
        f.if(
          scalarCompare("i64.lt_u", bits, inside),
          () => {
            const edge = loadScalar("f64.load", { memory: 0, base: entry, offset: ZIGGURAT_WORD.edges });
            const size = scalar2("f64.mul", scalar1("f64.convert_i64_s", bits), edge);
            const sign = left(and(right(word, 8n), i64(1n)), 63n);
            const signed =
              kind === "normal" ? or(scalar1("i64.reinterpret_f64", size), sign) : scalar1("i64.reinterpret_f64", size);
            f.storeScalar("i64.store", { memory: 0, base: to, offset: 0 }, signed);
            f.set(from, scalar2("i32.add", from, i32(8)));
            f.set(to, scalar2("i32.add", to, i32(8)));
            f.set(more, isNext());
          },
          () => f.set(more, i32(0)),
        );
      },
    ),
  );
  f.storeScalar("i32.store", at(ZIGGURAT_WORD.to), to);
  return encodeModule([f.finish()], 1);
}
