import { expect, test } from "vitest";
import { seededRandom } from "../../src/base/index.ts";
import { createSegment, runBlock } from "../../src/kernels/index.ts";
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

const FEW: readonly (readonly [string, readonly number[]])[] = [
  ["whole numbers", [-3, 0, 0, 4, 200]],
  ["halves and beyond any range", [-1e300, -2.5, -0, 0.1, 1.5, 254.5, 65534.5, 2 ** 31, 1e300]],
  ["infinities", [-Infinity, 0.3, 7, Infinity]],
  ["one, which float32 does not hold", [0.1]],
  ["NaN, which is of another way", [1, Number.NaN]],
];
const ELEMENTS = [
  0, -0, 1, 2, 4, 5, 7, 199, 200, 254, 255, 65534, 65535, -1, -2, -3, -128, -32768, 0.1, 0.3, 1.5, -2.5,
];

test.each(FEW)("places among a few edges: %s", (_name, edges) => {
  for (const dtype of [
    "int8",
    "uint8",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "float16",
    "float32",
    "float64",
  ] as const) {
    const isFloat = dtype.startsWith("f");
    const more = isFloat ? [Number.NaN, Infinity, -Infinity, Math.fround(0.1), 0.1, 1e30] : [2 ** 31, 2 ** 31 - 1];
    const x = NDArray.zeros(dtype, [2 * (ELEMENTS.length + more.length)]);
    for (const [i, v] of [...ELEMENTS, ...more, ...ELEMENTS, ...more].entries()) x.data[i] = v as never; // its class casts
    for (const side of ["left", "right"] as const) {
      for (const descending of [false, true]) {
        const out = NDArray.zeros("int64", [x.size]);
        const given = descending ? edges.toReversed() : edges;
        const block = NDArray.of(Float64Array.from(given));
        runBlock("locate", [x, block], out, { side, descending }, PLACE);
        const want = Array.from({ length: x.size }, (_, i) => {
          const at = expected(Float64Array.from(edges), Number(x.data[i]), side === "right");
          return BigInt(descending ? edges.length - at : at);
        });
        expect([dtype, side, descending, ...(out.data as BigInt64Array)]).toEqual([dtype, side, descending, ...want]);
      }
    }
  }
});

test.each([
  ["halves and infinities", [-Infinity, -2.5, 0.1, 1.5, 254.5, Infinity]],
  ["one bin", [0, 4]],
  ["a bin of no width, edges beyond any range", [-1e300, 0, 0, 199, 200, 1e300]],
  ["all of a byte", [0, 5, 128, 256]],
] as const)("counts between a few edges of blocks in a segment: %s", (_name, given) => {
  const edges = Float64Array.from(given);
  const { buffer, start } = createSegment(2 ** 22);
  for (const dtype of ["int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"] as const) {
    const whole = NDArray.view(dtype, buffer, start, [3, 4501]); // lanes of bytes are full several times, rows end within a vector
    for (let i = 0; i < whole.data.length; i++) {
      const v = ELEMENTS[Math.imul(i, 2654435761) >>> 27] ?? (dtype.startsWith("f") ? Number.NaN : i);
      whole.data[i] = v as never; // its class casts
    }
    for (const x of [whole, new NDArray(dtype, whole.data, [2, 4490], [4501, 1], 3)]) {
      const out = NDArray.zeros("int64", [edges.length - 1]);
      runBlock("count-bins", [x, NDArray.of(edges)], out, null, PLACE);
      const want = new Array<number>(edges.length - 1).fill(0);
      for (let i = 0; i < (x.shape[0] as number); i++) {
        for (let k = 0; k < (x.shape[1] as number); k++) {
          const v = Number(x.data[x.offset + i * 4501 + k]);
          const bin = want.findIndex((_, b) => v >= (edges[b] as number) && v < (edges[b + 1] as number));
          const at = v === edges.at(-1) ? want.length - 1 : bin;
          if (at >= 0) want[at] = (want[at] as number) + 1;
        }
      }
      expect([dtype, ...(out.data as BigInt64Array)]).toEqual([dtype, ...want.map(BigInt)]);
    }
  }
});
