/**
 * Medians of windows: the element of rank ⌊n / 2⌋ among the n of each window, by networks of comparators; of the two
 * middle ranks' mean never. NaN propagates; with `skipna` the median of the m valid ones (the mean of the two middle
 * ones for even m, as NumPy's nanmedian), NaN where there is none. Windows of up to 49 elements.
 *
 * 3 × 3: columns are sorted first and shared by the windows that hold them; the median of nine is the median of the
 * largest of the lows, the median of the middles and the smallest of the highs (Kopp and Purgathofer, 1994).
 * Bytes an element: input and output once.
 */
import { UnsupportedError } from "../../base/index.ts";
import { DTYPES, type DType } from "../../dtype/index.ts";
import type { NDArray } from "../../ndarray/index.ts";
import { floatPattern, shapeOf } from "../map/lanes.ts";
import { type Local, laneSelect, loadVector, scalar2, type Vector, vector1, vector2 } from "../wasm/builder.ts";
import { WORK } from "../work.ts";
import { ordered, rankDType } from "./lanes.ts";
import { selectionNetwork } from "./network.ts";
import { overPlane } from "./over-plane.ts";
import {
  forEachTile,
  type Iteration,
  type RowKernel,
  runRows,
  type Size,
  type Surface,
  sizeOfItem,
  surfaceFrom,
  workSurface,
} from "./surface.ts";

type V = Local<"v128">;

/** Most elements of a window. */
const ELEMENTS_MAX = 49;

function isFloat(dtype: DType): dtype is "float32" | "float64" {
  return dtype === "float32" || dtype === "float64";
}

/** Elements of one iteration: one vector. */
function lanesOf(dtype: DType): number {
  return 16 / sizeOfItem(dtype);
}

/** Smaller and larger. */
function pair(i: Iteration, dtype: DType, a: V, b: V): [V, V] {
  return [i.f.let(ordered(i.f, dtype, "min", a, b)), i.f.let(ordered(i.f, dtype, "max", a, b))];
}

/** All bits of a lane where one of the elements is NaN. */
function anyNaN(i: Iteration, dtype: "float32" | "float64", all: readonly V[]): V {
  const ne = `${shapeOf(dtype)}.ne` as "f32x4.ne" | "f64x2.ne";
  return all.map((x) => i.f.let(vector2(ne, x, x))).reduce((a, b) => i.f.let(vector2("v128.or", a, b)));
}

/** The elements of the window, row by row. */
function loadWindow(i: Iteration, dtype: DType, window: Size): V[] {
  const { f } = i;
  const row = f.let(i.at);
  const out: V[] = [];
  for (let y = 0; y < window.rows; y++) {
    if (y > 0) f.set(row, scalar2("i32.add", row, i.pitch));
    for (let x = 0; x < window.columns; x++)
      out.push(f.let(loadVector("v128.load", { memory: i.places.from, base: row, offset: x * sizeOfItem(dtype) })));
  }
  return out;
}

function store(i: Iteration, x: Vector): void {
  i.f.storeVector({ memory: i.places.to, base: i.to, offset: 0 }, x);
}

/** Apply a network in place. */
function applyNetwork(i: Iteration, dtype: DType, x: V[], ranks: readonly number[]): void {
  for (const c of selectionNetwork(x.length, ranks)) {
    const [a, b] = [x[c.low] as V, x[c.high] as V]; // places of the network
    const [low, high] = [ordered(i.f, dtype, "min", a, b), ordered(i.f, dtype, "max", a, b)];
    const kept = c.keepsLow ? i.f.let(low) : a;
    if (c.keepsHigh) i.f.set(b, high);
    x[c.low] = kept;
  }
}

/** Median of any window, NaN propagating. */
function plain(i: Iteration, dtype: DType, window: Size): void {
  const x = loadWindow(i, dtype, window);
  const nan = isFloat(dtype) ? anyNaN(i, dtype, x) : null;
  const rank = x.length >> 1;
  applyNetwork(i, dtype, x, [rank]);
  const median = x[rank] as V; // in range
  store(
    i,
    nan !== null && isFloat(dtype) ? laneSelect(1, i.f.constant(floatPattern(dtype, Number.NaN)), median, nan) : median,
  );
}

/** Median of the valid elements: NaN is sorted behind everything, and the two middle ranks are picked lane by lane. */
function valid(i: Iteration, dtype: "float32" | "float64", window: Size): void {
  const { f } = i;
  const shape = shapeOf(dtype) as "f32x4" | "f64x2"; // floats only
  const ints = dtype === "float32" ? "i32x4" : "i64x2";
  const infinity = f.constant(floatPattern(dtype, Number.POSITIVE_INFINITY));
  let missing = f.let(f.constant(new Uint8Array(16)));
  const x = loadWindow(i, dtype, window).map((v) => {
    const ok = f.let(vector2(`${shape}.eq`, v, v));
    missing = f.let(vector2(`${ints}.sub`, missing, vector1("v128.not", ok)));
    return f.let(laneSelect(1, v, infinity, ok));
  });
  applyNetwork(
    i,
    dtype,
    x,
    x.map((_, k) => k),
  );
  const [low, high] = [f.let(x[0] as V), f.let(x[0] as V)]; // windows are not empty
  // with m valid ones the middle ranks are (m - 1) >> 1 and m >> 1; missing counts n - m
  for (let k = 1; k < x.length; k++) {
    const most = (rank: number): V => f.constant(integers(dtype, rank));
    const le = (rank: number): Vector => vector2(`${ints}.le_s`, missing, most(rank));
    f.set(low, laneSelect(1, x[k] as V, low, le(x.length - 1 - 2 * k)));
    f.set(high, laneSelect(1, x[k] as V, high, le(x.length - 2 * k)));
  }
  const half = f.constant(floatPattern(dtype, 0.5));
  const mean = f.let(vector2(`${shape}.mul`, vector2(`${shape}.add`, low, high), half));
  const equal = f.let(laneSelect(1, low, mean, vector2(`${shape}.eq`, low, high))); // their sum may overflow
  const none = vector2(`${ints}.eq`, missing, f.constant(integers(dtype, x.length)));
  store(i, laneSelect(1, f.constant(floatPattern(dtype, Number.NaN)), equal, none));
}

