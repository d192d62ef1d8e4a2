/** S-C14: tasks of symbolic graphs go to columnar workers in columns, and come back in columns. */
import { expect, test } from "vitest";
import { blockwiseNode, type Graph, type Key, reduceNode, sourceNode } from "../../../src/graph/index.ts";
import { checkCore } from "../../../src/scheduler/state/check.ts";
import { ANYWHERE, type SchedulerInstruction, type TaskRun } from "../../../src/scheduler/state/index.ts";
import { graphOf, sumCall } from "../../sim/random-graph.ts";
import { Driver, task } from "./drive.ts";

/** `blocks` sources, copied, and one sum over all. */
function sumGraph(blocks: number, label = "s"): Graph {
  const chunks = [new Array<number>(blocks).fill(2)];
  const source = sourceNode({ source: label, dtype: "float32", chunks, scratchBytes: 0 });
  const copy = blockwiseNode("copy", sumCall(1), [{ layer: source, axes: [0] }], chunks);
  const spec = { op: "sum", from: "float32", dtype: "float32", ddof: 0, minCount: 0, empty: null } as const;
  return graphOf([
    reduceNode("sum", sumCall(1), spec, [{ layer: copy, axes: [0] }], chunks, {
      reduced: [0],
      keepdims: false,
      splitEvery: blocks,
    }),
  ]);
}

function submit(driver: Driver, graph: Graph, resources: ReadonlyMap<string, number> | null = null): void {
  driver.client();
  driver.feed({
    type: "submit-layers",
    client: "alice",
    graph,
    wanted: graph.wanted().flat(),
    leastBytes: 0,
    placement: { ...ANYWHERE, resources },
    retries: 0,
    priority: 3,
  });
}

function runs(instructions: readonly SchedulerInstruction[]): { readonly worker: string; readonly run: TaskRun }[] {
  return instructions.flatMap((each) => (each.type === "run-tasks" ? [each] : []));
}

function release(driver: Driver, graph: Graph): SchedulerInstruction[] {
  const keys = graph.wanted().flatMap((tasks) => tasks.map((task) => graph.key(task)));
  return driver.feed({ type: "client-releases-keys", client: "alice", keys });
}

test("S-C14: one run per round with attempts, ranks and priority; results of the round come back together", () => {
  const driver = new Driver({ sendAhead: 3 });
  driver.worker("w", { nthreads: 1, isColumnar: true });
  const graph = sumGraph(4);
  submit(driver, graph);
  const [first, ...rest] = runs(driver.sent);
  expect(rest).toEqual([]);
  expect(first).toMatchObject({
    worker: "w",
    run: { submission: 1, priority: 3, generation: 1, addresses: [], tasks: Uint32Array.of(0, 1, 2, 3) },
  });
  expect(first?.run.fetchStart).toEqual(new Uint32Array(5));
  expect(Array.from(first?.run.ranks ?? [])).toEqual(Array.from(first?.run.ranks ?? []).sort((a, b) => a - b));
  const answer = driver.feed({
    type: "tasks-finished",
    worker: "w",
    submission: 1,
    tasks: first?.run.tasks as Uint32Array,
    runIds: first?.run.runIds as Uint32Array,
    nbytes: Float64Array.of(8, 8, 8, 8),
    seconds: Float32Array.of(1, 1, 1, 1),
  });
  expect(runs(answer).map(({ run }) => Array.from(run.tasks))).toEqual([[4, 5, 6, 7]]);
  expect(driver.views.worker("w")).toMatchObject({ inMemory: 4, processing: 4, heldBytes: 32 });
});

test("S-C14: an input that is elsewhere is named with its first holder, one that is there is not", () => {
  const driver = new Driver();
  driver.worker("u", { isColumnar: true });
  driver.worker("v", { isColumnar: true });
  const graph = sumGraph(6);
  submit(driver, graph);
  while (driver.orders.length > 0) for (const order of driver.orders.splice(0)) driver.answer(order, 8);
  const sent = runs(driver.sent).flatMap(({ worker, run }) =>
    Array.from(run.tasks, (task, k) => ({
      worker,
      task,
      fetches: Array.from(run.fetchTasks.subarray(run.fetchStart[k], run.fetchStart[k + 1]), (input, i) => [
        input,
        run.addresses[run.fetchFrom[(run.fetchStart[k] as number) + i] as number],
      ]),
    })),
  );
  const ranOn = new Map(sent.map(({ worker, task }) => [task, worker]));
  for (const { worker, task, fetches } of sent) {
    const missing = graph.expand(task).dependencies.filter((input) => ranOn.get(input) !== worker);
    expect(fetches).toEqual(missing.map((input) => [input, ranOn.get(input)]));
  }
  expect(ranOn.size).toBe(graph.taskCount);
  expect(sent.some(({ fetches }) => fetches.length > 0)).toBe(true);
});

