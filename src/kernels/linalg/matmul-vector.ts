/**
 * Products of a matrix and a vector, in the order of matmul.ts and without packing: lines are what the results sum over.
 * Contiguous lines are taken four vectors of lines at a time, lines side by side in rows of running sums.
 */
import { DTYPES } from "../../dtype/index.ts";
import {
  FunctionBuilder,
  type I32,
  i32,
  type Local,
  loadLane,
  loadScalar,
  loadVector,
  scalar2,
  scalarCompare,
  select,
  type Vector2Name,
  vector2,
} from "../wasm/builder.ts";
import { encodeModule } from "../wasm/encoder.ts";
import { countRun, kernelOf, SCRATCH, scratch } from "../wasm/runtime.ts";
import { type Compute, type Lines, transposed } from "./matmul-pack.ts";

type V = Local<"v128">;

/** Terms that are added before their sum is. */
const DEPTH = 256;
/** Vectors of lines in flight. */
const GROUPS = 4;
/** Rows that are added to the running sums at once. */
const ROWS = 4;

const SHAPE: Readonly<Record<Compute, string>> = { float32: "f32x4", float64: "f64x2", int32: "i32x4", int64: "i64x2" };

/** What both forms are made of. */
class VectorCode {
  readonly f = new FunctionBuilder(["i32", "i32", "i32"]);
  readonly size: 4 | 8;
  readonly lanes: number;
  readonly own: number;
  readonly #shape: string;

  constructor(dtype: Compute, memories: number) {
    this.size = DTYPES[dtype].itemsize as 4 | 8; // of the four
    this.lanes = 16 / this.size;
    this.own = memories - 1;
    this.#shape = SHAPE[dtype];
  }

  /** Words: address, across, along, lines, depth, address of the vector, and of the results, in scratch. */
  word(k: number): Local<"i32"> {
    const base = this.f.param(0, "i32");
    return this.f.hoist(`word ${k}`, () =>
      loadScalar("i32.load", { memory: this.own, base, offset: SCRATCH.block + 4 * k }),
    );
  }

  /** `sum += x · y`, both rounded. */
  addProduct(sum: V, x: V, y: V): void {
    const [add, mul] = [`${this.#shape}.add`, `${this.#shape}.mul`] as [Vector2Name, Vector2Name]; // all eight exist
    this.f.set(sum, vector2(add, sum, vector2(mul, x, y)));
  }

  add(a: V, b: V): V {
    return this.f.let(vector2(`${this.#shape}.add` as Vector2Name, a, b)); // all four exist
  }

  /** The vector's element at `base` plus `k` elements, in every lane. */
  splat(base: Local<"i32">, k: number): V {
    const name = this.size === 4 ? "v128.load32_splat" : "v128.load64_splat";
    return this.f.let(loadVector(name, { memory: this.own, base, offset: k * this.size }));
  }

  bump(x: Local<"i32">, by: I32): void {
    this.f.set(x, scalar2("i32.add", x, by));
  }

  /** Run `body` `n` times; `n` is used up. */
  times(n: Local<"i32">, body: () => void): void {
    this.f.if(n, () =>
      this.f.doWhile(
        () => n,
        () => {
          body();
          this.bump(n, i32(-1));
        },
      ),
    );
  }

  /** Run `body` for every panel of the depth with its extent. */
  panels(body: (depth: Local<"i32">) => void): void {
    const { f } = this;
    const [left, n] = [f.let(this.word(4)), f.local("i32")];
    f.doWhile(
      () => left,
      () => {
        f.set(n, select(scalarCompare("i32.gt_u", left, i32(DEPTH)), i32(DEPTH), left));
        body(n);
        f.set(left, scalar2("i32.sub", left, n));
      },
    );
  }
}

/** Contiguous lines; `lines` is at least what an iteration takes, and the last iteration ends with it. */
function emitAlong(dtype: Compute, memories: number): Uint8Array<ArrayBuffer> {
  const c = new VectorCode(dtype, memories);
  const { f, lanes, size } = c;
  const step = GROUPS * lanes;
  const zero = f.constant(new Uint8Array(16));
  const [across, lines] = [c.word(1), c.word(3)];
  const last = f.let(scalar2("i32.sub", lines, i32(step)));
  const [line, before, from, vector, count] = ["", "", "", "", ""].map(() => f.local("i32")) as Local<"i32">[] as [
    Local<"i32">,
    Local<"i32">,
    Local<"i32">,
    Local<"i32">,
    Local<"i32">,
  ]; // five
  const fresh = (): V[] => Array.from({ length: GROUPS }, () => f.let(zero));
  f.set(line, i32(0));
  f.doWhile(
    () => scalarCompare("i32.lt_u", before, last),
    () => {
      f.set(from, scalar2("i32.add", c.word(0), scalar2("i32.mul", line, across)));
      f.set(vector, c.word(5));
      const totals = fresh();
      c.panels((depth) => {
        const sums = fresh();
        f.set(count, scalar2("i32.shr_u", depth, i32(Math.log2(lanes))));
        c.times(count, () => {
          const right = Array.from({ length: lanes }, (_, p) => c.splat(vector, p));
          const row = f.let(from);
          for (const sum of sums) {
            const rows = Array.from({ length: lanes }, (): V => {
              const x = f.let(loadVector("v128.load", { memory: 0, base: row, offset: 0 }));
              c.bump(row, across);
              return x;
            });
            for (const [p, x] of transposed(f, rows).entries()) c.addProduct(sum, x, right[p] as V); // as many
          }
          c.bump(from, i32(16));
          c.bump(vector, i32(16));
        });
        f.set(count, scalar2("i32.and", depth, i32(lanes - 1)));
        c.times(count, () => {
          const right = c.splat(vector, 0);
          const row = f.let(from);
          for (const sum of sums) {
            let x = f.let(zero);
            for (let lane = 0; lane < lanes; lane++) {
              x = f.let(loadLane(size, { memory: 0, base: row, offset: 0 }, x, lane));
              c.bump(row, across);
            }
            c.addProduct(sum, x, right);
          }
          c.bump(from, i32(size));
          c.bump(vector, i32(size));
        });
        for (const [g, sum] of sums.entries()) f.set(totals[g] as V, c.add(totals[g] as V, sum)); // as many
      });
      const to = f.let(scalar2("i32.add", c.word(6), scalar2("i32.mul", line, i32(size))));
      for (const [g, total] of totals.entries()) f.storeVector({ memory: c.own, base: to, offset: 16 * g }, total);
      f.set(before, line);
      c.bump(line, i32(step));
      f.set(line, select(scalarCompare("i32.gt_u", line, last), last, line));
    },
  );
  return encodeModule([f.finish()], memories);
}

