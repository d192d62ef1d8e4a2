import { expect, test } from "vitest";
import { keyOfValue } from "../../src/graph/index.ts";
import {
  plainGraphTasks,
  pyGlobal,
  pyGraph,
  pyNativeTask,
  pyTask,
  pyTaskList,
  pyTaskRef,
  readRunSpec,
  serializeExpression,
  serializePickle,
  writePickle,
} from "../../src/protocol/index.ts";

const [a, b, c] = [keyOfValue("a"), keyOfValue(["b", 0]), keyOfValue("c")];

test("tasks of a graph come back with their dependencies and a run spec that says the same", () => {
  const tasks = new Map([
    [a, pyNativeTask(a, Uint8Array.of(1, 2), [])],
    [b, pyNativeTask(b, Uint8Array.of(3), [c, a])],
    [
      c,
      pyTask(c, {
        func: pyGlobal("numpy.sum"),
        args: [pyTaskList([1, pyTaskRef(a)])],
        kwargs: { initial: pyTaskRef(b) },
      }),
    ],
  ]);
  const found = plainGraphTasks(serializeExpression(pyGraph(tasks)));
  expect(found?.map(({ key, dependencies }) => [key, dependencies])).toEqual([
    [a, []],
    [b, [c, a]],
    [c, [b, a]],
  ]);
  const spec = found?.[1] && readRunSpec(found[1].runSpec);
  expect(spec).toMatchObject({ kind: "native", spec: Uint8Array.of(3), dependencies: [c, a] });
});

test("expressions that only Python can expand are left to it", () => {
  expect(plainGraphTasks(serializePickle(writePickle(pyGlobal("dask._expr.Expr"))))).toBeUndefined();
  expect(plainGraphTasks(serializeExpression(pyGraph(new Map([[a, pyTaskList([1])]]))))).toBeUndefined();
});
