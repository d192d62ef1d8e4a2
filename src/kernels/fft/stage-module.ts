/**
 * Modules of the steps of a transform, over tiles in scratch: element `[j][group]` of a tile is 32 bytes, the real parts
 * of two lanes and then the imaginary ones. Each is `k(block)`; the words of its block are named below. All compute in
 * float64, in the order of `plan.ts`. Bytes an element and step: read and written once.
 */
import {
  type Address,
  FunctionBuilder,
  type I32,
  i32,
  type Local,
  loadScalar,
  loadVector,
  scalar2,
  type Vector,
  vector1,
  vector2,
} from "../wasm/builder.ts";
import { encodeModule } from "../wasm/encoder.ts";
import { circle } from "./plan.ts";

type V = Local<"v128">;
type Int = Local<"i32">;
/** Real and imaginary parts. */
type Complex = readonly [re: V, im: V];

/** Bytes of two lanes of an element. */
export const GROUP_BYTES = 32;

/** Words of {@link emitStage} and {@link emitPrime}, in their order. */
export interface StageWords {
  readonly from: number;
  readonly to: number;
  /** Sub-transforms, and groups of a row. */
  readonly m: number;
  readonly row: number;
  readonly twiddles: number;
  readonly radix: number;
  /** Of prime radices: the table of `primeTable`, and 64 bytes for each pair of inputs. */
  readonly table: number;
  readonly area: number;
}

/** What all steps are made of. */
export class TileCode {
  readonly f: FunctionBuilder = new FunctionBuilder(["i32", "i32", "i32"]);
  readonly memory: number;

  constructor(memory = 0) {
    this.memory = memory;
  }

  /** Word `k` of the block. */
  word(k: number): Int {
    return this.f.let(loadScalar("i32.load", { memory: this.memory, base: this.f.param(0, "i32"), offset: 4 * k }));
  }

  at(base: I32, offset = 0): Address {
    return { memory: this.memory, base, offset };
  }

  load(base: I32, offset = 0): V {
    return this.f.let(loadVector("v128.load", this.at(base, offset)));
  }

  complex(base: I32, offset = 0): Complex {
    return [this.load(base, offset), this.load(base, offset + 16)];
  }

  /** A float64 in both lanes. */
  splat(base: I32, offset: number): V {
    return this.f.let(loadVector("v128.load64_splat", this.at(base, offset)));
  }

  store(base: I32, [re, im]: readonly [Vector, Vector]): void {
    this.f.storeVector(this.at(base), re);
    this.f.storeVector(this.at(base, 16), im);
  }

  add(a: Vector, b: Vector): V {
    return this.f.let(vector2("f64x2.add", a, b));
  }

  sub(a: Vector, b: Vector): V {
    return this.f.let(vector2("f64x2.sub", a, b));
  }

  mul(a: Vector, b: Vector): V {
    return this.f.let(vector2("f64x2.mul", a, b));
  }

  plus([a, b]: Complex, [c, d]: Complex): Complex {
    return [this.add(a, c), this.add(b, d)];
  }

  minus([a, b]: Complex, [c, d]: Complex): Complex {
    return [this.sub(a, c), this.sub(b, d)];
  }

  /** The product with c + i·s. */
  times([a, b]: Complex, [c, s]: Complex): Complex {
    return [this.sub(this.mul(a, c), this.mul(b, s)), this.add(this.mul(a, s), this.mul(b, c))];
  }

  bump(x: Int, by: I32 | number): void {
    this.f.set(x, scalar2("i32.add", x, typeof by === "number" ? i32(by) : by));
  }

  product(a: I32, b: I32 | number): Int {
    return this.f.let(scalar2("i32.mul", a, typeof b === "number" ? i32(b) : b));
  }

  sum(a: I32, b: I32): Int {
    return this.f.let(scalar2("i32.add", a, b));
  }

  difference(a: I32, b: I32): Int {
    return this.f.let(scalar2("i32.sub", a, b));
  }

  /** Run `body` `count` times, at least once. */
  repeat(count: I32, body: () => void): void {
    const left = this.f.let(count);
    this.f.doWhile(
      () => left,
      () => {
        body();
        this.bump(left, -1);
      },
    );
  }

  finish(): Uint8Array<ArrayBuffer> {
    return encodeModule([this.f.finish()], this.memory + 1);
  }
}

/** Sums of a radix by its butterfly, without factors. */
type Butterfly = (c: TileCode, x: readonly Complex[]) => Complex[];

function butterfly2(c: TileCode, [a, b]: readonly Complex[]): Complex[] {
  const [x, y] = [a as Complex, b as Complex]; // two
  return [c.plus(x, y), c.minus(x, y)];
}

function number(c: TileCode, x: number): V {
  return c.f.constant(new Uint8Array(Float64Array.of(x, x).buffer));
}

