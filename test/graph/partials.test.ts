/** Which partials of reductions carry a count of the elements that took part. */
import { expect, test } from "vitest";
import { ChunkedArray, fromArray } from "../../src/array/index.ts";
import { type MaskedReduce, reduceLayer } from "../../src/array/reduce/layer.ts";
import { buildGraph, type ReduceOp } from "../../src/graph/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { useInlineRunner } from "../run-inline.ts";

useInlineRunner();

const floats = fromArray(NDArray.of(Float32Array.of(1, 2, 3, 4, 5, 6), [3, 2]), { chunks: [1, 2] });
const ints = fromArray(NDArray.of(Int16Array.of(1, 2, 3, 4, 5, 6), [3, 2]), { chunks: [1, 2] });
const masked: MaskedReduce = {
  value: (b, x) => ({ value: x, mask: b.binary("gt", x, b.param(2, b.dtype(x))) }),
};

/** Components of the partials of a reduction along the first axis. */
function components(op: ReduceOp, x: ChunkedArray, more: MaskedReduce = {}): number {
  const partial = buildGraph([reduceLayer(op, x, 0, {}, more)]).layers.find(({ kind }) => kind === "reduce");
  return partial?.chunks[0]?.[0] ?? 0;
}

test("no count where all elements take part, or where nobody asks for it", () => {
  for (const op of ["mean", "sum", "min", "max", "prod", "any", "all"] as const)
    expect(components(op, floats), op).toBe(1);
  for (const op of ["nanmean", "nansum", "nanmin", "nanmax", "nanprod"] as const)
    expect(components(op, ints), op).toBe(1);
  for (const op of ["sum", "nansum", "prod", "nanprod", "any", "all"] as const)
    expect(components(op, floats, masked), op).toBe(1);
  expect(components("mean", floats, { minCount: 4, empty: Number.NaN })).toBe(1);
});

test("a count where elements are left out and the result depends on how many, or a block may have none", () => {
  for (const op of ["nanmean", "nanmin", "nanmax"] as const) expect(components(op, floats), op).toBe(2);
  for (const op of ["mean", "min", "max"] as const) expect(components(op, ints, masked), op).toBe(2);
  expect(components("sum", ints, { ...masked, minCount: 1, empty: -1 })).toBe(2);
  expect(components("nansum", floats, { minCount: 1, empty: -1 })).toBe(2);
  expect(components("max", floats.rechunk([[1, 0, 2], [2]]))).toBe(2);
  expect(components("var", floats)).toBe(3);
  expect(components("argmax", floats)).toBe(3);
});

test("too few elements of a known number give the empty value", async () => {
  const least = (minCount: number): ChunkedArray =>
    new ChunkedArray(reduceLayer("mean", floats, 0, {}, { minCount, empty: -1 }));
  expect((await least(3).compute()).toArray()).toEqual([3, 4]);
  expect((await least(4).compute()).toArray()).toEqual([-1, -1]);
});
