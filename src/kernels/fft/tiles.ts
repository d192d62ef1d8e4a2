/**
 * Transforms of lanes by kernels over tiles in the thread's scratch: a few lanes at a time are moved in, transformed and
 * moved out. Words, factors and tiles lie in scratch; lengths whose tiles do not fit there are `fft.ts`'s own.
 */
import { DTYPES, type DType } from "../../dtype/index.ts";
import type { NDArray } from "../../ndarray/index.ts";
import { kernelOf, SCRATCH, type Scratch, scratch } from "../wasm/runtime.ts";
import type { WasmKernel } from "../wasm/webassembly.ts";
import { WORK } from "../work.ts";
import { emitFold, emitTimes, emitUnfold } from "./halves-module.ts";
import { type Move, mover, PART_BYTES, type Room } from "./moves.ts";
import { circle, type FftPlan, planOf, type Stage } from "./plan.ts";
import { emitPrime, primeTable } from "./prime-module.ts";
import { emitStage, GROUP_BYTES, hasButterfly, type StageWords } from "./stage-module.ts";

/** A transform along an axis; see `fft.ts`. */
export interface FftParams {
  readonly kind: "c2c" | "r2c" | "c2r";
  readonly axis: number;
  readonly n: number;
  readonly inverse: boolean;
  readonly scale: number;
}

/** Bytes of a tile that should stay in the second-level cache, beside another. */
const TILE_BYTES = 256 << 10;
const GROUPS_MAX = 16;
/** Bytes for words and places of lanes. */
const WORDS_BYTES_MAX = 16 << 10;
/** Bytes for the sums and differences of the largest prime radix. */
const AREA_BYTES = 8 << 10;

/** Real values of an even number go by a transform of half the length: even ones as real parts, odd ones as imaginary. */
export function isHalved(dtype: DType, { kind, n }: FftParams): boolean {
  return n % 2 === 0 && (kind === "c2r" || DTYPES[dtype].components === 1);
}

function tableBytes({ n, stages, chirp }: FftPlan): number {
  const own = stages.reduce(
    (sum, s) => sum + s.twiddles.byteLength + (hasButterfly(s.radix) ? 0 : 24 * s.radix ** 2),
    0,
  );
  return own + (chirp ? 32 * n + 16 * chirp.inner.n + tableBytes(chirp.inner) : 0) + 1024;
}

/** Rows of a tile. */
function rowsOf(plan: FftPlan, n: number): number {
  return Math.max(plan.length, n === plan.n ? n : plan.n + 1);
}

/** Pairs of lanes that are transformed at once; 0 where not even one pair fits. */
function groupsOf(plan: FftPlan, n: number, lanes: number): number {
  const rowBytes = 2 * GROUP_BYTES * rowsOf(plan, n);
  const free = WORK.end - WORK.start - WORDS_BYTES_MAX - AREA_BYTES - tableBytes(plan) - 16 * (n + 8);
  if (free < rowBytes) return 0;
  const wanted = Math.max(1, Math.floor(TILE_BYTES / (rowBytes / 2)));
  return Math.min(wanted, GROUPS_MAX, Math.floor(free / rowBytes), Math.ceil(lanes / 2));
}

/** True for lengths that are transformed in tiles. */
export function fitsTiles(dtype: DType, params: FftParams): boolean {
  return groupsOf(planOf(isHalved(dtype, params) ? params.n >> 1 : params.n), params.n, 1) > 0;
}

/** A stage and where its factors lie. */
interface Placed {
  readonly stage: Stage;
  readonly twiddles: number;
  readonly table: number;
}

/** A plan whose tables lie in scratch. */
interface PlacedPlan {
  readonly stages: readonly Placed[];
  readonly chirp: {
    readonly first: number;
    readonly filter: number;
    readonly last: number;
    readonly inner: PlacedPlan;
  } | null;
  readonly plan: FftPlan;
}

/** Scratch, filled from its start. */
class Space {
  readonly own: Scratch = scratch();
  readonly f64: Float64Array = new Float64Array(this.own.buffer, 0, SCRATCH.end / 8);
  #next = WORK.start;

  readonly take = (bytes: number): number => {
    const at = this.#next;
    this.#next = at + Math.ceil(bytes / 64) * 64;
    return at;
  };

  /** Bytes that were taken after it was read are free again with {@link reset}. */
  get mark(): number {
    return this.#next;
  }

  reset(mark: number): void {
    this.#next = mark;
  }