function butterfly3(c: TileCode, x: readonly Complex[]): Complex[] {
  const [a, b, d] = x as [Complex, Complex, Complex]; // three
  const t = c.plus(b, d);
  const half = number(c, 0.5);
  const m: Complex = [c.sub(a[0], c.mul(half, t[0])), c.sub(a[1], c.mul(half, t[1]))];
  const sin60 = number(c, Math.sqrt(3) / 2);
  const n: Complex = [c.mul(sin60, c.sub(b[1], d[1])), c.mul(sin60, c.sub(d[0], b[0]))];
  return [c.plus(a, t), c.plus(m, n), c.minus(m, n)];
}

function butterfly4(c: TileCode, x: readonly Complex[]): Complex[] {
  const [a, b, d, e] = x as [Complex, Complex, Complex, Complex]; // four
  const [p, q, r] = [c.plus(a, d), c.minus(a, d), c.plus(b, e)];
  const turned: Complex = [c.sub(b[1], e[1]), c.sub(e[0], b[0])]; // −i(b − e)
  return [c.plus(p, r), c.plus(q, turned), c.minus(p, r), c.minus(q, turned)];
}

function butterfly5(c: TileCode, x: readonly Complex[]): Complex[] {
  const [a, x1, x2, x3, x4] = x as [Complex, Complex, Complex, Complex, Complex]; // five
  const [cos72, sin72] = circle(1, 5);
  const [cos144, sin144] = circle(2, 5);
  const [c1, s1, c2, s2] = [number(c, cos72), number(c, sin72), number(c, cos144), number(c, sin144)];
  const [p, d, q, e] = [c.plus(x1, x4), c.minus(x1, x4), c.plus(x2, x3), c.minus(x2, x3)];
  const mix = (k: 0 | 1, u: V, v: V): V => c.add(c.add(a[k], c.mul(u, p[k])), c.mul(v, q[k]));
  const f: Complex = [mix(0, c1, c2), mix(1, c1, c2)];
  const g: Complex = [mix(0, c2, c1), mix(1, c2, c1)];
  const h: Complex = [
    c.add(c.mul(s1, d[1]), c.mul(s2, e[1])),
    c.f.let(vector1("f64x2.neg", c.add(c.mul(s1, d[0]), c.mul(s2, e[0])))),
  ];
  const k: Complex = [
    c.sub(c.mul(s2, d[1]), c.mul(s1, e[1])),
    c.f.let(vector1("f64x2.neg", c.sub(c.mul(s2, d[0]), c.mul(s1, e[0])))),
  ];
  return [c.plus(c.plus(a, p), q), c.plus(f, h), c.plus(g, k), c.minus(g, k), c.minus(f, h)];
}

const BUTTERFLIES: Readonly<Record<number, Butterfly>> = {
  2: butterfly2,
  3: butterfly3,
  4: butterfly4,
  5: butterfly5,
};

/** True for radices that {@link emitStage} makes; others are {@link emitPrime}'s. */
export function hasButterfly(radix: number): boolean {
  return radix in BUTTERFLIES;
}

/** One stage of Stockham's form; the last one (`m` 1) has no factors. */
export function emitStage(radix: number, isLast: boolean): Uint8Array<ArrayBuffer> {
  const c = new TileCode();
  const [from, to, m, row, twiddle] = [c.word(0), c.word(1), c.word(2), c.word(3), c.word(4)];
  const rowBytes = c.product(row, GROUP_BYTES);
  const gap = c.product(rowBytes, m);
  const inputs = Array.from({ length: radix }, (_, k) => c.sum(from, scalar2("i32.mul", gap, i32(k))));
  const outputs = Array.from({ length: radix }, (_, k) => c.sum(to, scalar2("i32.mul", rowBytes, i32(k))));
  const skip = c.product(rowBytes, radix - 1);
  const butterfly = BUTTERFLIES[radix] as Butterfly; // the caller asked
  c.repeat(m, () => {
    const factors = Array.from({ length: isLast ? 0 : radix }, (_, k): Complex | null =>
      k === 0 ? null : [c.splat(twiddle, 16 * k), c.splat(twiddle, 16 * k + 8)],
    );
    c.repeat(row, () => {
      const made = butterfly(
        c,
        inputs.map((p) => c.complex(p)),
      );
      for (const [k, y] of made.entries()) {
        const factor = factors[k];
        c.store(outputs[k] as Int, factor ? c.times(y, factor) : y);
      }
      for (const p of [...inputs, ...outputs]) c.bump(p, GROUP_BYTES);
    });
    for (const p of outputs) c.bump(p, skip);
    if (!isLast) c.bump(twiddle, 16 * radix);
  });
  return c.finish();
}
