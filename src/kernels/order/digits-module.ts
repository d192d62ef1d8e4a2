/**
 * Module of a stable sort by digits, least significant first: one pass counts all digits, then one per digit moves the
 * elements; digits that all elements share are passed over. Values of 32 bits are sorted as keys and turned back; for an
 * order, each key stands in the upper half of a word and its place in the lower.
 * Bytes per element moved: 8 a digit, 16 for an order.
 */
import { DTYPES } from "../../dtype/index.ts";
import {
  type Address,
  FunctionBuilder,
  type I32,
  type I64,
  i32,
  i64,
  type Local,
  loadScalar,
  scalar1,
  scalar2,
  scalarCompare,
  select,
  type Value,
} from "../wasm/builder.ts";
import { encodeModule } from "../wasm/encoder.ts";

/** dtypes with keys of 16 and 32 bits. */
export type DigitDType = "float32" | "int32" | "uint32" | "int16" | "uint16";

/** What a module is made for: values (of 32 bits), or their order. */
export interface DigitSort {
  readonly dtype: DigitDType;
  readonly wants: "values" | "order";
  readonly descending: boolean;
}

/** Offsets of words at the start of the workspace: where the line lies, two areas for elements, and the result's. */
export const DIGIT_WORD = { line: 0, from: 4, to: 8, result: 12 } as const;
/** Where the digits are counted. */
const COUNTS_AT = 64;
/** Bytes before the first area. */
export const DIGIT_HEAD_BYTES: number = 32 << 10;

interface Digit {
  readonly shift: number;
  readonly bits: number;
  /** Address of its counts. */
  readonly counts: number;
}

function digitsOf(dtype: DigitDType): Digit[] {
  const widths = DTYPES[dtype].itemsize === 2 ? [8, 8] : [11, 11, 10];
  let [shift, counts] = [0, COUNTS_AT];
  return widths.map((bits) => {
    const digit = { shift, bits, counts };
    shift += bits;
    counts += 4 << bits;
    return digit;
  });
}

const TOP = 0x80000000;

/** Emits one module; all addresses are of its one memory. */
class DigitCode {
  readonly f = new FunctionBuilder(["i32", "i32", "i32"]);
  readonly #given: DigitSort;
  readonly #n: Local<"i32">;
  readonly #at: Local<"i32">;
  readonly #end: Local<"i32">;

  constructor(given: DigitSort) {
    this.#given = given;
    this.#n = this.f.param(2, "i32");
    [this.#at, this.#end] = [this.f.local("i32"), this.f.local("i32")];
  }

  get #isOrder(): boolean {
    return this.#given.wants === "order";
  }