  table(values: Float64Array): number {
    const at = this.take(values.byteLength);
    this.f64.set(values, at / 8);
    return at;
  }

  words(values: readonly number[]): number {
    const at = this.take(4 * values.length);
    this.own.i32.set(values, at / 4);
    return at;
  }

  place(plan: FftPlan): PlacedPlan {
    const stages = plan.stages.map((stage) => ({
      stage,
      twiddles: this.table(stage.twiddles),
      table: hasButterfly(stage.radix) ? 0 : this.table(primeTable(stage.radix)),
    }));
    return { plan, stages, chirp: plan.chirp && this.#chirp(plan.n, plan.chirp) };
  }

  #chirp(n: number, { re, im, filter, inner }: NonNullable<FftPlan["chirp"]>): PlacedPlan["chirp"] {
    const pairs = (x: { re: Float64Array; im: Float64Array }, count: number, by: number): number =>
      this.table(
        Float64Array.from({ length: 2 * count }, (_, k) => ((k % 2 === 0 ? x.re : x.im)[k >> 1] as number) / by),
      );
    return {
      first: pairs({ re, im }, n, 1),
      filter: pairs(filter, inner.n, 1),
      last: pairs({ re, im }, n, inner.n),
      inner: this.place(inner),
    };
  }
}

/** Steps over tiles of some number of groups, made once and run for each tile. */
class Program {
  readonly #space: Space;
  readonly #groups: number;
  readonly #steps: ((from: Float64Array, to: Float64Array, lanes: number) => void)[] = [];
  /** The tile that holds the values, and the other. */
  #at: number;
  #spare: number;
  readonly #area: number;
  readonly #room: Room;

