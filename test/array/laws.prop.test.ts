/** Laws of random programs: fused = unfused, chunked = whole, any rechunk preserves values. */
import fc from "fast-check";
import { expect, test } from "vitest";
import * as array from "../../src/array/index.ts";
import { useInlineRunner } from "../run-inline.ts";
import { difference } from "./grid/compare.ts";
import { build, bytesOf, EXACT_ENDS, programs } from "./programs.ts";

useInlineRunner();

/** The value in memory, cut as the lazy one was: nothing is left to fuse. */
async function settled(x: array.ChunkedArray): Promise<array.ChunkedArray> {
  return array.fromArray(await x.compute(), { chunks: x.chunks });
}

test("a program computed in one graph has the bits of the same computed step by step", async () => {
  await fc.assert(
    fc.asyncProperty(programs, async (program) => {
      const [fused, single] = [await build(program), await build(program, { between: settled })];
      expect([fused.dtype, fused.shape, fused.chunks]).toEqual([single.dtype, single.shape, single.chunks]);
      expect(bytesOf(await fused.compute())).toBe(bytesOf(await single.compute()));
    }),
    { numRuns: 60 },
  );
});

test("a program over chunks gives what it gives over whole arrays", async () => {
  await fc.assert(
    fc.asyncProperty(programs, async (program) => {
      const [cut, whole] = await Promise.all([build(program), build(program, { whole: true })]);
      const [mine, truth] = await Promise.all([cut.compute(), whole.compute()]);
      if (EXACT_ENDS.has(program.end)) expect(bytesOf(mine)).toBe(bytesOf(truth));
      else expect(difference(mine, truth, { relative: 1e-12 })).toBeNull();
    }),
    { numRuns: 60 },
  );
});

test("any rechunk preserves the values", async () => {
  const sizes = fc.oneof(fc.integer({ min: 1, max: 12 }), fc.constant(-1));
  await fc.assert(
    fc.asyncProperty(programs, sizes, sizes, async (program, rows, columns) => {
      const x = await build({ ...program, end: "none" });
      expect(bytesOf(await x.rechunk([rows, columns]).compute())).toBe(bytesOf(await x.compute()));
    }),
    { numRuns: 40 },
  );
});
