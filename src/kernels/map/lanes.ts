/**
 * How E elements of one iteration lie in vectors: a list of v128 of E · itemsize / 16 (at least one, then only its low
 * bytes count). Bools are masks (all bits of a lane equal) of the width of whatever made them. See kernels.md §3.3.
 */
import { DTYPES, type DType } from "../../dtype/index.ts";
import {
  type FunctionBuilder,
  type Local,
  laneSelect,
  shuffle,
  type Vector,
  type Vector1Name,
  type Vector2Name,
  vector1,
  vector2,
} from "../wasm/builder.ts";

/** Bytes per lane. */
export type Width = 1 | 2 | 4 | 8;
export type V = Local<"v128">;

/** E elements of a dtype that computes natively; a bool's lanes are masks `width` bytes wide. */
export interface Lanes {
  readonly dtype: DType;
  readonly width: Width;
  readonly v: readonly V[];
}

const SHAPE: Readonly<Record<Width, string>> = { 1: "i8x16", 2: "i16x8", 4: "i32x4", 8: "i64x2" };

/** Vector shape of a dtype, as opcode names begin. */
export function shapeOf(dtype: DType): string {
  return dtype === "float32" ? "f32x4" : dtype === "float64" ? "f64x2" : SHAPE[widthOf(dtype)];
}

export function widthOf(dtype: DType): Width {
  return DTYPES[dtype].itemsize as Width; // 16-byte complex never gets here
}

/** Bytes of one lane pattern, repeated to 16. */
export function pattern(width: Width, lane: bigint): Uint8Array {
  const out = new Uint8Array(16);
  for (let k = 0; k < 16; k++) out[k] = Number((BigInt.asUintN(64, lane) >> BigInt(8 * (k % width))) & 0xffn);
  return out;
}

/** Bytes of a float constant in every lane. */
export function floatPattern(dtype: "float32" | "float64", x: number): Uint8Array {
  return new Uint8Array((dtype === "float32" ? new Float32Array(4).fill(x) : new Float64Array(2).fill(x)).buffer);
}

/** Emits vector code for one function and one iteration size. */
export class LaneCode {
  readonly f: FunctionBuilder;
  readonly elements: number;
  /** Vectors that hold one element in every lane. */
  readonly splats: Set<V> = new Set<V>();
  /** Locals that are set once, before everything else. */
  /** Index of the scratch memory; 0 where nothing needs it. */
  readonly scratch: number;
  readonly #fixed = new Set<number>();
  #fixing = 0;

  constructor(f: FunctionBuilder, elements: number, scratch = 0) {
    this.f = f;
    this.elements = elements;
    this.scratch = scratch;
  }

  count(width: Width): number {
    return Math.max(1, (this.elements * width) / 16);
  }

