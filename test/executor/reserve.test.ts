/** What a task takes before it starts. */
import { expect, it } from "vitest";
import { Arena } from "../../src/executor/arena.ts";
import type { Job } from "../../src/executor/job.ts";
import { Patience } from "../../src/executor/patience.ts";
import { type Reservation, reserve } from "../../src/executor/reserve.ts";
import { counting, keyOf } from "./specs.ts";

it("keeps its inputs pinned where memory for its block cannot be had", () => {
  const arena = new Arena({ budgetBytes: 2 ** 33 });
  const input = arena.allocate("uint8", [2 ** 20]);
  if (input === null) throw new Error("no room");
  arena.pin(input);
  const job: Job = {
    task: { key: keyOf("t", 0), spec: counting(2 ** 29 + 2 ** 27), inputs: [] }, // 5 GiB, more than a segment holds
    done: () => undefined,
    isStopped: false,
    stop: null,
    onAbort: () => undefined,
    inputs: [input],
    pinned: new Set([input]),
    hold: null,
    bytesFetched: 0,
    fetching: null,
  };
  const from: Reservation = {
    arena,
    spill: null,
    freeSlots: [0],
    isHolding: () => false,
    patience: new Patience(() => undefined),
    putIfRoom: () => null,
  };
  expect(() => reserve(job, from)).toThrow(/a segment holds at most/);
  expect(arena.canEvict(input)).toBe(false);
  arena.unpin(input); // as the end of the job does
  expect(arena.canEvict(input)).toBe(true);
});
