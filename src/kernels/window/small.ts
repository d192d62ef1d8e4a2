/**
 * Sums and extremes over small windows in one pass: down the columns in vectors, then along the rows by shuffles of
 * neighbouring ones. The order is that of plan.ts, so the bits are those of passes.
 */
import { DTYPES, type DType } from "../../dtype/index.ts";
import { shapeOf } from "../map/lanes.ts";
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

/** What an iteration does with vectors. */
interface Joining {
  readonly join: Join;
  /** Terms may be joined in any order, so that two rows share what lies in both their windows. */
  readonly shares: boolean;
  /** Sees every vector of the source. */
  readonly loaded?: (x: V) => void;
}

/** Columns of `n` rows of results, whose windows begin one row after the other. */
function downwards(x: readonly V[], n: number, height: number, { join, shares }: Joining): V[] {
  if (!shares || n === 1 || height === 1)
    return Array.from({ length: n }, (_, r) => x.slice(r, r + height).reduce(join));
  const middle = x.slice(1, height).reduce(join);
  return [join(x[0] as V, middle), join(middle, x[height] as V)]; // height + 1 of them
}

/** One iteration of `n` rows: columns down, then along. */
function results(i: Iteration, dtype: DType, window: Size, n: number, how: Joining): V[][] {
  const { f } = i;
  const itemsize = sizeOfItem(dtype);
  const [lanes, elements, reach] = [16 / itemsize, smallElements(dtype), window.columns - 1];
  const rows: Local<"i32">[] = [i.at];
  for (let y = 1; y < window.rows + n - 1; y++)
    rows.push(f.let(scalar2("i32.add", rows[y - 1] as Local<"i32">, i.pitch))); // y - 1 is there
  const firsts = Array.from({ length: VECTORS }, (_, v) => v * lanes);
  // what lies beyond; the last vector ends with the window, so that nothing beyond is read
  for (let at = elements; at < elements + reach; at += lanes) firsts.push(Math.min(at, elements + reach - lanes));
  const columns = firsts.map((first) => {
    const x = rows.map((base) => {
      const vector = f.let(loadVector("v128.load", { memory: i.places.from, base, offset: first * itemsize }));
      how.loaded?.(vector);
      return vector;
    });
    return downwards(x, n, window.rows, how).map((v): Columns => ({ first, v }));
  });
  return Array.from({ length: n }, (_, r) => {
    const row = columns.map((c) => c[r] as Columns); // n of them
    return Array.from({ length: VECTORS }, (_, v) =>
      Array.from({ length: window.columns }, (_, x) => shifted(i, row, v * lanes + x, itemsize)).reduce(how.join),
    );
  });
}

/** The kernel of a small window, one or two rows at once; source and arithmetic have one dtype. */
export function smallKernel(k: TapKernel, window: Size, rows: 1 | 2): RowKernel {
  const name = k.combine === "sum" ? "sum" : `${k.combine.which}${k.combine.skipna ? " skipna" : ""}`;
  const step = { elements: smallElements(k.dtype), fromSize: sizeOfItem(k.dtype), toSize: sizeOfItem(k.to), rows };
  return {
    key: `small ${name} ${k.dtype} ${k.to} ${k.ending} ${window.rows} ${window.columns} ${rows}`,
    step,
    body: (i) => {
      const { f } = i;
      const { combine } = k;
      const store = (values: readonly (readonly V[])[], ending: TapKernel["ending"]): void => {
        for (const [r, row] of values.entries()) {
          const to = r === 0 ? i.to : f.let(scalar2("i32.add", i.to, i.toPitch));
          storeElements({ ...i, to }, { ...k, ending }, row);
        }
      };
      const exactly = (): void =>
        store(
          results(i, k.dtype, window, rows, { join: (a, b) => combined(i, k, a, b), shares: combine !== "sum" }),
          k.ending,
        );
      if (combine === "sum" || combine.skipna || DTYPES[k.dtype].kind !== "f") return exactly();
      // as if there were no NaN; where there was one, once more
      let sum: V | null = null;
      const plain = results(i, k.dtype, window, rows, {
        join: (a, b) => f.let(ordered(f, k.dtype, combine.which, a, b)),
        shares: true,
        loaded: (x) => {
          sum = sum === null ? x : f.let(vector2(`${shapeOf(k.dtype)}.add` as Vector2Name, sum, x)); // a float's
        },
      });
      store(plain, null);
      whereNaN(f, k.dtype, [sum as unknown as V], exactly); // there was a vector
    },
  };
}
