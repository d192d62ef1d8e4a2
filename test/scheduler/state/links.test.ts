/** S-I21, S-I22: slots of inputs, numbers of dependents and where inputs are, as active tasks have noted them, through losses and a second computation. */
import { expect, test } from "vitest";
import { blockwiseNode, type Graph, type LayerNode, rechunkNode, sourceNode } from "../../../src/graph/index.ts";
import { checkCore } from "../../../src/scheduler/state/check.ts";
import {
  CELL,
  LINK_BITS,
  LINK_COUNT,
  LINK_COUNT_BITS,
  LINK_COUNT_MASK,
  LINKS,
  NEAR,
  PLACE,
  STATE,
} from "../../../src/scheduler/state/columns.ts";
import { WAITING } from "../../../src/scheduler/state/states.ts";
import { graphOf, sumCall } from "../../sim/random-graph.ts";
import { Driver } from "./drive.ts";
import { finishAll, submit } from "./layers.ts";

/** Blocks that each read up to four of the layer before. */
function shifted(side: number): Graph {
  const even = new Array<number>(side).fill(4);
  const chunks = [even, even];
  const source = sourceNode({ source: "s", dtype: "float32", chunks, scratchBytes: 0 });
  const odd = [2, ...even.slice(1), 2];
  return graphOf([rechunkNode(rechunkNode(source, [odd, odd]), chunks)]);
}

const noted = (driver: Driver): number[] =>
  Array.from({ length: driver.core.columns.top }, (_, slot) => slot).filter(
    (slot) => (driver.core.columns.cells[(slot << CELL) + LINK_COUNT] ?? 0) > 0,
  );

test("S-I21: inputs are noted while a task is active, and right after its inputs were lost and made again", () => {
  const driver = new Driver();
  driver.worker("w1", { isColumnar: true });
  driver.worker("w2", { isColumnar: true });
  const graph = shifted(6);
  submit(driver, graph);
  let most = 0;
  let isLost = false;
  for (let order = driver.orders.shift(); order; order = driver.orders.shift()) {
    most = Math.max(most, noted(driver).length);
    if (!isLost && order.worker === "w2" && order.column && order.column.task >= graph.base(1)) {
      isLost = true;
      driver.feed({ type: "worker-left", worker: "w2", isExpected: true });
      driver.worker("w3", { isColumnar: true });
    }
    if (driver.core.workerAt.has(order.worker)) driver.answer(order, 8);
  }
  finishAll(driver);
  expect(isLost).toBe(true);
  expect(most).toBeGreaterThan(4);
  expect(noted(driver)).toEqual([]);
});

test.each([
  { of: "an input", at: 0, isThere: (counts: number) => (counts & LINK_COUNT_MASK) > 1 },
  { of: "a dependent", at: LINKS, isThere: (counts: number) => counts >> LINK_COUNT_BITS > 1 },
])("S-I21: a note of $of that is wrong is found", ({ at, isThere }) => {
  const driver = new Driver();
  driver.worker("w1", { isColumnar: true });
  submit(driver, shifted(3));
  const { links, cells } = driver.core.columns;
  const slot = noted(driver).find((each) => isThere(cells[(each << CELL) + LINK_COUNT] as number)) as number;
  const first = (slot << LINK_BITS) + at;
  links[first] = (links[first] as number) + 1;
  expect(() => checkCore(driver.core)).toThrow(/S-I21/);
});

test("S-I22: a wrong note of where inputs are is found", () => {
  const driver = new Driver();
  driver.worker("w1", { isColumnar: true });
  driver.worker("w2", { isColumnar: true });
  submit(driver, shifted(4));
  const { cells } = driver.core.columns;
  const isNear = (slot: number): boolean =>
    cells[(slot << CELL) + STATE] === WAITING && (cells[(slot << CELL) + PLACE] as number) >= NEAR;
  let near = -1;
  for (let order = driver.orders.shift(); order && near < 0; order = driver.orders.shift()) {
    driver.answer(order, 8);
    near = Array.from({ length: driver.core.columns.top }, (_, slot) => slot).findIndex(isNear);
  }
  expect(near).toBeGreaterThanOrEqual(0);
  cells[(near << CELL) + PLACE] = (cells[(near << CELL) + PLACE] as number) + 1;
  expect(() => checkCore(driver.core)).toThrow(/S-I22/);
});

test.each([true, false])(
  "S-I22: a result that goes from its holder and comes back elsewhere is fetched from there, fused: %s",
  (fused) => {
    const driver = new Driver({ fused, stealing: false, sendAhead: 4 });
    driver.worker("v", { isColumnar: true });
    driver.worker("w", { isColumnar: true });
    const [chunks, axes] = [[[2]], [0]];
    const source = (name: string): LayerNode => sourceNode({ source: name, dtype: "float32", chunks, scratchBytes: 0 });
    const of = (name: string, ...inputs: LayerNode[]): LayerNode =>
      blockwiseNode(
        name,
        sumCall(inputs.length),
        inputs.map((layer) => ({ layer, axes })),
        chunks,
      );
    const [a, b] = [source("a"), source("b")];
    submit(driver, graphOf([of("g", of("e", a), of("c", a, b))]));
    const [first] = driver.orders;
    if (!first) throw new RangeError("nothing was sent");
    driver.answer(first, 8);
    const { key } = first.message;
    const other = first.worker === "v" ? "w" : "v";
    const ask = { op: "request-refresh-who-has", keys: [key], stimulusId: "asked" } as const;
    // Who asks long enough in vain is believed; in the same event the block is there after all.
    for (let second = 0; second < 10; second++) {
      driver.say(other, ask);
      driver.now += 1000;
    }
    driver.say(other, ask, { op: "add-keys", keys: [key], stimulusId: "added" });
    expect(driver.views.whoHas([key]).get(key)).toEqual([other]);
    // The driver checks the machine after each event, and that all inputs of a task are there or told to be fetched.
    finishAll(driver);
    const sums = driver.sent.flatMap((each) =>
      each.type === "run-tasks" && each.run.tasks.includes(3)
        ? [{ at: each.worker, fetched: [...each.run.fetchTasks] }]
        : [],
    );
    expect(sums).toHaveLength(1);
    expect(sums[0]?.at === other || sums[0]?.fetched.includes(0)).toBe(true);
  },
);
