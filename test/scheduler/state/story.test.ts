/** Transitions for somebody who listens: all of them, however many more than the ring holds. */
import { expect, test } from "vitest";
import type { Key } from "../../../src/graph/index.ts";
import { Story } from "../../../src/scheduler/state/story.ts";

const QUEUED_PROCESSING = (4 << 4) | 5; // numbers of STATES

test("more transitions than the ring holds are told once each, in order, and only while somebody listens", () => {
  const story = new Story();
  const note = (from: number, to: number): void => {
    for (let k = from; k < to; k++) {
      if (k % 1000 === 0) story.begin(k, `s${k}`);
      story.open(`k${k}` as Key);
      story.note(0, QUEUED_PROCESSING);
    }
  };
  const keys = (): readonly string[] => story.take().map(({ key }) => key);
  note(0, 20_000);
  expect(keys()).toEqual([]);
  story.listen(true);
  note(20_000, 60_000);
  const heard = story.take();
  expect(heard.map(({ key }) => key)).toEqual(Array.from({ length: 40_000 }, (_, k) => `k${20_000 + k}`));
  expect(heard[12_345]).toEqual({
    key: "k32345",
    from: "queued",
    to: "processing",
    stimulusId: "s32000",
    now: 32_000,
  });
  note(60_000, 60_003);
  story.listen(true); // once more is no beginning
  expect(keys()).toEqual(["k60000", "k60001", "k60002"]);
  expect(keys()).toEqual([]);
  story.listen(false);
  note(60_003, 60_005);
  story.listen(true);
  note(60_005, 60_006);
  expect(keys()).toEqual(["k60005"]);
});
