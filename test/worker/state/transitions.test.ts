/** Every cell of the transition table: those that can happen are provoked by events, the others are refused. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isRsdatError } from "../../../src/base/index.ts";
import { Core } from "../../../src/worker/state/core.ts";
import { TASK_STATES, type TaskState, type TaskTarget } from "../../../src/worker/state/task.ts";
import { step, TRANSITIONS, type Transition } from "../../../src/worker/state/transitions.ts";
import { A, B, Driver, FAILURE, k, LIMITS, order } from "./drive.ts";

const TARGETS = TASK_STATES.filter((state): state is TaskTarget => state !== "cancelled" && state !== "resumed");
const CELLS = TASK_STATES.flatMap((from) =>
  TARGETS.filter((to) => to !== from).map((to) => ({ from, to, cell: TRANSITIONS[from][to] })),
);
const seen = new Set<string>();

/** A task can have gone on before its recommendation's turn comes: ready but no longer waiting, to be fetched but here or being computed. */
function isOvertaken(from: TaskState, to: TaskTarget): boolean {
  if (to === "ready" || to === "constrained") return from !== "waiting";
  if (to === "missing") return from !== "fetch" && from !== "missing";
  return to === "fetch" && ["memory", "waiting", "ready", "constrained", "executing", "long-running"].includes(from);
}

/** Watch which cells are used; the table is data, so its functions can be wrapped. */
beforeAll(() => {
  for (const { from, to, cell } of CELLS) {
    const row = TRANSITIONS[from] as Record<TaskTarget, Transition | null>;
    if (!cell) continue;
    row[to] = (core, task, target) => {
      seen.add(`${from} -> ${to}`);
      cell(core, task, target);
    };
  }
});

describe("computing", () => {
  test("a task without inputs runs and is reported with its run id", () => {
    const d = new Driver();
    expect(d.scheduler(order("x", { runId: 7 }))).toMatchObject([
      { type: "execute", key: k("x"), runId: 7, dependencies: [] },
    ]);
    d.succeed("x", 100);
    expect(d.sent).toMatchObject([{ op: "task-finished", key: k("x"), runId: 7, nbytes: 100, thread: 1 }]);
    expect(d.machine.counts().managedBytes).toBe(100);
  });

  test("a failing task is reported with its run id, and forgotten when freed", () => {
    const d = new Driver();
    d.scheduler(order("x", { runId: 7 }));
    d.fail("x");
    expect(d.sent).toMatchObject([{ op: "task-erred", key: k("x"), runId: 7, exceptionText: "boom" }]);
    d.free("x");
    expect(d.state("x")).toBeUndefined();
  });

  test("a constrained task waits for its resource; a less urgent one without need of it does not", () => {
    const d = new Driver();
    d.scheduler(
      order("gpu1", { resources: { GPU: 1 } }),
      order("gpu2", { resources: { GPU: 1 } }),
      order("cpu", { priority: [9] }),
    );
    expect(Array.from(d.running.keys())).toEqual(["gpu1", "cpu"]);
    d.succeed("gpu1");
    expect(Array.from(d.running.keys())).toEqual(["cpu", "gpu2"]);
  });

  test("a failed task is run again when ordered again", () => {
    const d = new Driver();
    d.scheduler(order("x", { runId: 1 }));
    d.fail("x");
    d.scheduler(order("x", { runId: 2 }));
    d.succeed("x");
    expect(d.sent).toMatchObject([
      { op: "task-erred", runId: 1 },
      { op: "task-finished", runId: 2 },
    ]);
  });

  test("W-C4 a running task that is freed is given up at once, a waiting one needs no end", () => {
    const d = new Driver({ nthreads: 1 });
    d.scheduler(order("x"), order("y", { priority: [1] }));
    expect(d.free("y")).not.toContainEqual({ type: "abort", key: k("y") });
    expect(d.free("x")).toContainEqual({ type: "abort", key: k("x") });
    d.fail("x");
    expect(d.sent.filter((message) => message.op === "task-erred")).toEqual([]);
    expect(d.state("x")).toBeUndefined();
  });

  test("a task that secedes frees its thread and still reports", () => {
    const d = new Driver({ nthreads: 1 });
    d.scheduler(order("x"), order("y", { priority: [1] }));
    d.event("execute-secede", { key: k("x"), computeSeconds: null });
    expect(Array.from(d.running.keys())).toEqual(["x", "y"]);
    d.succeed("x");
    expect(d.ops()).toEqual(["long-running", "task-finished"]);
    d.event("execute-secede", { key: k("y"), computeSeconds: null });
    d.fail("y");
    expect(d.ops()).toEqual(["long-running", "task-erred"]);
  });
});

