/** The row kernels of warp.ts: four pixels at a time, with a slow path for what lies at the source's edges or beside gaps. */
import { floatPattern, pattern, shapeOf } from "../map/lanes.ts";
import {
  anyTrue,
  extract,
  type FunctionBuilder,
  type I32,
  i32,
  type Local,
  laneSelect,
  loadLane,
  loadScalar,
  loadVector,
  scalar2,
  scalarCompare,
  shuffle,
  splat,
  type Vector,
  type Vector1Name,
  type Vector2Name,
  vector1,
  vector2,
} from "../wasm/builder.ts";
import type { Iteration, RowKernel } from "./surface.ts";

type V = Local<"v128">;

/** dtypes that are resampled natively. */
export type WarpFloat = "float32" | "float64";

/** Pixels per iteration. */
export const warpElements = 4;

/** Words of a row kernel: address, pitch, columns and rows of the source, table of rows, its length; then three float64. */
const WORD = { address: 0, pitch: 1, columns: 2, rows: 3, table: 4, count: 5 } as const;
const FIRST_COLUMN = 24;
const START_X = 32;
const START_Y = 40;

/** Code of one iteration. */
class WarpCode {
  readonly i: Iteration;
  readonly dtype: WarpFloat;
  readonly f: FunctionBuilder;
  readonly size: 4 | 8;

  constructor(i: Iteration, dtype: WarpFloat) {
    this.i = i;
    this.dtype = dtype;
    this.f = i.f;
    this.size = dtype === "float32" ? 4 : 8;
  }

  let(x: Vector): V {
    return this.f.let(x);
  }

  op(name: string, a: Vector, b: Vector): V {
    return this.let(vector2(`${shapeOf(this.dtype)}.${name}` as Vector2Name, a, b)); // arithmetic exists for both floats
  }

  /** Pairs of float64 of the four pixels: their coordinates along x (0) or y (1) of the source. */
  coordinates(axis: 0 | 1): [V, V] {
    const { f, i } = this;
    const row = f.let(
      scalar2(
        "i32.add",
        i.word(WORD.table),
        scalar2("i32.shl", scalar2("i32.sub", i.word(WORD.count), i.rows), i32(5)),
      ),
    );
    const term = (k: number): V =>
      this.let(loadVector("v128.load64_splat", { memory: i.places.own, base: row, offset: 8 * k }));
    const [first, step] = [term(2 * axis), term(2 * axis + 1)];
    const origin = f.hoist("first column", () => loadVector("v128.load64_splat", i.own(FIRST_COLUMN)));
    const column = this.let(splat("i32x4.splat", i.column));
    return [0, 2].map((lane) => {
      const iota = f.constant(new Uint8Array(Int32Array.of(lane, lane + 1, 0, 0).buffer));
      const j = this.let(vector1("f64x2.convert_low_i32x4_s", vector2("i32x4.add", column, iota)));
      const global = vector2("f64x2.add", origin, j);
      return this.let(vector2("f64x2.add", first, vector2("f64x2.mul", step, global)));
    }) as [V, V]; // two
  }

  /** int32 of four whole float64 less the input's start: sums with a number whose unit is 1 hold them in their low bits. */
  index(whole: readonly [V, V], axis: 0 | 1): V {
    const { f, i } = this;
    const magic = f.constant(floatPattern("float64", 1.5 * 2 ** 52));
    const start = f.hoist(`start ${axis}`, () =>
      vector2("f64x2.sub", magic, loadVector("v128.load64_splat", i.own(axis === 0 ? START_X : START_Y))),
    );
    const [a, b] = whole.map((x) => this.let(vector2("f64x2.add", x, start))) as [V, V]; // two
    return this.let(shuffle(a, b, [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27]));
  }

  /** Addresses of four pixels. */
  addresses(column: V, row: V): V {
    const { f, i } = this;
    const base = f.hoist("base", () => splat("i32x4.splat", loadScalar("i32.load", i.own(0))));
    const pitches = f.hoist("pitches", () => splat("i32x4.splat", loadScalar("i32.load", i.own(4 * WORD.pitch))));
    const twice = (x: V): V => this.let(vector2("i32x4.add", x, x));
    const across = this.size === 4 ? twice(twice(column)) : twice(twice(twice(column)));
    return this.let(vector2("i32x4.add", vector2("i32x4.add", base, across), vector2("i32x4.mul", row, pitches)));
  }

