/** Laws of merging: everything asked for is fetched, nothing twice, waste and size within their limits. */
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type ByteRange,
  FILE_MERGE,
  type MergeRule,
  mergeRanges,
  splitRange,
  WEB_MERGE,
} from "../../../src/io/range/merge.ts";

const MIB = 2 ** 20;
const ranges = fc.array(fc.record({ offset: fc.nat(2 ** 26), length: fc.nat(2 ** 20) }), { maxLength: 60 });
const rules = fc.constantFrom<MergeRule>(FILE_MERGE, WEB_MERGE, { gapBytes: 0, lengthMax: MIB });

test("each non-empty range belongs to one request that holds it", () => {
  fc.assert(
    fc.property(ranges, rules, (asked, rule) => {
      const merged = mergeRanges(asked, rule);
      const members = merged.flatMap((m) => m.members).sort((a, b) => a - b);
      expect(members).toEqual(asked.flatMap((r, i) => (r.length > 0 ? [i] : [])));
      let end = -1;
      for (const m of merged) {
        expect(m.offset).toBeGreaterThan(end);
        end = m.offset + m.length - 1;
        for (const i of m.members) {
          expect(asked[i]!.offset).toBeGreaterThanOrEqual(m.offset);
          expect(asked[i]!.offset + asked[i]!.length).toBeLessThanOrEqual(m.offset + m.length);
        }
      }
    }),
  );
});

test("gaps, sizes and waste stay within the rule", () => {
  fc.assert(
    fc.property(ranges, rules, (asked, rule) => {
      for (const { members, offset, length } of mergeRanges(asked, rule)) {
        const parts = members.map((i) => asked[i]!).sort((a, b) => a.offset - b.offset);
        let reached = offset;
        let waste = 0;
        for (const part of parts) {
          const gap = Math.max(0, part.offset - reached);
          expect(gap).toBeLessThanOrEqual(rule.gapBytes);
          waste += gap;
          reached = Math.max(reached, part.offset + part.length);
        }
        if (length > MIB) expect(waste).toBeLessThanOrEqual(0.25 * (length - waste));
        const overlap = parts.reduce((sum, p) => sum + p.length, 0) > length - waste;
        if (members.length > 1 && !overlap) expect(length).toBeLessThanOrEqual(rule.lengthMax);
      }
    }),
  );
});

test("a split covers its range in parts of 4 MiB or more", () => {
  fc.assert(
    fc.property(fc.nat(2 ** 40), fc.integer({ min: 1, max: 200 * MIB }), (offset, length) => {
      const parts = splitRange({ offset, length });
      let at = offset;
      for (const p of parts) {
        expect(p.offset).toBe(at);
        at += p.length;
      }
      expect(at).toBe(offset + length);
      if (length <= 16 * MIB) expect(parts).toHaveLength(1);
      else for (const p of parts.slice(0, -1)) expect(p.length).toBeGreaterThanOrEqual(4 * MIB);
    }),
  );
});

test("neighbouring tiles become one request, distant ones stay apart", () => {
  const tiles: ByteRange[] = [
    { offset: 300_000, length: 1000 },
    { offset: 0, length: 1000 },
    { offset: 1008, length: 1000 },
  ];
  expect(mergeRanges(tiles, FILE_MERGE)).toEqual([
    { offset: 0, length: 2008, members: [1, 2] },
    { offset: 300_000, length: 1000, members: [0] },
  ]);
});
