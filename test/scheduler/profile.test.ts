/** Counts of several workers by cycles; expectations are those of distributed's scheduler (`make_profile_cases.py`). */
import { expect, test } from "vitest";
import { parseDurationMs } from "../../src/base/index.ts";
import { pack, unpack, WORKER_PROFILE_METADATA } from "../../src/protocol/index.ts";
import { addCounts } from "../../src/scheduler/profile.ts";
import cases from "../protocol/profile-cases.json" with { type: "json" };

test.each(cases.sums.map((each) => [each.cycle, each.found] as const))("cycles of %s", (cycle, found) => {
  const answers = cases.answers.map((answer) => WORKER_PROFILE_METADATA.parseAnswer(unpack(pack(answer))));
  const sums = addCounts(answers, parseDurationMs(cycle, "cycle", "ms") / 1_000);
  expect({ counts: sums.counts, keys: Object.fromEntries(sums.keys) }).toEqual(found);
});

test("prefixes and times beyond a million rows are told together, those that were seen least", () => {
  const seen = Array.from({ length: 1_000 }, (_, t): [string, number][] => [
    [`often-${t % 10}`, 5],
    [`seldom-${t}`, 2],
    [`rare-${t}`, 1],
  ]);
  const keys = seen.map((row, t) => [t, new Map(row)] as const);
  const sums = addCounts([{ counts: [], keys }], 1);
  expect(sums.keys.size).toBe(1_000);
  const totals = Array.from(sums.keys, ([prefix, rows]) => [prefix, rows.reduce((sum, [, n]) => sum + n, 0)] as const);
  expect(totals.filter(([prefix]) => prefix.startsWith("often-")).map(([, n]) => n)).toEqual(Array(10).fill(500));
  expect(totals.filter(([prefix]) => prefix.startsWith("seldom-"))).toHaveLength(989);
  // 11 that were seen twice, and all that were once.
  expect(totals.at(-1)).toEqual(["Other", 11 * 2 + 1_000]);
});
