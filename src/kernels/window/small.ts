/**
 * Sums and extremes over small windows in one pass: down the columns in vectors, then along the rows by shuffles of
 * neighbouring ones. The order is that of plan.ts, so the bits are those of passes.
 */
import { DTYPES, type DType } from "../../dtype/index.ts";
import { shapeOf } from "../lanes.ts";
import { type Local, loadVector, scalar2, shuffle, type Vector2Name, vector2 } from "../wasm/builder.ts";
import { ordered, whereNaN } from "./lanes.ts";
import type { Iteration, RowKernel, Size } from "./surface.ts";
import { sizeOfItem } from "./surface.ts";
import { combined, storeElements, type TapKernel } from "./taps.ts";

type V = Local<"v128">;

/** Largest side: longer windows take fewer steps in passes. */
export const SMALL_MAX = 5;
/** Vectors of results per iteration. */
const VECTORS = 4;

/** Elements per iteration. */
export function smallElements(dtype: DType): number {
  return (16 * VECTORS) / sizeOfItem(dtype);
}

/** A vector of columns, and the column that it begins at. */
interface Columns {
  readonly first: number;
  readonly v: V;
}

/** The vector that begins at column `at`, out of the one or two that hold it. */
function shifted(i: Iteration, columns: readonly Columns[], at: number, itemsize: number): V {
  const lanes = 16 / itemsize;
  const exact = columns.find((c) => c.first === at);
  if (exact !== undefined) return exact.v;
  const holding = (column: number): Columns => columns.findLast((c) => c.first <= column) as Columns; // columns go up from 0
  const [a, b] = [holding(at), holding(at + lanes - 1)];
  const bytes = Array.from({ length: 16 }, (_, n) => {
    const column = at + Math.floor(n / itemsize);
    const inFirst = column - a.first < lanes;
    return (inFirst ? (column - a.first) * itemsize : 16 + (column - b.first) * itemsize) + (n % itemsize);
  });
  return i.f.let(shuffle(a.v, b.v, bytes));
}

/** How two vectors become one. */
type Join = (a: V, b: V) => V;

/** One iteration: columns down by rows, then along; `loaded` sees every vector of the source. */
function results(i: Iteration, dtype: DType, window: Size, join: Join, loaded: (x: V) => void): V[] {
  const { f } = i;
  const itemsize = sizeOfItem(dtype);
  const [lanes, elements, reach] = [16 / itemsize, smallElements(dtype), window.columns - 1];
  const rows: Local<"i32">[] = [i.at];
  for (let y = 1; y < window.rows; y++) rows.push(f.let(scalar2("i32.add", rows[y - 1] as Local<"i32">, i.pitch))); // y - 1 is there
  const firsts = Array.from({ length: VECTORS }, (_, n) => n * lanes);
  // what lies beyond; the last vector ends with the window, so that nothing beyond is read
  for (let at = elements; at < elements + reach; at += lanes) firsts.push(Math.min(at, elements + reach - lanes));
  const columns = firsts.map((first): Columns => {
    const down = rows.map((base) => {
      const x = f.let(loadVector("v128.load", { memory: i.places.from, base, offset: first * itemsize }));
      loaded(x);
      return x;
    });
    return { first, v: down.reduce(join) };
  });
  return Array.from({ length: VECTORS }, (_, n) =>
    Array.from({ length: window.columns }, (_, x) => shifted(i, columns, n * lanes + x, itemsize)).reduce(join),
  );
}

/** The kernel of a small window; source and arithmetic have one dtype. */
export function smallKernel(k: TapKernel, window: Size): RowKernel {
  const name = k.combine === "sum" ? "sum" : `${k.combine.which}${k.combine.skipna ? " skipna" : ""}`;
  const step = { elements: smallElements(k.dtype), fromSize: sizeOfItem(k.dtype), toSize: sizeOfItem(k.to) };
  return {
    key: `small ${name} ${k.dtype} ${k.to} ${k.ending} ${window.rows} ${window.columns}`,
    step,
    body: (i) => {
      const { f } = i;
      const { combine } = k;
      const exactly = (): void =>
        storeElements(
          i,
          k,
          results(
            i,
            k.dtype,
            window,
            (a, b) => combined(i, k, a, b),
            () => undefined,
          ),
        );
      if (combine === "sum" || combine.skipna || DTYPES[k.dtype].kind !== "f") return exactly();
      // as if there were no NaN; where there was one, once more
      let sum: V | null = null;
      const plain = results(
        i,
        k.dtype,
        window,
        (a, b) => f.let(ordered(f, k.dtype, combine.which, a, b)),
        (x) => {
          sum = sum === null ? x : f.let(vector2(`${shapeOf(k.dtype)}.add` as Vector2Name, sum, x)); // a float's
        },
      );
      storeElements(i, { ...k, ending: null }, plain);
      whereNaN(f, k.dtype, [sum as unknown as V], exactly); // there was a vector
    },
  };
}
