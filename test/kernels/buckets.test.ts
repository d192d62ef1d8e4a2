import { expect, test } from "vitest";
import { seededRandom } from "../../src/base/index.ts";
import { runBlock } from "../../src/kernels/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";

const EDGES = 20_000;
const PLACE = { at: [0], position: [0] };

/** Edges below `x`, or not above it, counted one by one from a sorted copy: NaN is above all. */
function expected(edges: Float64Array, x: number, right: boolean): number {
  const isBefore = (e: number): boolean => {
    if (Number.isNaN(x)) return right || !Number.isNaN(e);
    return right ? e <= x : e < x;
  };
  let [lo, hi] = [0, edges.length];
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if (isBefore(edges[mid] as number)) lo = mid + 1;
    else hi = mid;
  }
  return lo;
}

const random = seededRandom(7);
const draw = (f: (u: number) => number): Float64Array => Float64Array.from({ length: EDGES }, () => f(random.next()));
const CASES: readonly (readonly [string, Float64Array])[] = [
  ["spread evenly", draw((u) => u * 100 - 50)],
  ["few values", draw((u) => Math.floor(u * 9))],
  ["crowded at one end", draw((u) => u ** 40 * 1e9)],
  ["with infinities and NaN", draw((u) => (u < 0.1 ? Number.NaN : u < 0.2 ? Infinity : u < 0.3 ? -Infinity : u))],
  ["one value", draw(() => 3)],
  ["a range beyond floats", draw((u) => (u * 2 - 1) * 1.7e308)],
  ["all NaN", draw(() => Number.NaN)],
];

test.each(CASES)("places among many edges: %s", (_name, given) => {
  const edges = given.toSorted(); // NaN last
  const values = Float64Array.from({ length: 5000 }, (_, i) => {
    const e = edges[Math.floor(random.next() * EDGES)] as number;
    const special = [Number.NaN, Infinity, -Infinity, 0, -0, 1e308, -1e308];
    return i < special.length ? (special[i] as number) : i % 3 === 0 ? e : e * (1 + (random.next() - 0.5) * 1e-3);
  });
  for (const side of ["left", "right"] as const) {
    const out = NDArray.zeros("int64", [values.length]);
    runBlock("locate", [NDArray.of(values), NDArray.of(edges)], out, { side, descending: false }, PLACE);
    const want = Array.from(values, (x) => BigInt(expected(edges, x, side === "right")));
    expect([...(out.data as BigInt64Array)]).toEqual(want);
  }
});
