import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Arena, budgetWithin } from "../../src/executor/arena.ts";
import type { BlockHandle } from "../../src/executor/index.ts";

const MIB = 2 ** 20;

function filled(arena: Arena, nbytes: number, mark: number): BlockHandle {
  const block = arena.allocate("uint8", [nbytes]);
  if (block === null) throw new Error("no gap");
  (arena.view(block).data as Uint8Array).fill(mark);
  return block;
}

function holds(arena: Arena, block: BlockHandle, mark: number): boolean {
  return (arena.view(block).data as Uint8Array).every((b) => b === mark);
}

describe("Arena", () => {
  it("counts bytes of blocks exactly and refuses what passes the budget", () => {
    const arena = new Arena({ budgetBytes: 10 * MIB });
    const a = filled(arena, 6 * MIB, 1);
    expect(() => arena.allocate("float64", [MIB / 2 + 1])).toThrow(
      /4.00 MiB beside 6.00 MiB would pass the budget of 10.00 MiB/,
    );
    const b = filled(arena, 4 * MIB, 2);
    expect(arena.stats()).toMatchObject({ live: 10 * MIB, peak: 10 * MIB, blocks: 2 });
    arena.release(a);
    expect(arena.stats()).toMatchObject({ live: 4 * MIB, peak: 10 * MIB });
    arena.release(b);
    expect(() => arena.release(b)).toThrow(/not live/);
  });

  it("frees a block with its last reference", () => {
    const arena = new Arena({ budgetBytes: MIB });
    const a = filled(arena, 100, 7);
    arena.retain(a);
    arena.release(a);
    expect(holds(arena, a, 7)).toBe(true);
    arena.release(a);
    expect(arena.stats()).toMatchObject({ live: 0, blocks: 0 });
  });

  it("slides blocks together when no gap is large enough, with their contents, around pinned ones", () => {
    const arena = new Arena({ budgetBytes: 16 * MIB });
    const blocks = Array.from({ length: 16 }, (_, k) => filled(arena, MIB, k));
    for (const [k, block] of blocks.entries()) if (k % 2 === 0) arena.release(block);
    const kept = blocks.filter((_, k) => k % 2 === 1);
    const pinned = kept[2] as BlockHandle;
    arena.pin(pinned);
    const place = arena.place(pinned);
    const large = filled(arena, 7 * MIB, 99); // 8 MiB are free, in pieces of 1 MiB
    expect(arena.place(pinned)).toEqual(place);
    for (const [k, block] of kept.entries()) expect(holds(arena, block, 2 * k + 1)).toBe(true);
    expect(holds(arena, large, 99)).toBe(true);
  });

  it("finds gaps for all blocks of a task or for none, also where the first would cut what is free in two", () => {
    const arena = new Arena({ budgetBytes: 160 * MIB });
    const [low, a, exact, b] = [20, 20, 10, 20].map((size, k) => filled(arena, size * MIB, k)) as [
      BlockHandle,
      BlockHandle,
      BlockHandle,
      BlockHandle,
    ];
    arena.release(low);
    arena.release(exact);
    // A block of 10 MiB fits between a and b exactly; beside it no 110 MiB in a row are left, even when a slides down.
    const found = arena.allocatePinned([
      ["uint8", [10 * MIB]],
      ["uint8", [110 * MIB]],
    ]);
    expect(found?.map((block) => block.nbytes)).toEqual([10 * MIB, 110 * MIB]);
    expect(holds(arena, a, 1) && holds(arena, b, 3)).toBe(true);
    for (const block of found ?? []) expect(arena.canEvict(block)).toBe(false);
    expect(arena.stats()).toMatchObject({ live: 160 * MIB, blocks: 4 });
    for (const block of found ?? []) {
      arena.unpin(block);
      arena.release(block);
    }
    // Here all that can move has moved before the second attempt: only what was kept for small blocks lies behind the first.
    const split = new Arena({ budgetBytes: 160 * MIB });
    const [first, kept, gap] = [40, 20, 10].map((size, k) => filled(split, size * MIB, k)) as [
      BlockHandle,
      BlockHandle,
      BlockHandle,
    ];
    const small = filled(split, 1000, 3);
    for (const block of [first, gap, small]) split.release(block);
    const both = split.allocatePinned([
      ["uint8", [10 * MIB]],
      ["uint8", [130 * MIB]],
    ]);
    expect(both).toHaveLength(2);
    expect(holds(split, kept, 1)).toBe(true);
    const tight = new Arena({ budgetBytes: 160 * MIB });
    const below = filled(tight, 80 * MIB, 1);
    tight.pin(filled(tight, 20 * MIB, 2));
    tight.release(below);
    const none = tight.allocatePinned([
      ["uint8", [20 * MIB]],
      ["uint8", [100 * MIB]],
    ]);
    expect(none).toBe(null);
    expect(tight.stats()).toMatchObject({ live: 20 * MIB, blocks: 1 });
  });

  it("says that there is no gap while pinned blocks are in the way, and has one once they are not", () => {
    const arena = new Arena({ budgetBytes: 64 * MIB });
    const blocks = Array.from({ length: 64 }, (_, k) => filled(arena, MIB, k));
    for (const [k, block] of blocks.entries()) {
      if (k % 2 === 0) arena.release(block);
      else arena.pin(block);
    }
    expect(arena.allocate("uint8", [30 * MIB])).toBeNull();
    for (const [k, block] of blocks.entries()) if (k % 2 === 1) arena.unpin(block);
    expect(arena.allocate("uint8", [30 * MIB])).not.toBeNull();
  });

  it("keeps small blocks in slabs that go when they are empty, and move as one", () => {
    const arena = new Arena({ budgetBytes: 8 * MIB });
    const small = Array.from({ length: 1000 }, (_, k) => filled(arena, 100, k & 255));
    const large = filled(arena, 4 * MIB, 200);
    for (const [k, block] of small.entries()) if (k !== 700) arena.release(block);
    arena.release(large);
    expect(holds(arena, small[700] as BlockHandle, 700 & 255)).toBe(true);
    const again = filled(arena, 7 * MIB, 1);
    expect(holds(arena, small[700] as BlockHandle, 700 & 255)).toBe(true);
    for (const block of [small[700] as BlockHandle, again]) arena.release(block);
    expect(arena.stats()).toMatchObject({ live: 0, blocks: 0 });
    filled(arena, 8 * MIB, 1); // the whole budget, in one piece
  });

  it("touches no more than it says a limit allows", () => {
    const limit = 64 * MIB;
    const arena = new Arena({ budgetBytes: budgetWithin(limit) });
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 3 * MIB }), { minLength: 1, maxLength: 60 }), (sizes) => {
        const live: BlockHandle[] = [];
        for (const [k, size] of sizes.entries()) {
          while (!arena.hasRoom(size)) arena.release(live.splice((k * 7) % live.length, 1)[0] as BlockHandle);
          const block = arena.allocate("uint8", [size]);
          if (block === null) throw new Error("nothing is pinned, so there is a gap");
          live.push(block);
        }
        for (const block of live) arena.release(block);
        expect(arena.stats().touched).toBeLessThanOrEqual(limit);
      }),
      { numRuns: 100 },
    );
  });

  it("tells of every segment before a block lies in it, and makes a larger one for a larger block", () => {
    const told: number[] = [];
    const arena = new Arena({
      budgetBytes: 3 * 2 ** 30,
      onSegment: (id, { buffer }) => (told[id] = buffer.byteLength),
    });
    const a = arena.allocate("uint8", [2 ** 30 + 2 ** 29]) as BlockHandle;
    expect(told.length).toBe(1);
    expect(told[0]).toBeGreaterThanOrEqual(a.nbytes + 128);
    const b = arena.allocate("uint8", [2 ** 29]) as BlockHandle;
    expect(arena.place(b).segment).toBe(1);
    const near = arena.allocate("uint8", [MIB], b) as BlockHandle;
    expect(arena.place(near).segment).toBe(1);
  });
});