  let(x: Vector): V {
    const local = this.f.let(x);
    if (this.#fixing > 0) this.#fixed.add(local.index);
    return local;
  }

  /** Emit `body` before everything else; what it names stays the same throughout the function. */
  fix(body: () => void): void {
    this.f.once(() => {
      this.#fixing++;
      body();
      this.#fixing--;
    });
  }

  /** Mask of NaN lanes; of a vector that stays the same, computed once. */
  isNaN(shape: "f32x4" | "f64x2", x: V): Vector {
    const mask = vector2(`${shape}.ne`, x, x);
    return this.#fixed.has(x.index) && this.#fixing === 0 ? this.f.hoist(`nan ${x.index}`, () => mask) : mask;
  }

  /** `op` of the dtype's shape on every vector. */
  map2(op: Vector2Name, a: readonly V[], b: readonly Vector[]): V[] {
    return a.map((x, k) => this.let(vector2(op, x, b[k] as Vector))); // equal counts
  }

  map1(op: Vector1Name, a: readonly V[]): V[] {
    return a.map((x) => this.let(vector1(op, x)));
  }

  select(mask: readonly V[], a: readonly Vector[], b: readonly Vector[]): V[] {
    return mask.map((m, k) => this.let(laneSelect(1, a[k] as Vector, b[k] as Vector, m))); // equal counts
  }

  /** A constant for every vector of a value. */
  splat(width: Width, bytes: Uint8Array): V[] {
    const c = this.f.constant(bytes);
    return Array.from({ length: this.count(width) }, () => c);
  }

  /** Twice as wide; `signed` extends the sign (masks always do). */
  widenOnce(a: readonly V[], width: 1 | 2 | 4, signed: boolean): V[] {
    const [from, to] = [SHAPE[width], SHAPE[(width * 2) as Width]];
    const sign = signed ? "s" : "u";
    return Array.from({ length: this.count((width * 2) as Width) }, (_, k) => {
      const name = `${to}.extend_${k % 2 === 0 ? "low" : "high"}_${from}_${sign}` as Vector1Name; // all six exist
      return this.let(vector1(name, a[k >> 1] as V)); // half as many vectors, or one
    });
  }

  /** Half as wide, modulo 2^bits. */
  narrowOnce(a: readonly V[], width: 2 | 4 | 8): V[] {
    return this.#pairs(a, width, (x, y) => {
      if (width === 8) return evenWords(x, y);
      const low = this.f.constant(pattern(width, width === 2 ? 0xffn : 0xffffn));
      const name = width === 2 ? "i8x16.narrow_i16x8_u" : "i16x8.narrow_i32x4_u";
      return vector2(name, this.let(vector2("v128.and", x, low)), this.let(vector2("v128.and", y, low)));
    });
  }

  #narrowMaskOnce(a: readonly V[], width: 2 | 4 | 8): V[] {
    return this.#pairs(a, width, (x, y) =>
      width === 8 ? evenWords(x, y) : vector2(width === 2 ? "i8x16.narrow_i16x8_s" : "i16x8.narrow_i32x4_s", x, y),
    );
  }

  #pairs(a: readonly V[], width: 2 | 4 | 8, join: (x: V, y: V) => Vector): V[] {
    return Array.from({ length: this.count((width / 2) as Width) }, (_, k) => {
      const x = a[2 * k] as V; // twice as many vectors, or one
      return this.let(join(x, a[2 * k + 1] ?? x));
    });
  }

  /** An integer value at another width: sign or zero extended, or modulo. */
  resize(a: readonly V[], from: Width, to: Width, signed: boolean): readonly V[] {
    let [v, width] = [a, from];
    while (width < to) {
      v = this.widenOnce(v, width as 1 | 2 | 4, signed);
      width = (width * 2) as Width;
    }
    while (width > to) {
      v = this.narrowOnce(v, width as 2 | 4 | 8);
      width = (width / 2) as Width;
    }
    return v;
  }

  /** A mask at another width. */
  mask(a: Lanes, to: Width): readonly V[] {
    let { v, width } = a;
    while (width < to) {
      v = this.widenOnce(v, width as 1 | 2 | 4, true);
      width = (width * 2) as Width;
    }
    while (width > to) {
      v = this.#narrowMaskOnce(v, width as 2 | 4 | 8);
      width = (width / 2) as Width;
    }
    return v;
  }

  /** Two masks at one width: the narrower. */
  sameWidth(a: Lanes, b: Lanes): { readonly width: Width; readonly a: readonly V[]; readonly b: readonly V[] } {
    const width = Math.min(a.width, b.width) as Width; // both are widths
    return { width, a: this.mask(a, width), b: this.mask(b, width) };
  }
}

/** Low 32 bits of the four 64-bit lanes of two vectors. */
function evenWords(x: V, y: V): Vector {
  return shuffle(x, y, [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27]);
}

/** The upper half of a vector in both halves. */
export function highHalf(x: V): Vector {
  return shuffle(x, x, [8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15]);
}

/** The low halves of two vectors. */
export function lowHalves(x: Vector, y: Vector): Vector {
  return shuffle(x, y, [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23]);
}
