/**
 * Modules that sort columns: `k(block, groups, rows)`. A group is 64 bytes of neighbouring pixels, `rows` deep; its rows
 * are gathered into scratch as four columns of vectors, missing elements replaced by the largest value and counted; each
 * column is sorted by a network, one pixel per lane; then ranks are picked by a table. See kernels.md §8.
 *
 * Every comparator leaves the smaller value at the lower index, so padding stays behind, and comparators with an index
 * beyond the end are not run. Bytes per element: read once, written and sorted in the first-level cache.
 */
import { DTYPES, type DType } from "../../dtype/index.ts";
import { loadContiguous } from "../map/access.ts";
import { floatPattern, LaneCode, pattern, shapeOf, type V, type Width, widthOf } from "../map/lanes.ts";
import {
  type Address,
  FunctionBuilder,
  type I32,
  i32,
  type Local,
  laneSelect,
  loadScalar,
  loadVector,
  scalar2,
  scalarCompare,
  select,
  type Vector2Name,
  vector2,
} from "../wasm/builder.ts";
import { encodeModule, type FunctionCode } from "../wasm/encoder.ts";
import { emitMiddle, smallest } from "./middle.ts";
import { emitPick, type Pick } from "./pick.ts";
import { WORD, type Words } from "./words.ts";

/** What a module is made for. */
export interface NetworkShape {
  /** dtype of the values: two, four or eight bytes. */
  readonly dtype: DType;
  /** What counts: all rows, those that are not NaN, those whose byte of the mask is 1. */
  readonly counted: "all" | "nan" | "mask";
  readonly pick: Pick;
  /** The result is the median, for all pixels of a group at once. */
  readonly isMiddle: boolean;
  /** Index of the memory of the rows; the last memory is scratch. */
  readonly source: number;
  readonly memories: number;
}

const SORT = 1;

/** Swaps two vectors so that the smaller values come first; equal values (and the two zeros) stay where they are. */
type Comparator = (a: V, b: V) => readonly [V, V];

function comparatorOf(code: LaneCode, dtype: DType): Comparator {
  const { f } = code;
  const shape = shapeOf(dtype);
  if (DTYPES[dtype].kind === "f") {
    const [min, max] = [`${shape}.pmin`, `${shape}.pmax`] as Vector2Name[]; // both float shapes have them
    return (a, b) => [f.let(vector2(min as Vector2Name, a, b)), f.let(vector2(max as Vector2Name, b, a))];
  }
  if (widthOf(dtype) === 8) {
    return (a, b) => {
      const swap = f.let(vector2("i64x2.gt_s", a, b));
      return [f.let(laneSelect(8, b, a, swap)), f.let(laneSelect(8, a, b, swap))];
    };
  }
  const sign = DTYPES[dtype].kind === "u" ? "u" : "s";
  const [min, max] = [`${shape}.min_${sign}`, `${shape}.max_${sign}`] as Vector2Name[]; // 2- and 4-byte shapes have them
  return (a, b) => [f.let(vector2(min as Vector2Name, a, b)), f.let(vector2(max as Vector2Name, a, b))];
}

/** Largest value of a dtype as it is sorted: 64-bit unsigned integers with the top bit flipped. */
export function largest(dtype: DType): Uint8Array {
  if (DTYPES[dtype].kind === "f") return floatPattern(dtype as "float32" | "float64", Number.POSITIVE_INFINITY);
  return pattern(widthOf(dtype), dtype === "uint64" ? (1n << 63n) - 1n : (DTYPES[dtype].max as bigint)); // integers have one
}

/** Floyd's network for eight: 19 comparators. */
const EIGHT: readonly (readonly [number, number])[] = [
  ...([
    [0, 2],
    [1, 3],
    [4, 6],
    [5, 7],
    [0, 4],
    [1, 5],
    [2, 6],
    [3, 7],
  ] as const),
  ...([
    [0, 1],
    [2, 3],
    [4, 5],
    [6, 7],
    [2, 4],
    [3, 5],
    [1, 4],
    [3, 6],
    [1, 2],
    [3, 4],
    [5, 6],
  ] as const),
];
/** The last steps of a bitonic merge. */
const MERGE: readonly (readonly [number, number])[] = [4, 2, 1].flatMap((k) =>
  [0, 1, 2, 3, 4, 5, 6, 7].flatMap((i) => ((i & k) === 0 ? [[i, i + k] as const] : [])),
);

