/**
 * Modules that sort rows of contiguous elements in place: `k(block, groups, n)`. As many rows as a vector has lanes become
 * a column of vectors in scratch, which the network of {@link SortCode} sorts, one row per lane; then they go back. NaN is
 * last. Bytes per element: read and written once; the column stays in the cache.
 */
import { DTYPES } from "../../dtype/index.ts";
import { floatPattern, LaneCode, pattern, shapeOf, type V } from "../map/lanes.ts";
import { largest, SortCode } from "../select/network.ts";
import {
  type Address,
  FunctionBuilder,
  type I32,
  i32,
  type Local,
  laneSelect,
  loadLane,
  loadScalar,
  loadVector,
  scalar2,
  scalarCompare,
  type Vector2Name,
  vector2,
} from "../wasm/builder.ts";
import { encodeModule, type FunctionCode } from "../wasm/encoder.ts";
import { type ScanDType, transpose } from "./scan-module.ts";

/** dtypes whose rows are sorted so. */
export type SortDType = ScanDType | "uint32" | "uint64";

/** Words of the block, in bytes. */
export const SORT_WORD = { rows: 0, rowStep: 4, column: 8, columnBytes: 12 } as const;

const SORT = 1;

class RowSortCode {
  readonly #f = new FunctionBuilder(["i32", "i32", "i32"]);
  readonly #dtype: SortDType;
  readonly #memories: number;
  readonly #width: 4 | 8;
  readonly #code: LaneCode;
  readonly #rows: readonly Local<"i32">[];
  readonly #at: Local<"i32">;
  readonly #left: Local<"i32">;

  constructor(dtype: SortDType, memories: number) {
    this.#dtype = dtype;
    this.#memories = memories;
    this.#width = DTYPES[dtype].itemsize as 4 | 8; // by SortDType
    this.#code = new LaneCode(this.#f, this.lanes);
    this.#rows = Array.from({ length: this.lanes }, () => this.#f.local("i32"));
    this.#at = this.#f.local("i32");
    this.#left = this.#f.local("i32");
  }

  get lanes(): number {
    return 16 / this.#width;
  }

  #row(r: number): Address {
    return { memory: 0, base: this.#rows[r] as I32, offset: 0 };
  }

  #column(offset = 0): Address {
    return { memory: this.#memories - 1, base: this.#at, offset };
  }

