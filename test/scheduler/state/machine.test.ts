/** Behaviour of the scheduler machine, case by case: S-C2…S-C12. Dask's semantics where it has them. */
import { expect, test } from "vitest";
import { reduceNode, sourceNode } from "../../../src/graph/index.ts";
import { deserialize } from "../../../src/protocol/index.ts";
import { ANYWHERE } from "../../../src/scheduler/state/index.ts";
import { graphOf, sumCall } from "../../sim/random-graph.ts";
import { Driver, finished, k, task } from "./drive.ts";

function sentOps(driver: Driver, worker: string): string[] {
  return driver.sent.flatMap((i) => (i.type === "send-worker" && i.worker === worker ? [i.message.op] : []));
}

function ordered(driver: Driver): string[] {
  return driver.orders.map(({ message }) => message.key);
}

test("S-C2: an order names holders and bytes of all inputs, its own attempt, and its priority", () => {
  const driver = new Driver();
  driver.worker("w");
  driver.submit([task("a"), task("b", ["a"], { rank: 1, priority: 2 })], ["b"]);
  driver.finish("a", 77);
  expect(driver.order("b").message).toMatchObject({
    whoHas: new Map([["a", ["w"]]]),
    nbytes: new Map([["a", 77]]),
    runId: 2,
    priority: [-2, 1, 1],
    actor: false,
    resourceRestrictions: null,
    spanId: null,
  });
  driver.finish("b");
  expect(driver.toClients).toEqual([{ client: "alice", message: { op: "key-in-memory", key: "b", workers: ["w"] } }]);
  expect(driver.state("a")).toBe("released");
  driver.release("b");
  expect(driver.views.isEmpty()).toBe(true);
});

test("S-C3: a late answer changes nothing, and its worker drops the result unless it is asked again", () => {
  const driver = new Driver();
  driver.worker("w");
  driver.submit([task("a")], ["a"]);
  const first = driver.order("a").message;
  driver.say("w", { op: "reschedule", key: k("a"), stimulusId: "again" });
  const second = driver.order("a").message;
  expect(second.runId).toBeGreaterThan(first.runId);
  driver.sent.length = 0;
  driver.say("w", finished(first, 1));
  expect([driver.state("a"), sentOps(driver, "w")]).toEqual(["processing", []]);
  driver.finish("a");
  driver.release("a");
  driver.sent.length = 0;
  driver.say("w", finished(second, 1));
  expect(sentOps(driver, "w")).toEqual(["free-keys"]);
});

test("S-C4: an error spends retries first, then reaches every dependent with the same exception", () => {
  const driver = new Driver();
  driver.worker("w", { nthreads: 2 });
  driver.submit([task("a", [], { retries: 1 }), task("b", ["a"]), task("c", ["b"]), task("d")], ["c", "d"]);
  driver.fail("a", "first");
  expect(driver.state("a")).toBe("processing");
  driver.fail("a", "second");
  expect(["a", "b", "c", "d"].map((name) => driver.state(name))).toEqual(["erred", "erred", "erred", "processing"]);
  const erred = driver.toClients.flatMap(({ message }) =>
    message.op === "task-erred" ? [[message.key, deserialize(message.exception)]] : [],
  );
  expect(erred).toEqual([["c", "second"]]);
  // Asked again, it is told at once; retried, everything runs again.
  driver.submit([task("c", ["b"])], ["c"], "bob");
  expect(driver.toClients.at(-1)).toMatchObject({ client: "bob", message: { op: "task-erred", key: "c" } });
  driver.feed({ type: "retry-keys", keys: [k("c")] });
  expect(["a", "b", "c"].map((name) => driver.state(name))).toEqual(["processing", "waiting", "waiting"]);
  for (const name of ["a", "b", "c"]) driver.finish(name);
  expect(driver.state("c")).toBe("memory");
});

test("S-C5: a task under which four workers vanish is blamed; one that was told to go blames nobody", () => {
  const driver = new Driver();
  driver.submit([task("a")], ["a"]);
  for (let i = 0; i < 5; i++) {
    driver.worker(`calm${i}`);
    driver.leave(`calm${i}`, true);
  }
  for (let i = 0; i < 4; i++) {
    expect(driver.state("a")).toBe("no-worker");
    driver.worker(`w${i}`);
    driver.leave(`w${i}`);
  }
  expect(driver.state("a")).toBe("erred");
  const last = driver.toClients.at(-1)?.message;
  expect(last?.op === "task-erred" && deserialize(last.exception)).toMatch(
    /^KilledWorkerError: task a was on 4 workers that died, the last one w3/,
  );
});

