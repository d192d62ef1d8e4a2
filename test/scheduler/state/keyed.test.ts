/** S-C15: layers of calls. */
import { describe, expect, test } from "vitest";
import {
  type Call,
  CallsBuilder,
  chunksOfCalls,
  decodeGraph,
  encodeGraph,
  Graph,
  KeyColumn,
  type Layer,
} from "../../../src/graph/index.ts";
import { ANYWHERE, type SchedulerInstruction, type TaskRun } from "../../../src/scheduler/state/index.ts";
import { Driver, k, task } from "./drive.ts";
import { submit as submitAll } from "./layers.ts";

let layers = 0;

/** Calls by name, each over names: of others of them, or of what is known elsewhere. */
function callsOf(calls: readonly (readonly [name: string, inputs: readonly string[]])[]): Graph {
  const names = calls.map(([name]) => name);
  const known = Array.from(new Set(calls.flatMap(([, inputs]) => inputs.filter((input) => !names.includes(input)))));
  const idOf = (name: string): number =>
    known.includes(name) ? known.indexOf(name) : known.length + names.indexOf(name);
  const builder = new CallsBuilder();
  for (const [name, inputs] of calls) {
    const call: Call = { key: k(name), text: "(...xs) => xs", args: null, inputs: inputs.map(idOf) };
    builder.add(call);
  }
  const n = ++layers;
  const held: Layer = {
    kind: "held",
    name: `known-${n}`,
    dtype: "float64",
    chunks: chunksOfCalls(known.length),
    keys: KeyColumn.of(known.map(k)),
    inline: false,
  };
  return new Graph([held, { ...builder.build(`calls-${n}`, null), inline: false }], [1]);
}

function submit(driver: Driver, graph: Graph, wanted: readonly string[]): SchedulerInstruction[] {
  const ids = Array.from({ length: graph.taskCount }, (_, id) => id);
  return driver.feed({
    type: "submit-layers",
    client: "alice",
    graph,
    wanted: ids.filter((id) => id >= graph.base(1) && wanted.some((name) => k(name) === graph.key(id))),
    leastBytes: 0,
    placement: ANYWHERE,
    retries: 0,
    priority: 0,
  });
}

function runsOf(instructions: readonly SchedulerInstruction[]): { readonly worker: string; readonly run: TaskRun }[] {
  return instructions.flatMap((each) => (each.type === "run-tasks" ? [each] : []));
}

function finish(
  driver: Driver,
  { worker, run }: { readonly worker: string; readonly run: TaskRun },
  nbytes = 8,
): SchedulerInstruction[] {
  return driver.feed({
    type: "tasks-finished",
    worker,
    submission: run.submission,
    tasks: run.tasks,
    runIds: run.runIds,
    nbytes: new Float64Array(run.tasks.length).fill(nbytes),
    seconds: new Float32Array(run.tasks.length),
  });
}

/** Run all there is to run. */
function finishAll(driver: Driver, first: readonly SchedulerInstruction[]): string[] {
  const ran: string[] = [];
  let next = runsOf(first);
  while (next.length > 0) {
    const instructions: SchedulerInstruction[] = [];
    for (const each of next) {
      ran.push(...Array.from(each.run.tasks, (id) => String(each.run.graph.key(id))));
      instructions.push(...finish(driver, each));
    }
    next = runsOf(instructions);
  }
  return ran;
}

function started(options: { readonly sendAhead?: number } = {}): Driver {
  const driver = new Driver({ sendAhead: 4, ...options });
  driver.worker("w", { nthreads: 1, isColumnar: true });
  driver.client();
  return driver;
}

