import { afterEach, expect, test } from "vitest";
import { BatchedStream, type Comm, connect, type Listener, listen } from "../../src/comm/index.ts";
import { CallsBuilder, Graph, type Key, mapInputs, sourceNode } from "../../src/graph/index.ts";
import { SCHEDULER_TO_COLUMNAR, type SchedulerToColumnar } from "../../src/protocol/index.ts";
import { SentGraphs } from "../../src/scheduler/columns.ts";

const open: (Comm | Listener)[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.close()));
});

function callsOf(count: number): Graph {
  const builder = new CallsBuilder();
  for (let k = 0; k < count; k++) builder.add({ key: `call-${k}` as Key, text: "(x) => x", args: [k], inputs: [] });
  return new Graph([{ ...builder.build(`of-${count}`, null), inline: false }], [0]);
}

function arrayOf(): Graph {
  const { layer } = sourceNode({ source: "large", dtype: "float64", chunks: [[2 ** 26]], scratchBytes: 0 });
  return new Graph([{ ...mapInputs(layer, () => 0), inline: false }], [0]); // it has no inputs
}

function runOf(graph: Graph, submission: number): Parameters<SentGraphs["run"]>[0] {
  const column = Uint32Array.of(0);
  return {
    type: "run-tasks",
    worker: "w",
    run: {
      graph,
      submission,
      tasks: column,
      runIds: column,
      ranks: column,
      priority: 0,
      generation: 0,
      fetchStart: new Uint32Array(2),
      fetchTasks: new Uint32Array(0),
      fetchFrom: new Uint32Array(0),
      addresses: [],
      stimulusId: "test",
    },
  };
}

test("C-I12 a worker hears what to forget of single calls with its next task, of larger graphs at once", async () => {
  const batches: string[][] = [];
  const listener = await listen("inproc://forgotten", async (comm) => {
    for (let batch = await comm.next(); ; batch = await comm.next())
      batches.push((batch as ReadonlyMap<string, string>[]).map((message) => String(message.get("op"))));
  });
  const comm = await connect(listener.address, { timeoutMs: 1000 });
  open.push(comm, listener);
  const stream = new BatchedStream<SchedulerToColumnar>(comm, SCHEDULER_TO_COLUMNAR.encode);
  const graphs = new SentGraphs(() => stream);
  const turns = async (): Promise<void> => {
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
  };
  const forget = (submission: number, graph: Graph): void => {
    graphs.free({ type: "free-tasks", worker: "w", submission, graph, tasks: Uint32Array.of(0), stimulusId: "test" });
    graphs.forget({ type: "forget-submission", submission });
  };
  const [small, large] = [callsOf(16), callsOf(17)];
  graphs.run(runOf(small, 1));
  graphs.run(runOf(large, 2));
  await turns();
  forget(1, small);
  await turns();
  expect(batches).toEqual([["graph", "run-tasks", "graph", "run-tasks"]]);
  graphs.run(runOf(small, 3));
  await turns();
  expect(batches.slice(1)).toEqual([["free-tasks", "forget-graph", "graph", "run-tasks"]]);
  forget(2, large);
  await turns();
  expect(batches.slice(2)).toEqual([["free-tasks", "forget-graph"]]);
  // One block of an array may be most of a worker's memory.
  const block = arrayOf();
  graphs.run(runOf(block, 4));
  await turns();
  forget(4, block);
  await turns();
  expect(batches.slice(3)).toEqual([
    ["graph", "run-tasks"],
    ["free-tasks", "forget-graph"],
  ]);
});