describe("fetching", () => {
  test("an input is fetched from its holder, and the replica announced", () => {
    const d = new Driver();
    expect(d.scheduler(order("x", { inputs: { a: [A] } }))).toMatchObject([
      { type: "gather", worker: A, keys: [k("a")] },
    ]);
    d.deliver(A);
    expect(d.sent).toMatchObject([{ op: "add-keys", keys: [k("a")] }]);
    expect(Array.from(d.running.keys())).toEqual(["x"]);
  });

  test("a holder that does not have it is not asked again; the scheduler is, at once and at intervals, until it knows", () => {
    const d = new Driver();
    d.scheduler(order("x", { inputs: { a: [A] } }));
    const outbox = d.deliver(A, []);
    expect(d.sent).toMatchObject([{ op: "request-refresh-who-has", keys: [k("a")] }]);
    expect(outbox).toContainEqual({ type: "wake-at", at: 1000 });
    d.wake(1000);
    expect(d.ops()).toEqual(["request-refresh-who-has", "request-refresh-who-has"]);
    d.scheduler({ op: "refresh-who-has", whoHas: new Map([[k("a"), [B]]]), stimulusId: "s" });
    expect(Array.from(d.asked.keys())).toEqual([B]);
    d.scheduler({ op: "refresh-who-has", whoHas: new Map([[k("a"), []]]), stimulusId: "s" });
    d.deliver(B);
    expect(Array.from(d.running.keys())).toEqual(["x"]);
  });

  test("a holder that refresh-who-has takes back before it was asked", () => {
    const d = new Driver();
    d.event("status", { status: "paused" });
    d.scheduler(order("x", { inputs: { a: [A] } }));
    d.scheduler({ op: "refresh-who-has", whoHas: new Map([[k("a"), []]]), stimulusId: "s" });
    expect(d.state("a")).toBe("missing");
    d.free("x");
    expect(d.machine.counts().tasks.size).toBe(0);
  });

  test("a peer out of reach takes all that it held with it", () => {
    const d = new Driver();
    d.scheduler(
      order("x", { inputs: { a: [A] }, nbytes: 90 }),
      order("y", { inputs: { b: [A] }, nbytes: 90, priority: [1] }),
    );
    expect(d.asked.get(A)).toEqual([k("a")]);
    d.refuse(A, "gather-network-failure");
    expect(d.sent).toMatchObject([{ op: "request-refresh-who-has", keys: [k("a"), k("b")] }]);
  });

  test("a peer that the scheduler removes is not asked", () => {
    const d = new Driver();
    d.event("status", { status: "paused" });
    d.scheduler(order("x", { inputs: { a: [A] } }), { op: "remove-worker", worker: A, stimulusId: "s" });
    d.event("status", { status: "running" });
    expect(d.asked.size).toBe(0);
    expect(d.state("a")).toBe("missing");
  });

  test("an unreadable answer fails the tasks that need it, unless another holder is left", () => {
    const d = new Driver();
    d.scheduler(order("x", { runId: 3, inputs: { a: [A, B] } }));
    d.refuse(A, "gather-failure");
    expect(Array.from(d.asked.keys())).toEqual([B]);
    d.refuse(B, "gather-failure");
    expect(d.sent).toMatchObject([{ op: "task-erred", key: k("x"), runId: 3, exceptionText: FAILURE.exceptionText }]);
    expect(d.machine.counts().tasks).toEqual(new Map([["error", 1]]));
  });

  test("acquire-replicas fetches, and confirms what is here", () => {
    const d = new Driver();
    d.put("b");
    const whoHas = new Map([
      [k("a"), [A]],
      [k("b"), [A]],
    ]);
    d.scheduler({ op: "acquire-replicas", whoHas, nbytes: new Map(), stimulusId: "s" });
    d.deliver(A);
    expect(d.sent.flatMap((m) => (m.op === "add-keys" ? m.keys : []))).toEqual([k("b"), k("a")]);
  });

  test("an input that is being computed here is waited for; if that fails, it is fetched", () => {
    const d = new Driver();
    d.scheduler(order("a"), order("x", { inputs: { a: [A] } }));
    expect(d.asked.size).toBe(0);
    d.fail("a");
    expect(Array.from(d.asked.keys())).toEqual([A]);
    d.deliver(A);
    expect(Array.from(d.running.keys())).toEqual(["x"]);
  });
});