/**
 * `sort(column, bytes, needed, from)`: sorts vectors, a multiple of eight of them, lane by lane; what lies from byte
 * `from` to `needed`, multiples of 128, is where it belongs in the end.
 */
export class SortCode {
  readonly #f = new FunctionBuilder(["i32", "i32", "i32", "i32"]);
  readonly #memory: number;
  readonly #compare: Comparator;
  readonly #base: Local<"i32">;
  readonly #size: Local<"i32">;
  readonly #end: Local<"i32">;
  /** End of the runs that are merged: a last run without a partner is left out. */
  readonly #limit: Local<"i32">;
  /** Where eights begin. */
  readonly #start: Local<"i32">;
  readonly #at: Local<"i32">;
  readonly #other: Local<"i32">;
  readonly #stop: Local<"i32">;
  readonly #block: Local<"i32">;

  constructor(dtype: DType, memory: number) {
    const f = this.#f;
    this.#memory = memory;
    this.#compare = comparatorOf(new LaneCode(f, 16), dtype);
    [this.#base, this.#size] = [f.param(0, "i32"), f.param(1, "i32")];
    this.#end = f.let(scalar2("i32.add", this.#base, this.#size));
    this.#limit = f.let(this.#end);
    this.#start = f.let(this.#base);
    [this.#at, this.#other, this.#stop, this.#block] = [f.local("i32"), f.local("i32"), f.local("i32"), f.local("i32")];
  }

  #address(base: I32, vectors: number): Address {
    return { memory: this.#memory, base, offset: 16 * vectors };
  }

  #load(base: I32, vectors: number): V {
    return this.#f.let(loadVector("v128.load", this.#address(base, vectors)));
  }

  #step(local: Local<"i32">, by: I32): void {
    this.#f.set(local, scalar2("i32.add", local, by));
  }

