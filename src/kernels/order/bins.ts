/**
 * Places among edges and counts of bins, tile by tile: what searchsorted, digitize, histogram and bincount are. Numbers
 * are compared as float64, which is exact for all dtypes of up to 53 bits, and for wider integers among edges of such.
 * Sources: NumPy `histogram` (half-open bins, the last one closed), `searchsorted` (NaN last), `bincount`.
 */
import { ArgumentError, invariant } from "../../base/index.ts";
import { castScalar, DTYPES } from "../../dtype/index.ts";
import { NDArray, sizeOf } from "../../ndarray/index.ts";
import type { BlockKernel } from "../blocks.ts";
import { convert } from "../copy.ts";
import { isCompiled } from "../map/engine.ts";
import { CallBuilder } from "../map/ir.ts";
import { forEachOuter, loopNest } from "../map/loop.ts";
import { runMap } from "../map/map.ts";
import type { Element } from "../map/scalar-ops.ts";
import { memoryOf } from "../segment.ts";
import { countRun, kernelOf, SCRATCH, scratch } from "../wasm/runtime.ts";
import { BINS_UNROLL, BINS_WORD, type Ending, emitBins, type PlaceSource, type Placing } from "./bins-module.ts";
import { bucketsOf, placeInBuckets } from "./buckets.ts";
import { countAmongFew } from "./count-few.ts";
import { placeAmongFew } from "./few.ts";

/** Elements of a tile. */
const TILE = 1 << 14;
/** Bytes of edges and of tables that fit scratch beside the tiles. */
const EDGES_BYTES = 128 << 10;
const TABLE_BYTES = 256 << 10;

/** What numbers are placed among. */
interface Edges {
  readonly values: Float64Array;
  /** Smallest and largest number that is counted. */
  readonly lowest: number;
  readonly highest: number;
  readonly placing: Placing;
  /** Number of edges, or bins where numbers are their own places. */
  readonly size: number;
  /** For `uniform`: how near an edge, in widths of a bin, a product may place a number wrongly. */
  readonly margin?: number;
}

/** Where places go. */
interface Target {
  readonly ending: Ending;
  /** Per tile of places. */
  readonly store?: (places: BigInt64Array, at: number) => void;
  readonly counts?: Float64Array;
}

/** Blocks cut into tiles of neighbouring elements: `visit(first element in C order, elements)`. */
function forEachTile(blocks: readonly NDArray[], visit: (parts: readonly NDArray[], n: number) => void): void {
  const [first] = blocks as [NDArray, ...NDArray[]]; // at least one
  const nest = loopNest(first.shape, blocks, "given");
  let axis = Math.max(0, nest.shape.length - 1);
  while (axis > 0 && sizeOf(nest.shape.slice(axis)) <= TILE) axis--;
  const inner = nest.shape.slice(axis + 1);
  const step = Math.max(1, Math.floor(TILE / sizeOf(inner)));
  forEachOuter({ ...nest, shape: nest.shape.slice(0, axis) }, axis, (from) => {
    const size = nest.shape[axis] ?? 1;
    for (let i = 0; i < size; i += step) {
      const shape = [Math.min(step, size - i), ...inner];
      const parts = blocks.map((x, k) => {
        const strides = (nest.strides[k] as readonly number[]).slice(axis); // one per block
        const start = (from[k] as number) + i * (strides[0] ?? 0);
        return new NDArray(x.dtype, x.data, shape, strides.length === 0 ? [0] : strides, start);
      });
      visit(parts, sizeOf(shape));
    }
  });
}