test("S-C6: results that existed only on a lost worker are computed again, and only what is needed of them", () => {
  const driver = new Driver();
  driver.worker("w", { nthreads: 4 });
  driver.submit([task("a"), task("b", ["a"]), task("c", ["b"]), task("d", ["c"])], ["b", "d"]);
  for (const name of ["a", "b", "c", "d"]) driver.finish(name);
  driver.worker("v", { nthreads: 4 });
  driver.toClients.length = 0;
  driver.leave("w");
  expect(driver.toClients.map(({ message }) => [message.op, "key" in message && message.key])).toEqual([
    ["lost-data", "b"],
    ["lost-data", "d"],
  ]);
  expect(["a", "b", "c", "d"].map((name) => driver.state(name))).toEqual([
    "processing",
    "waiting",
    "waiting",
    "waiting",
  ]);
  for (const name of ["a", "b", "c", "d"]) driver.finish(name);
  expect(driver.views.whoHas([k("b"), k("d")])).toEqual(
    new Map([
      ["b", ["v"]],
      ["d", ["v"]],
    ]),
  );
});

test("S-C6: a task whose input is lost while it is sent is taken back", () => {
  const driver = new Driver();
  driver.worker("w");
  driver.submit([task("a"), task("b", ["a"])], ["b"]);
  driver.finish("a");
  driver.worker("v");
  driver.sent.length = 0;
  driver.say("w", { op: "release-worker-data", key: k("a"), stimulusId: "gone" });
  expect(sentOps(driver, "w")[0]).toBe("free-keys");
  expect([driver.state("a"), driver.state("b")]).toEqual(["processing", "waiting"]);
});

test("S-C7: cancelling takes what one client alone wants, with dependents; forced it takes all", () => {
  const driver = new Driver();
  driver.worker("w");
  driver.submit([task("a"), task("b", ["a"])], ["a", "b"]);
  driver.submit([], ["a"], "bob");
  const cancel = (force: boolean, ...names: string[]) =>
    driver.feed({ type: "cancel-keys", client: "alice", keys: names.map(k), force, reason: "test", message: "" });
  cancel(false, "a");
  expect([driver.state("a"), driver.state("b")]).toEqual(["processing", "waiting"]);
  cancel(false, "b");
  expect([driver.state("a"), driver.state("b")]).toEqual(["processing", "forgotten"]);
  driver.submit([task("b", ["a"])], ["b"]);
  cancel(true, "a");
  expect(driver.views.isEmpty()).toBe(true);
  const told = driver.toClients.flatMap(({ client, message }) =>
    message.op === "cancelled-keys" ? [[client, ...message.keys]] : [],
  );
  expect(told).toEqual([
    ["alice", "a"],
    ["alice", "b"],
    ["bob", "a"],
    ["alice", "b"],
  ]);
  expect(sentOps(driver, "w")).toContain("free-keys");
});

test("S-C8: language, names, hosts, resources and wishes decide who may run a task", () => {
  const driver = new Driver();
  driver.worker("tcp://10.0.0.1:1", { nthreads: 9 });
  driver.worker("tcp://10.0.0.2:1", { nthreads: 9, resources: { GPU: 1 } });
  driver.worker("tcp://10.0.0.3:1", { nthreads: 9, kind: "python" });
  const cases: [string, Parameters<typeof task>[2], string | undefined][] = [
    ["python", { language: "python" }, "tcp://10.0.0.3:1"],
    ["address", { workers: ["tcp://10.0.0.2:1"] }, "tcp://10.0.0.2:1"],
    ["name", { workers: ["name-of-tcp://10.0.0.2:1"] }, "tcp://10.0.0.2:1"],
    ["host", { workers: ["10.0.0.2"] }, "tcp://10.0.0.2:1"],
    ["nobody", { workers: ["10.0.0.9"] }, undefined],
    ["wish", { workers: ["10.0.0.9"], allowOtherWorkers: true }, "tcp://10.0.0.1:1"],
    ["gpu", { resources: new Map([["GPU", 1]]) }, "tcp://10.0.0.2:1"],
    ["gpu2", { resources: new Map([["GPU", 1]]) }, undefined],
    ["too much", { resources: new Map([["GPU", 2]]) }, undefined],
  ];
  for (const [name, options] of cases) driver.submit([task(name, [], options)], [name]);
  const got = new Map(driver.orders.map(({ worker, message }) => [String(message.key), worker]));
  expect(cases.map(([name]) => [name, got.get(name)])).toEqual(cases.map(([name, , worker]) => [name, worker]));
  expect(["nobody", "gpu2", "too much"].map((name) => driver.state(name))).toEqual([
    "no-worker",
    "queued",
    "no-worker",
  ]);
  driver.finish("gpu");
  expect(driver.order("gpu2").worker).toBe("tcp://10.0.0.2:1");
});

