import { expect, test } from "vitest";
import { viewOf } from "../../src/dtype/index.ts";
import { createSegment, kernelStats } from "../../src/kernels/index.ts";
import { leadingOf } from "../../src/kernels/order/leading.ts";

const { buffer } = createSegment(65536);
const DTYPES = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"] as const;

/** The order by JavaScript's stable sort: NaN last, or first of the descending order. */
function sorted(line: ArrayLike<number>, descending: boolean): number[] {
  const rank = (x: number): number => (Number.isNaN(x) ? 1 : 0);
  const compare = (a: number, b: number): number => rank(a) - rank(b) || (a < b ? -1 : a > b ? 1 : 0);
  const at = (k: number): number => line[k] as number; // within the line
  return Array.from(line, (_, k) => k).sort(
    (i, j) => (descending ? compare(at(j), at(i)) : compare(at(i), at(j))) || i - j,
  );
}

test.each(DTYPES)("the first of lines of %s, in segments and elsewhere", (dtype) => {
  const special = dtype.startsWith("f") ? [0, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY] : [0];
  const before = kernelStats().wasm;
  for (const n of [1, 15, 16, 17, 100, 331]) {
    for (const most of [3, 100]) {
      const line = viewOf(dtype, buffer, 64, n) as Float64Array; // or another class whose elements are numbers
      for (let i = 0; i < n; i++) line[i] = i % 7 === 3 ? (special[i % special.length] as number) : (i * 40503) % most;
      const elsewhere = line.slice() as Float64Array; // of memory of its own
      for (const descending of [false, true]) {
        for (const k of [1, 5, 64].filter((k) => k <= n)) {
          const want = sorted(line, descending).slice(0, k);
          for (const cells of [line, elsewhere]) {
            const take = leadingOf({ dtype, descending, buffer: cells.buffer });
            expect(Array.from(take(cells, new Uint32Array(k))), `${n} ${most} ${descending} ${k}`).toEqual(want);
          }
        }
      }
    }
  }
  expect(kernelStats().wasm).toBeGreaterThan(before);
});

test("lines on both sides of 2 GiB, of which only their own pages are touched", () => {
  const far = createSegment(2 ** 31 + 2 ** 20).buffer;
  for (const at of [2 ** 31 - 8192, 2 ** 31 + 64]) {
    const line = new Float32Array(far, at, 4096).map((_, i) => (i * 40503) % 4093);
    new Float32Array(far, at, 4096).set(line);
    const take = leadingOf({ dtype: "float32", descending: true, buffer: far });
    const got = take(new Float32Array(far, at, 4096) as never, new Uint32Array(5)); // elements are numbers
    expect(Array.from(got), `at ${at}`).toEqual(sorted(line, true).slice(0, 5));
  }
});
