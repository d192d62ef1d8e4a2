/**
 * Modules that move lanes of a block into a tile and out of it (see `stage-module.ts`), two lanes a group. Lanes that lie
 * side by side are moved row by row, so that a cache line is read once; others group by group, each from its own place.
 * Bytes an element: read and written once.
 */
import {
  type Address,
  type I32,
  i32,
  type Local,
  loadLane,
  loadScalar,
  loadVector,
  scalar2,
  shuffle,
  type Vector,
  vector1,
} from "../wasm/builder.ts";
import { encodeModule } from "../wasm/encoder.ts";
import { GROUP_BYTES, TileCode } from "./stage-module.ts";

type V = Local<"v128">;
type Int = Local<"i32">;

/** Elements of a block: pairs of components, or single ones for one of the parts. */
export interface Cells {
  readonly itemBytes: 4 | 8;
  readonly isComplex: boolean;
  /** Lanes side by side; otherwise each from a place of its own. */
  readonly isBeside: boolean;
  /** The block lies in another memory than scratch. */
  readonly isApart: boolean;
}

/** Where the words of both modules lie, in bytes; the two factors are float64. */
export const LINE_WORDS = {
  /** First group of the tile, bytes from row to row of it (perhaps negative), rows and groups. */
  tile: 0,
  tileStep: 4,
  rows: 8,
  groups: 12,
  /** First element where lanes lie side by side, otherwise where in scratch the places of all lanes stand. */
  block: 16,
  /** Bytes from element to element of a lane. */
  step: 20,
  /** Bytes from the group's start to its real (or only) and to its imaginary part. */
  re: 24,
  im: 28,
  factorRe: 32,
  factorIm: 40,
} as const;

const LOW: readonly number[] = [0, 1, 2, 3, 4, 5, 6, 7];
const EVEN: readonly number[] = [...LOW, ...LOW.map((k) => k + 16)];
const ODD: readonly number[] = EVEN.map((k) => k + 8);

/** A pass over a tile and lanes; `move` takes the places of two elements and of the parts in the tile. */
class LineCode extends TileCode {
  readonly #cells: Cells;

  constructor(cells: Cells) {
    super(cells.isApart ? 1 : 0);
    this.#cells = cells;
  }

  there(base: I32, offset = 0): Address {
    return { memory: 0, base, offset };
  }

  pass(move: (first: Int, second: Int, re: Int, im: Int) => void): void {
    const { isBeside, isComplex, itemBytes } = this.#cells;
    const [tile, tileStep, rows, groups, block, step, toRe, toIm] = [0, 1, 2, 3, 4, 5, 6, 7].map((k) =>
      this.word(k),
    ) as [Int, Int, Int, Int, Int, Int, Int, Int]; // as many
    const [first, second, re, im] = [0, 0, 0, 0].map(() => this.f.local("i32")) as [Int, Int, Int, Int];
    const bytes = itemBytes * (isComplex ? 2 : 1);
    const begin = (from: Int): void => {
      this.f.set(re, scalar2("i32.add", from, toRe));
      this.f.set(im, scalar2("i32.add", from, toIm));
    };
    if (isBeside) {
      this.repeat(rows, () => {
        begin(tile);
        this.f.set(first, block);
        this.repeat(groups, () => {
          this.f.set(second, scalar2("i32.add", first, i32(bytes)));
          move(first, second, re, im);
          this.bump(first, 2 * bytes);
          for (const p of [re, im]) this.bump(p, GROUP_BYTES);
        });
        this.bump(block, step);
        this.bump(tile, tileStep);
      });
      return;
    }
    const place = (offset: number): I32 => loadScalar("i32.load", this.at(block, offset));
    this.repeat(groups, () => {
      begin(tile);
      this.f.set(first, place(0));
      this.f.set(second, place(4));
      this.repeat(rows, () => {
        move(first, second, re, im);
        for (const p of [first, second]) this.bump(p, step);
        for (const p of [re, im]) this.bump(p, tileStep);
      });
      this.bump(block, 8);
      this.bump(tile, GROUP_BYTES);
    });
  }
}

/** Lanes into a tile; real elements go to the part at `re`, and the other is left as it was. */
export function emitLoad(cells: Cells): Uint8Array<ArrayBuffer> {
  const c = new LineCode(cells);
  const { itemBytes, isComplex, isBeside, isApart } = cells;
  const zero = c.f.constant(new Uint8Array(16));
  const wide = (x: Vector): V => c.f.let(itemBytes === 4 ? vector1("f64x2.promote_low_f32x4", x) : x);
  const name = itemBytes === 4 ? "v128.load64_zero" : "v128.load";
  c.pass((first, second, re, im) => {
    if (isComplex) {
      const [a, b] = [wide(loadVector(name, c.there(first))), wide(loadVector(name, c.there(second)))];
      c.f.storeVector(c.at(re), shuffle(a, b, EVEN));
      c.f.storeVector(c.at(im), shuffle(a, b, ODD));
    } else {
      const one = (): Vector => loadLane(itemBytes, c.there(first), zero, 0);
      const two = isBeside ? loadVector(name, c.there(first)) : loadLane(itemBytes, c.there(second), one(), 1);
      c.f.storeVector(c.at(re), wide(two));
    }
  });
  return encodeModule([c.f.finish()], isApart ? 2 : 1);
}

/** A tile into lanes, times a factor for each part; real elements are the part at `re`. */
export function emitStore(cells: Cells): Uint8Array<ArrayBuffer> {
  const c = new LineCode(cells);
  const { itemBytes, isComplex, isApart } = cells;
  const block = c.f.param(0, "i32");
  const [scaleRe, scaleIm] = [c.splat(block, LINE_WORDS.factorRe), c.splat(block, LINE_WORDS.factorIm)];
  const put = (at: Int, x: Vector): void => {
    if (itemBytes === 8) c.f.storeVector(c.there(at), x);
    else c.f.storeLane(8, c.there(at), vector1("f32x4.demote_f64x2_zero", x), 0);
  };
  c.pass((first, second, re, im) => {
    const x = c.mul(c.load(re), scaleRe);
    if (isComplex) {
      const y = c.mul(c.load(im), scaleIm);
      put(first, shuffle(x, y, EVEN));
      put(second, shuffle(x, y, ODD));
    } else {
      const made = itemBytes === 8 ? x : c.f.let(vector1("f32x4.demote_f64x2_zero", x));
      c.f.storeLane(itemBytes, c.there(first), made, 0);
      c.f.storeLane(itemBytes, c.there(second), made, 1);
    }
  });
  return encodeModule([c.f.finish()], isApart ? 2 : 1);
}