  /** Mask of the pixels whose index along both axes is from 0 to the extent less `less`; no extent is 0. */
  inside(column: V, row: V, less: number): V {
    const { f, i } = this;
    const end = (word: number): V =>
      f.hoist(`end ${word} ${less}`, () =>
        splat("i32x4.splat", scalar2("i32.sub", loadScalar("i32.load", i.own(4 * word)), i32(less - 1))),
      );
    // unsigned, so that what lies before the first is far behind the last
    return this.let(
      vector2("v128.and", vector2("i32x4.lt_u", column, end(WORD.columns)), vector2("i32x4.lt_u", row, end(WORD.rows))),
    );
  }

  /** NaN in every lane: as many vectors as four pixels take. */
  missing(): V[] {
    const nan = this.f.constant(floatPattern(this.dtype, Number.NaN));
    return Array.from({ length: this.size / 4 }, () => this.let(nan));
  }

  /** Four pixels, NaN where the mask is false. */
  guarded(address: V, mask: V): V[] {
    const { f, i } = this;
    const out = this.missing();
    const lanes = 16 / this.size;
    for (let lane = 0; lane < 4; lane++) {
      const to = out[Math.floor(lane / lanes)] as V; // four lanes in all
      f.if(extract("i32x4.extract_lane", mask, lane), () => {
        const base = f.let(extract("i32x4.extract_lane", address, lane));
        f.set(to, loadLane(this.size, { memory: i.places.from, base, offset: 0 }, to, lane % lanes));
      });
    }
    return out;
  }

  /** Scalars of four addresses. */
  bases(address: V): Local<"i32">[] {
    return [0, 1, 2, 3].map((lane) => this.f.let(extract("i32x4.extract_lane", address, lane)));
  }

  /** Each pixel of four and its right neighbour. */
  pairs(bases: readonly I32[]): { readonly left: V[]; readonly right: V[] } {
    const { i } = this;
    const at = (lane: number) => ({ memory: i.places.from, base: bases[lane] as I32, offset: 0 }); // four of them
    const two = (lane: number): [V, V] => {
      if (this.size === 8)
        return [this.let(loadVector("v128.load", at(lane))), this.let(loadVector("v128.load", at(lane + 1)))];
      const first = this.let(loadVector("v128.load64_zero", at(2 * lane)));
      const both = this.let(loadLane(8, at(2 * lane + 1), first, 1));
      const next = this.let(loadVector("v128.load64_zero", at(2 * lane + 2)));
      return [both, this.let(loadLane(8, at(2 * lane + 3), next, 1))];
    };
    const groups = this.size === 8 ? [two(0), two(2)] : [two(0)];
    const [even, odd] =
      this.size === 8
        ? [
            [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23],
            [8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31],
          ]
        : [
            [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27],
            [4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31],
          ];
    return {
      left: groups.map(([a, b]) => this.let(shuffle(a, b, even))),
      right: groups.map(([a, b]) => this.let(shuffle(a, b, odd))),
    };
  }

  /** Pairs of float64 in the arithmetic's vectors. */
  narrow([a, b]: readonly [V, V]): V[] {
    if (this.dtype === "float64") return [a, b];
    const demote = (x: V): V => this.let(vector1("f32x4.demote_f64x2_zero" as Vector1Name, x));
    return [this.let(shuffle(demote(a), demote(b), [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23]))];
  }

  store(values: readonly V[]): void {
    for (const [k, x] of values.entries())
      this.f.storeVector({ memory: this.i.places.to, base: this.i.to, offset: 16 * k }, x);
  }
}

/** One value of each vector list. */
type Four = readonly [readonly V[], readonly V[], readonly V[], readonly V[]];

function nearest(c: WarpCode): void {
  const half = c.f.constant(floatPattern("float64", 0.5));
  const [column, row] = ([0, 1] as const).map((axis) => {
    const whole = c.coordinates(axis).map((x) => c.let(vector1("f64x2.ceil", vector2("f64x2.sub", x, half))));
    return c.index(whole as [V, V], axis); // two
  }) as [V, V];
  c.store(c.guarded(c.addresses(column, row), c.inside(column, row, 1)));
}

/** top·(1-q) + bottom·q of what lies left and right. */
function blend(c: WarpCode, k: number, [v00, v01, v10, v11]: Four, p: V, q: V): V {
  const one = c.f.constant(floatPattern(c.dtype, 1));
  const mix = (a: V, b: V, t: V): V => c.op("add", c.op("mul", a, c.op("sub", one, t)), c.op("mul", b, t));
  return mix(mix(v00[k] as V, v01[k] as V, p), mix(v10[k] as V, v11[k] as V, p), q); // as many vectors each
}