  /** Run a network on every eight vectors. */
  #eights(network: readonly (readonly [number, number])[]): void {
    const f = this.#f;
    f.set(this.#at, this.#start);
    f.doWhile(
      () => scalarCompare("i32.lt_u", this.#at, this.#limit),
      () => {
        const v = Array.from({ length: 8 }, (_, k) => this.#load(this.#at, k));
        for (const [i, j] of network) [v[i], v[j]] = this.#compare(v[i] as V, v[j] as V);
        for (const [k, x] of v.entries()) f.storeVector(this.#address(this.#at, k), x);
        this.#step(this.#at, i32(128));
      },
    );
  }

  /** Compare four neighbours at `at` with four at `other`, upwards, or downwards ending at `other`. */
  #fours(downwards: boolean): void {
    const f = this.#f;
    const pairs = [0, 1, 2, 3].map((k) => {
      const low = this.#load(this.#at, k);
      const high = downwards
        ? f.let(loadVector("v128.load", this.#address(this.#other, 3 - k)))
        : this.#load(this.#other, k);
      return this.#compare(low, high);
    });
    pairs.forEach(([low, high], k) => {
      f.storeVector(this.#address(this.#at, k), low);
      f.storeVector(this.#address(this.#other, downwards ? 3 - k : k), high);
    });
  }

  /** First step of merging runs of `run` bytes: element i of a pair of runs with element i from its end. */
  #flip(run: Local<"i32">): void {
    const f = this.#f;
    const pair = f.let(scalar2("i32.shl", run, i32(1)));
    const skip = f.local("i32");
    f.set(this.#block, this.#base);
    f.doWhile(
      () => scalarCompare("i32.lt_u", this.#block, this.#limit),
      () => {
        const rest = f.let(scalar2("i32.sub", this.#limit, this.#block));
        f.set(skip, select(scalarCompare("i32.lt_u", rest, pair), scalar2("i32.sub", pair, rest), i32(0)));
        f.if(scalarCompare("i32.lt_u", skip, run), () => {
          f.set(this.#at, scalar2("i32.add", this.#block, skip));
          f.set(this.#stop, scalar2("i32.add", this.#block, run));
          f.set(
            this.#other,
            scalar2("i32.add", this.#block, scalar2("i32.sub", scalar2("i32.sub", pair, skip), i32(64))),
          );
          f.doWhile(
            () => scalarCompare("i32.lt_u", this.#at, this.#stop),
            () => {
              this.#fours(true);
              this.#step(this.#at, i32(64));
              this.#step(this.#other, i32(-64));
            },
          );
        });
        this.#step(this.#block, pair);
      },
    );
  }

  /** Compare elements `half` bytes apart in blocks of twice that. */
  #halve(half: Local<"i32">): void {
    const f = this.#f;
    f.set(this.#block, this.#base);
    const last = f.let(scalar2("i32.sub", this.#limit, half));
    f.doWhile(
      () => scalarCompare("i32.lt_u", this.#block, this.#limit),
      () => {
        const full = f.let(scalar2("i32.add", this.#block, half));
        f.set(this.#stop, select(scalarCompare("i32.lt_s", last, full), last, full));
        f.set(this.#at, this.#block);
        f.set(this.#other, full);
        f.if(scalarCompare("i32.lt_s", this.#at, this.#stop), () =>
          f.doWhile(
            () => scalarCompare("i32.lt_s", this.#at, this.#stop),
            () => {
              this.#fours(false);
              this.#step(this.#at, i32(64));
              this.#step(this.#other, i32(64));
            },
          ),
        );
        this.#step(this.#block, scalar2("i32.shl", half, i32(1)));
      },
    );
  }

  finish(): FunctionCode {
    const f = this.#f;
    this.#eights(EIGHT);
    const run = f.let(i32(128));
    const half = f.local("i32");
    f.if(scalarCompare("i32.lt_u", run, this.#size), () =>
      f.doWhile(
        () => scalarCompare("i32.lt_u", run, this.#size),
        () => {
          const pair = f.let(scalar2("i32.shl", run, i32(1)));
          const rest = f.let(scalar2("i32.and", this.#size, scalar2("i32.sub", pair, i32(1))));
          const paired = scalarCompare("i32.gt_u", rest, run);
          f.set(this.#limit, select(paired, this.#end, scalar2("i32.sub", this.#end, rest)));
          this.#flip(run);
          f.set(half, scalar2("i32.shr_u", run, i32(1)));
          f.if(scalarCompare("i32.ge_u", half, i32(128)), () =>
            f.doWhile(
              () => scalarCompare("i32.ge_u", half, i32(128)),
              () => {
                this.#halve(half);
                f.set(half, scalar2("i32.shr_u", half, i32(1)));
              },
            ),
          );
          // The last merge finishes only what is needed.
          f.if(scalarCompare("i32.ge_u", pair, this.#size), () => {
            f.set(this.#limit, scalar2("i32.add", this.#base, f.param(2, "i32")));
            f.set(this.#start, scalar2("i32.add", this.#base, f.param(3, "i32")));
          });
          this.#eights(MERGE);
          f.set(run, scalar2("i32.shl", run, i32(1)));
        },
      ),
    );
    return f.finish();
  }
}

/** Bits in which two patterns differ: xor with them turns one into the other. */
function turnBetween(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((byte, k) => byte ^ (b[k] as number)); // as long
}

/** Gathers one group: `source`, `mask` and `rows` are locals of the caller. */
function emitGather(
  code: LaneCode,
  shape: NetworkShape,
  w: Words,
  from: { readonly source: Local<"i32">; readonly mask: Local<"i32">; readonly rows: I32 },
): readonly V[] | null {
  const { f } = code;
  const width = widthOf(shape.dtype);
  const top = shape.dtype === "uint64" ? f.constant(pattern(8, 1n << 63n)) : null;
  const infinite = f.constant(largest(shape.dtype));
  const column = f.let(w.word("column"));
  const start = f.let(w.word("sorted"));
  const to = [0, 1, 2, 3].map((k) => f.let(scalar2("i32.add", start, scalar2("i32.mul", column, i32(k)))));
  const ends = f.let(scalar2("i32.add", start, column));
  const at = f.let(from.source);
  const maskAt = f.let(from.mask);
  const left = f.let(from.rows);
  const zero = f.constant(new Uint8Array(16));
  const counts = [0, 1, 2, 3].map(() => f.let(zero));
  const sub = `${integerShape(width)}.sub` as Vector2Name; // every integer shape has it
  // Elements that take no part go behind all others; for a median, lane by lane, every second one before them.
  const fills = counts.map(() => (shape.isMiddle ? f.let(infinite) : infinite));
  const turn = shape.isMiddle ? f.constant(turnBetween(largest(shape.dtype), smallest(shape.dtype))) : null;
  f.doWhile(
    () => left,
    () => {
      let x = [0, 1, 2, 3].map((k) =>
        f.let(loadVector("v128.load", { memory: shape.source, base: at, offset: 16 * k })),
      );
      let valid: readonly V[] | null = null;
      if (shape.counted === "nan")
        valid = x.map((v) => f.let(vector2(`${shapeOf(shape.dtype)}.eq` as Vector2Name, v, v)));
      if (shape.counted === "mask")
        valid = code.mask(loadContiguous(code, "bool", { memory: w.scratch, base: maskAt, offset: 0 }), width);
      if (top !== null) x = x.map((v) => f.let(vector2("v128.xor", v, top)));
      valid?.forEach((m, k) => {
        f.set(counts[k] as V, vector2(sub, counts[k] as V, m));
        x[k] = f.let(laneSelect(width, x[k] as V, fills[k] as V, m));
        if (turn !== null) f.set(fills[k] as V, vector2("v128.xor", fills[k] as V, vector2("v128.andnot", turn, m)));
      });
      x.forEach((v, k) => {
        const c = to[k] as Local<"i32">;
        f.storeVector({ memory: w.scratch, base: c, offset: 0 }, v);
        f.set(c, scalar2("i32.add", c, i32(16)));
      });
      f.set(at, scalar2("i32.add", at, w.word("rowStep")));
      f.set(maskAt, scalar2("i32.add", maskAt, w.word("maskRowStep")));
      f.set(left, scalar2("i32.sub", left, i32(1)));
    },
  );
  const end = to[0] as Local<"i32">;
  f.if(scalarCompare("i32.lt_u", end, ends), () =>
    f.doWhile(
      () => scalarCompare("i32.lt_u", end, ends),
      () => {
        for (const c of to) {
          f.storeVector({ memory: w.scratch, base: c, offset: 0 }, infinite);
          f.set(c, scalar2("i32.add", c, i32(16)));
        }
      },
    ),
  );
  if (shape.counted === "all") return null;
  if (shape.isMiddle) return counts;
  const into = f.let(w.word("counts"));
  for (const [k, v] of counts.entries()) f.storeVector({ memory: w.scratch, base: into, offset: 16 * k }, v);
  return counts;
}

function integerShape(width: Width): string {
  return { 1: "i8x16", 2: "i16x8", 4: "i32x4", 8: "i64x2" }[width];
}

/** Module of a selection along columns. */
export function emitNetwork(shape: NetworkShape): Uint8Array<ArrayBuffer> {
  const scratch = shape.memories - 1;
  const width = widthOf(shape.dtype);
  const f = new FunctionBuilder(["i32", "i32", "i32"]);
  const [block, groups, rows] = [f.param(0, "i32"), f.param(1, "i32"), f.param(2, "i32")];
  const code = new LaneCode(f, 64 / width);
  const w: Words = {
    block,
    scratch,
    word: (name) =>
      f.hoist(`word ${name}`, () => loadScalar("i32.load", { memory: scratch, base: block, offset: WORD[name] })),
  };
  const source = f.let(w.word("source"));
  const mask = f.let(w.word("mask"));
  const result = f.let(w.word("result"));
  // Of a median nothing is needed below the eight of the rank below the middle.
  const lower = select(rows, scalar2("i32.sub", scalar2("i32.shr_u", rows, i32(1)), i32(1)), i32(0));
  const eight = scalar2("i32.and", scalar2("i32.shl", lower, i32(4)), i32(~127));
  const from = f.let(shape.isMiddle ? select(scalarCompare("i32.gt_u", rows, i32(16)), eight, i32(0)) : i32(0));
  f.doWhile(
    () => groups,
    () => {
      const counts = emitGather(code, shape, w, { source, mask, rows });
      for (let k = 0; k < 4; k++)
        f.call(SORT, [
          scalar2("i32.add", w.word("sorted"), scalar2("i32.mul", w.word("column"), i32(k))),
          w.word("column"),
          w.word("needed"),
          from,
        ]);
      const { dtype, pick } = shape;
      if (shape.isMiddle)
        emitMiddle(code, w, { dtype, out: pick.out as "float32" | "float64", counts, whole: pick.whole, rows, result }); // hasMiddle
      else emitPick(f, { dtype, counted: counts !== null, pick, w, rows, result });
      f.set(source, scalar2("i32.add", source, w.word("groupStep")));
      f.set(mask, scalar2("i32.add", mask, w.word("maskGroupStep")));
      f.set(result, scalar2("i32.add", result, i32((64 / width) * DTYPES[shape.pick.out].itemsize)));
      f.set(groups, scalar2("i32.sub", groups, i32(1)));
    },
  );
  return encodeModule([f.finish(), new SortCode(shape.dtype, scratch).finish()], shape.memories);
}
