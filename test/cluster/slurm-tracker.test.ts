import { describe, expect, test } from "vitest";
import type { QueueLine } from "../../src/cluster/slurm-text.ts";
import { JobTracker } from "../../src/cluster/slurm-tracker.ts";

const LIMITS = { deathTimeoutMs: 60_000, maxStartFailures: 3, pollIntervalMs: 10_000 };

/** A table with jobs of ids and indices 0, 1, …, each with one worker `c-i`. */
function tableOf(count: number, now = 0): JobTracker {
  const tracker = new JobTracker(LIMITS);
  tracker.scale(count);
  submit(tracker, count, now);
  return tracker;
}

function submit(tracker: JobTracker, count: number, now: number): void {
  const first = Math.max(-1, ...tracker.jobs.map(({ index }) => index)) + 1;
  for (let i = first; i < first + count; i++)
    tracker.submitted({ id: String(100 + i), index: i, workers: [`c-${i}`] }, now);
}

const line = (i: number, state: string, reason = "None"): QueueLine => ({
  id: String(100 + i),
  state,
  reason,
  start: null,
  nodes: "n1",
});
const names = (...indices: number[]): Set<string> => new Set(indices.map((i) => `c-${i}`));
const kinds = (verdicts: readonly { readonly kind: string }[]): string[] => verdicts.map(({ kind }) => kind);

describe("the life of a job", () => {
  test("submitted, pending, running, joined; then Slurm is asked no more", () => {
    const tracker = tableOf(1);
    const phase = (): unknown => tracker.jobs[0]?.phase;
    expect(phase()).toBe("submitted");
    expect(tracker.pollDelayMs(0)).toBe(500);
    tracker.hearQueue([line(0, "PENDING", "Resources")], 500);
    expect(phase()).toBe("pending");
    expect(tracker.jobs[0]).toMatchObject({ state: "PENDING", reason: "Resources" });
    tracker.hearQueue([line(0, "RUNNING")], 2_000);
    expect(phase()).toBe("running");
    tracker.hearWorkers(names(0), 3_000);
    expect(phase()).toBe("joined");
    expect(tracker.pollDelayMs(3_000)).toBeNull();
    expect(tracker.plan()).toEqual({ submit: 0, cancel: [], retire: [] });
  });

  test("questions to Slurm grow rarer, up to the interval; a change makes them frequent again", () => {
    const tracker = tableOf(2);
    const delays: (number | null)[] = [];
    let now = 500;
    for (let i = 0; i < 12; i++) {
      tracker.hearQueue([line(0, "PENDING"), line(1, "PENDING")], now);
      delays.push(tracker.pollDelayMs(now));
      now += delays.at(-1) ?? 0;
    }
    expect(delays[0]).toBe(750);
    expect(delays.at(-1)).toBe(10_000);
    submit(tracker, 1, now);
    expect(tracker.pollDelayMs(now)).toBe(500);
  });

  test("a job that Slurm does not list is gone, unless it was submitted just now", () => {
    const tracker = tableOf(1);
    expect(tracker.hearQueue([], 1_000)).toEqual([]);
    expect(kinds(tracker.hearQueue([], 6_000))).toEqual(["start-failure"]);
    expect(tracker.jobs).toEqual([]);
  });
});

describe("ends", () => {
  /** A job that has been joined since `joinedMs`, and ends now, at 100 s, in `state`. */
  function endOf(state: string, joinedMs: number | null): { readonly tracker: JobTracker; readonly kinds: string[] } {
    const tracker = tableOf(1);
    tracker.hearQueue([line(0, "RUNNING")], 1_000);
    if (joinedMs !== null) tracker.hearWorkers(names(0), joinedMs);
    return { tracker, kinds: kinds(tracker.hearQueue([line(0, state)], 100_000)) };
  }

  test.each([
    ["FAILED", null, "start-failure", 1],
    ["COMPLETED", null, "start-failure", 1],
    ["TIMEOUT", null, "start-failure", 1],
    ["OUT_OF_MEMORY", null, "start-failure", 1],
    ["NODE_FAIL", null, "left", 1],
    ["PREEMPTED", null, "left", 1],
    ["COMPLETED", 99_000, "left", 1],
    ["TIMEOUT", 2_000, "left", 1],
    ["FAILED", 2_000, "left", 1],
    ["FAILED", 99_000, "start-failure", 1],
    ["OUT_OF_MEMORY", 95_000, "start-failure", 1],
    ["CANCELLED", null, "cancelled", 0],
    ["CANCELLED", 2_000, "cancelled", 0],
  ] as const)("%s after joining at %s: %s, and %d is submitted", (state, joinedMs, kind, submitted) => {
    const { tracker, kinds: found } = endOf(state, joinedMs);
    expect(found).toEqual([kind]);
    expect(tracker.plan().submit).toBe(submitted);
  });

  test("our own wish is no failure", () => {
    const tracker = tableOf(1);
    tracker.scale(0);
    tracker.drain("100", 0);
    expect(kinds(tracker.hearQueue([line(0, "CANCELLED")], 1_000))).toEqual(["released"]);
    expect(tracker.isBroken).toBe(false);
  });
});