  #step(local: Local<"i32">, by: I32): void {
    this.#f.set(local, scalar2("i32.add", local, by));
  }

  #repeat(count: I32, body: () => void): void {
    const f = this.#f;
    f.set(this.#left, count);
    f.if(this.#left, () =>
      f.doWhile(
        () => this.#left,
        () => {
          body();
          this.#step(this.#left, i32(-1));
        },
      ),
    );
  }

  /** As elements are sorted, and as they were: unsigned 64-bit integers with the top bit flipped. */
  #flipped(x: V): V {
    if (this.#dtype !== "uint64") return x;
    return this.#f.let(vector2("v128.xor", x, this.#f.constant(pattern(8, 1n << 63n))));
  }

  /** `x` with NaN made the largest value, numbers counted. */
  #counted(x: V, count: V): V {
    if (DTYPES[this.#dtype].kind !== "f") return this.#flipped(x);
    const f = this.#f;
    const number = f.let(vector2(`${shapeOf(this.#dtype)}.eq` as Vector2Name, x, x)); // every shape has it
    f.set(count, vector2(this.#width === 4 ? "i32x4.sub" : "i64x2.sub", count, number));
    return f.let(laneSelect(this.#width, x, f.constant(largest(this.#dtype)), number));
  }

  #gather(n: I32, end: I32, count: V): void {
    const f = this.#f;
    this.#repeat(scalar2("i32.shr_u", n, i32(Math.log2(this.lanes))), () => {
      const loaded = this.#rows.map((_, r) => f.let(loadVector("v128.load", this.#row(r))));
      for (const [k, x] of transpose(this.#code, loaded).entries())
        f.storeVector(this.#column(16 * k), this.#counted(x, count));
      for (const p of this.#rows) this.#step(p, i32(16));
      this.#step(this.#at, i32(16 * this.lanes));
    });
    const zero = f.constant(new Uint8Array(16));
    this.#repeat(scalar2("i32.and", n, i32(this.lanes - 1)), () => {
      const x = f.let(zero);
      for (let r = 0; r < this.lanes; r++) f.set(x, loadLane(this.#width, this.#row(r), x, r));
      f.storeVector(this.#column(), this.#counted(x, count));
      for (const p of this.#rows) this.#step(p, i32(this.#width));
      this.#step(this.#at, i32(16));
    });
    const padding = (): I32 => scalarCompare("i32.lt_u", this.#at, end);
    f.if(padding(), () =>
      f.doWhile(padding, () => {
        f.storeVector(this.#column(), f.constant(largest(this.#dtype)));
        this.#step(this.#at, i32(16));
      }),
    );
  }

  /** The sorted element at `#at`, NaN where the numbers have ended; `index` counts in every lane. */
  #sorted(offset: number, index: V, count: V): V {
    const f = this.#f;
    const x = f.let(loadVector("v128.load", this.#column(offset)));
    if (DTYPES[this.#dtype].kind !== "f") return this.#flipped(x);
    const [less, add] =
      this.#width === 4 ? (["i32x4.lt_s", "i32x4.add"] as const) : (["i64x2.lt_s", "i64x2.add"] as const);
    const isNumber = f.let(vector2(less, index, count));
    f.set(index, vector2(add, index, f.constant(pattern(this.#width, 1n))));
    const nan = f.constant(floatPattern(this.#dtype as "float32" | "float64", Number.NaN)); // of kind f
    return f.let(laneSelect(this.#width, x, nan, isNumber));
  }

  #scatter(n: I32, count: V): void {
    const f = this.#f;
    const index = f.let(f.constant(new Uint8Array(16)));
    this.#repeat(scalar2("i32.shr_u", n, i32(Math.log2(this.lanes))), () => {
      const sorted = this.#rows.map((_, k) => this.#sorted(16 * k, index, count));
      for (const [r, x] of transpose(this.#code, sorted).entries()) f.storeVector(this.#row(r), x);
      for (const p of this.#rows) this.#step(p, i32(16));
      this.#step(this.#at, i32(16 * this.lanes));
    });
    this.#repeat(scalar2("i32.and", n, i32(this.lanes - 1)), () => {
      const x = this.#sorted(0, index, count);
      for (let r = 0; r < this.lanes; r++) f.storeLane(this.#width, this.#row(r), x, r);
      for (const p of this.#rows) this.#step(p, i32(this.#width));
      this.#step(this.#at, i32(16));
    });
  }

  finish(): FunctionCode {
    const f = this.#f;
    const [block, groups, n] = [f.param(0, "i32"), f.param(1, "i32"), f.param(2, "i32")];
    const word = (name: keyof typeof SORT_WORD): Local<"i32"> =>
      f.let(loadScalar("i32.load", { memory: this.#memories - 1, base: block, offset: SORT_WORD[name] }));
    const [first, rowStep, column, columnBytes] = [word("rows"), word("rowStep"), word("column"), word("columnBytes")];
    const end = f.let(scalar2("i32.add", column, columnBytes));
    const count = f.local("v128");
    const begin = (): void => {
      this.#rows.forEach((p, r) => {
        f.set(p, scalar2("i32.add", first, scalar2("i32.mul", rowStep, i32(r))));
      });
      f.set(this.#at, column);
    };
    f.doWhile(
      () => groups,
      () => {
        begin();
        f.set(count, f.constant(new Uint8Array(16)));
        this.#gather(n, end, count);
        f.call(SORT, [column, columnBytes, columnBytes, i32(0)]);
        begin();
        this.#scatter(n, count);
        this.#step(first, scalar2("i32.mul", rowStep, i32(this.lanes)));
        this.#step(groups, i32(-1));
      },
    );
    return f.finish();
  }
}

/** Module for one dtype; rows lie in memory 0 of one or two, scratch is the last. */
export function emitRowSort(dtype: SortDType, memories: number): Uint8Array<ArrayBuffer> {
  const rows = new RowSortCode(dtype, memories);
  return encodeModule([rows.finish(), new SortCode(dtype, memories - 1).finish()], memories);
}