test("S-C14: results are dropped by number, and the end of a submission is told once to all", () => {
  const driver = new Driver({ sendAhead: 10 });
  driver.worker("w", { isColumnar: true });
  const graph = sumGraph(2);
  submit(driver, graph);
  while (driver.orders.length > 0) for (const order of driver.orders.splice(0)) driver.answer(order, 8);
  const sent = release(driver, graph);
  const freed = [...driver.sent].flatMap((each) => (each.type === "free-tasks" ? Array.from(each.tasks) : []));
  expect(freed.toSorted((a, b) => a - b)).toEqual(Array.from({ length: graph.taskCount }, (_, task) => task));
  expect(sent.at(-1)).toEqual({ type: "forget-submission", submission: 1 });
  expect(driver.sent.some((each) => each.type === "send-worker" && each.message.op === "free-keys")).toBe(false);
  expect(driver.views.isEmpty()).toBe(true);
});

test("S-C14: demands on resources, and workers that speak no columns, get one message per task", () => {
  const driver = new Driver();
  driver.worker("w", { isColumnar: true, resources: { GPU: 2 } });
  driver.worker("x");
  submit(driver, sumGraph(4, "a"), new Map([["GPU", 1]]));
  submit(driver, sumGraph(4, "b"));
  expect(driver.orders.map(({ worker, column }) => [worker, column !== undefined])).toContainEqual(["w", false]);
  expect(driver.orders.some(({ worker, column }) => worker === "x" && column)).toBe(false);
});

test("S-C14: answers that are late, unknown or of unequal length change nothing; a late result is dropped", () => {
  const driver = new Driver();
  driver.worker("w", { isColumnar: true });
  driver.worker("x", { isColumnar: true });
  const graph = sumGraph(1);
  submit(driver, graph);
  const order = driver.orders[0];
  if (!order?.column) throw new Error("an order in a column");
  const said = (worker: string, submission: number, tasks: number[], runIds: number[]) =>
    driver.feed({
      type: "tasks-finished",
      worker,
      submission,
      tasks: Uint32Array.from(tasks),
      runIds: Uint32Array.from(runIds),
      nbytes: new Float64Array(tasks.length).fill(Number.NaN),
      seconds: new Float32Array(tasks.length),
    });
  const { runId } = order.message;
  expect(said(order.worker, 7, [0], [runId])).toEqual([]);
  expect(said(order.worker, 1, [2 ** 31], [runId])).toEqual([]);
  expect(said(order.worker, 1, [0], [])).toEqual([]);
  expect(said("nobody", 1, [0], [runId])).toEqual([]);
  expect(said(order.worker, 1, [0], [runId + 1])).toEqual([]);
  const other = order.worker === "w" ? "x" : "w";
  expect(said(other, 1, [0], [runId])).toMatchObject([{ type: "free-tasks", worker: other, submission: 1 }]);
  expect(said(order.worker, 1, [0], [runId])).toMatchObject([{ type: "run-tasks" }]);
});

/** `blocks` sources and their copies, all copies wanted. */
function copies(blocks: number): Graph {
  const chunks = [new Array<number>(blocks).fill(2)];
  const source = sourceNode({ source: "s", dtype: "float32", chunks, scratchBytes: 0 });
  return graphOf([blockwiseNode("copy", sumCall(1), [{ layer: source, axes: [0] }], chunks)]);
}

function finishRun(driver: Driver, worker: string, run: TaskRun): SchedulerInstruction[] {
  return driver.feed({
    type: "tasks-finished",
    worker,
    submission: run.submission,
    tasks: run.tasks,
    runIds: run.runIds,
    nbytes: new Float64Array(run.tasks.length).fill(8),
    seconds: new Float32Array(run.tasks.length).fill(1),
  });
}

