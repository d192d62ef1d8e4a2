import { expect, test } from "vitest";
import { all, any, argmax, argmin, array, type ChunkedArray, max, min, prod } from "../../src/array/index.ts";
import { type DType, viewOf } from "../../src/dtype/index.ts";
import { createSegment, kernelStats } from "../../src/kernels/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { useInlineRunner } from "../run-inline.ts";

useInlineRunner();

/** Longer than a row that a kernel reduces at once, not a whole number of tiles. */
const N = 200_003;
const PLACES = [0, 4095, 4096, 20_480, 131_072, 200_002];
const { buffer } = createSegment(8 * N);

/** A line of `rest` with `special` at one place, in a segment or in memory of its own. */
function lineOf(dtype: DType, rest: number, special: number, at: number, inSegment: boolean): ChunkedArray {
  const data = viewOf(dtype, inSegment ? buffer : new ArrayBuffer(8 * N), 0, N) as Uint8Array; // or another class of numbers
  data.fill(rest);
  data[at] = special;
  return array(new NDArray(dtype, data, [N]), { chunks: -1 });
}

async function only(x: ChunkedArray): Promise<number> {
  const { data, offset } = await x.compute(); // one element
  return Number(data[offset]);
}

test.each([true, false])("reductions that end early give what all elements give (segment: %s)", async (inSegment) => {
  const before = kernelStats().wasm;
  for (const at of PLACES) {
    expect(await only(any(lineOf("bool", 0, 1, at, inSegment))), `any, ${at}`).toBe(1);
    expect(await only(all(lineOf("bool", 1, 0, at, inSegment))), `all, ${at}`).toBe(0);
    const low = lineOf("uint16", 9, 0, at, inSegment);
    expect([await only(min(low)), await only(max(low)), await only(argmin(low))]).toEqual([0, 9, at]);
    const high = lineOf("uint8", 9, 255, at, inSegment);
    expect([await only(min(high)), await only(max(high)), await only(argmax(high))]).toEqual([9, 255, at]);
    expect(await only(prod(lineOf("uint16", 3, 0, at, inSegment))), `prod, ${at}`).toBe(0);
  }
  expect(await only(any(lineOf("bool", 0, 0, 7, inSegment)))).toBe(0);
  expect(await only(all(lineOf("bool", 1, 1, 7, inSegment)))).toBe(1);
  let want = 5n;
  for (let i = 1; i < N; i++) want = BigInt.asUintN(64, want * 3n);
  expect(await only(prod(lineOf("uint16", 3, 5, 77, inSegment)))).toBe(Number(want));
  expect(kernelStats().wasm).toBeGreaterThan(before);
});