  constructor(space: Space, groups: number, { tiles, area }: Places) {
    this.#space = space;
    this.#groups = groups;
    [this.#at, this.#spare] = tiles;
    this.#area = area;
    this.#room = { own: space.own, f64: space.f64, groups, take: space.take };
  }

  /** Byte of a row of the tile that holds the values. */
  row(k: number): number {
    return this.#at + k * this.#groups * GROUP_BYTES;
  }

  #kernel(name: string, emit: () => Uint8Array<ArrayBuffer>, words: readonly number[]): void {
    const run: WasmKernel = kernelOf(`fft ${name}`, [this.#space.own.memory], emit);
    const block = this.#space.words(words);
    this.#steps.push(() => run(block, 0, 0));
  }

  #exchange(): void {
    [this.#at, this.#spare] = [this.#spare, this.#at];
  }

  load(x: NDArray, move: Move): void {
    if (move.rows === 0) return;
    const run = mover(x, "load", move, this.#room);
    this.#steps.push((from, _, lanes) => run(from, lanes));
  }

  store(out: NDArray, move: Move): void {
    if (move.rows === 0) return;
    const run = mover(out, "store", move, this.#room);
    this.#steps.push((_, to, lanes) => run(to, lanes));
  }

  /** Rows from `first` to before `end` are 0. */
  zero(first: number, end: number): void {
    const { f64 } = this.#space;
    const [a, b] = [this.row(first) / 8, this.row(end) / 8];
    if (b > a) this.#steps.push(() => f64.fill(0, a, b));
  }

  /** Row `to` is row `from`, its imaginary parts times `sign`. */
  copyRow(from: number, to: number, isExchanged: boolean, sign: 1 | -1): void {
    const { f64 } = this.#space;
    const [a, b] = [this.row(from) / 8, this.row(to) / 8];
    const count = (this.#groups * GROUP_BYTES) / 8;
    this.#steps.push(() => {
      for (let k = 0; k < count; k++) {
        const isImaginary = ((k & 2) !== 0) !== isExchanged;
        f64[b + k] = (isImaginary ? sign : 1) * (f64[a + k] as number);
      }
    });
  }

  /** Imaginary parts of a row are 0. */
  real(row: number, isExchanged: boolean): void {
    const { f64 } = this.#space;
    const at = this.row(row) / 8;
    const count = (this.#groups * GROUP_BYTES) / 8;
    this.#steps.push(() => {
      for (let k = isExchanged ? 0 : 2; k < count; k += 4) f64.fill(0, at + k, at + k + 2);
    });
  }

  transform({ plan, stages, chirp }: PlacedPlan): void {
    if (chirp) return this.#chirped(plan.n, chirp);
    for (const { stage, twiddles, table } of stages) {
      const { radix, m, span } = stage;
      const row = span * this.#groups;
      const words = stageWords({ from: this.#at, to: this.#spare, m, row, twiddles, radix, table, area: this.#area });
      if (hasButterfly(radix)) this.#kernel(`${radix} ${m === 1}`, () => emitStage(radix, m === 1), words);
      else this.#kernel("prime", emitPrime, words);
      this.#exchange();
    }
  }

  #chirped(n: number, { first, filter, last, inner }: NonNullable<PlacedPlan["chirp"]>): void {
    const size = inner.plan.n;
    this.#times(n, first, { isFrom: false, isTo: false });
    this.zero(n, size);
    this.transform(inner);
    // the inverse of a product is the transform with the parts exchanged
    this.#times(size, filter, { isFrom: false, isTo: true });
    this.transform(inner);
    this.#times(n, last, { isFrom: true, isTo: false });
  }

  /** Rows times their factors, parts read and written exchanged or not. */
  #times(rows: number, factors: number, { isFrom, isTo }: { readonly isFrom: boolean; readonly isTo: boolean }): void {
    const part = (isOther: boolean): number => this.#at + (isOther ? PART_BYTES : 0);
    const words = [part(isFrom), part(!isFrom), part(isTo), part(!isTo), rows, this.#groups, factors];
    this.#kernel("times", emitTimes, words);
  }

  /** Half a spectrum from the transform of pairs, and back. */
  halves(which: "unfold" | "fold", half: number, turns: number): void {
    const words = [this.#at, this.#spare, half, this.#groups, turns];
    this.#kernel(which, which === "unfold" ? emitUnfold : emitFold, words);
    this.#exchange();
  }

  run(from: Float64Array, to: Float64Array, lanes: number): void {
    for (const step of this.#steps) step(from, to, lanes);
  }
}

/** What a program is made for. */
interface Job {
  readonly x: NDArray;
  readonly out: NDArray;
  readonly params: FftParams;
  readonly placed: PlacedPlan;
  /** cos and sin of 2π k / n, where the length is halved. */
  readonly turns: number;
}

function moveOf(
  block: NDArray,
  { axis, rows, tile }: { readonly axis: number; readonly rows: number; readonly tile: number },
): Move {
  const { components } = DTYPES[block.dtype];
  const step = (block.stride[axis] as number) * components; // an axis of the block
  return { isComplex: components === 2, start: 0, step, rows, tile, rowStep: 1, isExchanged: false };
}

/** Lanes to lanes by transforms of the whole length. */
function whole(p: Program, { x, out, params, placed }: Job): void {
  const { kind, axis, n, inverse: isExchanged, scale } = params;
  const given = Math.min(x.shape[axis] as number, kind === "c2r" ? (n >> 1) + 1 : n); // an axis of x
  // real values leave imaginary parts as they are
  p.zero(DTYPES[x.dtype].components === 1 ? 0 : given, n);
  p.load(x, { ...moveOf(x, { axis, rows: given, tile: p.row(0) }), isExchanged });
  if (kind === "c2r") {
    p.real(0, isExchanged);
    for (let k = 1; k < n - (n >> 1); k++) p.copyRow(k, n - k, isExchanged, -1);
  }
  p.transform(placed);
  const rows = out.shape[axis] as number; // an axis of out
  p.store(out, { ...moveOf(out, { axis, rows, tile: p.row(0) }), isExchanged, factors: [scale, scale] });
}

/** Moves of an even number of real values as pairs, `rows` of them. */
function pairMoves(
  block: NDArray,
  { axis, rows, tile }: { readonly axis: number; readonly rows: number; readonly tile: number },
): readonly Move[] {
  const step = block.stride[axis] as number; // an axis of the block
  const move: Move = { isComplex: true, start: 0, step: 2 * step, rows, tile, rowStep: 1, isExchanged: false };
  if (step === 1) return [move];
  return [
    { ...move, isComplex: false },
    { ...move, isComplex: false, start: step, isExchanged: true },
  ];
}

/** Real values to half a spectrum or a whole one. */
function fromReal(p: Program, { x, out, params, placed, turns }: Job): void {
  const { kind, axis, n, inverse, scale } = params;
  const half = n >> 1;
  const given = Math.min(x.shape[axis] as number, n); // an axis of x
  const pairs = given >> 1;
  p.zero(pairs, half);
  for (const move of pairMoves(x, { axis, rows: pairs, tile: p.row(0) })) p.load(x, move);
  if (given % 2 === 1 && pairs < half) {
    const last = moveOf(x, { axis, rows: 1, tile: p.row(pairs) });
    p.load(x, { ...last, start: (given - 1) * last.step });
  }
  p.transform(placed);
  p.copyRow(0, half, false, 1);
  p.halves("unfold", half, turns);
  const sign = inverse ? -scale : scale;
  const move = moveOf(out, { axis, rows: half + 1, tile: p.row(0) });
  p.store(out, { ...move, factors: [scale, sign] });
  if (kind === "r2c") return;
  // X[n − k] = conj X[k]
  const rest = { start: (half + 1) * move.step, rows: half - 1, tile: p.row(half - 1), rowStep: -1 };
  p.store(out, { ...move, ...rest, factors: [scale, -sign] });
}

/** Half a spectrum to real values. */
function toReal(p: Program, { x, out, params, placed, turns }: Job): void {
  const { axis, n, scale } = params;
  const half = n >> 1;
  const given = Math.min(x.shape[axis] as number, half + 1); // an axis of x
  // real values leave imaginary parts as they are
  p.zero(DTYPES[x.dtype].components === 1 ? 0 : given, half + 1);
  p.load(x, moveOf(x, { axis, rows: given, tile: p.row(0) }));
  for (const k of [0, half]) p.real(k, false);
  p.halves("fold", half, turns);
  p.transform(placed);
  for (const move of pairMoves(out, { axis, rows: half, tile: p.row(0) }))
    p.store(out, { ...move, isExchanged: !move.isExchanged, factors: [scale, scale] });
}

interface Places {
  readonly tiles: readonly [number, number];
  /** Sums and differences of a prime radix. */
  readonly area: number;
}

/** Entries where lanes begin, for lanes from `first` on. */
type LaneOffsets = (block: NDArray, axis: number, first: number, into: Float64Array, count: number) => void;

/** All lanes of a block. */
export interface Lanes {
  readonly total: number;
  readonly offsets: LaneOffsets;
}

/** Transform all lanes; false, and nothing done, for lengths whose tiles do not fit. */
export function runTiles(x: NDArray, out: NDArray, params: FftParams, { total, offsets }: Lanes): boolean {
  const { n, axis } = params;
  const halved = isHalved(x.dtype, params);
  const plan = planOf(halved ? n >> 1 : n);
  const groups = groupsOf(plan, n, total);
  if (groups === 0) return false;
  const space = new Space();
  const placed = space.place(plan);
  const turns = halved
    ? space.table(Float64Array.from({ length: 2 * ((n >> 1) + 1) }, (_, k) => circle(k >> 1, n)[k & 1] as number)) // a pair
    : 0;
  const rowsBytes = rowsOf(plan, n) * groups * GROUP_BYTES;
  const places: Places = { tiles: [space.take(rowsBytes), space.take(rowsBytes)], area: space.take(AREA_BYTES) };
  const make = !halved ? whole : params.kind === "c2r" ? toReal : fromReal;
  const mark = space.mark;
  const programOf = (count: number): Program => {
    space.reset(mark);
    const p = new Program(space, count, places);
    make(p, { x, out, params, placed, turns });
    return p;
  };
  const [from, to] = [new Float64Array(2 * groups), new Float64Array(2 * groups)];
  const run = runLength(out, axis);
  let [program, made] = [programOf(groups), groups];
  for (let first = 0, lanes = 0; first < total; first += lanes) {
    // lanes of one tile lie side by side in memory, if any do
    lanes = Math.min(2 * groups, total - first, run - (first % run));
    const count = Math.ceil(lanes / 2);
    if (count !== made) [program, made] = [programOf(count), count];
    offsets(x, axis, first, from, lanes);
    offsets(out, axis, first, to, lanes);
    if (DTYPES[x.dtype].components === 2) for (let k = 0; k < lanes; k++) from[k] = 2 * (from[k] as number);
    if (DTYPES[out.dtype].components === 2) for (let k = 0; k < lanes; k++) to[k] = 2 * (to[k] as number);
    program.run(from, to, lanes);
  }
  return true;
}

/** Lanes after which their places jump: the extent of the axis that runs along memory, if lanes lie side by side. */
function runLength(out: NDArray, axis: number): number {
  const last = out.ndim - 1;
  if (axis === last || out.stride[last] !== 1) return Number.POSITIVE_INFINITY;
  return out.shape[last] as number; // there is one
}

/** Words of a stage in the order in which the modules read them. */
function stageWords({ from, to, m, row, twiddles, radix, table, area }: StageWords): number[] {
  return [from, to, m, row, twiddles, (radix - 1) >> 1, table, area];
}