/** Lines side by side, a whole number of vectors of them; room for running sums lies behind that of the results. */
function emitAcross(dtype: Compute, memories: number): Uint8Array<ArrayBuffer> {
  const c = new VectorCode(dtype, memories);
  const { f, size } = c;
  const zero = f.constant(new Uint8Array(16));
  const [along, to] = [c.word(2), c.word(6)];
  const bytes = f.let(scalar2("i32.mul", c.word(3), i32(size)));
  const vectors = f.let(scalar2("i32.shr_u", bytes, i32(4)));
  const sumsAt = f.let(scalar2("i32.add", to, bytes));
  const [from, vector, count, j] = [f.let(c.word(0)), f.let(c.word(5)), f.local("i32"), f.local("i32")];
  /** Visit every vector of running sums. */
  const each = (at: Local<"i32">, body: (at: Local<"i32">) => void): void => {
    const base = f.let(at);
    f.set(j, vectors);
    c.times(j, () => {
      body(base);
      c.bump(base, i32(16));
    });
  };
  const addRows = (rows: number): void => {
    const right = Array.from({ length: rows }, (_, p) => c.splat(vector, p));
    const bases = right.map((_, p) => f.let(scalar2("i32.add", from, scalar2("i32.mul", along, i32(p)))));
    each(sumsAt, (at) => {
      const sum = f.let(loadVector("v128.load", { memory: c.own, base: at, offset: 0 }));
      for (const [p, base] of bases.entries()) {
        c.addProduct(sum, f.let(loadVector("v128.load", { memory: 0, base, offset: 0 })), right[p] as V); // as many
        c.bump(base, i32(16));
      }
      f.storeVector({ memory: c.own, base: at, offset: 0 }, sum);
    });
    c.bump(from, scalar2("i32.mul", along, i32(rows)));
    c.bump(vector, i32(rows * size));
  };
  each(to, (at) => f.storeVector({ memory: c.own, base: at, offset: 0 }, zero));
  c.panels((depth) => {
    each(sumsAt, (at) => f.storeVector({ memory: c.own, base: at, offset: 0 }, zero));
    f.set(count, scalar2("i32.shr_u", depth, i32(Math.log2(ROWS))));
    c.times(count, () => addRows(ROWS));
    f.set(count, scalar2("i32.and", depth, i32(ROWS - 1)));
    c.times(count, () => addRows(1));
    each(to, (at) => {
      const load = (base: I32): V => f.let(loadVector("v128.load", { memory: c.own, base, offset: 0 }));
      const sum = load(scalar2("i32.add", at, bytes));
      f.storeVector({ memory: c.own, base: at, offset: 0 }, c.add(load(at), sum));
    });
  });
  return encodeModule([f.finish()], memories);
}

/** Lines that one iteration over contiguous ones takes. */
export function linesAlong(dtype: Compute): number {
  return (GROUPS * 16) / DTYPES[dtype].itemsize;
}

/**
 * Sums of `count` lines times the vector at byte `vector` of scratch to byte `to` of it (beside as much again for lines
 * side by side). Contiguous lines: at least {@link linesAlong}; lines side by side: whole vectors of them.
 */
export function multiplyLines(
  dtype: Compute,
  lines: Lines,
  { vector, to }: { readonly vector: number; readonly to: number },
  { count, depth }: { readonly count: number; readonly depth: number },
): void {
  const own = scratch();
  const memories = lines.memory === own.memory ? [own.memory] : [lines.memory, own.memory];
  const isAlong = lines.along === DTYPES[dtype].itemsize;
  const run = kernelOf(`matmul vector ${dtype} ${isAlong} ${memories.length}`, memories, () =>
    (isAlong ? emitAlong : emitAcross)(dtype, memories.length),
  );
  own.i32.set([lines.address, lines.across, lines.along, count, depth, vector, to], SCRATCH.block / 4);
  countRun("wasm");
  run(0, 0, 0);
}
