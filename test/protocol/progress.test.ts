import { expect, test } from "vitest";
import { progressMessage, readProgress } from "../../src/protocol/index.ts";

test("progress survives the wire, with what Dask adds to an event", () => {
  const layers = new Map([["sum-ab", { done: 2, bytesRead: 10, bytesWritten: 0 }]]);
  const sent = new Map<string, unknown>([...progressMessage(layers), ["worker", "tcp://127.0.0.1:1"]]);
  expect(readProgress([1234.5, sent])).toEqual(layers);
});

test("anything else is no progress", () => {
  for (const event of [
    null,
    "x",
    [1],
    [1, "x"],
    [
      1,
      new Map<unknown, unknown>([
        ["a", [1, 2]],
        [3, [1, 2, 3]],
        ["b", [1, -2, 3]],
        ["c", [1, "x", 3]],
      ]),
    ],
  ]) {
    expect(readProgress(event)).toEqual(new Map());
  }
});
