/** Graphs of Python clients that read what nobody knows: cancelled as Dask's scheduler does it, and nothing is left of them. */
import { expect, test } from "vitest";
import type { SubmittedTask } from "../../../src/scheduler/state/index.ts";
import { Driver, k, task } from "./drive.ts";

const python = (name: string, dependencies: readonly string[] = []): SubmittedTask => ({
  ...task(name, dependencies),
  language: "python",
});

function told(driver: Driver): unknown {
  return driver.toClients.splice(0).map(({ message }) => message);
}

test("S-C30: a graph that reads or wants what is lost is cancelled and not entered; computed again the key is free", () => {
  const driver = new Driver();
  driver.worker("w", { kind: "python" });
  const cancelled = (...keys: string[]) => ({
    op: "cancelled-keys",
    keys: keys.map(k),
    reason: "lost dependencies",
    msg: "lost-data: x is not known to this scheduler (any more); compute or persist it again",
  });
  driver.submit([python("sum", ["part"]), python("part", ["x"]), python("other")], ["sum", "other"]);
  expect(told(driver)).toEqual([cancelled("sum", "other")]);
  driver.submit([], ["x"]);
  expect(told(driver)).toEqual([cancelled("x")]);
  expect(driver.orders).toEqual([]);
  expect(driver.views.isEmpty()).toBe(true);
  driver.submit([python("x")], ["x"]);
  driver.finish("x");
  driver.submit([python("part", ["x"])], ["part"]);
  driver.finish("part");
  expect(told(driver)).toMatchObject([
    { op: "key-in-memory", key: "x" },
    { op: "key-in-memory", key: "part" },
  ]);
  // What is known needs none of what it was computed from.
  driver.release("x");
  expect(driver.state("x")).toBe("released");
  driver.submit([python("again", ["part"]), python("part", ["gone"])], ["again"]);
  driver.finish("again");
  expect(told(driver)).toMatchObject([{ op: "key-in-memory", key: "again" }]);
});