/** Place all elements of `x`, and with `weights` add those up. */
function place(x: NDArray, weights: NDArray | null, edges: Edges, target: Target): void {
  if (x.size === 0) return;
  const key = `bins ${edges.placing} ${target.ending}`;
  const tables = (target.counts?.length ?? 0) * (target.ending === "weigh" ? 8 : 4);
  const fits = x.size < 2 ** 31 && edges.values.byteLength <= EDGES_BYTES && tables <= TABLE_BYTES;
  if (!fits && target.store && placeAmongMany(x, edges, target.store)) return;
  if (!fits || !isCompiled(key, x.size)) return placePlainly(x, weights, edges, target);
  countRun("wasm");
  const { buffer, i32 } = scratch();
  const run = kernelOf(key, [scratch().memory], () => emitBins(edges.placing, target.ending));
  const given = edges.placing === "given";
  const tile = given ? new Int32Array(buffer, SCRATCH.rows, TILE) : new Float64Array(buffer, SCRATCH.rows, TILE);
  const weightTile = new Float64Array(buffer, SCRATCH.rows + 8 * TILE, TILE);
  const places = new BigInt64Array(buffer, SCRATCH.rows + 16 * TILE, TILE);
  const edgesAt = SCRATCH.rows + 24 * TILE;
  new Float64Array(buffer, edgesAt, edges.values.length).set(edges.values);
  const tableAt = edgesAt + EDGES_BYTES;
  const bins = target.counts?.length ?? 0;
  const several = target.ending === "count" && bins * 4 * BINS_UNROLL <= TABLE_BYTES;
  const table = target.ending === "weigh" ? new Float64Array(buffer, tableAt, bins) : null;
  const counts = new Int32Array(buffer, tableAt, bins * (several ? BINS_UNROLL : 1));
  (table ?? counts).fill(0);
  const { lowest, highest } = edges;
  const numbers = [lowest, highest, (edges.size - 1) / (highest - lowest), edges.margin ?? 0];
  let seen = 0;
  forEachTile(weights === null ? [x] : [x, weights], ([part, weightPart], n) => {
    const { shape } = part as NDArray; // as many parts as blocks
    if (given) toPlaces(part as NDArray, new NDArray("int32", tile, shape), edges.size);
    else convert(new NDArray("float64", tile, shape), part as NDArray);
    if (weightPart !== undefined) convert(new NDArray("float64", weightTile, shape), weightPart);
    const nan = edges.placing === "left" ? firstNaN(edges.values) : edges.size;
    const to = target.ending === "store" ? places.byteOffset : tableAt;
    const words = [tile.byteOffset, edgesAt, edges.size, nan, to, several ? 4 * bins : 0, weightTile.byteOffset];
    i32.set(words, (SCRATCH.block + BINS_WORD.values) / 4);
    new Float64Array(buffer, SCRATCH.block + BINS_WORD.lowest, 4).set(numbers);
    run(SCRATCH.block, 1, n);
    target.store?.(places.subarray(0, n), seen);
    seen += n;
  });
  if (target.counts === undefined) return;
  for (let k = 0; k < bins; k++) {
    let sum = table === null ? 0 : (table[k] as number);
    if (table === null) for (let t = 0; t < counts.length; t += bins) sum += counts[t + k] as number;
    target.counts[k] = (target.counts[k] as number) + sum;
  }
}

/** Unsigned numbers of one or two bytes counted where they lie: in a segment, in rows. False if they do not. */
function countDirectly(x: NDArray, counts: Float64Array): boolean {
  const memory = memoryOf(x.data.buffer);
  const nest = loopNest(x.shape, [x], "memory"); // the order of the elements does not matter
  const inner = nest.strides[0]?.at(-1) ?? 1;
  const bytes = DTYPES[x.dtype].itemsize;
  if (memory === undefined || inner !== 1 || DTYPES[x.dtype].kind !== "u" || bytes > 2) return false;
  const own = scratch();
  const memories = memory === own.memory ? [memory] : [memory, own.memory];
  const isChecked = counts.length < 2 ** (8 * bytes);
  const source: PlaceSource = { bytes: bytes as 1 | 2, isChecked, memory: 0, memories: memories.length };
  const key = `bins given count ${Object.values(source).join()}`;
  const several = counts.length * 4 * BINS_UNROLL <= TABLE_BYTES;
  if (4 * counts.length > TABLE_BYTES || x.size >= 2 ** 31 || !isCompiled(key, x.size)) return false;
  countRun("wasm");
  const run = kernelOf(key, memories, () => emitBins("given", "count", source));
  const tables = new Int32Array(own.buffer, SCRATCH.rows, counts.length * (several ? BINS_UNROLL : 1)).fill(0);
  const length = nest.shape.at(-1) ?? 1;
  forEachOuter(nest, Math.max(0, nest.shape.length - 1), ([at]) => {
    const from = x.data.byteOffset + bytes * (at as number); // one operand
    const words = [from, 0, counts.length, 0, SCRATCH.rows, several ? 4 * counts.length : 0, 0];
    own.i32.set(words, (SCRATCH.block + BINS_WORD.values) / 4);
    run(SCRATCH.block, 1, length);
  });
  for (let k = 0; k < counts.length; k++)
    for (let t = k; t < tables.length; t += counts.length) counts[k] = (counts[k] as number) + (tables[t] as number);
  return true;
}

/** Numbers as int32; wider ones that are no places become -1. */
function toPlaces(from: NDArray, to: NDArray, size: number): void {
  if (!DTYPES[from.dtype].big) return convert(to, from);
  const b = new CallBuilder();
  const x = b.input(from.dtype);
  const inside = b.binary(
    "and",
    b.compare("ge", x, b.param(0n, from.dtype)),
    b.compare("lt", x, b.param(BigInt(size), from.dtype)),
  );
  runMap(
    b.build([b.cast(b.where(inside, x, b.param(castScalar(-1, from.dtype), from.dtype)), "int32")]),
    [from],
    [to],
    to.shape,
  );
}

