/** Blocks that are larger than any segment, under a budget that has room for them: they are kept outside, or told of. */
import { expect, test } from "vitest";
import { Arena } from "../../src/executor/arena.ts";
import { createExecutor } from "../../src/executor/index.ts";
import { NOT_RUN } from "../../src/executor/job.ts";
import { postedOutcome } from "../../src/executor/posted.ts";
import { keyOf } from "./specs.ts";

const GIB = 2 ** 30;

test("what comes from a peer finds no room in the arena", async () => {
  await using executor = createExecutor({ threads: 1, budgetBytes: 16 * GIB });
  expect(executor.allocateIfRoom("uint8", [5 * GIB])).toBeNull();
  expect(executor.allocateIfRoom("uint8", [4 * GIB - 1])).toBeNull(); // with its tail
  expect(executor.stats()).toMatchObject({ bytesLive: 0, blocks: 0 });
});

test("what a function gives is an error of its task", () => {
  const data = new Uint8Array(5 * GIB); // of which nothing is touched
  const post = { type: "array", slot: 0, array: { dtype: "uint8", shape: [5 * GIB], data } } as const;
  const outcome = postedOutcome(post, NOT_RUN, () => keyOf("t", 0), new Arena({ budgetBytes: 16 * GIB }));
  expect(outcome).toMatchObject({ status: "error", error: { code: "memory-budget" } });
});
