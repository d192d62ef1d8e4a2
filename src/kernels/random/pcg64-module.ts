/** The module of PCG64: `k(block, 1, count)` advances the state in the block by `count` steps and writes their words. */
import {
  FunctionBuilder,
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

/** Bytes of the block: state (low, high), increment (low, high), then the words. */
export const PCG_WORD = { state: 0, increment: 16, words: 32 } as const;

const MULTIPLIER_LOW = 0x4385df649fccf645n;
const MULTIPLIER_HIGH = 0x2360ed051fc65da4n;

const add = (a: I64, b: I64): I64 => scalar2("i64.add", a, b);
const mul = (a: I64, b: I64): I64 => scalar2("i64.mul", a, b);
const and = (a: I64, b: I64): I64 => scalar2("i64.and", a, b);
const or = (a: I64, b: I64): I64 => scalar2("i64.or", a, b);
const xor = (a: I64, b: I64): I64 => scalar2("i64.xor", a, b);
const right = (a: I64, n: I64): I64 => scalar2("i64.shr_u", a, n);
const left = (a: I64, n: I64): I64 => scalar2("i64.shl", a, n);

/** High half of the product of `a` and the multiplier's low half, by 32-bit halves. */
function productHigh(f: FunctionBuilder, a: Local<"i64">): I64 {
  const mask = i64(0xffffffffn);
  const [b0, b1] = [i64(MULTIPLIER_LOW & 0xffffffffn), i64(MULTIPLIER_LOW >> 32n)];
  const a0 = f.let(and(a, mask));
  const a1 = f.let(right(a, i64(32n)));
  const low = f.let(mul(a0, b0));
  const mid = f.let(add(mul(a1, b0), right(low, i64(32n))));
  const cross = f.let(add(mul(a0, b1), and(mid, mask)));
  return add(add(mul(a1, b1), right(mid, i64(32n))), right(cross, i64(32n)));
}

/** Bytes of the module. */
export function emitPcg64(): Uint8Array<ArrayBuffer> {
  const f = new FunctionBuilder(["i32", "i32", "i32"]);
  const block = f.param(0, "i32");
  const count = f.param(2, "i32");
  const word = (offset: number): { memory: number; base: Local<"i32">; offset: number } => ({
    memory: 0,
    base: block,
    offset,
  });
  const low = f.let(loadScalar("i64.load", word(PCG_WORD.state)));
  const high = f.let(loadScalar("i64.load", word(PCG_WORD.state + 8)));
  const addLow = f.let(loadScalar("i64.load", word(PCG_WORD.increment)));
  const addHigh = f.let(loadScalar("i64.load", word(PCG_WORD.increment + 8)));
  const to = f.let(block);
  const end = f.let(scalar2("i32.add", block, scalar2("i32.mul", count, i32(8))));
  f.doWhile(
    () => scalarCompare("i32.lt_u", to, end),
    () => {
      const carried = f.let(productHigh(f, low));
      const crossed = add(mul(low, i64(MULTIPLIER_HIGH)), mul(high, i64(MULTIPLIER_LOW)));
      f.set(high, add(add(carried, crossed), addHigh));
      f.set(low, add(mul(low, i64(MULTIPLIER_LOW)), addLow));
      // The sum wrapped where it is less than what was added.
      f.set(high, add(high, scalar1("i64.extend_i32_u", scalarCompare("i64.lt_u", low, addLow))));
      const folded = f.let(xor(high, low));
      const turn = f.let(right(high, i64(58n)));
      const rest = and(scalar2("i64.sub", i64(64n), turn), i64(63n));
      f.storeScalar(
        "i64.store",
        { memory: 0, base: to, offset: PCG_WORD.words },
        or(right(folded, turn), left(folded, rest)),
      );
      f.set(to, scalar2("i32.add", to, i32(8)));
    },
  );
  f.storeScalar("i64.store", word(PCG_WORD.state), low);
  f.storeScalar("i64.store", word(PCG_WORD.state + 8), high);
  return encodeModule([f.finish()], 1);
}