function firstNaN(edges: Float64Array): number {
  const at = edges.findIndex(Number.isNaN);
  return at < 0 ? edges.length : at;
}

/** Number of edges below `x`, or with `right` not above it; NaN is above all numbers. */
function search(edges: ArrayLike<Element>, x: Element, right: boolean): number {
  let [lo, hi] = [0, edges.length];
  const nan = Number.isNaN(x);
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    const e = edges[mid] as Element;
    const below = nan ? right || !Number.isNaN(e) : right ? e <= x : e < x;
    if (below) lo = mid + 1;
    else hi = mid;
  }
  return lo;
}

/** Place of `x` among edges, or -1 where it is not counted. */
function placeOf({ values, placing, size, lowest, highest }: Edges, x: number, counted: boolean): number {
  if (counted && !(x >= lowest && x <= highest)) return -1;
  if (placing === "given") return x;
  if (!counted) return search(values, x, placing === "right");
  const at = search(values, x, true) - 1;
  return at === size - 1 ? at - 1 : at;
}

function placePlainly(x: NDArray, weights: NDArray | null, edges: Edges, target: Target): void {
  countRun("interpreted");
  const tile = new Float64Array(TILE);
  const weightTile = new Float64Array(TILE);
  const places = new BigInt64Array(TILE);
  const { counts } = target;
  let seen = 0;
  forEachTile(weights === null ? [x] : [x, weights], ([part, weightPart], n) => {
    const { shape } = part as NDArray; // as many parts as blocks
    convert(new NDArray("float64", tile, shape), part as NDArray);
    if (weightPart !== undefined) convert(new NDArray("float64", weightTile, shape), weightPart);
    for (let i = 0; i < n; i++) {
      const at = placeOf(edges, tile[i] as number, counts !== undefined);
      if (counts === undefined) places[i] = BigInt(at);
      else if (at >= 0)
        counts[at] = (counts[at] as number) + (weightPart === undefined ? 1 : (weightTile[i] as number));
    }
    target.store?.(places.subarray(0, n), seen);
    seen += n;
  });
}

/** Places among edges that scratch does not hold; false where they have no buckets. */
function placeAmongMany(
  x: NDArray,
  { values, placing }: Edges,
  store: (places: BigInt64Array, at: number) => void,
): boolean {
  const buckets = values.length < 2 ** 31 ? bucketsOf(values, firstNaN(values)) : null;
  if (buckets === null) return false;
  const tile = new Float64Array(TILE);
  const places = new BigInt64Array(TILE);
  const words = new Uint32Array(places.buffer);
  let seen = 0;
  forEachTile([x], ([part], n) => {
    convert(new NDArray("float64", tile, (part as NDArray).shape), part as NDArray); // one block
    placeInBuckets(buckets, placing === "right", { xs: tile, n, words });
    store(places.subarray(0, n), seen);
    seen += n;
  });
  return true;
}

/** Sorted edges as float64; null where one of a 64-bit integer type does not fit. */
function edgeValues(block: NDArray): Float64Array | null {
  const values = new Float64Array(block.size);
  convert(new NDArray("float64", values, block.shape), block);
  if (DTYPES[block.dtype].big && values.some((v) => !Number.isSafeInteger(v))) return null;
  return values;
}

/** Parameters of `locate`: `descending` edges count from their end, as NumPy's digitize has it. */
export interface LocateParams {
  readonly side: "left" | "right";
  readonly descending: boolean;
}

function locate([x, edges]: readonly NDArray[], out: NDArray, { side, descending }: LocateParams): void {
  const [block, sorted] = [x as NDArray, edges as NDArray]; // two inputs
  const data = out.data as BigInt64Array; // places are int64
  const size = sorted.size;
  const given = edgeValues(sorted);
  if (given === null) {
    // Integers beyond 2^53 on both sides: compared as they are.
    const exact = sorted.data.slice(sorted.offset, sorted.offset + size) as unknown as ArrayLike<Element>;
    let at = out.offset;
    forEachElement(block, (v) => {
      data[at++] = BigInt(search(exact, v, side === "right"));
    });
    return;
  }
  const values = descending ? given.reverse() : given;
  if (placeAmongFew(block, values, out, { right: side === "right", descending })) return;
  const target: Target = {
    ending: "store",
    store: (places, at) => {
      data.set(places, out.offset + at);
      if (!descending) return;
      for (let i = 0; i < places.length; i++) data[out.offset + at + i] = BigInt(size) - (places[i] as bigint);
    },
  };
  place(block, null, { values, placing: side, size, lowest: 0, highest: 0 }, target);
}

