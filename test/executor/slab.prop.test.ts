import fc from "fast-check";
import { expect, test } from "vitest";
import { ALIGNMENT, footprintOf } from "../../src/executor/allocator.ts";
import { SlabAllocator } from "../../src/executor/slab.ts";

const operations = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ do: fc.constant("take" as const), nbytes: fc.integer({ min: 0, max: 2000 }) }),
    },
    { weight: 4, arbitrary: fc.record({ do: fc.constant("free" as const), pick: fc.nat() }) },
  ),
  { maxLength: 400 },
);

test("a slab hands out aligned extents that overlap nothing, refuses only what no gap holds, and is whole again when emptied", () => {
  fc.assert(
    fc.property(operations, (ops) => {
      const capacity = 16 * 1024;
      const slab = new SlabAllocator(capacity);
      const owner = new Int32Array(capacity / ALIGNMENT).fill(-1); // by unit
      const live: { start: number; n: number }[] = [];
      for (const [id, op] of ops.entries()) {
        if (op.do === "take") {
          const n = footprintOf(op.nbytes) / ALIGNMENT;
          const offset = slab.allocate(n * ALIGNMENT);
          if (offset < 0) {
            let [run, longest] = [0, 0];
            for (const each of owner) {
              run = each < 0 ? run + 1 : 0;
              longest = Math.max(longest, run);
            }
            expect(longest, `${n} units were refused`).toBeLessThan(n);
            continue;
          }
          const start = offset / ALIGNMENT;
          expect(Number.isInteger(start) && start + n <= owner.length).toBe(true);
          expect(owner.subarray(start, start + n).every((each) => each < 0)).toBe(true);
          owner.fill(id, start, start + n);
          live.push({ start, n });
        } else if (live.length > 0) {
          const [{ start, n }] = live.splice(op.pick % live.length, 1) as [{ start: number; n: number }];
          slab.release(start * ALIGNMENT);
          owner.fill(-1, start, start + n);
        }
        expect(slab.live).toBe(live.reduce((sum, { n }) => sum + n * ALIGNMENT, 0));
      }
      for (const { start } of live) slab.release(start * ALIGNMENT);
      expect([slab.live, slab.allocate(capacity)]).toEqual([0, 0]);
      expect(() => slab.release(64)).toThrow("no extent");
    }),
    // The second of two small extents begins in the middle of the large one that follows them.
    {
      examples: [
        [
          [
            { do: "take", nbytes: 0 },
            { do: "take", nbytes: 0 },
          ],
        ],
      ],
    },
  );
});
