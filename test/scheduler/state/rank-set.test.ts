/** Sets of ranks, beside JavaScript's own. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { RankSet } from "../../../src/scheduler/state/rank-set.ts";

/** About where pages end, and words. */
const rank = fc.oneof(fc.nat(200), fc.integer({ min: 4000, max: 4200 }), fc.nat(40_000));
const step = fc.oneof(
  fc.record({ kind: fc.constant("add" as const), rank }),
  fc.record({ kind: fc.constant("delete" as const), rank }),
  fc.record({ kind: fc.constant("range" as const), rank, count: fc.oneof(fc.nat(70), fc.nat(9000)) }),
);

test("ranks that are added one by one, in ranges, and deleted", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), rank, rank, (steps, from, to) => {
      const set = new RankSet();
      const model = new Set<number>();
      for (const each of steps) {
        if (each.kind === "add") {
          set.add(each.rank);
          model.add(each.rank);
        } else if (each.kind === "delete") {
          set.delete(each.rank);
          model.delete(each.rank);
        } else {
          const end = each.rank + each.count;
          // Only of ranks of which none is a member.
          if (Array.from(model).some((member) => member >= each.rank && member < end)) continue;
          set.addNew(each.rank, end);
          for (let r = each.rank; r < end; r++) model.add(r);
        }
      }
      const members = Array.from(model).sort((a, b) => a - b);
      expect([...set]).toEqual(members);
      expect(set.size).toBe(members.length);
      expect(set.min()).toBe(members[0] ?? -1);
      expect(set.next(from, to)).toBe(members.find((member) => member >= from && member < to) ?? -1);
      for (const member of members.slice(0, 50)) expect(set.has(member)).toBe(true);
    }),
  );
});
