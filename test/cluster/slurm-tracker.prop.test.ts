/** Whatever Slurm and the scheduler say: submissions are bounded, and the table holds what was submitted and has not ended. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { JobTracker } from "../../src/cluster/slurm-tracker.ts";

const STATES = ["PENDING", "RUNNING", "COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", "NODE_FAIL"] as const;
const LIVE: ReadonlySet<string> = new Set(["PENDING", "RUNNING"]);

const step = fc.record({
  seconds: fc.integer({ min: 0, max: 40 }),
  scale: fc.option(fc.integer({ min: 0, max: 6 }), { nil: undefined, freq: 8 }),
  /** Per live job: its new state, and whether its worker is at the scheduler. */
  fates: fc.array(fc.record({ state: fc.constantFrom(...STATES), isPresent: fc.boolean() }), {
    minLength: 6,
    maxLength: 6,
  }),
});

test("jobs are never more than wanted, and failing ones never submitted for ever", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const tracker = new JobTracker({ deathTimeoutMs: 60_000, maxStartFailures: 3, pollIntervalMs: 10_000 });
      let now = 0;
      let next = 0;
      let failuresInARow = 0;
      tracker.scale(3);
      for (const { seconds, scale, fates } of steps) {
        now += seconds * 1000;
        if (scale !== undefined) {
          tracker.scale(scale);
          failuresInARow = 0;
        }
        const { submit, cancel, retire } = tracker.plan();
        expect(submit === 0 || cancel.length + retire.length === 0).toBe(true);
        if (failuresInARow >= 3) expect(submit).toBe(0);
        for (let i = 0; i < submit; i++, next++)
          tracker.submitted({ id: String(next), index: next, workers: [`c-${next}`] }, now);
        for (const { id } of [...cancel, ...retire]) tracker.drain(id, now);
        expect(tracker.alive.length).toBeLessThanOrEqual(Math.max(tracker.target, 0));
        const jobs = tracker.jobs;
        const wasPresent = tracker.hearWorkers(
          new Set(jobs.filter((_, i) => fates[i % 6]?.isPresent).map(({ workers }) => workers[0] as string)),
          now,
        );
        const lines = jobs.map(({ id }, i) => ({
          id,
          state: fates[i % 6]?.state as string,
          reason: "None",
          start: null,
          nodes: "",
        }));
        const verdicts = [...wasPresent, ...tracker.hearQueue(lines, now)];
        const ended = lines.filter(({ state }) => !LIVE.has(state)).map(({ id }) => id);
        expect(tracker.jobs.map(({ id }) => id)).toEqual(jobs.map(({ id }) => id).filter((id) => !ended.includes(id)));
        for (const { kind } of verdicts) if (kind === "start-failure") failuresInARow++;
        // Only a worker that lasted may reset the count, so it can only be lower than what was counted here.
        if (!tracker.isBroken) failuresInARow = 0;
      }
    }),
    { numRuns: 300 },
  );
});