test("S-C9: priority first, then the order of submission, then rank", () => {
  const driver = new Driver();
  driver.worker("w");
  driver.submit(
    ["a", "b", "c", "d"].map((name, i) => task(name, [], { rank: 9 - i })),
    ["a", "b", "c", "d"],
  );
  driver.submit([task("late")], ["late"]);
  driver.submit([task("urgent", [], { priority: 1 })], ["urgent"]);
  for (let i = 0; i < 6; i++) driver.finish(ordered(driver)[i] as string);
  expect(ordered(driver)).toEqual(["d", "c", "urgent", "b", "a", "late"]);
});

test("S-C10: a task goes where most bytes of its inputs are, and siblings without inputs stay together", () => {
  const driver = new Driver();
  driver.worker("v", { nthreads: 2 });
  driver.worker("w", { nthreads: 2 });
  driver.submit(
    [task("small", [], { workers: ["v"] }), task("large", [], { workers: ["w"] }), task("sum", ["small", "large"])],
    ["sum"],
  );
  driver.finish("small", 10);
  driver.finish("large", 1000);
  expect(driver.order("sum").worker).toBe("w");
});

test("S-C10: sources of one consumer are sent to one worker, so that nothing has to move", () => {
  const chunks = [new Array<number>(16).fill(1)];
  const source = sourceNode({ source: "s", dtype: "float32", chunks, scratchBytes: 0 });
  const spec = { op: "sum", from: "float32", dtype: "float32", ddof: 0, minCount: 0, empty: null } as const;
  const layout = { reduced: [0], keepdims: false, splitEvery: 2 };
  const graph = graphOf([reduceNode("sum", sumCall(1), spec, [{ layer: source, axes: [0] }], chunks, layout)]);
  const driver = new Driver();
  for (const address of ["u", "v", "w"]) driver.worker(address);
  driver.client();
  const wanted = graph.wanted().flat();
  driver.feed({
    type: "submit-layers",
    client: "alice",
    graph,
    wanted,
    leastBytes: 0,
    placement: ANYWHERE,
    retries: 0,
    priority: 0,
  });
  let moved = 0;
  for (let at = 0; at < driver.orders.length; at++) {
    const order = driver.orders[at];
    if (!order) break;
    for (const holders of order.message.whoHas.values()) if (!holders.includes(order.worker)) moved++;
    driver.say(order.worker, finished(order.message, 4));
    for (const instruction of driver.sent.splice(0)) {
      if (instruction.type !== "send-worker" || instruction.message.op !== "steal-request") continue;
      driver.say(instruction.worker, {
        op: "steal-response",
        key: instruction.message.key,
        state: "executing",
        stimulusId: "no",
      });
    }
  }
  expect(driver.views.stateOf(graph.key(wanted[0] as number))).toBe("memory");
  // 46 inputs over three workers: only where subtrees of different workers meet; without groups it is 13.
  expect(moved).toBeLessThanOrEqual(8);
});

test("S-C11: a worker that is paused or leaves gets nothing more; one that is idle gets what waits at a busy one", () => {
  const driver = new Driver();
  driver.worker("w");
  driver.submit(
    ["a", "b"].map((name, rank) => task(name, [], { rank })),
    ["a", "b"],
  );
  expect(ordered(driver)).toEqual(["a", "b"]);
  driver.worker("v");
  const asked = () =>
    driver.sent.flatMap((i) =>
      i.type === "send-worker" && i.message.op === "steal-request" ? [[i.worker, i.message.key]] : [],
    );
  expect(asked()).toEqual([["w", "b"]]);
  // Refused, the other one is asked for, and then nobody any more.
  driver.say("w", { op: "steal-response", key: k("b"), state: "executing", stimulusId: "no" });
  expect(asked()).toEqual([
    ["w", "b"],
    ["w", "a"],
  ]);
  driver.say("w", { op: "steal-response", key: k("a"), state: "ready", stimulusId: "yes" });
  expect([driver.order("a").worker, driver.order("b").worker, asked().length, driver.views.counts().stolen]).toEqual([
    "v",
    "w",
    2,
    1,
  ]);
  driver.finish("a");
  driver.finish("b");
  driver.say("w", { op: "worker-status-change", status: "paused", stimulusId: "full" });
  driver.submit(
    ["c", "d", "e"].map((name, rank) => task(name, [], { rank })),
    ["c", "d", "e"],
  );
  expect([driver.views.processing(["w"]).get("w"), driver.state("e")]).toEqual([[], "queued"]);
  driver.say("w", { op: "worker-status-change", status: "running", stimulusId: "room" });
  expect(driver.views.processing(["w"]).get("w")).toEqual(["e"]);
});