describe("letting go", () => {
  test("a freed value is dropped and its end reported, in this order", () => {
    const d = new Driver();
    d.put("a");
    expect(d.free("a")).toMatchObject([
      { type: "send", message: { op: "release-worker-data", key: k("a") } },
      { type: "drop", keys: [k("a")] },
    ]);
    expect(d.machine.counts().tasks.size).toBe(0);
  });

  test("tasks that have not started are forgotten, and what only they needed is not fetched", () => {
    const d = new Driver({ nthreads: 1 });
    d.scheduler(
      order("runs"),
      order("ready", { priority: [1] }),
      order("constrained", { resources: { GPU: 1 }, priority: [1] }),
      order("waits", { inputs: { a: [A] } }),
      order("seeks", { inputs: { b: [] } }),
    );
    d.free("ready", "constrained", "waits", "seeks");
    expect(d.machine.counts().tasks).toEqual(
      new Map([
        ["executing", 1],
        ["cancelled", 1],
      ]),
    ); // the transfer of a cannot be called back
    d.deliver(A);
    expect(d.values.size).toBe(0);
    expect(d.machine.counts().tasks).toEqual(new Map([["executing", 1]]));
  });

  test("a freed input of waiting tasks is fetched again; what was ready waits", () => {
    const d = new Driver({ nthreads: 1 });
    d.put("a");
    d.scheduler(
      order("runs"),
      order("x", { inputs: { a: [] }, priority: [1] }),
      order("g", { inputs: { a: [] }, resources: { GPU: 1 }, priority: [1] }),
      order("y", { inputs: { a: [], b: [B] }, priority: [1] }),
    );
    d.free("a");
    expect(d.machine.counts().tasks).toEqual(
      new Map([
        ["waiting", 3],
        ["missing", 1],
        ["flight", 1],
        ["executing", 1],
      ]),
    );
    d.scheduler({ op: "refresh-who-has", whoHas: new Map([[k("a"), [A]]]), stimulusId: "s" });
    d.deliver(A);
    d.deliver(B);
    expect(d.machine.counts().tasks).toMatchObject(
      new Map([
        ["ready", 2],
        ["constrained", 1],
        ["executing", 1],
        ["memory", 2],
      ]),
    );
  });

  test("a freed input in fetch is fetched for its readers all the same", () => {
    const d = new Driver();
    d.event("status", { status: "paused" });
    d.scheduler(order("x", { inputs: { a: [A] } }));
    d.free("a");
    d.event("status", { status: "running" });
    expect(d.asked.get(A)).toEqual([k("a")]);
  });

  test("a cancelled run's result is dropped without a word", () => {
    const d = new Driver();
    d.scheduler(order("x"), order("y"));
    d.free("x", "y");
    d.succeed("x");
    d.fail("y");
    expect(d.ops()).toEqual([]);
    expect(d.machine.counts().tasks.size).toBe(0);
  });

  test("freed twice is freed once", () => {
    const d = new Driver();
    d.scheduler(order("x"));
    d.free("x");
    d.free("x");
    d.succeed("x");
    expect(d.machine.counts().tasks.size).toBe(0);
  });

  test("W-C3: a run that is ordered again while it is called off runs again, under the new run id only", () => {
    const d = new Driver();
    d.scheduler(order("x", { runId: 1 }));
    d.free("x");
    d.scheduler(order("x", { runId: 2 }));
    d.succeed("x");
    expect(d.ops()).toEqual([]);
    expect(d.running.get(k("x"))).toBe(2);
    d.succeed("x");
    expect(d.sent).toMatchObject([{ op: "task-finished", runId: 2 }]);
  });

  test("a new order without a free before it counts the same", () => {
    const d = new Driver();
    d.scheduler(order("x", { runId: 1 }));
    d.scheduler(order("x", { runId: 2 }));
    d.fail("x");
    d.succeed("x");
    expect(d.sent).toMatchObject([{ op: "task-finished", runId: 2 }]);
    d.scheduler(order("y", { runId: 1 }));
    d.event("execute-secede", { key: k("y"), computeSeconds: null });
    d.scheduler(order("y", { runId: 2 }));
    d.fail("y");
    expect(d.running.get(k("y"))).toBe(2);
  });

  test("called off, ordered and called off again: nothing is left", () => {
    const d = new Driver();
    d.scheduler(order("x", { runId: 1 }));
    d.free("x");
    d.scheduler(order("x", { runId: 2 }));
    d.free("x");
    d.succeed("x");
    expect(d.machine.counts().tasks.size).toBe(0);
  });

  test("an unwanted run that secedes frees its thread silently", () => {
    const d = new Driver({ nthreads: 1 });
    d.scheduler(order("x", { runId: 1 }), order("z", { priority: [1] }));
    d.free("x");
    d.event("execute-secede", { key: k("x"), computeSeconds: null });
    expect(d.running.has(k("z"))).toBe(true);
    d.succeed("x");
    d.scheduler(order("w", { runId: 1 }));
    d.succeed("z");
    d.free("w");
    d.scheduler(order("w", { runId: 2 }));
    d.event("execute-secede", { key: k("w"), computeSeconds: null });
    d.succeed("w");
    expect(d.ops()).toEqual(["task-finished"]);
    expect(d.running.get(k("w"))).toBe(2);
  });

  test("a long run that is called off is dropped at its end", () => {
    const d = new Driver();
    d.scheduler(order("x"));
    d.event("execute-secede", { key: k("x"), computeSeconds: null });
    d.free("x");
    d.succeed("x");
    expect(d.ops()).toEqual(["long-running"]);
    expect(d.machine.counts().tasks.size).toBe(0);
  });

  test("a transfer wanted again simply goes on", () => {
    const d = new Driver();
    d.scheduler(order("x", { inputs: { a: [A] } }));
    d.free("x");
    d.scheduler(order("y", { inputs: { a: [A] } }));
    d.deliver(A);
    expect(Array.from(d.running.keys())).toEqual(["y"]);
  });

  test("a called-off transfer that brings nothing leaves nothing", () => {
    const d = new Driver();
    d.scheduler(order("x", { inputs: { a: [A] } }), order("y", { inputs: { b: [B] } }));
    d.free("x", "y");
    d.deliver(A, []);
    d.refuse(B, "gather-network-failure");
    expect(d.machine.counts().tasks.size).toBe(0);
  });

  test("a task ordered while its value flies is computed: the value that flies may be another's", () => {
    for (const end of ["value", "nothing", "lost"] as const) {
      const d = new Driver();
      d.scheduler(order("x", { inputs: { a: [A] } }));
      d.scheduler(order("a", { runId: 9 }));
      if (end === "lost") d.refuse(A, "gather-network-failure");
      else d.deliver(A, end === "value" ? [k("a")] : []);
      expect(Array.from(d.running)).toEqual([[k("a"), 9]]);
      d.succeed("a");
      expect(Array.from(d.running.keys())).toEqual(["x"]);
    }
  });

  test("a called-off run that is wanted as a replica is fetched when it has ended", () => {
    for (const end of ["ok", "error"] as const) {
      const d = new Driver();
      d.scheduler(order("a"));
      d.free("a");
      d.scheduler(order("x", { inputs: { a: [A] } }));
      if (end === "ok") d.succeed("a");
      else d.fail("a");
      expect(d.asked.get(A)).toEqual([k("a")]);
    }
  });

  test("and is called off again when its reader goes", () => {
    const d = new Driver();
    d.scheduler(order("a"));
    d.free("a");
    d.scheduler(order("x", { inputs: { a: [A] } }));
    d.free("x");
    d.succeed("a");
    expect(d.machine.counts().tasks.size).toBe(0);
  });

  test("wanted as a replica, then ordered", () => {
    const d = new Driver();
    d.scheduler(order("a", { runId: 1 }));
    d.free("a");
    d.scheduler(order("x", { inputs: { a: [A] } }));
    d.scheduler(order("a", { runId: 2 }));
    d.succeed("a");
    expect(d.running.get(k("a"))).toBe(2);
  });

  test("remove-replicas is refused while a task here reads it", () => {
    const d = new Driver();
    d.put("a", "b");
    d.scheduler(order("x", { inputs: { a: [A] } }));
    d.scheduler({ op: "remove-replicas", keys: [k("a"), k("b"), k("unknown")], stimulusId: "s" });
    expect(d.sent).toMatchObject([
      { op: "add-keys", keys: [k("a")] },
      { op: "release-worker-data", key: k("b") },
    ]);
  });

  test("a fetched or missing task that is ordered is computed instead", () => {
    const d = new Driver();
    d.event("status", { status: "paused" });
    d.scheduler(order("x", { inputs: { a: [A], b: [] } }), order("a"), order("b"));
    d.event("status", { status: "running" });
    expect(Array.from(d.running.keys())).toEqual(["a", "b"]);
    expect(d.asked.size).toBe(0);
  });
});

