/** Transitions of the machine as Dask's schedulers tell them; the whole of it beside a real one: scheduler-plugins.test.ts of interop. */
import { expect, test } from "vitest";
import type { Key } from "../../src/graph/index.ts";
import type { StoryEntry } from "../../src/scheduler/state/index.ts";
import { daskTransitions } from "../../src/scheduler/transition-names.ts";

const told = (...moves: readonly string[]): string[] =>
  daskTransitions(
    moves.map((move): StoryEntry => {
      const [key, from, to] = move.split(" ") as [Key, string, string];
      return { key, from, to, stimulusId: "s", now: 0 };
    }),
  ).map(({ key, from, to }) => `${key} ${from} ${to}`);

test("a task is released when it is made, and queued only beyond the turn", () => {
  expect(
    told("a forgotten released", "b forgotten waiting", "a released waiting", "a waiting queued", "b waiting queued"),
  ).toEqual(["b released waiting", "a released waiting", "a waiting queued", "b waiting queued"]);
  expect(told("a waiting queued", "b waiting processing", "a queued processing")).toEqual([
    "b waiting processing",
    "a waiting processing",
  ]);
  expect(told("a queued processing", "b no-worker queued", "b queued processing")).toEqual([
    "a queued processing",
    "b no-worker processing",
  ]);
  expect(told("a forgotten memory")).toEqual(["a released memory"]);
});

test("a result goes in one move if it goes in one turn, a failure in two, and one that is computed again comes back", () => {
  expect(told("a memory released", "b memory forgotten", "a released forgotten")).toEqual([
    "b memory forgotten",
    "a memory forgotten",
  ]);
  expect(told("a erred released", "a released forgotten")).toEqual(["a erred released", "a released forgotten"]);
  expect(told("a memory released", "a released waiting", "a waiting queued", "a queued released")).toEqual([
    "a memory released",
    "a released waiting",
    "a waiting released",
  ]);
  expect(told("a memory released")).toEqual(["a memory released"]);
});