describe("S-C15 calls", () => {
  test("run in columns, are told by their keys, and leave nothing behind (S-I15)", () => {
    const driver = started();
    const first = submit(
      driver,
      callsOf([
        ["a", []],
        ["b", ["a"]],
        ["c", ["a", "b"]],
      ]),
      ["a", "b", "c"],
    );
    expect(finishAll(driver, first)).toEqual(["a", "b", "c"]);
    expect(driver.toClients.map(({ message }) => message)).toEqual(
      ["a", "b", "c"].map((name) => ({ op: "key-in-memory", key: k(name), workers: ["w"] })),
    );
    driver.feed({ type: "client-releases-keys", client: "alice", keys: ["a", "b", "c"].map(k) });
    expect(driver.core.keys.size + driver.core.callKeys.size).toBe(0);
    expect(driver.views.isEmpty()).toBe(true);
  });

  test("of none take no number of others (S-I15)", () => {
    const driver = started();
    const [first, none, next] = [new CallsBuilder(), new CallsBuilder(), new CallsBuilder()];
    first.add({ key: k("x"), text: "() => 1", args: null, inputs: [] });
    next.add({ key: k("y"), text: "() => 1", args: null, inputs: [] });
    const graphs = [
      new Graph(
        [first, none].map((builder, i) => ({ ...builder.build(`none-${i}`, null), inline: false })),
        [0],
      ),
      new Graph([{ ...next.build("next", null), inline: false }], [0]),
    ];
    for (const graph of graphs) submitAll(driver, decodeGraph(encodeGraph(graph)), [0]);
    driver.feed({ type: "client-releases-keys", client: "alice", keys: [k("x")] });
    expect(Array.from(driver.core.callKeys.all(), ({ key }) => key)).toEqual([k("y")]);
  });

  test("S-C19 are come to as places appear, until somebody reads one of them", () => {
    const driver = started();
    const names = Array.from({ length: 300 }, (_, i) => `c${i}`);
    const graph = callsOf([...names.map((name) => [name, []] as const), ["last", names]]);
    const first = submit(driver, graph, ["last"]);
    const [batch] = driver.core.batches;
    expect(batch?.walk.isDone).toBe(false);
    expect(driver.core.find(k("c299"))).toBeUndefined();
    expect([driver.state("c299"), driver.state("last")]).toEqual(["released", "released"]);
    const second = submit(driver, callsOf([["reader", ["c299"]]]), ["reader"]);
    expect(batch?.walk.isDone).toBe(true);
    const ran = [...finishAll(driver, first), ...finishAll(driver, second)];
    expect(ran.length).toBe(302);
    expect([driver.state("last"), driver.state("reader")]).toEqual(["memory", "memory"]);
    driver.feed({ type: "client-releases-keys", client: "alice", keys: ["last", "reader"].map(k) });
    expect(driver.views.isEmpty()).toBe(true);
  });

  test("S-C25 are told in columns to a client that takes them, with their scalars", () => {
    const driver = started();
    driver.feed({ type: "client-joined", client: "alice", isColumnar: true });
    const [{ run, worker } = { run: null, worker: "" }] = runsOf(
      submit(
        driver,
        callsOf([
          ["a", []],
          ["b", []],
          ["c", []],
        ]),
        ["a", "c"],
      ),
    );
    driver.feed({
      type: "tasks-finished",
      worker,
      submission: run?.submission as number,
      tasks: run?.tasks as Uint32Array,
      runIds: run?.runIds as Uint32Array,
      nbytes: new Float64Array(2),
      seconds: new Float32Array(2),
      kinds: Uint8Array.of(1, 0),
      scalars: Float64Array.of(42, 0),
    });
    const told = driver.toClients.map(({ message }) => message);
    expect(told.map((message) => message.op === "keys-in-memory" && message.keys.toArray())).toEqual([
      [k("a"), k("c")],
    ]);
    expect(told).toMatchObject([
      {
        op: "keys-in-memory",
        kinds: Uint8Array.of(1, 0),
        scalars: Float64Array.of(42, 0),
        worker: "w",
      },
    ]);
    // Keys that end in digits, whatever way they came, and one that nobody has.
    const hash = (digit: string): string => `f-${digit.repeat(32)}`;
    driver.feed({ type: "submit-tasks", client: "alice", tasks: [task(hash("1"))], wanted: [k(hash("1"))] });
    submit(driver, callsOf([[hash("2"), []]]), [hash("2")]);
    const keys = KeyColumn.of([k(hash("1")), k(hash("3")), k(hash("2"))]);
    driver.feed({ type: "client-releases-column", client: "alice", keys: KeyColumn.of([k("a"), k("c")]) });
    expect(driver.core.callKeys.size).toBe(1);
    driver.feed({ type: "client-releases-column", client: "alice", keys });
    expect(driver.views.isEmpty()).toBe(true);
    expect(driver.core.keys.size + driver.core.callKeys.size).toBe(0);
  });

  test("over calls of earlier graphs and over materialised tasks; what is known is not computed again", () => {
    const driver = started();
    driver.feed({ type: "submit-tasks", client: "alice", tasks: [task("m")], wanted: [k("m")] });
    driver.finish("m");
    finishAll(driver, submit(driver, callsOf([["a", []]]), ["a"]));
    const second = submit(
      driver,
      callsOf([
        ["a", []],
        ["b", ["a", "m"]],
        ["m", []],
      ]),
      ["a", "b", "m"],
    );
    expect(finishAll(driver, second)).toEqual(["b"]);
    driver.feed({ type: "client-releases-keys", client: "alice", keys: ["a", "m"].map(k) });
    expect(driver.core.numberOf(k("b"))).toBeDefined();
    driver.feed({ type: "client-releases-keys", client: "alice", keys: [k("b")] });
    expect(driver.core.keys.size + driver.core.callKeys.size).toBe(0);
    expect(driver.views.isEmpty()).toBe(true);
  });

  test("what they read by key stays with who wants it when they are gone, and goes when nobody does", () => {
    const driver = started();
    driver.feed({ type: "submit-tasks", client: "alice", tasks: [task("m")], wanted: [k("m")] });
    driver.finish("m");
    finishAll(driver, submit(driver, callsOf([["a", ["m"]]]), ["a"]));
    driver.feed({ type: "client-releases-keys", client: "alice", keys: [k("a")] });
    expect(driver.views.stateOf(k("m"))).toBe("memory");
    finishAll(driver, submit(driver, callsOf([["b", ["m"]]]), ["b"]));
    driver.feed({ type: "client-releases-keys", client: "alice", keys: [k("m")] });
    expect(driver.views.stateOf(k("m"))).toBe("released");
    driver.feed({ type: "client-releases-keys", client: "alice", keys: [k("b")] });
    expect(driver.views.isEmpty()).toBe(true);
  });

  test("scalars are told to who waits for them, with the news; later askers ask for them", () => {
    const driver = started();
    const [first] = runsOf(
      submit(
        driver,
        callsOf([
          ["a", []],
          ["b", []],
          ["c", []],
          ["d", []],
        ]),
        ["a", "b", "c", "d"],
      ),
    );
    if (!first) throw new Error("not sent");
    const { tasks, runIds, submission } = first.run;
    const scalars = { kinds: Uint8Array.of(1, 2, 3, 0), scalars: Float64Array.of(1.5, 1, 0, 7) };
    const figures = { nbytes: new Float64Array(4), seconds: new Float32Array(4) };
    driver.feed({ type: "tasks-finished", worker: "w", submission, tasks, runIds, ...figures, ...scalars });
    const told = driver.toClients.map(({ message }) => ("scalar" in message ? message.scalar : null));
    expect(told).toEqual([[1.5], [true], [null], null]);
    driver.feed({ type: "report-key", client: "alice", key: k("a") });
    expect(driver.toClients.at(-1)?.message).toEqual({ op: "key-in-memory", key: k("a"), workers: ["w"] });
  });

  test("an input elsewhere is named with its bytes", () => {
    const driver = started();
    finishBig(driver);
    driver.worker("v", { nthreads: 1, isColumnar: true });
    driver.feed({
      type: "worker-messages",
      worker: "w",
      messages: [{ op: "worker-status-change", status: "paused", stimulusId: "p" }],
    });
    const [there] = runsOf(submit(driver, callsOf([["b", ["a"]]]), ["b"]));
    expect(there?.worker).toBe("v");
    expect(Array.from(there?.run.fetchBytes ?? [])).toEqual([5e8]);
    expect(there?.run.addresses).toEqual(["w"]);
  });

  test("data that nobody has fails what reads it", () => {
    const driver = started();
    submit(driver, callsOf([["b", ["gone"]]]), ["b"]);
    expect(driver.toClients.map(({ message }) => message)).toMatchObject([{ op: "task-erred", key: k("b") }]);
    driver.feed({ type: "client-releases-keys", client: "alice", keys: [k("b")] });
    expect(driver.core.keys.size + driver.core.callKeys.size).toBe(0);
  });

  test("wait for a worker that takes columns", () => {
    const driver = new Driver();
    driver.worker("plain", { nthreads: 1 });
    driver.client();
    expect(runsOf(submit(driver, callsOf([["a", []]]), ["a"]))).toEqual([]);
    expect(driver.orders).toEqual([]);
    driver.worker("w", { nthreads: 1, isColumnar: true });
    expect(runsOf(driver.sent).map(({ worker }) => worker)).toEqual(["w"]);
  });

  test("bytes are counted as they are reported, also in the finished prefix", () => {
    const driver = started();
    finishBig(driver);
    submit(
      driver,
      callsOf([
        ["b", ["a"]],
        ["c", ["b"]],
      ]),
      ["b", "c"],
    );
    expect(driver.core.workerAt.get("w")?.extraBytes).toBeGreaterThanOrEqual(5e8);
  });
});