describe("from outside", () => {
  test("scattered values replace whatever was planned", () => {
    const d = new Driver({ nthreads: 1 });
    d.scheduler(order("bad"));
    d.fail("bad");
    d.scheduler(order("runs"));
    d.scheduler(
      order("ready", { priority: [1] }),
      order("constrained", { resources: { GPU: 1 }, priority: [1] }),
      order("waits", { inputs: { f: [A] } }),
      order("seeks", { inputs: { m: [] } }),
    );
    d.event("status", { status: "paused" });
    d.scheduler(order("late", { inputs: { later: [B] } }));
    d.put("ready", "constrained", "waits", "m", "bad", "later", "fresh");
    expect(d.machine.counts().tasks).toEqual(
      new Map(
        [
          ["flight", 0],
          ["ready", 2],
          ["executing", 1],
          ["memory", 7],
          ["cancelled", 1],
        ].filter(([, n]) => n !== 0) as [string, number][],
      ),
    );
  });

  test("a scattered value of a running or flying task is not kept: that one's own counts", () => {
    const d = new Driver();
    d.scheduler(order("x"), order("y", { inputs: { a: [A] } }));
    expect(d.put("x", "a")).toContainEqual({ type: "drop", keys: [k("x"), k("a")] });
  });

  test("cancel-compute forgets an unstarted task", () => {
    const d = new Driver({ nthreads: 1 });
    d.scheduler(order("runs"));
    d.scheduler(
      order("ready", { priority: [1] }),
      { op: "cancel-compute", key: k("ready"), stimulusId: "s" },
      { op: "cancel-compute", key: k("runs"), stimulusId: "s" },
    );
    expect(d.machine.counts().tasks).toEqual(new Map([["executing", 1]]));
  });
});