  /** log2 of an element's bytes. */
  get #scale(): 2 | 3 {
    return this.#isOrder ? 3 : 2;
  }

  #place(base: I32, offset = 0): Address {
    return { memory: 0, base, offset };
  }

  #word(name: keyof typeof DIGIT_WORD): I32 {
    return loadScalar("i32.load", this.#place(i32(0), DIGIT_WORD[name]));
  }

  /** Run `body` with `#at` at every element from `start` on. */
  #each(start: I32, scale: number, body: () => void): void {
    const { f } = this;
    f.set(this.#at, start);
    f.set(this.#end, scalar2("i32.add", this.#at, scalar2("i32.shl", this.#n, i32(scale))));
    f.doWhile(
      () => scalarCompare("i32.lt_u", this.#at, this.#end),
      () => {
        body();
        f.set(this.#at, scalar2("i32.add", this.#at, i32(1 << scale)));
      },
    );
  }

  /** The key of an element's bits. NaN is above all numbers, -0 is 0. */
  #key(x: Local<"i32">): I32 {
    const { dtype, descending } = this.#given;
    const turned = (key: I32): I32 =>
      descending ? scalar2("i32.xor", key, i32(DTYPES[dtype].itemsize === 2 ? 0xffff : -1)) : key;
    if (dtype === "uint32" || dtype === "uint16") return turned(x);
    if (dtype === "int16") return turned(scalar2("i32.xor", x, i32(0x8000)));
    if (dtype === "int32") return turned(scalar2("i32.xor", x, i32(TOP)));
    const size = this.f.let(scalar2("i32.and", x, i32(0x7fffffff)));
    const flipped = scalar2("i32.xor", x, scalar2("i32.or", scalar2("i32.shr_s", x, i32(31)), i32(TOP)));
    const number = select<"i32">(size, flipped, i32(TOP));
    return turned(select<"i32">(scalarCompare("i32.gt_u", size, i32(0x7f800000)), i32(-1), number));
  }

  /** Keys (and places) into `from`, every digit counted. */
  #count(from: I32, digits: readonly Digit[]): void {
    const { f } = this;
    const isNarrow = DTYPES[this.#given.dtype].itemsize === 2;
    const to = f.let(from);
    const place = f.let(i32(0));
    this.#each(this.#word("line"), isNarrow ? 1 : 2, () => {
      const x = f.let(loadScalar(isNarrow ? "i32.load16_u" : "i32.load", this.#place(this.#at)));
      const key = f.let(this.#key(x));
      if (this.#isOrder) {
        const high = scalar2("i64.shl", scalar1("i64.extend_i32_u", key), i64(32n));
        f.storeScalar("i64.store", this.#place(to), scalar2("i64.or", high, scalar1("i64.extend_i32_u", place)));
        f.set(place, scalar2("i32.add", place, i32(1)));
      } else f.storeScalar("i32.store", this.#place(to), key);
      f.set(to, scalar2("i32.add", to, i32(1 << this.#scale)));
      for (const d of digits) {
        const cell = f.let(this.#cell(key, d));
        const count = loadScalar("i32.load", this.#place(cell, d.counts));
        f.storeScalar("i32.store", this.#place(cell, d.counts), scalar2("i32.add", count, i32(1)));
      }
    });
  }

  /** Address of the count of a key's digit, without the counts' own. */
  #cell(key: I32, { shift, bits }: Digit): I32 {
    const low = shift < 2 ? scalar2("i32.shl", key, i32(2 - shift)) : scalar2("i32.shr_u", key, i32(shift - 2));
    return scalar2("i32.and", low, i32(((1 << bits) - 1) << 2));
  }

  /** The key of an element as it is moved. */
  #keyOf(x: Value): I32 {
    return this.#isOrder ? scalar1("i32.wrap_i64", scalar2("i64.shr_u", x as I64, i64(32n))) : (x as I32); // by what is wanted
  }

  #loadElement(base: I32): Local {
    return this.f.let<"i32" | "i64">(loadScalar(this.#isOrder ? "i64.load" : "i32.load", this.#place(base)));
  }

  /** Counts become places, then elements move; gives way where all elements share the digit. */
  #move(d: Digit, from: Local<"i32">, to: Local<"i32">): void {
    const { f } = this;
    const first = f.let(this.#cell(this.#keyOf(this.#loadElement(from)), d));
    const isShared = scalarCompare("i32.eq", loadScalar("i32.load", this.#place(first, d.counts)), this.#n);
    f.if(scalarCompare("i32.eq", isShared, i32(0)), () => {
      const sum = f.let(to);
      const cell = f.let(i32(0));
      f.doWhile(
        () => scalarCompare("i32.lt_u", cell, i32(4 << d.bits)),
        () => {
          const count = f.let(loadScalar("i32.load", this.#place(cell, d.counts)));
          f.storeScalar("i32.store", this.#place(cell, d.counts), sum);
          f.set(sum, scalar2("i32.add", sum, scalar2("i32.shl", count, i32(this.#scale))));
          f.set(cell, scalar2("i32.add", cell, i32(4)));
        },
      );
      this.#each(from, this.#scale, () => {
        const x = this.#loadElement(this.#at);
        const at = f.let(this.#cell(this.#keyOf(x), d));
        const target = f.let(loadScalar("i32.load", this.#place(at, d.counts)));
        if (this.#isOrder) f.storeScalar("i64.store", this.#place(target), x);
        else f.storeScalar("i32.store", this.#place(target), x);
        f.storeScalar("i32.store", this.#place(at, d.counts), scalar2("i32.add", target, i32(1 << this.#scale)));
      });
      const other = f.let(from);
      f.set(from, to);
      f.set(to, other);
    });
  }

  /** Keys become elements again, places int64. */
  #finish(from: I32): void {
    const { f } = this;
    this.#each(from, this.#scale, () => {
      const x = this.#loadElement(this.#at);
      if (this.#isOrder) {
        f.storeScalar("i64.store", this.#place(this.#at), scalar2("i64.and", x as Local<"i64">, i64(0xffffffffn)));
        return;
      }
      const key = x as Local<"i32">; // values
      f.storeScalar("i32.store", this.#place(this.#at), this.#element(key));
    });
  }

  #element(key: Local<"i32">): I32 {
    const { dtype } = this.#given;
    if (dtype === "uint32") return key;
    if (dtype === "int32") return scalar2("i32.xor", key, i32(TOP));
    const isPositive = scalarCompare("i32.lt_s", key, i32(0));
    const number = select<"i32">(isPositive, scalar2("i32.xor", key, i32(TOP)), scalar2("i32.xor", key, i32(-1)));
    return select<"i32">(scalarCompare("i32.eq", key, i32(-1)), i32(0x7fc00000), number);
  }

  emit(): Uint8Array<ArrayBuffer> {
    const { f } = this;
    const digits = digitsOf(this.#given.dtype);
    const from = f.let(this.#word("from"));
    const to = f.let(this.#word("to"));
    this.#count(from, digits);
    for (const d of digits) this.#move(d, from, to);
    if (this.#isOrder || this.#given.dtype !== "uint32") this.#finish(from);
    f.storeScalar("i32.store", this.#place(i32(0), DIGIT_WORD.result), from);
    return encodeModule([f.finish()], 1);
  }
}

/** Module of `k(0, 1, n)` over a workspace whose counts are 0; n is at least 1. */
export function emitDigitSort(given: DigitSort): Uint8Array<ArrayBuffer> {
  return new DigitCode(given).emit();
}
