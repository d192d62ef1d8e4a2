/** Tasks of graphs, ordered and freed in columns: W-C5 … W-C8 of docs/spec/worker.md. */
import { describe, expect, test } from "vitest";
import { blockKey, CallsBuilder, Graph, keyOfValue, scalarIn } from "../../../src/graph/index.ts";
import { A, Driver, k, order, value } from "./drive.ts";
import { callPairs, pairs, run } from "./graphs.ts";

const N = 6;
const GRAPH = pairs(N);
const WITH_GRAPH = { op: "graph", submission: 1, graph: GRAPH } as const;
const keyA = (i: number) => blockKey("p-a", [i]);
const keyB = (i: number) => blockKey("p-b", [i]);
const tasksOf = (d: Driver): number[] => Array.from(d.blocks.values(), ({ task }) => task);

describe("W-C5 columns say what single messages say", () => {
  test("tasks run in rank order and are reported in columns, with their run ids", () => {
    const d = new Driver({ nthreads: 2 });
    d.scheduler(WITH_GRAPH, run([3, 1, 2], { ranks: [2, 1, 0] }));
    expect(tasksOf(d)).toEqual([2, 1]);
    d.succeedBlocks(undefined, 40);
    expect(tasksOf(d)).toEqual([3]);
    expect(d.finished).toEqual([
      {
        op: "tasks-finished",
        submission: 1,
        tasks: Uint32Array.of(2, 1),
        runIds: Uint32Array.of(102, 101),
        nbytes: Float64Array.of(40, 40),
        seconds: Float32Array.of(0.001, 0.001),
      },
    ]);
    expect(d.machine.counts().managedBytes).toBe(80);
    expect(d.sent).toEqual([]);
  });

  test("a task waits for its input, made here or fetched from its holder", () => {
    const d = new Driver({ nthreads: 4 });
    d.scheduler(WITH_GRAPH, run([0, N, N + 1], { fetch: { 2: [[1, A]] } }));
    expect(tasksOf(d)).toEqual([0]);
    expect(d.asked.get(A)).toEqual([keyA(1)]);
    d.succeedBlocks();
    expect(tasksOf(d)).toEqual([N]);
    d.deliver(A);
    expect(tasksOf(d)).toEqual([N, N + 1]);
    expect(d.sent).toMatchObject([{ op: "add-keys", keys: [keyA(1)] }]);
  });

  test("an input that was looked for may be ordered with its reader, which is ordered again", () => {
    const d = new Driver({ nthreads: 1 });
    d.scheduler(WITH_GRAPH, run([N]));
    expect(d.machine.counts().tasks).toEqual(
      new Map([
        ["waiting", 1],
        ["missing", 1],
      ]),
    );
    d.scheduler(run([0, N], { runIds: [7, 8] }));
    expect(tasksOf(d)).toEqual([0]);
    d.succeedBlocks();
    expect(tasksOf(d)).toEqual([N]);
  });

  test("an input that is on its way, and is ordered with its reader, is made here when the transfer has ended", () => {
    const d = new Driver({ nthreads: 1 });
    d.scheduler(WITH_GRAPH, run([N], { fetch: { 0: [[0, A]] } }));
    d.scheduler({ op: "free-tasks", submission: 1, tasks: Uint32Array.of(0, N), stimulusId: "s" });
    d.scheduler(run([0, N], { runIds: [7, 8] }));
    expect(tasksOf(d)).toEqual([]);
    d.deliver(A);
    expect(tasksOf(d)).toEqual([0]);
    d.succeedBlocks();
    expect(tasksOf(d)).toEqual([N]);
  });

  test("a block and what is ready to read it are freed together, in either order", () => {
    for (const freed of [Uint32Array.of(0, N), Uint32Array.of(N, 0)]) {
      const d = new Driver({ nthreads: 1 });
      d.scheduler(WITH_GRAPH, run([0, 1, N]));
      d.succeedBlocks();
      expect([tasksOf(d), d.machine.counts().tasks.get("ready")]).toEqual([[1], 1]);
      d.scheduler({ op: "free-tasks", submission: 1, tasks: freed, stimulusId: "s" });
      expect(d.machine.counts().tasks).toEqual(new Map([["executing", 1]]));
    }
  });

  test("a failure is reported by key and run id", () => {
    const d = new Driver();
    d.scheduler(WITH_GRAPH, run([0]));
    d.failBlock(Array.from(d.blocks.keys())[0] ?? 0);
    expect(d.sent).toMatchObject([{ op: "task-erred", key: keyA(0), runId: 100, exceptionText: "boom" }]);
    d.scheduler({ op: "free-tasks", submission: 1, tasks: Uint32Array.of(0), stimulusId: "s" });
    expect(d.machine.counts().tasks.size).toBe(0);
  });

  test("freed blocks are dropped, without word to the scheduler; a running one when it has ended", () => {
    const d = new Driver({ nthreads: 2 });
    d.scheduler(WITH_GRAPH, run([0, 1]));
    const [first] = Array.from(d.blocks.keys());
    d.succeedBlocks([first ?? 0]);
    d.scheduler({ op: "free-tasks", submission: 1, tasks: Uint32Array.of(0, 1, 5), stimulusId: "s" });
    expect(d.values.size).toBe(0);
    expect(d.machine.counts().tasks).toEqual(new Map([["cancelled", 1]]));
    d.finished.length = 0;
    d.succeedBlocks();
    expect([d.values.size, d.finished, d.sent]).toEqual([0, [], []]);
    expect(d.machine.counts().tasks.size).toBe(0);
  });

  test("silent frees by key drop blocks at rest, running ones and values under keys, and say nothing; others are told of", () => {
    const d = new Driver({ nthreads: 1 });
    d.scheduler(WITH_GRAPH, run([0, 1, 2]));
    d.succeedBlocks();
    d.succeedBlocks();
    d.values.add(k("x"));
    d.event("update-data", { values: new Map([[k("x"), { nbytes: 8, type: new Uint8Array(0), typename: "test" }]]) });
    d.sent.length = 0;
    d.scheduler({ op: "free-keys", keys: [keyA(0), keyA(2), k("x")], isSilent: true, stimulusId: "s" });
    expect([d.values.size, d.sent]).toEqual([1, []]);
    d.machine.check();
    d.scheduler({ op: "free-keys", keys: [keyA(1)], stimulusId: "s" });
    expect([d.values.size, d.sent]).toMatchObject([0, [{ op: "release-worker-data", key: keyA(1) }]]);
    d.succeedBlocks();
    expect([d.values.size, d.machine.counts().tasks.size]).toEqual([0, 0]);
  });

  test("a task that is here already is reported under the new run id; the same order twice is one", () => {
    const d = new Driver();
    d.scheduler(WITH_GRAPH, run([0]), run([0]));
    expect(d.blocks.size).toBe(1);
    d.succeedBlocks();
    d.scheduler(run([0], { runIds: [7] }));
    expect(d.finished.map(({ runIds }) => Array.from(runIds))).toEqual([[100], [7]]);
  });

  test("W-C3 a run that was called off is followed by one of its own when it is ordered again", () => {
    const d = new Driver({ nthreads: 1 });
    d.scheduler(WITH_GRAPH, run([0], { runIds: [1] }));
    d.scheduler(
      { op: "free-tasks", submission: 1, tasks: Uint32Array.of(0), stimulusId: "s" },
      run([0], { runIds: [2] }),
    );
    d.succeedBlocks();
    expect([d.finished, d.blocks.size]).toEqual([[], 1]);
    d.succeedBlocks();
    expect(d.finished.map(({ runIds }) => Array.from(runIds))).toEqual([[2]]);
  });

  test("what makes no sense is ignored: an unknown submission", () => {
    const d = new Driver();
    d.scheduler(run([0]), { op: "free-tasks", submission: 9, tasks: Uint32Array.of(0), stimulusId: "s" });
    expect(d.machine.counts().tasks.size).toBe(0);
  });

  test("a worker that leaves gives back what it has not started", () => {
    const d = new Driver({ nthreads: 1 });
    d.scheduler(WITH_GRAPH, run([0, 1]));
    d.event("status", { status: "closing_gracefully" });
    expect(d.sent.filter(({ op }) => op === "reschedule")).toMatchObject([{ key: keyA(1) }]);
    d.sent.length = 0;
    d.scheduler(run([2]));
    expect(d.sent).toMatchObject([{ op: "reschedule", key: keyA(2) }]);
  });
});