describe("the breaker", () => {
  test("after three failed starts in a row nothing is submitted, until a new wish", () => {
    const tracker = tableOf(1);
    for (let round = 0; round < 3; round++) {
      expect(tracker.isBroken).toBe(false);
      const index = tracker.jobs[0]?.index ?? 0;
      expect(kinds(tracker.hearQueue([line(index, "FAILED", "NonZeroExitCode")], 1_000 * (round + 1)))).toEqual([
        "start-failure",
      ]);
      if (tracker.plan().submit > 0)
        tracker.submitted(
          { id: String(100 + round + 1), index: round + 1, workers: [`c-${round + 1}`] },
          1_000 * (round + 1),
        );
    }
    expect(tracker.isBroken).toBe(true);
    expect(tracker.plan().submit).toBe(0);
    tracker.scale(2);
    expect(tracker.plan().submit).toBe(2);
  });

  test("a refused replacement is a failed start", () => {
    const tracker = tableOf(1);
    tracker.hearQueue([line(0, "NODE_FAIL")], 1_000);
    for (const isBroken of [false, false, true]) {
      tracker.refused();
      expect(tracker.isBroken).toBe(isBroken);
    }
    expect(tracker.plan().submit).toBe(0);
  });

  test("a worker that lasts forgives; one that has been there all the time does not", () => {
    const tracker = tableOf(3);
    tracker.hearQueue([line(0, "RUNNING"), line(1, "FAILED"), line(2, "FAILED")], 1_000);
    tracker.hearWorkers(names(0), 2_000);
    tracker.hearWorkers(names(0), 12_000);
    const fail = (id: string, index: number, now: number): void => {
      tracker.submitted({ id, index, workers: [`c-${index}`] }, now);
      tracker.hearQueue([line(0, "RUNNING"), { ...line(0, "FAILED"), id }], now + 1);
      tracker.hearWorkers(names(0), now + 20_000);
    };
    fail("201", 3, 13_000);
    fail("202", 4, 40_000);
    expect(tracker.isBroken).toBe(false);
    fail("203", 5, 80_000);
    expect(tracker.isBroken).toBe(true);
  });

  test("a job that runs without reaching the scheduler is given up after one and a half death timeouts", () => {
    const tracker = tableOf(1);
    tracker.hearQueue([line(0, "RUNNING")], 1_000);
    expect(tracker.hearWorkers(names(), 91_000)).toEqual([]);
    expect(tracker.hearWorkers(names(), 91_001)).toMatchObject([{ kind: "start-failure", mustCancel: true }]);
    expect(tracker.plan().submit).toBe(1);
  });

  test("a worker that gives up soon has its time to start all the same, and says itself what is wrong", () => {
    const tracker = new JobTracker({ ...LIMITS, deathTimeoutMs: 2_000 });
    tracker.scale(1);
    submit(tracker, 1, 0);
    tracker.hearQueue([line(0, "RUNNING")], 1_000);
    expect(tracker.hearWorkers(new Set(), 33_000)).toEqual([]);
    expect(kinds(tracker.hearWorkers(new Set(), 33_001))).toEqual(["start-failure"]);
  });

  test("a job whose worker vanished is asked about, and given up when it runs on", () => {
    const tracker = tableOf(1);
    tracker.hearQueue([line(0, "RUNNING")], 1_000);
    tracker.hearWorkers(names(0), 2_000);
    tracker.hearWorkers(names(0), 20_000);
    expect(tracker.hearWorkers(names(), 30_000)).toEqual([]);
    expect(tracker.pollDelayMs(30_000)).toBe(500);
    expect(tracker.hearWorkers(names(), 45_001)).toMatchObject([{ kind: "left", mustCancel: true }]);
  });
});

describe("scaling down", () => {
  test("waiting jobs go first, then those that have not joined, then those that hold least", () => {
    const tracker = tableOf(5);
    tracker.hearQueue([0, 1, 2, 3].map((i) => line(i, "RUNNING")).concat(line(4, "PENDING")), 1_000);
    tracker.hearWorkers(names(0, 1, 2), 2_000);
    const bytes = new Map([
      [0, 300],
      [1, 100],
      [2, 200],
    ]);
    const planFor = (target: number): unknown => {
      tracker.scale(target);
      const { cancel, retire } = tracker.plan(({ index }) => bytes.get(index) ?? 0);
      return { cancel: cancel.map(({ index }) => index), retire: retire.map(({ index }) => index) };
    };
    expect(planFor(4)).toEqual({ cancel: [4], retire: [] });
    expect(planFor(3)).toEqual({ cancel: [4, 3], retire: [] });
    expect(planFor(1)).toEqual({ cancel: [4, 3], retire: [1, 2] });
    expect(planFor(0)).toEqual({ cancel: [4, 3], retire: [1, 2, 0] });
  });
});

test("a job that waits for what will not pass is told once", () => {
  const tracker = tableOf(2);
  tracker.hearQueue([line(0, "PENDING", "PartitionTimeLimit"), line(1, "PENDING", "Resources")], 1_000);
  expect(tracker.newlyHopeless().map(({ index }) => index)).toEqual([0]);
  expect(tracker.newlyHopeless()).toEqual([]);
});