function told(instructions: readonly SchedulerInstruction[], client: string): unknown[] {
  return instructions.flatMap((each) => (each.type === "send-client" && each.client === client ? [each.message] : []));
}

test("S-C25: who takes columns is told of blocks by number, others by key", () => {
  const driver = new Driver({ sendAhead: 8 });
  driver.worker("w", { isColumnar: true });
  driver.feed({ type: "client-joined", client: "alice", isColumnar: true });
  const graph = copies(3);
  submit(driver, graph);
  const [wanted] = graph.outputs;
  const layer = graph.layer(wanted as number);
  const keys = graph.wanted().flatMap((tasks) => tasks.map((task) => graph.key(task)));
  driver.feed({ type: "client-joined", client: "bob" });
  driver.feed({ type: "client-desires-keys", client: "bob", keys });
  const [sources] = runs(driver.sent);
  expect(told(driver.sent, "alice")).toEqual([]);
  const [second] = runs(finishRun(driver, "w", sources?.run as TaskRun));
  const answer = finishRun(driver, "w", second?.run as TaskRun);
  expect(told(answer, "alice")).toEqual([
    { op: "tasks-in-memory", layer: layer.name, grid: [3], blocks: Uint32Array.of(0, 1, 2), worker: "w" },
  ]);
  expect(told(answer, "bob")).toEqual(keys.map((key) => ({ op: "key-in-memory", key, workers: ["w"] })));
  // What was lost is told by key.
  driver.worker("v", { isColumnar: true });
  const lost = told(driver.feed({ type: "worker-left", worker: "w", isExpected: false }), "alice");
  expect(new Set(lost)).toEqual(new Set(keys.map((key) => ({ op: "lost-data", key }))));
});

test("S-C25: blocks of a layer are given up by number, also where its tasks were taken one by one", () => {
  const graph = copies(3);
  const [wanted] = graph.outputs;
  const { name } = graph.layer(wanted as number);
  const giveUp = (driver: Driver, grid: readonly number[], ...blocks: number[]): void =>
    void driver.feed({
      type: "client-releases-blocks",
      client: "alice",
      layer: name,
      grid,
      blocks: Uint32Array.from(blocks),
    });
  const keys = graph.wanted().flatMap((tasks) => tasks.map((task) => graph.key(task)));
  const states = (driver: Driver): string[] => keys.map((key) => driver.views.stateOf(key));
  for (const isSingle of [false, true]) {
    const driver = new Driver({ sendAhead: 8 });
    driver.worker("w", { isColumnar: true });
    driver.client();
    // A task that stands by itself makes the graph one of single tasks.
    if (isSingle) driver.submit([task(keys[1] as Key)], [keys[1] as Key]);
    submit(driver, graph);
    while (driver.orders.length > 0) for (const order of driver.orders.splice(0)) driver.answer(order, 8);
    expect(driver.core.layerNames.get(name) === undefined).toBe(isSingle);
    giveUp(driver, [3, 1], 0); // no key of the layer
    giveUp(driver, [3], 1);
    expect(states(driver)).toEqual(["memory", "forgotten", "memory"]);
    giveUp(driver, [3], 0, 2, 1);
    expect(driver.views.isEmpty()).toBe(true);
    giveUp(driver, [3], 0); // nothing is left of it
  }
});

test("S-I18: news that was left is found", () => {
  const driver = new Driver({ sendAhead: 8 });
  driver.worker("w", { isColumnar: true });
  const graph = copies(1);
  submit(driver, graph);
  const slot = driver.core.find(graph.key(0)) as number;
  const [batch, worker] = [driver.core.batchOf(slot), driver.core.workerAt.get("w")];
  if (!batch || !worker) throw new Error("the graph and its worker are known");
  driver.core.tellInColumns("alice", { batch, worker }, slot);
  expect(() => checkCore(driver.core)).toThrow("S-I18");
});

test("S-C25: a worker that takes no columns may have told the class of a result, so its results are told by key", () => {
  const driver = new Driver({ sendAhead: 8 });
  driver.worker("w");
  driver.feed({ type: "client-joined", client: "alice", isColumnar: true });
  submit(driver, copies(2));
  while (driver.orders.length > 0) for (const order of driver.orders.splice(0)) driver.answer(order, 8);
  const ops = told(driver.sent, "alice").map((message) => (message as { readonly op: string }).op);
  expect(ops).toEqual(["key-in-memory", "key-in-memory"]);
});
