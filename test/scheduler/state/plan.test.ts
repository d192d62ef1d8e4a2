/** S-C19: the order of a graph is made as places for work appear, and what is done gives its columns back. */
import { expect, test } from "vitest";
import { seededRandom } from "../../../src/base/index.ts";
import { blockwiseNode, type Graph, reduceNode, sourceNode, TaskWalk } from "../../../src/graph/index.ts";
import { RankOrder, RankSet } from "../../../src/scheduler/state/rank-set.ts";
import { graphOf, sumCall } from "../../sim/random-graph.ts";
import { Driver } from "./drive.ts";
import { finishAll, release, submit } from "./layers.ts";

const SUM = { op: "sum", from: "float32", dtype: "float32", ddof: 0, minCount: 0, empty: null } as const;

/** Sources side by side, copied, and summed by pairs. */
function tree(side: number): Graph {
  const chunks = [new Array<number>(side).fill(2), new Array<number>(side).fill(2)];
  const source = sourceNode({ source: "s", dtype: "float32", chunks, scratchBytes: 0 });
  const copy = blockwiseNode("copy", sumCall(1), [{ layer: source, axes: [0, 1] }], chunks);
  return graphOf([
    reduceNode("sum", sumCall(1), SUM, [{ layer: copy, axes: [0, 1] }], chunks, {
      reduced: [0, 1],
      keepdims: false,
      splitEvery: 2,
    }),
  ]);
}

/** A row of sources, and two results: their copies, and the copies of these. */
function twoResults(count: number): Graph {
  const chunks = [new Array<number>(count).fill(2)];
  const source = sourceNode({ source: "s", dtype: "float32", chunks, scratchBytes: 0 });
  const copy = blockwiseNode("copy", sumCall(1), [{ layer: source, axes: [0] }], chunks);
  return graphOf([copy, blockwiseNode("again", sumCall(1), [{ layer: copy, axes: [0] }], chunks)]);
}

test("S-C19: what the order has not come to has no columns, is counted as released, and is busy", () => {
  const driver = new Driver({ orderAhead: 8 });
  driver.worker("w", { isColumnar: true });
  const graph = tree(24);
  submit(driver, graph);
  const { tasks } = driver.views.counts();
  expect(Object.values(tasks).reduce((a, b) => a + b)).toBe(graph.taskCount);
  expect(tasks.released).toBeGreaterThan(graph.taskCount - 20);
  expect(driver.core.columns.top).toBeLessThan(1000);
  expect(driver.views.stateOf(graph.key(graph.base(1) + 500))).toBe("released");
  expect(driver.views.isBusy()).toBe(true);
});

test("S-C19: columns are taken as the order goes on and given back behind it; every task runs once", () => {
  const driver = new Driver({ orderAhead: 2 });
  driver.worker("w", { isColumnar: true });
  driver.worker("x");
  const graph = tree(24);
  submit(driver, graph);
  let most = 0;
  const ranks: number[] = [];
  const ran = finishAll(driver, ({ message }) => {
    ranks.push(message.priority[2] as number);
    most = Math.max(most, driver.core.columns.top);
  });
  expect(ran).toBe(graph.taskCount);
  expect(ranks.toSorted((a, b) => a - b)).toEqual(Array.from({ length: graph.taskCount }, (_, rank) => rank));
  expect(driver.views.counts()).toMatchObject({ recomputed: 0, evicted: 0 });
  expect(most).toBeLessThan(graph.taskCount / 2 + 1024);
  release(driver, graph);
  expect(driver.views.isEmpty()).toBe(true);
});

test("S-C19: a result stays for dependents that the order has not come to", () => {
  const driver = new Driver({ orderAhead: 1 });
  driver.worker("w", { isColumnar: true });
  const graph = tree(4);
  submit(driver, graph);
  const order = driver.orders.shift();
  if (!order) throw new Error("an order");
  driver.answer(order, 8);
  expect(driver.views.stateOf(order.message.key)).toBe("memory");
});

test("S-C19: results given up before their turn: the order ends with the last, and goes on for the others", () => {
  const all = new Driver({ orderAhead: 1 });
  all.worker("w", { isColumnar: true });
  const graph = twoResults(50);
  submit(all, graph);
  release(all, graph);
  finishAll(all);
  expect(all.views.counts().sent).toBeLessThan(5);
  expect(all.views.isEmpty()).toBe(true);

  const some = new Driver({ orderAhead: 1 });
  some.worker("w", { isColumnar: true });
  submit(some, graph);
  const [copies, again] = graph.wanted() as [number[], number[]];
  release(some, graph, [...copies.slice(10), ...again.slice(10)]);
  // What an order had begun before is not undone; all other work is for the first ten.
  expect(finishAll(some)).toBeLessThan(3 * 10 + 5);
  for (const task of [...copies.slice(0, 10), ...again.slice(0, 10)])
    expect(some.views.stateOf(graph.key(task))).toBe("memory");
  release(some, graph, [...copies.slice(0, 10), ...again.slice(0, 10)]);
  expect(some.views.isEmpty()).toBe(true);
});