describe("the table", () => {
  test.each(CELLS.filter(({ cell, from, to }) => cell === null && !isOvertaken(from, to)))(
    "$from -> $to cannot happen",
    ({ from, to }) => {
      if (from === "forgotten") return; // a forgotten task is asked nothing: see the next test
      const core = new Core(LIMITS, () => null);
      const task = core.ensure(k("x"), [0]);
      task.state = from as TaskState;
      expect(() => step(core, task, to)).toThrow(
        expect.toSatisfy((error: unknown) => isRsdatError(error, "invariant")),
      );
    },
  );

  test("recommendations that were overtaken are dropped", () => {
    const core = new Core(LIMITS, () => null);
    const task = core.ensure(k("x"), [0]);
    for (const to of TARGETS) {
      task.state = "forgotten";
      step(core, task, to);
      expect(task.state).toBe("forgotten");
    }
    for (const { from, to } of CELLS.filter((cell) => isOvertaken(cell.from, cell.to))) {
      task.state = from;
      step(core, task, to);
      expect(task.state).toBe(from);
    }
  });
});

// Of the whole file, whatever the order of its tests.
afterAll(() => {
  const possible = CELLS.filter(({ cell }) => cell !== null).map(({ from, to }) => `${from} -> ${to}`);
  expect(
    possible.filter((cell) => !seen.has(cell)),
    "cells that no test provokes",
  ).toEqual([]);
});