function forEachElement(block: NDArray, visit: (x: Element) => void): void {
  const nest = loopNest(block.shape, [block], "given");
  const data = block.data as unknown as ArrayLike<Element>;
  forEachOuter(nest, nest.shape.length, ([at]) => visit(data[at as number] as Element));
}

/**
 * How near an edge (in widths of a bin) a product may place a number wrongly; null where it may miss by more than a bin.
 * `isWhole`: all numbers are integers.
 */
function marginOf(edges: Float64Array, isWhole: boolean): number | null {
  const bins = edges.length - 1;
  const [first, last] = [edges[0] as number, edges[bins] as number];
  const width = (last - first) / bins;
  if (!(width > 0) || !Number.isFinite(width)) return null;
  const apart = edges.reduce((most, e, i) => Math.max(most, Math.abs(e - (first + i * width))), 0) / width;
  // A power of two times a difference without rounding: no number is on the wrong side of an edge.
  const exact =
    apart === 0 && Number.isInteger(Math.log2(width)) && (first === 0 || (isWhole && Number.isInteger(first)));
  if (exact) return 0;
  const margin = 2 * apart + (bins + Math.abs(first / width)) * 2 ** -49;
  return margin < 0.25 ? margin : null;
}

/** Counts into a block in C order; int64 by its words, without a bigint each. */
function writeCounts(out: NDArray, counts: Float64Array): void {
  if (!DTYPES[out.dtype].big) return void out.data.set(counts as never, out.offset); // float64
  const at = out.data.byteOffset + 8 * out.offset;
  const words = new Uint32Array(out.data.buffer, at, 2 * counts.length);
  for (let k = 0; k < counts.length; k++) {
    const c = counts[k] as number; // not negative, below 2^53
    words[2 * k] = c;
    words[2 * k + 1] = c / 2 ** 32;
  }
}

function total(counts: Float64Array): number {
  let sum = 0;
  for (let k = 0; k < counts.length; k++) sum += counts[k] as number;
  return sum;
}

/** The only element of `blocks` that bins cannot hold, for the error. */
function outside(x: NDArray, bins: number): number | null {
  let found: number | null = null;
  forEachElement(x, (v) => {
    if (found === null && !(v >= 0 && v < bins)) found = Number(v);
  });
  return found;
}

export const binsKernels: Readonly<Record<string, BlockKernel>> = {
  locate: {
    run: (inputs, out, params) => locate(inputs, out, params as unknown as LocateParams), // the array room makes them
    // Edges as float64, and where buckets of two begin.
    scratch: ([, edges]) => 4 * 8 * TILE + 12 * sizeOf(edges?.shape ?? []),
  },
  "count-bins": {
    run: ([x, edges, weights], out) => {
      const values = edgeValues(edges as NDArray); // the second input
      invariant(values !== null, "edges that float64 holds");
      const size = values.length;
      const few = weights === undefined ? countAmongFew(x as NDArray, values) : null;
      if (few !== null) return writeCounts(out, few);
      const counts = new Float64Array(size - 1);
      const [lowest, highest] = [values[0] as number, values[size - 1] as number]; // at least two
      const whole = DTYPES[(x as NDArray).dtype].kind !== "f";
      const margin = marginOf(values, whole);
      const target: Target = { ending: weights === undefined ? "count" : "weigh", counts };
      const places: Edges = { values, placing: margin === null ? "right" : "uniform", size, lowest, highest };
      place(x as NDArray, weights ?? null, margin === null ? places : { ...places, margin }, target);
      writeCounts(out, counts);
    },
    scratch: (_inputs, out) => 8 * 8 * TILE + 16 * sizeOf(out.shape),
  },
  bincount: {
    run: ([x, weights], out) => {
      const block = x as NDArray; // the first input
      const bins = out.shape.at(-1) as number; // (…, bins)
      const counts = new Float64Array(bins);
      const edges: Edges = { values: new Float64Array(0), placing: "given", size: bins, lowest: 0, highest: bins - 1 };
      if (!countDirectly(block, counts)) place(block, null, edges, { ending: "count", counts });
      if (total(counts) !== block.size)
        throw new ArgumentError(
          `bincount: value ${outside(block, bins)} is outside 0 … ${bins - 1}; give a larger minlength`,
        );
      if (weights !== undefined) {
        counts.fill(0);
        place(block, weights, edges, { ending: "weigh", counts });
      }
      writeCounts(out, counts);
    },
    scratch: (_inputs, out) => 8 * 8 * TILE + 16 * sizeOf(out.shape),
  },
};
