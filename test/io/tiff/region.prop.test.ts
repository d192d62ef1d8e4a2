/** Any window of any layout, read into any strides, is that window of the whole; both read paths agree. */

import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  decodeRegion,
  fetchRegion,
  openTiff,
  plainByteKernels,
  planRead,
  type Region,
  readRegionSync,
  type SourceSpec,
} from "../../../src/io/index.ts";
import { NDArray } from "../../../src/ndarray/index.ts";
import { ROOT } from "../../peers.ts";
import { put, writeCog } from "../cog/support.ts";
import { readAll } from "./support.ts";

const kernels = { kernels: plainByteKernels };

/** Sources of every layout: strips of a real scene, tiles chunky and planar, with and without compression. */
async function sources(): Promise<SourceSpec[]> {
  const scene = await openTiff(join(ROOT, "examples", "data", "L7_ETMs.tif"));
  const made: SourceSpec[] = [scene.source("all"), scene.source(3)];
  for (const spec of [
    { dtype: "uint16", shape: [3, 70, 90], compress: "none", interleave: "pixel" },
    { dtype: "float32", shape: [3, 70, 90], compress: "zstd", interleave: "band" },
    { dtype: "int64", shape: [2, 70, 90], compress: "lzw", interleave: "pixel" },
    { dtype: "uint8", shape: [70, 90], compress: "deflate" },
  ] as const) {
    const bytes = writeCog({ url: "unwritten.tif", blocksize: 32, key: "00000000", ...spec }, (i) => i % 251);
    const info = await openTiff(await put(bytes));
    made.push(info.source(spec.shape.length === 3 ? "all" : 0), info.source(0));
  }
  return made;
}

function windowOf(whole: NDArray, region: Region): NDArray {
  return whole.select(region.map(({ start, stop }) => ({ kind: "range", start, step: 1, count: stop - start })));
}

/** A block of `shape` whose axes lie in memory in the order `order`, with `gap` elements between rows. */
function strided(source: SourceSpec, shape: readonly number[], order: readonly number[], gap: number): NDArray {
  const stride = new Array<number>(shape.length).fill(0);
  let step = 1;
  for (const axis of order) {
    stride[axis] = step;
    step = step * shape[axis]! + gap;
  }
  const data = NDArray.zeros(source.dtype, [step * Math.max(1, shape[order.at(-1)!]!) + 8]).data;
  return new NDArray(source.dtype, data, shape, stride, 3);
}

test("windows, strides and both read paths", async () => {
  const all = await sources();
  const wholes = all.map(readAll);
  const windows = fc.record({
    which: fc.nat(all.length - 1),
    cuts: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 6, maxLength: 6 }),
    order: fc.shuffledSubarray([0, 1, 2], { minLength: 3, maxLength: 3 }),
    gap: fc.nat(3),
  });
  await fc.assert(
    fc.asyncProperty(windows, async ({ which, cuts, order, gap }) => {
      const source = all[which]!;
      const region = source.shape.map((n, k) => {
        const [a, b] = [Math.floor(cuts[2 * k]! * (n + 0.999)), Math.floor(cuts[2 * k + 1]! * (n + 0.999))];
        return { start: Math.min(a, b, n), stop: Math.min(Math.max(a, b), n) };
      });
      const shape = region.map(({ start, stop }) => stop - start);
      const into = strided(
        source,
        shape,
        order.filter((axis) => axis < shape.length),
        gap,
      );
      const expected = windowOf(wholes[which]!, region).toArray();
      const scratch = new Uint8Array(planRead(source, region).workspaceBytes + gap).subarray(gap);
      const stats = readRegionSync(source, region, into, gap === 0 ? kernels : { ...kernels, scratch });
      expect(into.toArray()).toEqual(expected);
      const plan = planRead(source, region);
      expect(stats.bytes).toBe(plan.bytes);
      const slots = new Uint8Array(new SharedArrayBuffer(plan.bytes));
      await fetchRegion(plan, slots, kernels);
      const again = NDArray.zeros(source.dtype, shape);
      decodeRegion(plan, slots, again, kernels);
      expect(again.toArray()).toEqual(expected);
    }),
    { numRuns: 150 },
  );
});

test("a window of an uncompressed strip costs its rows only", async () => {
  const source = (await openTiff(join(ROOT, "examples", "data", "L7_ETMs.tif"))).source(0);
  const [rows, cols] = source.shape as [number, number];
  const plan = planRead(source, [
    { start: 0, stop: rows },
    { start: 0, stop: cols },
  ]);
  const one = planRead(source, [
    { start: 5, stop: 6 },
    { start: 0, stop: cols },
  ]);
  expect(one.bytes).toBeLessThanOrEqual(plan.bytes / 2);
  expect(one.requests).toHaveLength(1);
  expect(plan.local).toBe(true);
});
