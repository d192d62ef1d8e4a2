/** What a worker takes a task's need to be, before it reads more of its spec: anything may stand there. */
import { expect, test } from "vitest";
import { createExecutor } from "../../src/executor/index.ts";
import { encodeTaskSpec, keyOfValue } from "../../src/graph/index.ts";
import { serializeTaskSpec } from "../../src/protocol/index.ts";
import { needOf } from "../../src/worker/run-task.ts";
import { counting } from "../executor/specs.ts";

function specText(change: Readonly<Record<string, unknown>>): Uint8Array {
  return encodeTaskSpec({ ...counting(10), ...change } as never);
}

const BROKEN: readonly (readonly [string, Uint8Array])[] = [
  ["is null", Buffer.from("null")],
  ["has no block", specText({ out: null })],
  ["has a block of text", specText({ out: { dtype: "float64", shape: [10], nbytes: "80" } })],
  ["has a block of no number of bytes", specText({ out: { dtype: "float64", shape: [10], nbytes: Number.NaN } })],
  ["has a block of fewer bytes than none", specText({ out: { dtype: "float64", shape: [10], nbytes: -80 } })],
  ["has no number of bytes for its registers", specText({ workspace: Number.NaN })],
];

function needed(spec: Uint8Array): number | null {
  return needOf(serializeTaskSpec(spec));
}

test("is its block and its registers", () => {
  expect(needed(specText({ workspace: 64 }))).toBe(144);
});

test.each(BROKEN)("is not known of a spec that %s, and the task fails", async (_, spec) => {
  expect(needed(spec)).toBeNull();
  await using executor = createExecutor({ threads: 1, budgetBytes: 2 ** 20 });
  const outcome = await executor.run({ key: keyOfValue("t"), spec, inputs: [] });
  expect(outcome).toMatchObject({ status: "error", error: { code: "remote-protocol" } });
});