describe("W-C6 a block is one task, whatever names it", () => {
  test("messages by key find tasks of columns: steal, free, fetch", () => {
    const d = new Driver({ nthreads: 1 });
    d.scheduler(WITH_GRAPH, run([0, 1, 2]));
    d.scheduler({ op: "steal-request", key: keyA(2), stimulusId: "s" });
    expect(d.sent).toMatchObject([{ op: "steal-response", key: keyA(2), state: "ready" }]);
    d.scheduler({ op: "free-keys", keys: [keyA(0), keyA(1)], stimulusId: "s" });
    expect(d.machine.counts().tasks).toEqual(new Map([["cancelled", 1]]));
  });

  test("a value that came under its key before the graph was known is its block", () => {
    const d = new Driver();
    d.values.add(keyA(3));
    d.event("update-data", { values: new Map([[keyA(3), { nbytes: 8, type: new Uint8Array(0), typename: "test" }]]) });
    d.scheduler(WITH_GRAPH, run([N + 3]));
    expect(tasksOf(d)).toEqual([N + 3]);
    expect(d.asked.size).toBe(0);
    d.scheduler({ op: "free-tasks", submission: 1, tasks: Uint32Array.of(3), stimulusId: "s" });
    expect(d.values.size).toBe(0);
  });

  test("the same layer in two submissions is computed once", () => {
    const d = new Driver();
    d.scheduler(WITH_GRAPH, run([0]));
    d.succeedBlocks();
    d.scheduler({ op: "graph", submission: 2, graph: pairs(N) }, run([N], { submission: 2 }));
    expect(Array.from(d.blocks.values())).toEqual([{ submission: 2, task: N }]);
  });

  test("keys with no such block, and of other layers, are tasks of their own", () => {
    const d = new Driver({ nthreads: 4 });
    const beyond = blockKey("p-a", [N]);
    const other = keyOfValue(["q", 0]);
    d.scheduler(
      WITH_GRAPH,
      { ...order("x"), key: beyond },
      { ...order("x"), key: other },
      { ...order("x"), key: k("p-a") },
    );
    expect(Array.from(d.running.keys())).toEqual([beyond, other, k("p-a")]);
  });

  test("keys that are nearly those of a block are none of its layer's, whatever was asked before", () => {
    const d = new Driver({ nthreads: 20 });
    d.scheduler(WITH_GRAPH);
    const good = keyA(3);
    const near = [
      good.replace("]", ""),
      `${good} `,
      good.replace("3", ""),
      good.replace("3", "-3"),
      good.replace("3", "3,0"),
      good.replace("3", "3.0"),
      good.replace("3", "00000000003"),
      good.replace("p-a", "p-aa"),
      good.replace('"p-a"', '"p-a'),
      good.replace('"p-a"', '"\\q"'),
    ];
    // Nonsense of a peer: keys that the codec would have refused among them.
    for (const text of near)
      d.scheduler({ ...order("x"), key: good as typeof good }, { ...order("x"), key: text as typeof good });
    expect(Array.from(d.running.keys())).toEqual([good, ...near]);
    d.scheduler({ op: "free-tasks", submission: 1, tasks: Uint32Array.of(3), stimulusId: "s" });
    expect(d.machine.counts().tasks).toEqual(
      new Map([
        ["executing", near.length],
        ["cancelled", 1],
      ]),
    );
  });

  test("compute-task by key and columns name one task", () => {
    const d = new Driver({ nthreads: 1 });
    d.scheduler(WITH_GRAPH, { ...order("x"), key: keyB(0), whoHas: new Map([[keyA(0), [A]]]) });
    expect(d.asked.get(A)).toEqual([keyA(0)]);
    d.scheduler(run([0]));
    d.deliver(A); // computed all the same: what was asked for was called off
    expect([d.values.size, tasksOf(d)]).toEqual([0, [0]]);
    d.succeedBlocks();
    expect(Array.from(d.running.keys())).toEqual([keyB(0)]);
  });
});