test("S-C19: tasks whose columns were given back keep their ranks when they are needed again", () => {
  const driver = new Driver({ orderAhead: 2 });
  driver.worker("u", { isColumnar: true });
  driver.worker("v", { isColumnar: true });
  const graph = tree(24);
  const walk = new TaskWalk(graph, graph.wanted().flat());
  const order = new Uint32Array(graph.taskCount);
  walk.next(order, order.length);
  const rankOf = new Map(Array.from(order, (task, rank) => [graph.key(task), rank]));
  submit(driver, graph);
  let count = 0;
  const again = new Set<string>();
  const seen = new Set<string>();
  for (let next = driver.orders.shift(); next; next = driver.orders.shift()) {
    if (!driver.views.worker(next.worker)) continue;
    expect(next.message.priority[2], next.message.key).toBe(rankOf.get(next.message.key));
    if (seen.has(next.message.key)) again.add(next.message.key);
    seen.add(next.message.key);
    driver.answer(next, 8);
    if (++count === 1200) {
      driver.leave("u");
      driver.worker("u2", { isColumnar: true });
    }
  }
  expect(again.size).toBeGreaterThan(0);
  expect(driver.views.stateOf(graph.key(graph.wanted().flat()[0] as number))).toBe("memory");
  release(driver, graph);
  expect(driver.views.isEmpty()).toBe(true);
});

test("S-C19: who asks for a task that the order has not come to makes it come to all", () => {
  const driver = new Driver({ orderAhead: 1 });
  driver.worker("w", { isColumnar: true });
  const graph = tree(8);
  submit(driver, graph);
  const inner = graph.key(graph.base(1) + 60);
  driver.client("bob");
  driver.feed({ type: "client-desires-keys", client: "bob", keys: [inner] });
  finishAll(driver);
  expect(driver.views.stateOf(inner)).toBe("memory");
  expect(driver.toClients.filter(({ client }) => client === "bob").map(({ message }) => message.op)).toEqual([
    "key-in-memory",
  ]);
});

test("ranks as bits: the smallest of a set, in any order of adding and deleting", () => {
  const random = seededRandom(1);
  const set = new RankSet();
  const model = new Set<number>();
  for (let i = 0; i < 20_000; i++) {
    const rank = random.below(random.below(2) === 0 ? 100 : 20_000);
    if (random.below(2) === 0) {
      set.add(rank);
      model.add(rank);
    } else {
      set.delete(rank);
      model.delete(rank);
    }
    expect(set.size).toBe(model.size);
    expect(set.has(rank)).toBe(model.has(rank));
    if (i % 50 === 0) expect(set.min()).toBe(model.size === 0 ? -1 : Math.min(...model));
  }
});

test("an order forgets early ranks, and remembers those that are asked for again until they are settled", () => {
  const order = new RankOrder();
  for (let i = 0; i < 5000; i++) expect(order.push(i * 2)).toBe(i);
  order.drop(3000);
  expect(order.from).toBe(2048);
  order.recall(17, 34);
  expect([order.task(17), order.task(3000), order.task(4999)]).toEqual([34, 6000, 9998]);
  order.settle(17);
  expect(order.task(17)).toBeUndefined();
});

test("ranks of a small graph: sets and orders that know how many there are do as those that do not", () => {
  for (const count of [1, 2, 31, 32, 33, 1000, 1024, 1025, 5000]) {
    const [small, large] = [new RankSet(count), new RankSet()];
    for (const set of [small, large]) {
      for (let rank = 0; rank < count; rank += 3) set.add(rank);
      set.delete(0);
    }
    expect([...small], `${count} ranks`).toEqual([...large]);
    expect([small.min(), small.next(1, count), small.has(count - 1)]).toEqual([
      large.min(),
      large.next(1, count),
      large.has(count - 1),
    ]);
    const order = new RankOrder(count);
    const tasks = Uint32Array.from({ length: count }, (_, k) => count - k);
    order.push(tasks[0] as number);
    order.pushAll(tasks.subarray(1), count - 1);
    expect(Array.from({ length: count }, (_, rank) => order.task(rank))).toEqual(Array.from(tasks));
  }
});
