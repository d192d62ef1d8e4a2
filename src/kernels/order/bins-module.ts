/**
 * Modules that find where numbers lie among edges, and store that or count it: `k(block, -, n)` over tiles of numbers in
 * scratch: float64, or int32 where they are their own places. Edges are sorted float64 numbers, NaN last. Bytes per
 * element: 8 read (4 as int32), 8 written when stored.
 */
import { floatPattern } from "../map/lanes.ts";
import {
  type Address,
  anyTrue,
  extract,
  type F64,
  FunctionBuilder,
  type I32,
  i32,
  type Local,
  loadScalar,
  loadVector,
  scalar1,
  scalar2,
  scalarCompare,
  select,
  shuffle,
  truncate,
  type Vector,
  vector1,
  vector2,
} from "../wasm/builder.ts";
import { encodeModule } from "../wasm/encoder.ts";

/**
 * How a number is placed: by the number of edges below it (`left`) or not above it (`right`); by multiplication and one
 * correction (`uniform`), which numbers well inside a bin do without; or it is its own place (`given`).
 */
export type Placing = "left" | "right" | "uniform" | "given";
/** What happens to places: stored as int64, counted, or their weights added up. */
export type Ending = "store" | "count" | "weigh";

/** Where places that are given lie, and of how many bytes they are; `isChecked`: some may be outside. */
export interface PlaceSource {
  readonly bytes: 1 | 2 | 4;
  readonly isChecked: boolean;
  readonly memory: number;
  /** Imported memories; the last is scratch. */
  readonly memories: number;
}

/** int32 tiles in scratch. */
const PLACE_TILES: PlaceSource = { bytes: 4, isChecked: true, memory: 0, memories: 1 };

const PLACE_LOAD = { 1: "i32.load8_u", 2: "i32.load16_u", 4: "i32.load" } as const;

/** Words of the block, in bytes; the last four are float64. */
export const BINS_WORD = {
  values: 0,
  edges: 4,
  /** Number of edges, or of bins where numbers are their own places. */
  size: 8,
  /** Place of NaN. */
  nan: 12,
  /** Stored places, or counts, or sums. */
  target: 16,
  /** From one table of counts to the next of four. */
  tableStep: 20,
  weights: 24,
  lowest: 32,
  highest: 40,
  scale: 48,
  /** Share of a bin's width, from either edge, within which a number is compared with the edges. */
  margin: 56,
} as const;

/** Elements of one iteration; each counts in a table of its own. */
export const BINS_UNROLL = 4;

class BinsCode {
  readonly #f = new FunctionBuilder(["i32", "i32", "i32"]);
  readonly #source: PlaceSource;
  readonly #placing: Placing;
  readonly #ending: Ending;
  readonly #at: Local<"i32">;
  readonly #edges: Local<"i32">;
  readonly #size: Local<"i32">;
  readonly #nan: Local<"i32">;
  readonly #target: Local<"i32">;
  readonly #tableStep: Local<"i32">;
  readonly #weights: Local<"i32">;
  readonly #lowest: Local<"f64">;
  readonly #highest: Local<"f64">;
  readonly #scale: Local<"f64">;
  readonly #x: Local<"f64">;
  readonly #place: Local<"i32">;
  readonly #length: Local<"i32">;
  readonly #half: Local<"i32">;

