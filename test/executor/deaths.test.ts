/** What goes wrong between the executor and its threads is a failure of its task: nothing stays taken, and the next one runs. */
import { afterEach, beforeEach, describe, expect, it, test } from "vitest";
import { createExecutor, type Executor, type ExecutorTask, type TaskOutcome } from "../../src/executor/index.ts";
import { blockwiseNode, buildGraph, type Graph, literalNode, type TaskSpec } from "../../src/graph/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { sumCall } from "../sim/random-graph.ts";
import { callOf, counting, keyOf, specOf } from "./specs.ts";

const MIB = 2 ** 20;
let executor: Executor;
beforeEach(() => {
  executor = createExecutor({ threads: 1, budgetBytes: 8 * MIB, heapBytes: 64 * MIB });
});
afterEach(() => executor[Symbol.asyncDispose]());

function calling(spec: TaskSpec, ...values: readonly unknown[]): ExecutorTask {
  return { key: keyOf("t", 0), spec, inputs: values.map((value) => ({ value })), trusted: true };
}

function call(text: string, ...values: readonly unknown[]): ExecutorTask {
  return calling(callOf(text, values.length), ...values);
}

/** The executor has nothing of ended tasks, and goes on. */
async function expectWell(): Promise<void> {
  const outcome = await executor.run({ key: keyOf("next", 0), spec: counting(2), inputs: [] });
  if (outcome.status !== "ok") throw new Error(JSON.stringify(outcome));
  executor.release(outcome.output);
  expect(executor.stats()).toMatchObject({ bytesLive: 0, blocks: 0, inFlight: 0 });
}

/** Lists in lists. */
function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < depth; i++) value = [value];
  return value;
}

describe("a task that cannot be told to a thread fails", () => {
  it("where its program cannot be written", async () => {
    const block = executor.put(NDArray.of(new Float64Array(4)));
    const step = { do: "call", dtype: "float64", shape: [4], text: "() => 1", inputs: [0], mac: null } as const;
    const args: unknown[] = [];
    args.push(args);
    const spec = specOf(1, [{ ...step, args: args as never }]);
    const outcome = await executor.run({ key: keyOf("t", 0), spec, inputs: [block], trusted: true });
    executor.release(block);
    expect(outcome).toMatchObject({ status: "error", error: { details: { key: "('t', 0)" } } });
    await expectWell();
  });

  it.each([
    ["cannot be copied", () => 1, /could not be cloned/],
    ["is nested too deeply", nested(50_000), /call stack/],
  ])("where an input %s", async (_, value, message) => {
    const outcome = await executor.run(call("(x) => 1", value));
    expect(outcome).toMatchObject({ status: "error", error: { message: expect.stringMatching(message) } });
    await expectWell();
    expect(executor.stats().threadsLost).toBe(0);
  });
});

it.each([10_000, 30_000, 100_000])(
  "a result that is nested too deeply to be read fails its task: %i lists",
  async (depth) => {
    const text = `() => { ${nested.toString()} return nested(${depth}); }`;
    const both = await Promise.all([executor.run(call(text)), executor.run(call("() => [1]"))]);
    expect(both).toMatchObject([
      { status: "error", error: { message: expect.stringMatching(/call stack/), details: { key: "('t', 0)" } } },
      { status: "value", value: [1] },
    ]);
    await expectWell();
  },
);

describe("a thread that dies", () => {
  it("while it waits for values fails its task alone", async () => {
    const poison =
      "() => { const { wait } = Atomics; Atomics.wait = (...a) => (a.length === 3 ? process.exit(7) : wait(...a)); }";
    await executor.run(call(poison));
    const next = Promise.withResolvers<TaskOutcome>();
    const asked = Promise.withResolvers<TaskOutcome>();
    executor.submit(call("(text) => text", "a"), (outcome) => {
      asked.resolve(outcome);
      executor.submit(call("(text) => text", "b"), next.resolve); // in the slot that has just come free
    });
    await null; // the task is in the ring, and its thread woken
    // This thread hears of nothing until the other one has asked, and gone.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
    expect(await asked.promise).toMatchObject({ status: "error", error: { code: "thread-died" } });
    expect(await next.promise).toMatchObject({ status: "value", value: "b" });
    await expectWell();
  });

  it("of the values that it is given fails its task alone", async () => {
    const block = executor.put(NDArray.of(new Float64Array(4)));
    const large = Array.from({ length: 2_000_000 }, (_, i) => ({ i }));
    const spec = callOf("(block, list) => list.length", 2);
    const outcome = await executor.run({ key: keyOf("t", 0), spec, inputs: [block, { value: large }], trusted: true });
    expect(outcome).toMatchObject({ status: "error", error: { code: "thread-died" } });
    executor.release(block);
    await expectWell();
  });

  it.each(["undefined", "null", "'text'", "Object.create(null)"])(
    "of a thrown %s fails its task alone",
    async (thrown) => {
      const outcome = await executor.run(call(`() => new Promise(() => setTimeout(() => { throw ${thrown}; }))`));
      expect(outcome).toMatchObject({ status: "error", error: { code: "thread-died" } });
      await expectWell();
    },
  );
});

describe("tasks of a graph", () => {
  /** One block of so many bytes, and its sum with itself. */
  function graphOf(nbytes: number): Graph {
    const chunks = [[nbytes / 4]];
    const ones = literalNode("ones", "float32", chunks, new Uint8Array(4));
    return buildGraph([
      blockwiseNode(
        "twice",
        sumCall(2),
        [
          { layer: ones, axes: [0] },
          { layer: ones, axes: [0] },
        ],
        chunks,
      ),
    ]);
  }

  test("whose block no segment holds fail, and take nothing", async () => {
    await using large = createExecutor({ threads: 1, budgetBytes: 2 ** 35 });
    const programs = large.open(graphOf(5 * 2 ** 30), () => false);
    const outcome = await new Promise<TaskOutcome>((done) => large.submitOf({ programs, task: 0, inputs: [], done }));
    expect(outcome).toMatchObject({
      status: "error",
      error: { message: expect.stringMatching(/a segment holds at most/) },
    });
    expect(large.stats()).toMatchObject({ bytesLive: 0, blocks: 0, inFlight: 0 });
    large.close(programs);
  });
});