describe("W-C6 a call is one task, whatever names it", () => {
  const M = 8;
  const CALLS = callPairs(M);
  const WITH_CALLS = { op: "graph", submission: 1, graph: CALLS } as const;
  const keyOf = (task: number) => CALLS.key(task);

  test("many calls are known by number, and their results found by key", () => {
    const d = new Driver({ nthreads: 1 });
    d.scheduler(WITH_CALLS, run([0, 1, 2]));
    expect(typeof d.machine.refOf(keyOf(0))).toBe("number");
    d.succeedBlocks();
    expect(d.values).toEqual(new Set([d.machine.refOf(keyOf(0))]));
    d.scheduler({ op: "steal-request", key: keyOf(2), stimulusId: "s" });
    expect(d.sent).toMatchObject([{ op: "steal-response", key: keyOf(2), state: "ready" }]);
    d.scheduler({ op: "free-keys", keys: [keyOf(0), keyOf(1)], stimulusId: "s" });
    expect(d.machine.counts().tasks).toEqual(new Map([["cancelled", 1]]));
  });

  test("a result that came under its key before, and a call of another graph, are the same task", () => {
    const d = new Driver();
    d.values.add(keyOf(3));
    d.event("update-data", { values: new Map([[keyOf(3), { nbytes: 8, type: new Uint8Array(0), typename: "test" }]]) });
    d.scheduler(WITH_CALLS, run([M + 3]));
    expect(tasksOf(d)).toEqual([M + 3]);
    d.succeedBlocks();
    d.scheduler({ op: "graph", submission: 2, graph: callPairs(M) }, run([M + 3], { submission: 2 }));
    expect([d.asked.size, d.blocks.size]).toEqual([0, 0]);
    expect(d.finished.at(-1)).toMatchObject({ submission: 2, tasks: Uint32Array.of(M + 3) });
  });

  test("calls of a graph that is known by number, named by another one", () => {
    const d = new Driver();
    d.scheduler(WITH_CALLS, run([0]));
    d.succeedBlocks();
    d.scheduler({ op: "graph", submission: 2, graph: callPairs(M) }, run([M], { submission: 2 }));
    expect(Array.from(d.blocks.values())).toEqual([{ submission: 2, task: M }]);
    d.scheduler({ op: "forget-graph", submission: 1 });
    d.succeedBlocks();
    d.scheduler({ op: "free-keys", keys: [keyOf(0), keyOf(M)], stimulusId: "s" });
    expect([d.values.size, d.machine.counts().tasks.size]).toEqual([0, 0]);
    d.scheduler({ op: "forget-graph", submission: 2 }, { op: "graph", submission: 3, graph: callPairs(M) });
    d.scheduler(run([1], { submission: 3 }));
    expect(typeof d.machine.refOf(keyOf(1))).toBe("number");
  });

  test("calls whose keys may be those of blocks are known by their keys", () => {
    const d = new Driver();
    const builder = new CallsBuilder();
    for (let i = 0; i < 20; i++) builder.add({ key: blockKey("p-a", [i]), text: "() => 0", args: null, inputs: [] });
    const calls = new Graph([{ ...builder.build("calls", null), inline: false }], [0]);
    d.scheduler({ op: "graph", submission: 1, graph: calls }, run([2]));
    d.succeedBlocks();
    expect(d.values).toEqual(new Set([keyA(2)]));
    d.scheduler({ ...WITH_GRAPH, submission: 2 }, run([N + 2], { submission: 2 }));
    expect(Array.from(d.blocks.values())).toEqual([{ submission: 2, task: N + 2 }]);
  });

  test("results that are scalars are told as such again when they are ordered again", () => {
    const d = new Driver({ nthreads: 4 });
    d.scheduler(WITH_CALLS, run([0, 1, 2]));
    const refs = Array.from(d.blocks.keys());
    for (const ref of refs) d.values.add(ref);
    d.blocks.clear();
    const values = [1.5, null, undefined].map((scalar) => ({
      ...value(),
      ...(scalar === undefined ? {} : { scalar }),
    }));
    d.event("blocks-executed", { refs, values, seconds: refs.map(() => 0.001) });
    d.scheduler(run([0, 1, 2], { runIds: [7, 8, 9] }));
    const again = d.finished.at(-1);
    expect(again?.runIds).toEqual(Uint32Array.of(7, 8, 9));
    expect([0, 1, 2].map((i) => scalarIn(again ?? {}, i))).toEqual([1.5, null, undefined]);
  });
});