test("S-C12: a silent worker is dropped after its time", () => {
  const driver = new Driver({ workerTtlMs: 1000 });
  driver.worker("w");
  driver.submit([task("a")], ["a"]);
  expect(driver.sent).toContainEqual({ type: "wake-at", at: 1000 });
  driver.now = 900;
  driver.feed({ type: "worker-heartbeat", worker: "w", memoryBytes: 1 });
  driver.now = 1000;
  driver.feed({ type: "tick" });
  expect(driver.state("a")).toBe("processing");
  driver.now = 1900;
  expect(driver.feed({ type: "tick" })[0]).toMatchObject({ type: "drop-worker", worker: "w" });
  expect(driver.state("a")).toBe("no-worker");
});

test("S-C13: the shorter the tasks of a worker, the more it is sent ahead", () => {
  const sentAhead = (ms: number) => {
    const driver = new Driver();
    driver.worker("w", { nthreads: 2 });
    const names = Array.from({ length: 600 }, (_, i) => `t${i}`);
    driver.submit(
      names.map((name, rank) => task(name, [], { rank })),
      names,
    );
    expect(driver.views.processing(["w"]).get("w")).toHaveLength(3);
    const { worker, message } = driver.order("t0");
    driver.say(worker, { ...finished(message, 8), startstops: [{ action: "compute", start: 1, stop: 1 + ms / 1000 }] });
    return (driver.views.processing(["w"]).get("w")?.length ?? 0) - 2;
  };
  expect([100, 5, 1, 0.001].map(sentAhead)).toEqual([1, 2, 10, 512]);
});

test("S-C13: tasks so short that asking for one takes longer are not asked back", () => {
  const isAskedBack = (ms: number, count: number) => {
    const driver = new Driver();
    driver.worker("w");
    const names = Array.from({ length: count }, (_, i) => `t${i}`);
    driver.submit(
      names.map((name, rank) => task(name, [], { rank })),
      names,
    );
    const { worker, message } = driver.order("t0");
    driver.say(worker, { ...finished(message, 8), startstops: [{ action: "compute", start: 1, stop: 1 + ms / 1000 }] });
    expect(driver.views.processing(["w"]).get("w")).toHaveLength(count - 1);
    driver.worker("v");
    return driver.sent.some((i) => i.type === "send-worker" && i.message.op === "steal-request");
  };
  // Three milliseconds of work wait each time.
  expect([isAskedBack(0.5, 8), isAskedBack(0.05, 62)]).toEqual([true, false]);
});

test("S-C13: what stands behind a task that does not end is asked back, however short tasks were until then", () => {
  const driver = new Driver();
  driver.worker("w");
  const names = Array.from({ length: 62 }, (_, i) => `t${i}`);
  driver.submit(
    names.map((name, rank) => task(name, [], { rank })),
    names,
  );
  const { worker, message } = driver.order("t0");
  driver.say(worker, { ...finished(message, 8), startstops: [{ action: "compute", start: 1, stop: 1.00005 }] });
  driver.worker("v");
  const asked = () => driver.sent.filter((i) => i.type === "send-worker" && i.message.op === "steal-request").length;
  const beat = (now: number) => {
    driver.now = now;
    driver.feed({ type: "worker-heartbeat", worker: "w", memoryBytes: 0 });
  };
  beat(500);
  expect(asked()).toBe(0);
  beat(1000);
  expect(asked()).toBe(1);
});

test("a client that leaves takes its interest along; a restart takes everybody's", () => {
  const driver = new Driver();
  driver.worker("w");
  driver.submit([task("a")], ["a"]);
  driver.feed({ type: "client-left", client: "alice" });
  expect(driver.views.isEmpty()).toBe(true);
  driver.submit([task("a"), task("b", ["a"])], ["b"]);
  driver.feed({ type: "restart" });
  expect(driver.views.isEmpty()).toBe(true);
  expect(driver.toClients.at(-1)).toEqual({ client: "alice", message: { op: "restart" } });
});

