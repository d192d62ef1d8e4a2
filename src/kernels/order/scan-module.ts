/**
 * Modules of running sums and products along rows: `k(block, rows, count)` reads rows of contiguous elements and writes
 * others, perhaps the same. Four rows run side by side in vector lanes, each in order; the rest one by one. A row starts
 * from its carry. Bytes per element: read and written once.
 */
import { LaneCode, shapeOf, type V } from "../map/lanes.ts";
import {
  type Address,
  FunctionBuilder,
  type I32,
  i32,
  type Local,
  loadLane,
  loadScalar,
  loadVector,
  scalar2,
  scalarCompare,
  shuffle,
  type Value,
  type Vector2Name,
  vector2,
} from "../wasm/builder.ts";
import { encodeModule, type FunctionCode } from "../wasm/encoder.ts";

/** dtypes that have such modules; unsigned integers run as signed ones. */
export type ScanDType = "float32" | "float64" | "int32" | "int64";

/** Words of the block, in bytes. */
export const SCAN_WORD = { source: 0, sourceStep: 4, target: 8, targetStep: 12, carries: 16 } as const;

/** Memories by index; carries and block lie in the last one. */
export interface ScanMemories {
  readonly source: number;
  readonly target: number;
  readonly memories: number;
}

/** Rows side by side: more would fall into the same sets of the cache. */
export const SCAN_ROWS = 4;
const SCALAR = { float32: "f32", float64: "f64", int32: "i32", int64: "i64" } as const;

/** Lanes of equal index of `v`: rows become columns, and columns rows. */
export function transpose(code: LaneCode, v: readonly V[]): V[] {
  const pick = (a: V, b: V, lanes: readonly number[], width: number): V =>
    code.let(
      shuffle(
        a,
        b,
        lanes.flatMap((lane) => Array.from({ length: width }, (_, k) => lane * width + k)),
      ),
    );
  if (v.length === 2) {
    const [a, b] = v as [V, V];
    return [pick(a, b, [0, 2], 8), pick(a, b, [1, 3], 8)];
  }
  const [a, b, c, d] = v as [V, V, V, V]; // two or four lanes
  const [ab, AB, cd, CD] = [
    pick(a, b, [0, 4, 1, 5], 4),
    pick(a, b, [2, 6, 3, 7], 4),
    pick(c, d, [0, 4, 1, 5], 4),
    pick(c, d, [2, 6, 3, 7], 4),
  ];
  return [
    pick(ab, cd, [0, 1, 4, 5], 4),
    pick(ab, cd, [2, 3, 6, 7], 4),
    pick(AB, CD, [0, 1, 4, 5], 4),
    pick(AB, CD, [2, 3, 6, 7], 4),
  ];
}

/** Both ends of a move and what combines. */
class ScanCode {
  readonly #f = new FunctionBuilder(["i32", "i32", "i32"]);
  readonly #dtype: ScanDType;
  readonly #op: "add" | "mul";
  readonly #memories: ScanMemories;
  readonly #width: 4 | 8;
  readonly #lanes: number;
  readonly #code: LaneCode;
  readonly #left: Local<"i32">;
  readonly #from: readonly Local<"i32">[];
  readonly #to: readonly Local<"i32">[];

  constructor(dtype: ScanDType, op: "add" | "mul", memories: ScanMemories) {
    this.#dtype = dtype;
    this.#op = op;
    this.#memories = memories;
    this.#width = dtype === "float64" || dtype === "int64" ? 8 : 4;
    this.#lanes = 16 / this.#width;
    this.#code = new LaneCode(this.#f, this.#lanes);
    this.#left = this.#f.local("i32");
    this.#from = Array.from({ length: SCAN_ROWS }, () => this.#f.local("i32"));
    this.#to = Array.from({ length: SCAN_ROWS }, () => this.#f.local("i32"));
  }

  #source(base: I32): Address {
    return { memory: this.#memories.source, base, offset: 0 };
  }

  #target(base: I32): Address {
    return { memory: this.#memories.target, base, offset: 0 };
  }

  #scratch(base: I32, offset: number): Address {
    return { memory: this.#memories.memories - 1, base, offset };
  }

