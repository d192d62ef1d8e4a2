/** Stories hold as many of the last transitions as `distributed.admin.low-level-log-length` says. */
import { expect, test } from "vitest";
import { createWorkerMachine, type SchedulerWord, type WorkerMachine } from "../../../src/worker/state/index.ts";
import { k, LIMITS, order } from "./drive.ts";

/** What is remembered of orders, some of which are taken back. */
function lived(storyLength?: number): readonly unknown[] {
  const machine: WorkerMachine = createWorkerMachine(
    storyLength === undefined ? LIMITS : { ...LIMITS, storyLength },
    () => null,
  );
  const names = ["a", "b", "c", "d"];
  const messages = [...names.map((name) => order(name)), freed(names.slice(2))];
  machine.handle({ type: "scheduler-messages", now: 0, stimulusId: "s", messages }, []);
  return machine.story(...names.map(k));
}

const freed = (names: readonly string[]): SchedulerWord => ({
  op: "free-keys",
  keys: names.map(k),
  stimulusId: "free",
});

test.each([0, 1, 3, 7, 1000])("%d transitions are remembered: the last ones", (length) => {
  const all = lived();
  expect(all.length).toBeGreaterThan(7);
  expect(lived(length)).toEqual(length === 0 ? [] : all.slice(-length));
});
