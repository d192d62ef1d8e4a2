/** Workers that are to go: what exists only there moves first, within the budgets of those that stay. */
import { expect, test } from "vitest";
import { sourceNode } from "../../../src/graph/index.ts";
import { graphOf } from "../../sim/random-graph.ts";
import { Driver, k, task } from "./drive.ts";
import { submit } from "./layers.ts";

/** Asks for copies that a worker got: their keys. */
function copies(driver: Driver, worker: string): string[] {
  return driver.sent.flatMap((instruction) =>
    instruction.type === "send-worker" && instruction.worker === worker && instruction.message.op === "acquire-replicas"
      ? [...instruction.message.whoHas.keys()].map(String)
      : [],
  );
}

function retire(driver: Driver, ...workers: string[]): void {
  driver.feed({ type: "retire-workers", request: 1, workers, close: true });
}

test("S-C16: copies count where they go from the moment they are asked for, and what does not fit waits for room", () => {
  const driver = new Driver();
  driver.worker("old", { budgetBytes: 1000 });
  driver.submit([task("a"), task("b")], ["a", "b"]);
  driver.finish("a", 60);
  driver.finish("b", 60);
  driver.worker("new", { budgetBytes: 100 });
  driver.submit([task("busy", [], { workers: ["new"], needBytes: 30 })], ["busy"]);
  retire(driver, "old");
  expect(copies(driver, "new")).toEqual(["a"]);
  expect(driver.views.worker("new")?.extraBytes).toBe(90);
  driver.say("new", { op: "add-keys", keys: [k("a")], stimulusId: "s" });
  expect(driver.views.worker("new")?.extraBytes).toBe(90);
  // b fits once something else has gone.
  driver.release("a");
  expect(copies(driver, "new")).toEqual(["a", "b"]);
  driver.say("new", { op: "add-keys", keys: [k("b")], stimulusId: "s" });
  expect(driver.sent.at(-1)).toEqual({ type: "retired", request: 1, workers: ["old"] });
  driver.leave("old", true);
  expect(driver.views.whoHas([k("b")])).toEqual(new Map([[k("b"), ["new"]]]));
  driver.finish("busy", 30);
  driver.release("busy", "b");
  expect(driver.views.isEmpty()).toBe(true);
});

test("S-C16: where nothing will ever make room, the worker stays", () => {
  const driver = new Driver();
  driver.worker("old", { budgetBytes: 1000 });
  driver.submit([task("a")], ["a"]);
  driver.finish("a", 60);
  driver.worker("new", { budgetBytes: 50 });
  retire(driver, "old");
  expect(copies(driver, "new")).toEqual([]);
  expect(driver.sent.at(-1)).toEqual({ type: "retired", request: 1, workers: [] });
  expect(driver.views.worker("old")?.status).toBe("running");
});

test("S-C16: a block that is released on its way counts no more, nor one whose recipient dies", () => {
  const driver = new Driver();
  driver.worker("old");
  driver.submit([task("a"), task("b")], ["a", "b"]);
  driver.finish("a", 60);
  driver.finish("b", 60);
  driver.worker("new", { budgetBytes: 1000 });
  retire(driver, "old");
  expect(driver.views.worker("new")?.extraBytes).toBe(120);
  driver.release("a");
  expect(driver.views.worker("new")?.extraBytes).toBe(60);
  driver.leave("new");
  // Nobody is left to take b: the worker goes on.
  expect(driver.sent.at(-1)).toEqual({ type: "retired", request: 1, workers: [] });
  driver.release("b");
  expect(driver.views.isEmpty()).toBe(true);
});

test("S-C16 S-I14: a worker that stays after all is given at once what waited for somebody to run it", () => {
  const driver = new Driver();
  driver.worker("old");
  driver.submit([task("a"), task("busy")], ["a", "busy"]);
  driver.finish("a", 60);
  retire(driver, "old");
  const graph = graphOf([sourceNode({ source: "s", dtype: "float32", chunks: [[2, 2]], scratchBytes: 0 })]);
  submit(driver, graph);
  driver.finish("busy");
  expect(driver.sent).toContainEqual({ type: "retired", request: 1, workers: [] });
  expect(driver.views.counts().tasks).toMatchObject({ processing: 2, queued: 0, released: 0 });
});