/** Σ w·v / Σ w over the valid neighbours, NaN below half the weight. */
function renormalised(c: WarpCode, k: number, four: Four, p: V, q: V): V {
  const { f } = c;
  const one = f.constant(floatPattern(c.dtype, 1));
  const [left, top] = [c.op("sub", one, p), c.op("sub", one, q)];
  const weights = [c.op("mul", left, top), c.op("mul", p, top), c.op("mul", left, q), c.op("mul", p, q)];
  let [sum, total]: [V | null, V | null] = [null, null];
  for (const [n, of] of four.entries()) {
    const v = of[k] as V; // as many vectors each
    const w = weights[n] as V; // four
    const zero = f.constant(new Uint8Array(16));
    const valid = c.let(vector2("v128.and", c.op("eq", v, v), c.op("ne", w, zero)));
    const [weight, product] = [
      c.let(vector2("v128.and", w, valid)),
      c.let(vector2("v128.and", c.op("mul", v, w), valid)),
    ];
    sum = sum === null ? product : c.op("add", sum, product);
    total = total === null ? weight : c.op("add", total, weight);
  }
  const [s, t] = [sum as V, total as V]; // there were four
  const enough = c.op("ge", t, f.constant(floatPattern(c.dtype, 0.5)));
  return c.let(laneSelect(1, c.op("div", s, t), f.constant(floatPattern(c.dtype, Number.NaN)), enough));
}

function bilinear(c: WarpCode): void {
  const { f } = c;
  const [x, y] = [c.coordinates(0), c.coordinates(1)];
  const floor = (of: readonly [V, V]): [V, V] => of.map((v) => c.let(vector1("f64x2.floor", v))) as [V, V]; // two
  const [fx, fy] = [floor(x), floor(y)];
  const rest = (of: readonly [V, V], whole: readonly [V, V]): V[] =>
    c.narrow([c.let(vector2("f64x2.sub", of[0], whole[0])), c.let(vector2("f64x2.sub", of[1], whole[1]))]);
  const [p, q] = [rest(x, fx), rest(y, fy)];
  const [column, row] = [c.index(fx, 0), c.index(fy, 1)];
  const address = c.addresses(column, row);
  const pitches = f.hoist("pitches", () => splat("i32x4.splat", loadScalar("i32.load", c.i.own(4 * WORD.pitch))));
  const below = c.let(vector2("i32x4.add", address, pitches));
  const results = c.missing();
  const slow = f.let(anyTrue(vector1("v128.not", c.inside(column, row, 2))));
  f.if(scalarCompare("i32.eq", slow, i32(0)), () => {
    const bases = c.bases(address);
    const under = bases.map((base) => f.let(scalar2("i32.add", base, c.i.word(WORD.pitch))));
    const [top, bottom] = [c.pairs(bases), c.pairs(under)];
    let bad: V | null = null;
    for (const [k, result] of results.entries()) {
      const four: Four = [top.left, top.right, bottom.left, bottom.right];
      f.set(result, blend(c, k, four, p[k] as V, q[k] as V));
      const nan = c.op("ne", result, result);
      bad = bad === null ? nan : c.let(vector2("v128.or", bad, nan));
    }
    f.set(slow, anyTrue(bad as V)); // there is a vector
  });
  const one = f.constant(pattern(4, 1n));
  const next = (of: V): V => c.let(vector2("i32x4.add", of, one));
  // where no neighbour lies in the source the results are missing, as they were made
  f.if(scalar2("i32.and", slow, anyTrue(c.inside(next(column), next(row), 0))), () => {
    const item = f.constant(pattern(4, BigInt(c.size)));
    const [nextColumn, nextRow] = [next(column), next(row)];
    const right = (of: V): V => c.let(vector2("i32x4.add", of, item));
    const four: Four = [
      c.guarded(address, c.inside(column, row, 1)),
      c.guarded(right(address), c.inside(nextColumn, row, 1)),
      c.guarded(below, c.inside(column, nextRow, 1)),
      c.guarded(right(below), c.inside(nextColumn, nextRow, 1)),
    ];
    for (const [k, result] of results.entries()) {
      const whole = blend(c, k, four, p[k] as V, q[k] as V);
      f.set(result, laneSelect(1, whole, renormalised(c, k, four, p[k] as V, q[k] as V), c.op("eq", whole, whole)));
    }
  });
  c.store(results);
}

/** The row kernel of a method. */
export function warpKernel(method: "nearest" | "bilinear", dtype: WarpFloat): RowKernel {
  const size = dtype === "float32" ? 4 : 8;
  return {
    key: `warp ${method} ${dtype}`,
    step: { elements: warpElements, fromSize: size, toSize: size },
    body: (i) => (method === "nearest" ? nearest : bilinear)(new WarpCode(i, dtype)),
  };
}
