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