/** One result of 500 MB at `w`. */
function finishBig(driver: Driver): void {
  const [big] = runsOf(submit(driver, callsOf([["a", []]]), ["a"]));
  if (!big) throw new Error("not sent");
  finish(driver, big, 5e8);
}

test("S-I15: slots of a graph that goes with the last that kept its tasks are given back once", () => {
  const driver = started();
  finishAll(driver, submit(driver, callsOf([["x", []]]), ["x"]));
  // A single task over a call, and a call over that: when the second graph goes, the single task does, and then the first.
  driver.submit([task("s", ["x"])], ["s"]);
  driver.answer(driver.order("s"), 8);
  finishAll(driver, submit(driver, callsOf([["y", ["s"]]]), ["y"]));
  driver.feed({ type: "client-releases-keys", client: "alice", keys: ["x", "s"].map(k) });
  driver.feed({ type: "client-releases-keys", client: "alice", keys: [k("y")] });
  expect(driver.views.isEmpty()).toBe(true);
  // A page that was given back twice would now be given to both.
  const first = submit(driver, callsOf([["p", []]]), ["p"]);
  expect(finishAll(driver, [...first, ...submit(driver, callsOf([["q", []]]), ["q"])])).toEqual(["p", "q"]);
  expect(Array.from(driver.views.whoHas(null).keys())).toEqual(["p", "q"]);
});

test("a graph whose order has come to all of its tasks, and was not asked for more, goes with its last task", () => {
  const driver = new Driver({ orderAhead: 1 }); // nobody runs anything
  driver.client();
  submit(driver, callsOf([["f", []]]), ["f"]);
  driver.feed({ type: "client-releases-keys", client: "alice", keys: [k("f")] });
  expect(driver.views.isEmpty()).toBe(true);
});
