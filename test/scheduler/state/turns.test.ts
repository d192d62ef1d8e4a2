/** What several workers say in one turn is taken in whole before anything is given out. */
import { expect, test } from "vitest";
import { type Random, seededRandom } from "../../../src/base/index.ts";
import { type Graph, reduceNode, sourceNode } from "../../../src/graph/index.ts";
import { ANYWHERE } from "../../../src/scheduler/state/index.ts";
import { leastBytes } from "../../../src/testing/index.ts";
import { graphOf, randomGraph, sumCall } from "../../sim/random-graph.ts";
import { type Bare, Driver, failure, k, task } from "./drive.ts";

const SUM = { op: "sum", from: "float32", dtype: "float32", ddof: 0, minCount: 0, empty: null } as const;

function submit(d: Driver, client: string, graph: Graph): void {
  d.client(client);
  d.feed({
    type: "submit-layers",
    client,
    graph,
    wanted: graph.wanted().flat(),
    leastBytes: leastBytes(graph),
    placement: ANYWHERE,
    retries: 0,
    priority: 0,
  });
}

/** All that workers have answered, a worker's orders together; some of them later, and some workers leave meanwhile. */
function answers(d: Driver, random: Random): Bare[] {
  const events: Bare[] = [];
  for (const order of d.orders.splice(0)) {
    if (random.below(4) === 0) {
      d.orders.push(order);
      continue;
    }
    const { column, message, worker } = order;
    if (!column) continue;
    events.push({
      type: "tasks-finished",
      worker,
      submission: column.submission,
      tasks: Uint32Array.of(column.task),
      runIds: Uint32Array.of(message.runId),
      nbytes: Float64Array.of(8 + random.below(8)),
      seconds: Float32Array.of(1e-4),
    });
  }
  return events;
}

test("S-C22: graphs end, and no invariant is broken, when many workers answer in one turn", () => {
  for (let seed = 1; seed <= 12; seed++) {
    const random = seededRandom(seed);
    const d = new Driver({ orderAhead: [1, 64][seed % 2]! });
    const names = ["u", "v", "w", "x"];
    const graphs = [randomGraph(random, { label: "a" }), randomGraph(random, { label: "b" })];
    const budgetBytes = Math.max(...graphs.map((graph) => leastBytes(graph))) * 2;
    for (const name of names) d.worker(name, { isColumnar: true, budgetBytes, nthreads: 1 + random.below(2) });
    graphs.forEach((graph, i) => {
      submit(d, ["alice", "bob"][i]!, graph);
    });
    for (let turn = 0; d.orders.length > 0; turn++) {
      const events = answers(d, random);
      if (turn === 2)
        events.splice(random.below(events.length + 1), 0, { type: "worker-left", worker: "u", isExpected: false });
      d.now += 1;
      d.feedAll(events);
      expect(turn, `seed ${seed}`).toBeLessThan(2000);
    }
    for (const client of ["alice", "bob"]) {
      const told = d.toClients.flatMap(({ client: to, message }) =>
        to === client && message.op === "key-in-memory" ? [message.key] : [],
      );
      const graph = graphs[client === "alice" ? 0 : 1]!;
      expect(new Set(told), `seed ${seed}`).toEqual(
        new Set(
          graph
            .wanted()
            .flat()
            .map((task) => graph.key(task)),
        ),
      );
    }
    for (const client of ["alice", "bob"]) d.feed({ type: "client-left", client });
    expect(d.views.isEmpty(), `seed ${seed}`).toBe(true);
  }
});

test("S-C22: what became ready in a turn is given out once, after all of it", () => {
  const d = new Driver();
  for (const name of ["u", "v", "w"]) d.worker(name, { isColumnar: true });
  submit(d, "alice", randomGraph(seededRandom(3)));
  const before = d.sent.length;
  const events = answers(d, seededRandom(1));
  expect(new Set(events.map((event) => "worker" in event && event.worker)).size).toBeGreaterThan(1);
  d.feedAll(events);
  const runs = d.sent.slice(before).flatMap((said) => (said.type === "run-tasks" ? [said.worker] : []));
  expect(runs.length).toBeGreaterThan(0);
  expect(new Set(runs).size).toBe(runs.length);
});

test("S-I1: a single task that waits for a task of a layer runs when that ends, in a column as well", () => {
  const graph = randomGraph(seededRandom(3));
  const d = new Driver();
  d.worker("w", { isColumnar: true });
  submit(d, "alice", graph);
  const key = graph.key(graph.wanted().flat()[0]!);
  d.submit([{ ...task("single"), dependencies: [key] }], ["single"], "bob");
  expect(d.state("single")).toBe("waiting");
  for (let turn = 0; d.orders.length > 0 && turn < 1000; turn++)
    for (const order of d.orders.splice(0)) d.answer(order, 8);
  expect(d.state("single")).toBe("memory");
  expect(d.toClients.filter(({ client }) => client === "bob").map(({ message }) => message)).toContainEqual(
    expect.objectContaining({ op: "key-in-memory", key: k("single") }),
  );
});

test("S-I14: an order whose rest fails as it is come to lets the next batch open", () => {
  const d = new Driver({ orderAhead: 1 });
  d.worker("w", { isColumnar: true, budgetBytes: 100 });
  d.client("alice");
  const chunks = [new Array<number>(12).fill(1)];
  const source = sourceNode({ source: "a", dtype: "float32", chunks, scratchBytes: 0 });
  const sum = reduceNode("sum", sumCall(1), SUM, [{ layer: source, axes: [0] }], chunks, {
    reduced: [0],
    keepdims: false,
    splitEvery: 12,
  });
  const graphs = [graphOf([sum]), graphOf([sourceNode({ source: "b", dtype: "float32", chunks, scratchBytes: 0 })])];
  for (const graph of graphs) {
    d.feed({
      type: "submit-layers",
      client: "alice",
      graph,
      wanted: graph.wanted().flat(),
      leastBytes: 60,
      placement: ANYWHERE,
      retries: 0,
      priority: 0,
    });
  }
  const [first, second] = graphs as [Graph, Graph];
  let ended = 0;
  for (let order = d.orders.shift(); order; order = d.orders.shift()) {
    if (order.column?.submission === 1) {
      const { key, runId } = order.message;
      const report = { thread: 0, startstops: [], stimulusId: "fail", ...failure("no luck") };
      d.say(order.worker, { op: "task-erred", key, runId, ...report });
    } else {
      d.answer(order, 8);
      ended++;
    }
  }
  expect(d.state(first.key(first.wanted()[0]?.[0] as number))).toBe("erred");
  expect(ended).toBe(second.taskCount);
});