  constructor(placing: Placing, ending: Ending, source: PlaceSource) {
    const f = this.#f;
    this.#source = source;
    this.#placing = placing;
    this.#ending = ending;
    const block = f.param(0, "i32");
    const word = (name: keyof typeof BINS_WORD): Local<"i32"> =>
      f.let(loadScalar("i32.load", this.#address(block, BINS_WORD[name])));
    const number = (name: keyof typeof BINS_WORD): Local<"f64"> =>
      f.let(loadScalar("f64.load", this.#address(block, BINS_WORD[name])));
    [this.#at, this.#edges, this.#size] = [word("values"), word("edges"), word("size")];
    [this.#nan, this.#target, this.#tableStep] = [word("nan"), word("target"), word("tableStep")];
    this.#weights = word("weights");
    [this.#lowest, this.#highest, this.#scale] = [number("lowest"), number("highest"), number("scale")];
    this.#x = f.local("f64");
    [this.#place, this.#length, this.#half] = [f.local("i32"), f.local("i32"), f.local("i32")];
  }

  #address(base: I32, offset = 0): Address {
    return { memory: this.#source.memories - 1, base, offset };
  }

  #given(k: number): Address {
    return { memory: this.#source.memory, base: this.#at, offset: this.#source.bytes * k };
  }

  #edge(place: I32, after = 0): F64 {
    const at = scalar2("i32.add", this.#edges, scalar2("i32.shl", place, i32(3)));
    return loadScalar("f64.load", this.#address(at, 8 * after));
  }

  #isBelow(edge: F64): I32 {
    return scalarCompare(this.#placing === "left" ? "f64.lt" : "f64.le", edge, this.#x);
  }

  /** Halve the edges that are left, without branches that depend on values. */
  #search(): void {
    const f = this.#f;
    f.set(this.#place, i32(0));
    f.set(this.#length, this.#size);
    const several = (): I32 => scalarCompare("i32.gt_u", this.#length, i32(1));
    f.if(several(), () =>
      f.doWhile(several, () => {
        f.set(this.#half, scalar2("i32.shr_u", this.#length, i32(1)));
        const middle = scalar2("i32.add", this.#place, this.#half);
        const step = select(this.#isBelow(this.#edge(scalar2("i32.sub", middle, i32(1)))), this.#half, i32(0));
        f.set(this.#place, scalar2("i32.add", this.#place, step));
        f.set(this.#length, scalar2("i32.sub", this.#length, this.#half));
      }),
    );
    const last = scalar2("i32.add", this.#place, this.#isBelow(this.#edge(this.#place)));
    const number = scalarCompare("f64.eq", this.#x, this.#x);
    f.set(this.#place, select(number, select(this.#size, last, i32(0)), this.#nan));
  }

  /** Bins of one width: size - 1 of them, between size edges. */
  #multiply(): void {
    const f = this.#f;
    const last = f.let(scalar2("i32.sub", this.#size, i32(2)));
    const guess = scalar2("f64.mul", scalar2("f64.sub", this.#x, this.#lowest), this.#scale);
    f.set(this.#place, scalar1("i32.wrap_i64", truncate(guess)));
    const tooFar = scalarCompare("i32.gt_s", this.#place, last);
    f.set(this.#place, select(tooFar, last, this.#place));
    f.set(this.#half, scalarCompare("f64.lt", this.#x, this.#edge(this.#place)));
    const next = scalarCompare("f64.ge", this.#x, this.#edge(this.#place, 1));
    const up = scalar2("i32.and", next, scalarCompare("i32.lt_s", this.#place, last));
    f.set(this.#place, scalar2("i32.sub", scalar2("i32.add", this.#place, up), this.#half));
  }

  /** The element `k` of an iteration. */
  #one(k: number): void {
    const f = this.#f;
    if (this.#placing === "given") {
      f.set(this.#place, loadScalar(PLACE_LOAD[this.#source.bytes], this.#given(k)));
      if (this.#source.isChecked) f.if(scalarCompare("i32.lt_u", this.#place, this.#size), () => this.#add(k));
      else this.#add(k);
      return;
    }
    f.set(this.#x, loadScalar("f64.load", this.#address(this.#at, 8 * k)));
    if (this.#ending === "store") {
      this.#search();
      const wide = scalar1("i64.extend_i32_u", this.#place);
      f.storeScalar("i64.store", this.#address(this.#target, 8 * k), wide);
      return;
    }
    const inside = scalar2(
      "i32.and",
      scalarCompare("f64.ge", this.#x, this.#lowest),
      scalarCompare("f64.le", this.#x, this.#highest),
    );
    f.if(inside, () => {
      if (this.#placing === "uniform") this.#multiply();
      else {
        this.#search(); // at least one edge is not above x; the last bin is closed
        const below = scalar2("i32.sub", this.#place, i32(1));
        const closed = scalarCompare("i32.eq", this.#place, this.#size);
        f.set(this.#place, scalar2("i32.sub", below, closed));
      }
      this.#add(k);
    });
  }

  #add(k: number, times = 1): void {
    const f = this.#f;
    if (this.#ending === "weigh") {
      const at = f.let(scalar2("i32.add", this.#target, scalar2("i32.shl", this.#place, i32(3))));
      const weight = loadScalar("f64.load", this.#address(this.#weights, 8 * k));
      const sum = scalar2("f64.add", loadScalar("f64.load", this.#address(at)), weight);
      f.storeScalar("f64.store", this.#address(at), sum);
      return;
    }
    const table = scalar2("i32.add", this.#target, scalar2("i32.mul", this.#tableStep, i32(k)));
    const at = f.let(scalar2("i32.add", table, scalar2("i32.shl", this.#place, i32(2))));
    const count = scalar2("i32.add", loadScalar("i32.load", this.#address(at)), i32(times));
    f.storeScalar("i32.store", this.#address(at), count);
  }

  /** Four numbers at once if all lie well inside bins, else one by one. */
  #four(): void {
    const f = this.#f;
    const all = (name: keyof typeof BINS_WORD): Local<"v128"> =>
      f.hoist(`all ${name}`, () => loadVector("v128.load64_splat", this.#address(f.param(0, "i32"), BINS_WORD[name])));
    const one = f.constant(floatPattern("float64", 1));
    const unsure: Vector[] = [];
    const places = [0, 1].map((k) => {
      const x = f.let(loadVector("v128.load", this.#address(this.#at, 16 * k)));
      const p = f.let(vector2("f64x2.mul", vector2("f64x2.sub", x, all("lowest")), all("scale")));
      const inBin = f.let(vector2("f64x2.sub", p, vector1("f64x2.floor", p)));
      const sure = vector2(
        "v128.and",
        vector2("f64x2.ge", inBin, all("margin")),
        vector2("f64x2.le", inBin, vector2("f64x2.sub", one, all("margin"))),
      );
      const inside = vector2("v128.and", vector2("f64x2.ge", x, all("lowest")), vector2("f64x2.lt", x, all("highest")));
      unsure.push(vector1("v128.not", vector2("v128.and", sure, inside)));
      return f.let(vector1("i32x4.trunc_sat_f64x2_s_zero", p));
    });
    f.if(
      anyTrue(vector2("v128.or", unsure[0] as Vector, unsure[1] as Vector)),
      () => {
        for (let k = 0; k < BINS_UNROLL; k++) this.#one(k);
      },
      () => {
        for (let k = 0; k < BINS_UNROLL; k++) {
          f.set(this.#place, extract("i32x4.extract_lane", places[k >> 1] as Vector, k & 1));
          this.#add(k);
        }
      },
    );
  }

  /** Four places at once if they are one, else one by one: a table's element is not reloaded right after its store. */
  #alike(): void {
    const f = this.#f;
    const { bytes } = this.#source;
    const four = f.let(
      bytes === 4
        ? loadVector("v128.load", this.#given(0))
        : loadVector(bytes === 2 ? "v128.load64_zero" : "v128.load32_splat", this.#given(0)),
    );
    const used = 4 * bytes;
    const first = shuffle(
      four,
      four,
      Array.from({ length: 16 }, (_, k) => (k < used ? k % bytes : k)),
    );
    f.if(
      anyTrue(vector2("i8x16.ne", four, first)),
      () => {
        for (let k = 0; k < BINS_UNROLL; k++) this.#one(k);
      },
      () => {
        f.set(this.#place, loadScalar(PLACE_LOAD[bytes], this.#given(0)));
        f.if(scalarCompare("i32.lt_u", this.#place, this.#size), () => this.#add(0, BINS_UNROLL));
      },
    );
  }

  #advance(elements: number): void {
    const bytes = this.#placing === "given" ? this.#source.bytes : 8;
    this.#f.set(this.#at, scalar2("i32.add", this.#at, i32(bytes * elements)));
    const moving = [...(this.#ending === "store" ? [this.#target] : []), this.#weights];
    for (const local of moving) this.#f.set(local, scalar2("i32.add", local, i32(8 * elements)));
  }

  #loop(count: I32, elements: number): void {
    const f = this.#f;
    const left = f.let(count);
    f.if(left, () =>
      f.doWhile(
        () => left,
        () => {
          if (elements > 1 && this.#placing === "uniform" && this.#ending === "count") this.#four();
          else if (elements > 1 && this.#placing === "given" && this.#ending === "count") this.#alike();
          else for (let k = 0; k < elements; k++) this.#one(k);
          this.#advance(elements);
          f.set(left, scalar2("i32.sub", left, i32(1)));
        },
      ),
    );
  }

  finish(): Uint8Array<ArrayBuffer> {
    const n = this.#f.param(2, "i32");
    this.#loop(scalar2("i32.shr_u", n, i32(Math.log2(BINS_UNROLL))), BINS_UNROLL);
    this.#loop(scalar2("i32.and", n, i32(BINS_UNROLL - 1)), 1);
    return encodeModule([this.#f.finish()], this.#source.memories);
  }
}

/** Module for one way of placing and ending. */
export function emitBins(placing: Placing, ending: Ending, source: PlaceSource = PLACE_TILES): Uint8Array<ArrayBuffer> {
  return new BinsCode(placing, ending, source).finish();
}
