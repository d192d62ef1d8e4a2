/** S-C24: tasks that no worker may run, and how long they wait. Dask: `distributed.scheduler.no-workers-timeout`. */
import { expect, test } from "vitest";
import { Driver, task } from "./drive.ts";

test("S-C24: after the limit a task fails with its dependents; before it a worker ends the wait", () => {
  const driver = new Driver({ noWorkersTimeoutMs: 1000 });
  driver.worker("w");
  driver.submit([task("a", [], { resources: new Map([["GPU", 1]]) }), task("b", ["a"])], ["b"]);
  expect(driver.state("a")).toBe("no-worker");
  expect(driver.sent.filter(({ type }) => type === "wake-at")).toContainEqual({ type: "wake-at", at: 1000 });
  driver.now = 600;
  driver.submit([task("c", [], { resources: new Map([["GPU", 1]]) })], ["c"]);
  driver.now = 999;
  driver.feed({ type: "tick" });
  expect(driver.state("a")).toBe("no-worker");
  driver.now = 1000;
  driver.feed({ type: "tick" });
  expect([driver.state("a"), driver.state("b"), driver.state("c")]).toEqual(["erred", "erred", "no-worker"]);
  expect(driver.sent.findLast(({ type }) => type === "wake-at")).toEqual({ type: "wake-at", at: 1600 });
  driver.worker("gpu", { resources: { GPU: 1 } });
  driver.now = 5000;
  driver.feed({ type: "tick" });
  expect(driver.state("c")).toBe("processing");
});

test("S-C24: without a limit nothing is noted, and a task waits for ever", () => {
  const driver = new Driver();
  driver.submit([task("a")], ["a"]);
  driver.now = 1e9;
  driver.feed({ type: "tick" });
  expect([driver.state("a"), driver.core.unrunnable.size]).toEqual(["no-worker", 0]);
});
