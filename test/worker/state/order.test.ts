/** What runs and what is fetched first, and within which bounds. */
import { expect, test } from "vitest";
import { A, B, Driver, k, order } from "./drive.ts";

test("inputs are given in the order of the order's who_has", () => {
  const d = new Driver();
  d.put("a", "b", "c");
  expect(d.scheduler(order("x", { inputs: { c: [A], a: [A], b: [A] } }))).toMatchObject([
    { type: "execute", dependencies: [k("c"), k("a"), k("b")] },
  ]);
});

test("smaller priorities run first, equal ones in order of arrival, and never more than there are threads", () => {
  const d = new Driver({ nthreads: 1 });
  d.scheduler(
    order("first", { priority: [5] }),
    order("c", { priority: [0, 9] }),
    order("b", { priority: [0, 2] }),
    order("b2", { priority: [0, 2] }),
    order("a", { priority: [-1, 7] }),
  );
  const ran: string[] = [];
  for (let key = d.running.keys().next().value; key !== undefined; key = d.running.keys().next().value) {
    ran.push(key);
    d.succeed(key);
  }
  // All arrive in one batch, so the most urgent of them starts.
  expect(ran).toEqual(["a", "b", "b2", "c", "first"]);
});

test("an order for a value that is here is answered at once under the new run id", () => {
  const d = new Driver();
  d.scheduler(order("x", { runId: 1 }));
  d.succeed("x");
  d.ops();
  d.scheduler(order("x", { runId: 2 }));
  expect(d.sent).toMatchObject([{ op: "task-finished", key: k("x"), runId: 2 }]);
  expect(d.running.size).toBe(0);
});

test("the same order twice runs once", () => {
  const d = new Driver();
  d.scheduler(order("x"), order("x"));
  d.scheduler(order("x"));
  d.succeed("x");
  expect(d.ops()).toEqual(["task-finished"]);
});

test("W-C2: one request per peer holds what fits into its bound, most urgent first", () => {
  const d = new Driver({ messageBytesMax: 100 });
  d.scheduler(
    order("x", { priority: [1], nbytes: 40, inputs: { a: [A], b: [A], c: [A] } }),
    order("y", { priority: [0], nbytes: 40, inputs: { d: [A] } }),
  );
  expect(d.asked.get(A)).toEqual([k("d"), k("a")]);
  d.deliver(A);
  expect(d.asked.get(A)).toEqual([k("b"), k("c")]);
});

test("W-C2: not more is under way than the bound, but always something", () => {
  const d = new Driver({ incomingBytesMax: 100 });
  d.scheduler(order("x", { nbytes: 500, inputs: { a: [A], b: [B] } }));
  expect(d.asked.size).toBe(1);
  d.deliver(A);
  expect(Array.from(d.asked.keys())).toEqual([B]);
});

test("W-C2: not more peers are asked than the bound, unless what comes from them is little", () => {
  const holders = [A, B, "tcp://10.0.0.4:1", "tcp://10.0.0.5:1"];
  const inputs = Object.fromEntries(holders.map((holder, i) => [`input${i}`, [holder]]));
  for (const [nbytes, asked] of [
    [25, 2], // two peers, and no less than the bytes from which on peers are counted
    [10, 4],
  ] as const) {
    const d = new Driver({ incomingCountMax: 2, incomingThrottleBytes: 50 });
    d.scheduler(order("x", { nbytes, inputs }));
    expect(d.asked.size).toBe(asked);
    for (let i = 0; i < 4; i++) d.deliver(d.asked.keys().next().value ?? "");
    expect(d.running.size).toBe(1);
  }
});

test("steal-request: unstarted tasks are given away, others are not", () => {
  const d = new Driver({ nthreads: 1 });
  d.scheduler(order("runs"), order("ready", { priority: [1] }));
  const ask = (key: string) => d.scheduler({ op: "steal-request", key: k(key), stimulusId: "steal" });
  ask("runs");
  ask("ready");
  ask("unknown");
  expect(d.sent).toMatchObject([
    { key: k("runs"), state: "executing" },
    { key: k("ready"), state: "ready" },
    { key: k("unknown"), state: null },
  ]);
  expect(d.state("ready")).toBeUndefined();
});

test("a paused worker starts and fetches nothing; the scheduler's status change is confirmed", () => {
  const d = new Driver();
  d.scheduler(
    { op: "worker-status-change", status: "closing_gracefully", stimulusId: "s" },
    order("x"),
    order("y", { inputs: { a: [A] } }),
  );
  expect(d.sent[0]).toMatchObject({ op: "worker-status-change", status: "closing_gracefully" });
  expect([d.running.size, d.asked.size]).toEqual([0, 0]);
});

test("close is handed to the shell", () => {
  const d = new Driver();
  expect(d.scheduler({ op: "close", reason: "retired" })).toContainEqual({ type: "close", reason: "retired" });
});

test("W-C1: with a budget, tasks start by priority while they fit, and the first whatever its size", () => {
  const d = new Driver({ nthreads: 4, budgetBytes: 100 }, () => 60);
  d.scheduler(order("a"), order("b", { priority: [1] }));
  expect(Array.from(d.running.keys())).toEqual(["a"]);
  d.succeed("a", 30);
  expect(Array.from(d.running.keys())).toEqual(["b"]);
  const tight = new Driver({ nthreads: 4, budgetBytes: 10 }, () => 60);
  tight.scheduler(order("a"));
  expect(tight.running.size).toBe(1);
});

test("W-C1: tasks that seceded keep their bytes, and the first of those that wait starts beside them", () => {
  const d = new Driver({ nthreads: 2, budgetBytes: 100 }, () => 60);
  d.scheduler(order("a"));
  d.event("execute-secede", { key: k("a"), computeSeconds: null });
  d.scheduler(order("b"), order("c", { priority: [1] }));
  expect(Array.from(d.running.keys())).toEqual(["a", "b"]);
  d.succeed("a", 8);
  expect(d.running.has(k("c"))).toBe(false); // 8 + 60 + 60
});

test("a busy holder is asked again later, another one at once", () => {
  const d = new Driver();
  d.scheduler(order("x", { inputs: { a: [A, B] } }));
  d.refuse(A, "gather-busy");
  expect(Array.from(d.asked.keys())).toEqual([B]);
  d.refuse(B, "gather-busy");
  expect(d.asked.size).toBe(0);
  expect(d.ops()).toContain("request-refresh-who-has");
  d.wake(150);
  expect(d.asked.size).toBe(1);
});
