/** Stories hold as many of the last transitions as `distributed.admin.low-level-log-length` says; who listens is told all of them. */
import { expect, test } from "vitest";
import { arangeNode, type Key } from "../../../src/graph/index.ts";
import { Story } from "../../../src/scheduler/state/story.ts";
import { graphOf } from "../../sim/random-graph.ts";
import { Driver, k, task } from "./drive.ts";
import { submit } from "./layers.ts";

function lived(storyLength?: number): unknown[] {
  const driver = new Driver(storyLength === undefined ? {} : { storyLength });
  driver.worker("w", { nthreads: 8 });
  const graph = graphOf([arangeNode("float64", [[1, 1, 1]], 0, 1)]);
  submit(driver, graph);
  driver.submit([task("a"), task("b", ["a"])], ["b"]);
  driver.finish("a", 1);
  driver.finish("b", 1);
  driver.release("b");
  const keys = Array.from({ length: graph.taskCount }, (_, i) => graph.key(i));
  return driver.core.story.of([k("a"), k("b"), ...keys]);
}

test.each([0, 1, 3, 7, 1000])("%d transitions are remembered: the last ones", (length) => {
  const all = lived();
  expect(all.length).toBeGreaterThan(10);
  expect(lived(length)).toEqual(length === 0 ? [] : all.slice(-length));
});

const QUEUED_PROCESSING = (4 << 4) | 5; // numbers of STATES

test("more transitions than the ring holds are told once each, in order, and only while somebody listens", () => {
  const story = new Story(1000);
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
