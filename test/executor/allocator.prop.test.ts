import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ALIGNMENT, footprintOf, SegmentAllocator, TAIL_BYTES } from "../../src/executor/allocator.ts";

/** Live extents as a plain map of owner to bytes: the second, simple implementation. */
class Owners {
  readonly extents = new Map<number, { start: number; size: number }>();
  overlaps(start: number, size: number): boolean {
    return [...this.extents.values()].some((e) => start < e.start + e.size && e.start < start + size);
  }
}

const operations = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ do: fc.constant("take" as const), nbytes: fc.integer({ min: 0, max: 5000 }) }),
    },
    { weight: 4, arbitrary: fc.record({ do: fc.constant("free" as const), pick: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("compact" as const), stay: fc.integer({ min: 1, max: 5 }) }) },
  ),
  { maxLength: 120 },
);

describe("SegmentAllocator", () => {
  it("hands out aligned extents that hold block and tail and overlap nothing, whatever is freed and moved", () => {
    fc.assert(
      fc.property(operations, (ops) => {
        const capacity = 64 * 1024;
        const allocator = new SegmentAllocator(capacity);
        const owners = new Owners();
        let next = 0;
        for (const op of ops) {
          if (op.do === "take") {
            const size = footprintOf(op.nbytes);
            const start = allocator.allocate(size);
            if (start < 0) continue;
            expect(start % ALIGNMENT).toBe(0);
            expect(size).toBeGreaterThanOrEqual(op.nbytes + TAIL_BYTES);
            expect(start + size).toBeLessThanOrEqual(capacity);
            expect(owners.overlaps(start, size)).toBe(false);
            owners.extents.set(next++, { start, size });
          } else if (op.do === "free") {
            const ids = [...owners.extents.keys()];
            const id = ids[op.pick % Math.max(1, ids.length)];
            if (id === undefined) continue;
            allocator.release(owners.extents.get(id)?.start as number);
            owners.extents.delete(id);
          } else {
            // Bytes stand for owners: after the moves, each owner's bytes must lie where the allocator says.
            const bytes = new Int32Array(capacity / ALIGNMENT).fill(-1);
            for (const [id, { start, size }] of owners.extents)
              bytes.fill(id, start / ALIGNMENT, (start + size) / ALIGNMENT);
            const stays = (offset: number): boolean => offset % (op.stay * ALIGNMENT) === 0;
            for (const { from, to, size } of allocator.compact(stays)) {
              expect(stays(from)).toBe(false);
              bytes.copyWithin(to / ALIGNMENT, from / ALIGNMENT, (from + size) / ALIGNMENT);
              const moved = [...owners.extents.values()].find((e) => e.start === from && e.size === size);
              if (moved) moved.start = to;
            }
            for (const [id, { start, size }] of owners.extents) {
              expect(allocator.sizeAt(start)).toBe(size);
              expect(new Set(bytes.subarray(start / ALIGNMENT, (start + size) / ALIGNMENT))).toEqual(new Set([id]));
            }
          }
          allocator.check();
          expect(allocator.live).toBe([...owners.extents.values()].reduce((sum, e) => sum + e.size, 0));
        }
      }),
      { numRuns: 300 },
    );
  });

  it("gives the extent that was freed last to the next of its size", () => {
    const allocator = new SegmentAllocator(1 << 20);
    const size = footprintOf(4096);
    const [a, , b, , c] = [1, 2, 3, 4, 5].map(() => allocator.allocate(size)) as [
      number,
      number,
      number,
      number,
      number,
    ];
    for (const offset of [a, c, b]) if (offset !== c) allocator.release(offset);
    expect(allocator.allocate(size)).toBe(b);
    expect(allocator.allocate(size)).toBe(a);
  });

  it("finds room for anything that fits once everything has slid down", () => {
    const allocator = new SegmentAllocator(64 * 100);
    const all = Array.from({ length: 50 }, () => allocator.allocate(128));
    for (let k = 0; k < 50; k += 2) allocator.release(all[k] as number);
    expect(allocator.allocate(1280)).toBe(-1);
    allocator.compact(() => false);
    expect(allocator.allocate(1280)).toBe(25 * 128);
  });

  it("does not grow what was touched beyond the bound it is given", () => {
    const allocator = new SegmentAllocator(1 << 20);
    expect(allocator.takeTop(4096, 4095)).toBe(-1);
    expect(allocator.takeTop(4096, 4096)).toBe(0);
    allocator.release(0);
    expect(allocator.takeTop(4096, 0)).toBe(0); // touched before
    expect(allocator.touched).toBe(4096);
  });
});
