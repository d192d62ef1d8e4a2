/** Shapes of stored objects: within their bounds, and cut so that no object needs two large blocks. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { objectShape } from "../../src/array/index.ts";
import { sizeOf } from "../../src/ndarray/index.ts";

const axis = fc
  .tuple(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 64 }))
  .map(([size, n, last]) => [...new Array<number>(n - 1).fill(size * 32), Math.min(last, size) * 32]);

test("objects are at most 16 MiB, and lie within one block where blocks are regular and large", () => {
  fc.assert(
    fc.property(fc.array(axis, { minLength: 1, maxLength: 3 }), fc.constantFrom(1, 2, 4, 8), (chunks, itembytes) => {
      const size = objectShape(chunks, itembytes);
      expect(size.every((n, k) => n >= 1 && n <= (chunks[k] as number[]).reduce((a, b) => a + b, 0))).toBe(true);
      expect(sizeOf(size) * itembytes).toBeLessThanOrEqual(16 * 2 ** 20);
      const block = chunks.map((c) => c[0] as number);
      if (sizeOf(block) * itembytes < 2 ** 20) return;
      chunks.forEach((c, k) => {
        const n = size[k] as number;
        if (c.length > 1 && n <= (c[0] as number)) expect((c[0] as number) % n).toBe(0);
      });
    }),
    { numRuns: 300 },
  );
});

test.each([
  [
    [
      [1, 1, 1],
      [4096, 4096],
      [4096, 4096],
    ],
    4,
    [1, 2048, 2048],
  ],
  [[[352], [349]], 4, [352, 349]],
  [
    [
      [5632, 5348],
      [5632, 5348],
    ],
    2,
    [2816, 2816],
  ],
  [
    [
      [100, 100, 100],
      [100, 100],
    ],
    1,
    [300, 200],
  ],
])("chunks %j of %d bytes become %j", (chunks, itembytes, expected) => {
  expect(objectShape(chunks, itembytes)).toEqual(expected);
});
