/** The task stream: what is asked for by time, count and index. Expectations are those of distributed's `TaskStreamPlugin.collect`. */
import { expect, test } from "vitest";
import { keyOfValue, sourceNode, valueOfKey } from "../../src/graph/index.ts";
import { TaskStream } from "../../src/scheduler/task-stream.ts";
import { graphOf } from "../sim/random-graph.ts";

/** Records that end at second 1, 2, … */
function filled(count: number): TaskStream {
  const stream = new TaskStream(() => count);
  stream.begin();
  for (let k = 1; k <= count; k++)
    stream.note({
      key: keyOfValue(`task-${k}`),
      worker: "tcp://w",
      thread: 1,
      status: "OK",
      startstops: [{ action: "compute", start: k - 1, stop: k }],
      nbytes: 8,
      typename: "int",
    });
  return stream;
}

const asked = (stream: TaskStream, fields: Record<string, unknown>): unknown[] =>
  stream.collect(new Map(Object.entries(fields))).map((record) => Number(String(record["key"]).slice("task-".length)));

test("nothing is kept before somebody asks", () => {
  const stream = new TaskStream(() => 0);
  stream.hear("tcp://w", []);
  expect([stream.isOn, stream.begin(), stream.isOn]).toEqual([false, 0, true]);
});

test("by time of the end, count, both, and index", () => {
  const stream = filled(10);
  expect(asked(stream, {})).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  expect(asked(stream, { start: 4, stop: 7 })).toEqual([4, 5, 6]);
  expect(asked(stream, { count: 2 })).toEqual([9, 10]);
  expect(asked(stream, { start: 3, count: 2 })).toEqual([3, 4]);
  expect(asked(stream, { stop: 5, count: 2 })).toEqual([3, 4]);
  expect(asked(stream, { start: "3s" })).toEqual([7, 8, 9, 10]);
  expect(asked(stream, { start_index: 8 })).toEqual([9, 10]);
  expect(asked(stream, { start: 0, stop: 0 })).toEqual([]);
  expect(stream.begin()).toBe(10);
});

test("the oldest go; an index stays what it was", () => {
  const stream = filled(130_000);
  const kept = asked(stream, {});
  expect(kept.length).toBeLessThanOrEqual(125_000);
  expect(kept.at(-1)).toBe(130_000);
  expect(asked(stream, { start_index: 129_999 })).toEqual([130_000]);
});

test("ends in columns of tasks that the graph does not have are passed over", () => {
  const stream = new TaskStream(() => 1);
  stream.begin();
  const graph = graphOf([sourceNode({ source: "x", dtype: "float64", chunks: [[2, 2]], scratchBytes: 0 })]);
  stream.hearColumns("tcp://w", graph, {
    submission: 1,
    tasks: Uint32Array.of(1, 2, 4_000_000_000),
    runIds: new Uint32Array(3),
    nbytes: new Float64Array(3),
    seconds: new Float32Array(3),
  });
  expect(stream.collect(new Map()).map(({ key }) => key)).toEqual([valueOfKey(graph.key(1))]);
});
