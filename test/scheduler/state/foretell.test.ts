/** S-C32: what fails with a task is known at once, however far the order of the graph has come. */
import { expect, test } from "vitest";
import { blockwiseNode, type Graph, reduceNode, sourceNode } from "../../../src/graph/index.ts";
import { graphOf, sumCall } from "../../sim/random-graph.ts";
import { Driver } from "./drive.ts";
import { finishAll, release, submit } from "./layers.ts";

const SUM = { op: "sum", from: "float32", dtype: "float32", ddof: 0, minCount: 0, empty: null } as const;
const COUNT = 100;
const CHUNKS = [new Array<number>(COUNT).fill(2)];

/** A row of sources, their copies, copies of these; and all of those summed. */
function graphOfCopies(): Graph {
  const source = sourceNode({ source: "s", dtype: "float32", chunks: CHUNKS, scratchBytes: 0 });
  const copy = blockwiseNode("copy", sumCall(1), [{ layer: source, axes: [0] }], CHUNKS);
  const again = blockwiseNode("again", sumCall(1), [{ layer: copy, axes: [0] }], CHUNKS);
  const options = { reduced: [0], keepdims: false, splitEvery: 4 };
  return graphOf([again, reduceNode("sum", sumCall(1), SUM, [{ layer: again, axes: [0] }], CHUNKS, options)]);
}

/** Keys whose failure Alice was told, as often as she was. */
function told(driver: Driver): string[] {
  return driver.toClients.flatMap(({ message }) => (message.op === "task-erred" ? [message.key] : []));
}

/** One source has failed, the first that was sent. */
function failed(): {
  readonly driver: Driver;
  readonly graph: Graph;
  readonly lost: string[];
} {
  const driver = new Driver({ orderAhead: 4 });
  driver.worker("w", { isColumnar: true });
  const graph = graphOfCopies();
  submit(driver, graph);
  const source = driver.orders[0]?.message.key ?? "";
  const [again, sum] = graph.wanted() as [number[], number[]];
  const place = Array.from({ length: COUNT }, (_, i) => graph.key(i)).indexOf(source as never);
  expect(place).toBeGreaterThanOrEqual(0);
  const lost = [again[place] as number, sum[0] as number].map((task) => graph.key(task)).toSorted();
  expect(told(driver)).toEqual([]);
  driver.fail(source);
  driver.orders.splice(
    driver.orders.findIndex(({ message }) => message.key === source),
    1,
  );
  return { driver, graph, lost };
}

test("clients are told of all that they want and will not get, and of nothing else", () => {
  const { driver, graph, lost } = failed();
  expect(told(driver).toSorted()).toEqual(lost);
  expect(driver.views.stateOf(graph.key((graph.wanted()[1] as number[])[0] as number))).toBe("released");
  expect(driver.views.counts().sent).toBeLessThan(COUNT / 4);
  finishAll(driver);
  const states = graph.wanted()[0]?.map((task) => driver.views.stateOf(graph.key(task))) ?? [];
  expect(states.filter((state) => state === "memory")).toHaveLength(COUNT - 1);
  expect(lost.map((key) => driver.state(key))).toEqual(["erred", "erred"]);
  expect(new Set(told(driver))).toEqual(new Set(lost));
  release(driver, graph);
  expect(driver.views.isEmpty()).toBe(true);
});

test("a second failure tells what the first one did not", () => {
  const { driver, lost } = failed();
  driver.fail(driver.orders[0]?.message.key ?? "");
  const more = told(driver).slice(lost.length);
  expect(more).toHaveLength(1); // the sum was told of
  expect(lost).not.toContain(more[0]);
});

test("nothing is left when what will not come is given up", () => {
  const { driver, graph } = failed();
  release(driver, graph);
  finishAll(driver);
  expect(driver.views.isEmpty()).toBe(true);
});

test("retried before the order has come there, all of it comes", () => {
  const { driver, graph, lost } = failed();
  driver.feed({ type: "retry-keys", keys: lost as never });
  expect(driver.toClients.filter(({ message }) => message.op === "task-retried").length).toBeGreaterThan(0);
  finishAll(driver);
  expect(
    graph
      .wanted()
      .flat()
      .map((task) => driver.views.stateOf(graph.key(task))),
  ).toEqual(new Array(COUNT + 1).fill("memory"));
  release(driver, graph);
  expect(driver.views.isEmpty()).toBe(true);
});