  #step(local: Local<"i32">, by: I32): void {
    this.#f.set(local, scalar2("i32.add", local, by));
  }

  #repeat(count: I32, body: () => void): void {
    this.#f.set(this.#left, count);
    this.#f.if(this.#left, () =>
      this.#f.doWhile(
        () => this.#left,
        () => {
          body();
          this.#step(this.#left, i32(-1));
        },
      ),
    );
  }

  /** One vector of every row: rows become columns, are added up in order, and become rows again. */
  #vectors(sums: readonly V[]): void {
    const operation = `${shapeOf(this.#dtype)}.${this.#op}` as Vector2Name; // these shapes have both
    sums.forEach((sum, s) => {
      const rows = Array.from({ length: this.#lanes }, (_, k) => s * this.#lanes + k);
      const loaded = rows.map((r) => this.#f.let(loadVector("v128.load", this.#source(this.#from[r] as I32))));
      const running = transpose(this.#code, loaded).map((x) => {
        this.#f.set(sum, vector2(operation, sum, x));
        return this.#f.let(sum);
      });
      transpose(this.#code, running).forEach((x, k) => {
        this.#f.storeVector(this.#target(this.#to[rows[k] as number] as I32), x);
      });
    });
    for (const p of [...this.#from, ...this.#to]) this.#step(p, i32(16));
  }

  /** One element of every row, after the last whole vector. */
  #column(sums: readonly V[]): void {
    const operation = `${shapeOf(this.#dtype)}.${this.#op}` as Vector2Name; // these shapes have both
    const zero = this.#f.constant(new Uint8Array(16));
    sums.forEach((sum, s) => {
      const x = this.#f.let(zero);
      for (let k = 0; k < this.#lanes; k++)
        this.#f.set(x, loadLane(this.#width, this.#source(this.#from[s * this.#lanes + k] as I32), x, k));
      this.#f.set(sum, vector2(operation, sum, x));
      for (let k = 0; k < this.#lanes; k++)
        this.#f.storeLane(this.#width, this.#target(this.#to[s * this.#lanes + k] as I32), sum, k);
    });
    for (const p of [...this.#from, ...this.#to]) this.#step(p, i32(this.#width));
  }

  /** One row, element by element. */
  #alone(carry: Local<"i32">, count: I32): void {
    const { [0]: from } = this.#from as [Local<"i32">];
    const { [0]: to } = this.#to as [Local<"i32">];
    const type = SCALAR[this.#dtype];
    // The three names begin with one type, which the table of names cannot say.
    const load = (at: Address): Value<"f64"> => loadScalar(`${type}.load` as "f64.load", at);
    const sum = this.#f.local(type) as unknown as Local<"f64">;
    this.#f.set(sum, load(this.#scratch(carry, 0)));
    this.#repeat(count, () => {
      this.#f.set(sum, scalar2(`${type}.${this.#op}` as "f64.add", sum, load(this.#source(from))));
      this.#f.storeScalar(`${type}.store`, this.#target(to), sum);
      for (const p of [from, to]) this.#step(p, i32(this.#width));
    });
  }

  finish(): FunctionCode {
    const f = this.#f;
    const [block, rows, count] = [f.param(0, "i32"), f.param(1, "i32"), f.param(2, "i32")];
    const word = (name: keyof typeof SCAN_WORD): Local<"i32"> =>
      f.let(loadScalar("i32.load", this.#scratch(block, SCAN_WORD[name])));
    const [source, sourceStep, target, targetStep, carry] = [
      word("source"),
      word("sourceStep"),
      word("target"),
      word("targetStep"),
      word("carries"),
    ];
    const begin = (r: number): void => {
      f.set(this.#from[r] as Local<"i32">, source);
      f.set(this.#to[r] as Local<"i32">, target);
      this.#step(source, sourceStep);
      this.#step(target, targetStep);
    };
    const several = (): I32 => scalarCompare("i32.ge_u", rows, i32(SCAN_ROWS));
    f.if(several(), () =>
      f.doWhile(several, () => {
        const sums = Array.from({ length: SCAN_ROWS / this.#lanes }, (_, s) =>
          f.let(loadVector("v128.load", this.#scratch(carry, 16 * s))),
        );
        for (let r = 0; r < SCAN_ROWS; r++) begin(r);
        this.#repeat(scalar2("i32.shr_u", count, i32(Math.log2(this.#lanes))), () => this.#vectors(sums));
        this.#repeat(scalar2("i32.and", count, i32(this.#lanes - 1)), () => this.#column(sums));
        this.#step(carry, i32(SCAN_ROWS * this.#width));
        this.#step(rows, i32(-SCAN_ROWS));
      }),
    );
    f.if(rows, () =>
      f.doWhile(
        () => rows,
        () => {
          begin(0);
          this.#alone(carry, count);
          this.#step(carry, i32(this.#width));
          this.#step(rows, i32(-1));
        },
      ),
    );
    return f.finish();
  }
}

/** Module for one dtype and operation. */
export function emitScan(dtype: ScanDType, op: "add" | "mul", memories: ScanMemories): Uint8Array<ArrayBuffer> {
  return encodeModule([new ScanCode(dtype, op, memories).finish()], memories.memories);
}