describe("W-C7 a graph is known until it is forgotten", () => {
  test("tasks of a forgotten graph are not ordered any more; values of its layers are found by their keys as long as they last", () => {
    const d = new Driver();
    d.scheduler(WITH_GRAPH, run([0]));
    d.succeedBlocks();
    const outbox = d.scheduler({ op: "forget-graph", submission: 1 });
    expect(outbox).toContainEqual({ type: "forget-graph", submission: 1 });
    d.scheduler(run([1]));
    expect(d.blocks.size).toBe(0);
    d.scheduler({ op: "free-keys", keys: [keyA(0)], stimulusId: "s" });
    expect([d.values.size, d.machine.counts().tasks.size]).toEqual([0, 0]);
  });
});

describe("W-I10 blocks of which nothing else is to be known are cells", () => {
  const free = (...tasks: number[]) =>
    ({ op: "free-tasks", submission: 1, tasks: Uint32Array.from(tasks), stimulusId: "s" }) as const;

  test("rows that are called off, taken, or ordered anew stand no more; the others start by rank, across orders", () => {
    const d = new Driver({ nthreads: 1 });
    d.scheduler(WITH_GRAPH, run([5]), run([0, 1, 2], { ranks: [4, 6, 8] }), run([3, 4], { ranks: [5, 7] }));
    d.scheduler(free(0), { op: "steal-request", key: keyA(3), stimulusId: "s" });
    d.scheduler(run([2], { runIds: [900], ranks: [9] }), run([4], { runIds: [104], ranks: [1] }));
    const started: number[] = [];
    for (let left = 4; left > 0; left--) {
      started.push(...tasksOf(d));
      d.succeedBlocks();
    }
    expect(started).toEqual([5, 1, 4, 2]);
    expect(d.finished.flatMap(({ runIds }) => Array.from(runIds))).toEqual([105, 101, 104, 900]);
    expect(d.machine.counts().tasks).toEqual(new Map([["memory", 4]]));
  });

  test("a block at rest is its readers' input, goes back to rest, and is freed with its bytes", () => {
    const d = new Driver({ nthreads: 2 });
    d.scheduler(WITH_GRAPH, run([0, 1]));
    d.succeedBlocks(undefined, 40);
    d.scheduler(run([N]));
    const [reader] = Array.from(d.blocks.values());
    expect(reader?.task).toBe(N);
    d.scheduler(free(0));
    expect(d.machine.counts().tasks.get("memory")).toBe(1); // the value is gone, its reader has its own hold on it
    d.succeedBlocks(undefined, 8);
    expect(d.machine.counts()).toMatchObject({ managedBytes: 48, tasks: new Map([["memory", 2]]) });
    expect(Array.from(d.machine.held().values()).sort()).toEqual([keyA(1), keyB(0)].sort());
    d.scheduler(free(1, N));
    expect(d.machine.counts()).toMatchObject({ managedBytes: 0, tasks: new Map() });
  });

  test("a value of another class, and a scalar, keep what they are", () => {
    const d = new Driver({ nthreads: 2 });
    d.scheduler(WITH_GRAPH, run([0, 1]));
    const refs = Array.from(d.blocks.keys());
    for (const ref of refs) {
      d.blocks.delete(ref);
      d.values.add(ref);
    }
    const values = [value(8), { ...value(8), typename: "int", scalar: 7 }];
    d.event("blocks-executed", { refs, values, seconds: [0.001, 0.001] });
    d.finished.length = 0;
    d.scheduler(run([0, 1], { runIds: [7, 8] }));
    const [told] = d.finished;
    expect(told).toMatchObject({ tasks: Uint32Array.of(0, 1), seconds: Float32Array.of(0.001, 0.001) });
    expect(told && [0, 1].map((i) => scalarIn(told, i))).toEqual([undefined, 7]);
    d.scheduler({ ...order("y"), key: keyA(1), runId: 9 });
    expect(d.sent).toMatchObject([{ op: "task-finished", key: keyA(1), typename: "int" }]);
  });
});