test("a dependency that nobody knows makes its task fail and say so; report-key of an unknown key is cancelled", () => {
  const driver = new Driver();
  driver.worker("w");
  driver.submit([task("a", ["nowhere"])], ["a"]);
  const last = driver.toClients.at(-1)?.message;
  expect(last?.op === "task-erred" && deserialize(last.exception)).toMatch(/data nowhere was lost/);
  driver.feed({ type: "report-key", client: "alice", key: k("who") });
  expect(driver.toClients.at(-1)?.message).toMatchObject({ op: "cancelled-keys", keys: ["who"] });
});

test("S-C20: copies that a worker fetched are known; unknown ones are to be dropped; questions for holders are answered", () => {
  const driver = new Driver();
  driver.worker("v");
  driver.worker("w");
  driver.submit([task("a", [], { workers: ["v"] })], ["a"]);
  driver.finish("a");
  driver.say(
    "w",
    { op: "add-keys", keys: [k("a"), k("other")], stimulusId: "x" },
    { op: "request-refresh-who-has", keys: [k("a"), k("other")], stimulusId: "x" },
  );
  expect(driver.views.whoHas([k("a")])).toEqual(new Map([["a", ["v", "w"]]]));
  // What nobody knows is not to be looked for: distributed 2026.8, `Scheduler.handle_request_refresh_who_has`.
  expect(driver.sent.slice(-3)).toMatchObject([
    { worker: "w", message: { op: "remove-replicas", keys: ["other"] } },
    { worker: "w", message: { op: "refresh-who-has", whoHas: new Map([["a", ["v", "w"]]]) } },
    { worker: "w", message: { op: "free-keys", keys: ["other"] } },
  ]);
  driver.leave("v");
  expect([driver.state("a"), driver.views.counts().recomputed]).toEqual(["memory", 0]);
});

test("a task that gave its thread back makes room for another", () => {
  const driver = new Driver();
  driver.worker("w");
  driver.submit(
    ["a", "b", "c"].map((name, rank) => task(name, [], { rank })),
    ["a", "b", "c"],
  );
  expect(driver.state("c")).toBe("queued");
  driver.say("w", {
    op: "long-running",
    key: k("a"),
    runId: driver.order("a").message.runId,
    computeDuration: 1,
    stimulusId: "s",
  });
  expect(driver.state("c")).toBe("processing");
  driver.finish("a");
  expect(driver.state("a")).toBe("memory");
});

test("a worker that nobody can take data from stays; tasks with known bytes respect the budget", () => {
  const driver = new Driver();
  driver.worker("w", { budgetBytes: 100, nthreads: 4 });
  driver.submit(
    ["a", "b", "c"].map((name, rank) => task(name, [], { rank, needBytes: 60 })),
    ["a", "b", "c"],
  );
  expect(["a", "b", "c"].map((name) => driver.state(name))).toEqual(["processing", "queued", "queued"]);
  driver.finish("a", 10);
  expect(driver.state("b")).toBe("processing");
  driver.finish("b", 10);
  driver.finish("c", 10);
  const answers = driver.feed({ type: "retire-workers", request: 7, workers: ["w"], close: true });
  expect(answers.at(-1)).toEqual({ type: "retired", request: 7, workers: [] });
  expect(driver.views.worker("w")?.status).toBe("running");
  driver.release("a", "b", "c");
  expect(driver.feed({ type: "retire-workers", request: 8, workers: ["w"], close: true }).at(-1)).toEqual({
    type: "retired",
    request: 8,
    workers: ["w"],
  });
});

test("S-C17: a block that its holder does not give, though it is connected, is computed again after a while", () => {
  const driver = new Driver();
  driver.worker("liar");
  driver.worker("w");
  driver.submit([task("a", [], { workers: ["liar"], allowOtherWorkers: true })], ["a"]);
  driver.finish("a");
  driver.submit([task("b", ["a"], { workers: ["w"] })], ["b"]);
  const ask = (now: number) => {
    driver.now = now;
    driver.say("w", { op: "request-refresh-who-has", keys: [k("a")], stimulusId: "s" });
    return driver.state("a");
  };
  // Pauses begin anew: each time another transfer may have failed.
  expect([0, 1000, 9000, 10_000, 11_000].map(ask)).toEqual(Array(5).fill("memory"));
  for (let now = 12_000; now < 19_000; now += 1000) expect(ask(now)).toBe("memory");
  expect(ask(19_000)).not.toBe("memory");
  expect(driver.views.counts().recomputed).toBe(1);
  expect(driver.sent).toContainEqual({
    type: "send-worker",
    worker: "liar",
    message: { op: "free-keys", keys: [k("a")], stimulusId: "worker-messages" },
  });
});