/** An integer in every lane of a float's width. */
function integers(dtype: "float32" | "float64", n: number): Uint8Array {
  return new Uint8Array(
    (dtype === "float32" ? new Int32Array(4).fill(n) : new BigInt64Array(2).fill(BigInt(n))).buffer,
  );
}

/** 3 × 3, first pass: every column of three in order, to three surfaces `word 0` bytes apart; NaN makes the lows NaN. */
function sortColumns(i: Iteration, dtype: DType): void {
  const { f } = i;
  const x = loadWindow(i, dtype, { rows: 3, columns: 1 }) as [V, V, V];
  const nan = isFloat(dtype) ? anyNaN(i, dtype, x) : null;
  const [a, b] = pair(i, dtype, x[0], x[1]);
  const [c, high] = pair(i, dtype, b, x[2]);
  const [low, middle] = pair(i, dtype, a, c);
  const at = f.let(i.to);
  for (const v of [nan === null ? low : f.let(vector2("v128.or", low, nan)), middle, high]) {
    f.storeVector({ memory: i.places.to, base: at, offset: 0 }, v);
    f.set(at, scalar2("i32.add", at, i.word(0)));
  }
}

/** 3 × 3, second pass. */
function joinColumns(i: Iteration, dtype: DType): void {
  const { f } = i;
  const at = f.let(i.at);
  const three = (): [V, V, V] => {
    const load = (x: number): V =>
      f.let(loadVector("v128.load", { memory: i.places.from, base: at, offset: x * sizeOfItem(dtype) }));
    const all: [V, V, V] = [load(0), load(1), load(2)];
    f.set(at, scalar2("i32.add", at, i.word(0)));
    return all;
  };
  const join = (which: "min" | "max", a: V, b: V): V => f.let(ordered(f, dtype, which, a, b));
  const median = (a: V, b: V, c: V): V => {
    const [low, high] = pair(i, dtype, a, b);
    return join("max", low, join("min", high, c));
  };
  const lows = three();
  const nan = isFloat(dtype) ? anyNaN(i, dtype, lows) : null;
  const low = join("max", join("max", lows[0], lows[1]), lows[2]);
  const middle = median(...three());
  const highs = three();
  const high = join("min", join("min", highs[0], highs[1]), highs[2]);
  const result = median(low, middle, high);
  store(
    i,
    nan !== null && isFloat(dtype) ? laneSelect(1, f.constant(floatPattern(dtype, Number.NaN)), result, nan) : result,
  );
}

function rowKernel(name: string, dtype: DType, body: (i: Iteration) => void): RowKernel {
  const item = sizeOfItem(dtype);
  return { key: `median ${name} ${dtype}`, step: { elements: lanesOf(dtype), fromSize: item, toSize: item }, body };
}

/** Rows and columns of sorted columns at once. */
const SORTED: Size = { rows: 16, columns: 1024 };
/** Where sorted columns lie: behind the tiles of copied blocks, which leave this much. */
const SORTED_BYTES = 3 * SORTED.rows * (SORTED.columns + 64) * 8;

/** Medians of 3 × 3. */
function medianOfNine(dtype: DType, source: Surface, target: Surface, size: Size): void {
  const item = sizeOfItem(dtype);
  const pitch = (SORTED.columns + 48) * item;
  const apart = SORTED.rows * pitch;
  const sorted = workSurface(WORK.end - SORTED_BYTES, pitch);
  const [first, second] = [
    rowKernel("sort", dtype, (i) => sortColumns(i, dtype)),
    rowKernel("join", dtype, (i) => joinColumns(i, dtype)),
  ];
  const lanes = lanesOf(dtype);
  const write = (words: Int32Array, at: number): void => words.set([apart], at);
  forEachTile(size, SORTED, ([row, column], part) => {
    // a narrow last tile begins earlier, so that it is one iteration wide
    const back = Math.max(0, lanes - part.columns);
    const at = [row, column - back] as const;
    const columns = part.columns + back;
    runRows(first, surfaceFrom(source, at, item), sorted, { rows: part.rows, columns: columns + 2 }, write);
    runRows(second, sorted, surfaceFrom(target, at, item), { rows: part.rows, columns }, write);
  });
}

/** Medians of one plane; the result has the input's dtype. */
export function medianPlane(input: NDArray, out: NDArray, window: Size, skipna: boolean): void {
  const dtype = rankDType(input.dtype);
  const count = window.rows * window.columns;
  if (DTYPES[dtype].kind === "c" || count > ELEMENTS_MAX)
    throw new UnsupportedError(`medians of ${window.rows} x ${window.columns} windows of ${dtype} are not supported`, {
      details: { dtype, elements: count, most: ELEMENTS_MAX },
    });
  const skips = skipna && isFloat(dtype);
  const nine = window.rows === 3 && window.columns === 3 && !skips;
  const kernel = rowKernel(`${skips ? "skipna " : ""}${window.rows} ${window.columns}`, dtype, (i) =>
    skips && isFloat(dtype) ? valid(i, dtype, window) : plain(i, dtype, window),
  );
  overPlane({ dtype, elements: lanesOf(dtype), window }, input, out, (source, target, size) =>
    nine ? medianOfNine(dtype, source, target, size) : runRows(kernel, source, target, size),
  );
}
