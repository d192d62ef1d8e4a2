/** A worker that leaves: what it has not started goes back, what runs ends, what it holds stays until it is moved. */
import { expect, test } from "vitest";
import { A, Driver, k, order } from "./drive.ts";

const opsOf = (driver: Driver): unknown[] =>
  driver.sent.map((message) => ("key" in message ? [message.op, message.key] : [message.op]));

/** Two tasks run, one is ready, one waits for an input at a peer. */
function busy(): Driver {
  const driver = new Driver();
  driver.scheduler(order("a"), order("b"), order("c"), order("d", { inputs: { x: [A] } }));
  driver.sent.length = 0;
  return driver;
}

test.each(["by its own wish", "by the scheduler's"])("%s", (whose) => {
  const driver = busy();
  if (whose === "by its own wish") driver.event("status", { status: "closing_gracefully" });
  else driver.scheduler({ op: "worker-status-change", status: "closing_gracefully", stimulusId: "retire" });
  expect(opsOf(driver)).toEqual([["worker-status-change"], ["reschedule", k("c")], ["reschedule", k("d")]]);
  expect(driver.machine.counts().executing.map(({ key }) => key)).toEqual([k("a"), k("b")]);
  driver.sent.length = 0;
  // The scheduler takes them away and, before it knew, has sent one more.
  driver.free("c", "d");
  driver.scheduler(order("e"));
  expect(opsOf(driver)).toEqual([["reschedule", k("e")]]);
  driver.sent.length = 0;
  driver.succeed("a");
  expect(opsOf(driver)).toEqual([["task-finished", k("a")]]);
  expect(driver.machine.counts().executing.map(({ key }) => key)).toEqual([k("b")]);
});

test("one that may stay after all works on", () => {
  const driver = busy();
  driver.event("status", { status: "closing_gracefully" });
  driver.scheduler({ op: "worker-status-change", status: "running", stimulusId: "stay" }, order("f"));
  driver.succeed("a");
  expect(driver.machine.counts().executing.map(({ key }) => key)).toEqual([k("b"), k("f")]);
});

test("what is to be computed once something that was called off has ended goes back too", () => {
  const driver = new Driver();
  driver.scheduler(order("d", { inputs: { x: [A] } }));
  // The transfer of x is called off, then x itself is ordered here.
  driver.free("d");
  driver.scheduler(order("x", { runId: 7 }));
  driver.sent.length = 0;
  driver.event("status", { status: "closing_gracefully" });
  expect(opsOf(driver)).toEqual([["worker-status-change"], ["reschedule", k("x")]]);
  driver.refuse(A, "gather-network-failure");
  expect(driver.machine.counts().tasks.size).toBe(0);
});

test("W-C10: one that retires has no say about its status while its memory fills and empties", () => {
  const driver = new Driver();
  driver.scheduler({ op: "worker-status-change", status: "closing_gracefully", stimulusId: "retire" });
  driver.sent.length = 0;
  driver.event("status", { status: "paused" });
  driver.event("status", { status: "running" });
  expect(driver.sent).toEqual([]);
  driver.scheduler({ op: "worker-status-change", status: "running", stimulusId: "retire" });
  driver.event("status", { status: "paused" });
  expect(driver.sent).toMatchObject([{ status: "running" }, { status: "paused" }]);
});