describe("W-I8 W-C8 tasks ahead of the threads", () => {
  test("none until one was timed; then as many as take the given time, at most so many", () => {
    const d = new Driver({ nthreads: 1, aheadMs: 2, aheadMax: 3 });
    d.scheduler(WITH_GRAPH, run([0, 1, 2, 3, 4, 5]));
    expect(d.blocks.size).toBe(1);
    d.succeedBlocks(); // a millisecond
    expect(d.blocks.size).toBe(3);
    const quick = new Driver({ nthreads: 1, aheadMs: 100, aheadMax: 3 });
    quick.scheduler(WITH_GRAPH, run([0, 1, 2, 3, 4, 5]));
    quick.succeedBlocks();
    expect(quick.blocks.size).toBe(4);
  });

  test("results that are scalars are told with their ends", () => {
    const d = new Driver({ nthreads: 4 });
    d.scheduler(WITH_GRAPH, run([0, 1, 2, 3]));
    const refs = Array.from(d.blocks.keys());
    d.blocks.clear();
    const scalars = [1.5, -0, null];
    const values = refs.map((ref, i) => {
      d.values.add(ref);
      const scalar = scalars[i];
      return scalar === undefined ? value(8) : { ...value(8), scalar };
    });
    const outbox = d.event("blocks-executed", { refs, values, seconds: refs.map(() => 0) });
    const [told] = outbox.flatMap((each) => (each.type === "send-finished" ? [each.message] : []));
    expect(told?.kinds).toEqual(Uint8Array.of(1, 0, 3, 0));
    expect(told && [0, 1, 2, 3].map((i) => scalarIn(told, i))).toEqual([1.5, undefined, null, undefined]);
  });

  test("functions of users go ahead only while they are short", () => {
    const d = new Driver({ nthreads: 1, aheadMs: 100, aheadMax: 3 });
    const call = { kind: "call", name: "c", text: "() => 1", inputs: [], lists: false, args: null, mac: null } as const;
    const graph = new Graph([{ ...call, dtype: "float64", chunks: [[1, 1, 1, 1]], inline: false }], [0]);
    d.scheduler({ op: "graph", submission: 1, graph }, run([0, 1, 2, 3]));
    const [ref] = Array.from(d.blocks.keys());
    d.blocks.clear();
    d.values.add(ref as number);
    d.event("blocks-executed", { refs: [ref as number], values: [value(8)], seconds: [0.0001] });
    expect(d.blocks.size).toBe(3);
    const many = new Driver({ nthreads: 1, aheadMs: 100, aheadMax: 500 });
    const wide = new Graph([{ ...call, dtype: "float64", chunks: [new Array(200).fill(1)], inline: false }], [0]);
    many.scheduler({ op: "graph", submission: 1, graph: wide }, run(Array.from({ length: 200 }, (_, i) => i)));
    const [first] = Array.from(many.blocks.keys());
    many.blocks.clear();
    many.values.add(first as number);
    many.event("blocks-executed", { refs: [first as number], values: [value(8)], seconds: [0.0001] });
    expect(many.blocks.size).toBe(129);
  });

  test("functions of users and single tasks wait for a thread", () => {
    const d = new Driver({ nthreads: 1, aheadMs: 100, aheadMax: 3 });
    const call = { kind: "call", name: "c", text: "() => 1", inputs: [], lists: false, args: null, mac: null } as const;
    const chunks = [[1, 1, 1]];
    const graph = new Graph([{ ...call, dtype: "float64", chunks, inline: false }], [0]);
    d.scheduler({ op: "graph", submission: 1, graph }, run([0, 1, 2]));
    d.succeedBlocks();
    expect(d.blocks.size).toBe(1);
    d.scheduler(order("x", { priority: [-9] }));
    expect(d.running.size).toBe(0);
  });
});
