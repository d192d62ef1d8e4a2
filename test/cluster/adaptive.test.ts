/** The loop around the policy, over a scheduler that says what the test wants: bounds, units of several workers, patience. */
import { expect, test } from "vitest";
import { ArgumentError, silentLogger } from "../../src/base/index.ts";
import { Adaptive, type Scalable } from "../../src/cluster/adaptive.ts";
import { listen, serveRequests } from "../../src/comm/index.ts";

/** A cluster of jobs of two workers each: `a` has a0 and a1. */
class Jobs implements Scalable<string> {
  readonly schedulerAddress: string;
  readonly workersPerUnit = 2;
  readonly said: string[] = [];
  readonly jobs: string[];

  constructor(schedulerAddress: string, jobs: string[]) {
    this.schedulerAddress = schedulerAddress;
    this.jobs = jobs;
  }

  planned(): readonly string[] {
    return this.jobs;
  }

  waiting(): readonly string[] {
    return this.jobs.filter((job) => job === job.toUpperCase());
  }

  unitsOf(names: readonly string[]): readonly string[] {
    return this.jobs.filter((job) => names.includes(`${job}0`) && names.includes(`${job}1`));
  }

  async scaleUp(count: number): Promise<void> {
    this.said.push(`up ${count}`);
    while (this.jobs.length < count) this.jobs.push(String.fromCharCode(97 + this.jobs.length));
  }

  async scaleDown(units: readonly string[]): Promise<void> {
    this.said.push(`down ${units.join()}`);
    for (const unit of units) this.jobs.splice(this.jobs.indexOf(unit), 1);
  }
}

test("a cluster of jobs follows the target within its bounds, and lets whole jobs go after the third time", async () => {
  let target = 7;
  let closable: string[] = [];
  const asked: unknown[] = [];
  const handlers = {
    adaptive_target: (request: ReadonlyMap<unknown, unknown>) => {
      asked.push(request.get("target_duration"));
      return target;
    },
    workers_to_close: (request: ReadonlyMap<unknown, unknown>) => {
      asked.push(["close", request.get("target"), request.get("attribute")]);
      return closable;
    },
  };
  await using listener = await listen("tcp://127.0.0.1:0", (comm) => serveRequests(comm, handlers, silentLogger));
  const jobs = new Jobs(listener.address, ["a"]);
  await using adaptive = new Adaptive(jobs, {
    minimum: 2,
    maximum: 6,
    interval: "20ms",
    targetDuration: "2s",
    waitCount: 3,
  });
  // 7 workers are wanted, 6 are allowed: three jobs of two.
  await expect.poll(() => jobs.said).toEqual(["up 3"]);
  expect(asked[0]).toBe(2);
  const before = asked.length;
  target = 0;
  closable = ["b0", "b1", "c1"]; // of c only one worker is idle: it stays
  await expect.poll(() => jobs.said).toEqual(["up 3", "down b"]);
  // At least twice before, it was only counted; it is asked to keep the minimum, in workers.
  const closes = asked.slice(before).filter(Array.isArray);
  expect(closes.length).toBeGreaterThanOrEqual(3);
  expect(closes[0]).toEqual(["close", 2, "name"]);
  expect(jobs.jobs).toEqual(["a", "c"]);
  await adaptive.stop();
  const end = asked.length;
  await new Promise((resolve) => setTimeout(resolve, 80));
  expect(asked.length).toBe(end);
});

test("a scheduler that answers with an error is asked again", async () => {
  let asked = 0;
  const handlers = {
    adaptive_target: () => {
      if (++asked < 3) throw new ArgumentError("not now");
      return 4;
    },
  };
  await using listener = await listen("tcp://127.0.0.1:0", (comm) => serveRequests(comm, handlers, silentLogger));
  const jobs = new Jobs(listener.address, ["a"]);
  await using _adaptive = new Adaptive(jobs, { minimum: 1, interval: "10ms" });
  await expect.poll(() => jobs.said).toEqual(["up 2"]);
  expect(asked).toBeGreaterThanOrEqual(3);
});
