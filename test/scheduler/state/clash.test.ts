/** One graph sent as layers by one client and task by task by another. */
import { expect, test } from "vitest";
import { heldNode, type Key, sourceNode, takeNode } from "../../../src/graph/index.ts";
import { ANYWHERE } from "../../../src/scheduler/state/index.ts";
import { graphOf } from "../../sim/random-graph.ts";
import { Driver, task } from "./drive.ts";

const graph = graphOf([sourceNode({ source: "s", dtype: "float32", chunks: [[2, 2, 2]], scratchBytes: 0 })]);
const keys = [0, 1, 2].map((id) => graph.key(id));

function submitLayers(driver: Driver, client: string): void {
  driver.client(client);
  driver.feed({
    type: "submit-layers",
    client,
    graph,
    wanted: [0, 1, 2],
    leastBytes: 0,
    placement: ANYWHERE,
    retries: 0,
    priority: 0,
  });
}

function submitTasks(driver: Driver, client: string): void {
  driver.submit(
    keys.map((key) => task(key)),
    keys,
    client,
  );
}

test.each(["tasks first", "layers first"])(
  "S-C21: each task runs once, and is kept until both have let it go (%s)",
  (order) => {
    const driver = new Driver();
    driver.worker("w", { nthreads: 4 });
    const ways = [submitTasks, submitLayers];
    if (order === "layers first") ways.reverse();
    ways.forEach((submit, i) => {
      submit(driver, ["alice", "bob"][i] as string);
    });
    expect(driver.orders.map(({ message }) => message.key).sort()).toEqual([...keys].sort());
    for (const order of driver.orders.splice(0)) driver.answer(order, 8);
    const told = driver.toClients.filter(({ message }) => message.op === "key-in-memory").map(({ client }) => client);
    expect(told.sort()).toEqual(["alice", "alice", "alice", "bob", "bob", "bob"]);
    driver.feed({ type: "client-releases-keys", client: "alice", keys });
    expect(keys.map((key) => driver.views.stateOf(key))).toEqual(["memory", "memory", "memory"]);
    driver.feed({ type: "client-releases-keys", client: "bob", keys });
    expect(driver.views.isEmpty()).toBe(true);
  },
);

test("S-C21: blocks that were persisted one by one are computed further with; a block too few is lost data", () => {
  const driver = new Driver();
  driver.worker("w", { nthreads: 4 });
  submitTasks(driver, "python");
  for (const order of driver.orders.splice(0)) driver.answer(order, 8);
  const node = sourceNode({ source: "s", dtype: "float32", chunks: [[2, 2, 2]], scratchBytes: 0 });
  const held = heldNode(node, graph.layer(0).name);
  const further = graphOf([takeNode("all", held, 0, [0, 1, 2, 3, 4, 5], [6])]);
  const compute = (): void => {
    driver.client("alice");
    const wanted = further.wanted()[0] as number[]; // one output
    driver.feed({
      type: "submit-layers",
      client: "alice",
      graph: further,
      wanted,
      leastBytes: 0,
      placement: ANYWHERE,
      retries: 0,
      priority: 0,
    });
  };
  compute();
  const [order] = driver.orders.splice(0);
  expect([...(order?.message.whoHas.keys() ?? [])].sort()).toEqual([...keys].sort());
  if (order) driver.answer(order, 24);
  expect(driver.toClients.at(-1)).toMatchObject({ client: "alice", message: { op: "key-in-memory" } });
  driver.feed({ type: "client-releases-keys", client: "alice", keys: [order?.message.key as Key] });
  driver.feed({ type: "client-releases-keys", client: "python", keys: keys.slice(2) });
  compute();
  expect(driver.orders).toEqual([]);
  expect(driver.toClients.at(-1)).toMatchObject({ client: "alice", message: { op: "task-erred" } });
  driver.feed({ type: "client-releases-keys", client: "python", keys: keys.slice(0, 2) });
  expect(driver.views.isEmpty()).toBe(true);
});
