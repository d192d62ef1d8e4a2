import { afterAll, describe, expect, it } from "vitest";
import { type BlockHandle, createExecutor, type TaskOutcome } from "../../src/executor/index.ts";
import { encodeTaskSpec, type TaskSpec } from "../../src/graph/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { addBoth, callOf, counting, keyOf, specOf } from "./specs.ts";

const MIB = 2 ** 20;
const executor = createExecutor({ threads: 2, budgetBytes: 64 * MIB });
afterAll(() => executor[Symbol.asyncDispose]());

function output(outcome: TaskOutcome): BlockHandle {
  if (outcome.status !== "ok") throw new Error(`${outcome.status}: ${JSON.stringify(outcome)}`);
  return outcome.output;
}

async function run(spec: TaskSpec | Uint8Array, inputs: readonly BlockHandle[] = []): Promise<BlockHandle> {
  return output(await executor.run({ key: keyOf("t", 0), spec, inputs }));
}

describe("tasks on threads", () => {
  it("gives a block that later tasks take as input", async () => {
    const a = await run(counting(1000, 5));
    const b = await run(counting(1000, 7));
    const sum = await run(addBoth(1000), [a, b]);
    expect(Array.from(executor.view(sum).data as Float64Array)).toEqual(
      Array.from({ length: 1000 }, (_, i) => 3 * i + 12),
    );
    for (const block of [a, b, sum]) executor.release(block);
    expect(executor.stats()).toMatchObject({ bytesLive: 0, blocks: 0, inFlight: 0 });
  });

  it("takes encoded specs", async () => {
    const block = await run(encodeTaskSpec(counting(3, -1)));
    expect(executor.view(block).toArray()).toEqual([-1, 0, 1]);
    executor.release(block);
  });

  it("runs a thousand tasks that are handed over at once, each with its own answer", async () => {
    const blocks = await Promise.all(Array.from({ length: 1000 }, (_, k) => run(counting(2, k))));
    expect(blocks.map((b) => executor.view(b).item(1))).toEqual(Array.from({ length: 1000 }, (_, k) => k + 1));
    for (const b of blocks) executor.release(b);
    expect(executor.stats().blocks).toBe(0);
  });

  it("keeps inputs alive while a task is under way, even if they are released", async () => {
    const a = executor.put(NDArray.of(new Float64Array([1, 2, 3])));
    const pending = run(addBoth(3), [a, a]);
    executor.release(a);
    const sum = await pending;
    expect(executor.view(sum).toArray()).toEqual([2, 5, 8]);
    executor.release(sum);
    expect(executor.stats().blocks).toBe(0);
  });

  it("tells when and where a task ran", async () => {
    const before = Date.now();
    const outcome = await executor.run({ key: keyOf("t", 0), spec: counting(10), inputs: [] });
    executor.release(output(outcome));
    expect(outcome.startMs).toBeGreaterThanOrEqual(before - 5);
    expect(outcome.stopMs).toBeGreaterThanOrEqual(outcome.startMs);
    expect([0, 1]).toContain(outcome.thread);
  });
});

describe("user functions", () => {
  const trusted = { inputs: [], trusted: true, key: keyOf("f", 1) } as const;

  it("run only when trusted", async () => {
    const outcome = await executor.run({ key: keyOf("f", 0), spec: callOf("() => 1", 0), inputs: [] });
    expect(outcome).toMatchObject({ status: "error", error: { code: "untrusted" } });
  });

  it("give plain values, take plain values and blocks, may be async", async () => {
    const a = executor.put(NDArray.of(new Float64Array([1, 2, 3, 4])));
    const text = "async (block, settings) => ({ total: block.data.reduce((x, y) => x + y, 0) * settings.get('k') })";
    const outcome = await executor.run({
      ...trusted,
      spec: callOf(text, 2),
      inputs: [a, { value: new Map([["k", 10]]) }],
    });
    expect(outcome).toMatchObject({ status: "value", value: { total: 100 } });
    executor.release(a);
  });

  it("take arguments in which inputs are named", async () => {
    const spec = callOf("(k, { list }) => [k, ...list]", 1, [7, { list: [{ input: 0 }, "x"] }]);
    const outcome = await executor.run({ ...trusted, spec, inputs: [{ value: 3 }] });
    expect(outcome).toMatchObject({ status: "value", value: [7, 3, "x"] });
  });

  it("put arrays of the announced shape into the block, others into a block of their own", async () => {
    const a = executor.put(NDArray.of(new Float64Array([1, 2, 3, 4])));
    const same = output(
      await executor.run({
        ...trusted,
        spec: callOf("(x) => new x.constructor('float64', x.data.map((v) => v * 2), x.shape)", 1),
        inputs: [a],
      }),
    );
    const other = output(
      await executor.run({
        ...trusted,
        spec: callOf("(x) => x.transpose([0]) && new x.constructor('float64', x.data.slice(0, 2), [2, 1])", 1),
        inputs: [a],
      }),
    );
    expect(executor.view(same).toArray()).toEqual([2, 4, 6, 8]);
    expect(executor.view(other).toArray()).toEqual([[1], [2]]);
    for (const block of [a, same, other]) executor.release(block);
  });

  it("fail with their own message, the key, the layer and the block's position", async () => {
    const spec = callOf("() => { throw new RangeError('no such band') }", 0);
    const outcome = await executor.run({ ...trusted, key: keyOf("bands-12ab", 3, 0), spec });
    expect(outcome).toMatchObject({
      status: "error",
      error: {
        name: "RangeError",
        message: "no such band",
        details: { key: "('bands-12ab', 3, 0)", layer: "bands-12ab", position: [3, 0] },
      },
    });
  });

  it.each([
    ["holds a function", "Object.assign(new RangeError('no such band'), { details: { retry() {} } })", "no such band"],
    [
      "has a cause that does",
      "new RangeError('no band', { cause: Object.assign(new Error(), { details: { f() {} } }) })",
      "no band",
    ],
    [
      "cannot be read",
      "{ get message() { throw 1; }, __proto__: Error.prototype }",
      "an error that does not say what it is",
    ],
  ])("fail alone also where the error %s: the thread goes on", async (_, error, message) => {
    const lost = executor.stats().threadsLost;
    const outcome = await executor.run({ ...trusted, spec: callOf(`() => { throw ${error}; }`, 0) });
    expect(outcome).toMatchObject({ status: "error", error: { message } });
    expect(executor.stats().threadsLost).toBe(lost);
  });

  it("give an error where the result cannot leave the thread", async () => {
    const outcome = await executor.run({ ...trusted, spec: callOf("() => () => 1", 0) });
    expect(outcome).toMatchObject({ status: "error", error: { name: "UnsupportedError" } });
  });
});

describe("threads that die", () => {
  it.each([
    ["leave the process", "() => process.exit(3)", /exit code 3/],
    ["wait for ever", "() => new Promise(() => undefined)", /awaits a promise that nothing can settle/],
    ["run out of heap", "() => { const a = []; for (;;) a.push(new Array(1e5).fill(a.length)); }", /memory/],
  ])("by code that tries to %s: the task fails, the thread is replaced", async (_, text, message) => {
    await using own = createExecutor({ threads: 1, budgetBytes: MIB, heapBytes: 64 * MIB });
    const [bad, good] = await Promise.all([
      own.run({ key: keyOf("bad", 0), spec: callOf(text, 0), inputs: [], trusted: true }),
      own.run({ key: keyOf("good", 0), spec: counting(2), inputs: [] }),
    ]);
    expect(bad).toMatchObject({ status: "error", error: { code: "thread-died", details: { key: "('bad', 0)" } } });
    expect(bad.status === "error" && bad.error.message).toMatch(message);
    expect(own.view(output(good)).toArray()).toEqual([0, 1]);
    expect(own.stats().threadsLost).toBe(1);
  });

  it("do not lose what they told before", async () => {
    await using own = createExecutor({ threads: 1, budgetBytes: MIB });
    const say = (text: string): Promise<TaskOutcome> =>
      own.run({ key: keyOf("t", 0), spec: callOf(text, 0), inputs: [], trusted: true });
    const [first, second] = await Promise.all([say("() => 'told'"), say("() => process.exit(1)")]);
    expect(first).toMatchObject({ status: "value", value: "told" });
    expect(second).toMatchObject({ status: "error" });
  });

  it("are replaced however often tasks kill them", async () => {
    await using own = createExecutor({ threads: 1, budgetBytes: MIB });
    const kill = { key: keyOf("t", 0), spec: callOf("() => process.exit(1)", 0), inputs: [], trusted: true };
    const outcomes = await Promise.all(Array.from({ length: 7 }, () => own.run(kill)));
    expect(outcomes.map((o) => o.status)).toEqual(Array(7).fill("error"));
    expect((await own.run({ key: keyOf("t", 1), spec: counting(1), inputs: [] })).status).toBe("ok");
  });

  it("are given up when they cannot even start, and every task is told why", async () => {
    await using own = createExecutor({ threads: 1, budgetBytes: MIB, heapBytes: 6 * MIB });
    const task = { key: keyOf("t", 0), spec: counting(1), inputs: [] };
    const outcomes = [...(await Promise.all([own.run(task), own.run(task)])), await own.run(task)];
    for (const outcome of outcomes) expect(outcome).toMatchObject({ status: "error", error: { code: "thread-died" } });
    expect(own.stats().inFlight).toBe(0);
  });
});

describe("cancellation", () => {
  it("ends waiting tasks at once and running ones between steps", async () => {
    await using own = createExecutor({ threads: 1, budgetBytes: MIB });
    const stop = new AbortController();
    const shared = new Int32Array(new SharedArrayBuffer(8));
    // Two steps: the first waits until it is let go, so that the abort falls between them.
    const wait: TaskSpec = specOf(1, [
      {
        do: "call",
        dtype: "float64",
        shape: [1],
        text: "(s) => { Atomics.store(s, 0, 1); Atomics.notify(s, 0); Atomics.wait(s, 1, 0); }",
        inputs: [0],
        args: null,
        mac: null,
      },
      { do: "arange", dtype: "float64", shape: [1], start: 0, step: 1, first: 0 },
    ]);
    const running = own.run({
      key: keyOf("t", 0),
      spec: wait,
      inputs: [{ value: shared }],
      trusted: true,
      signal: stop.signal,
    });
    const queued = own.run({ key: keyOf("t", 1), spec: counting(1), inputs: [], signal: stop.signal });
    while (Atomics.load(shared, 0) === 0) await new Promise((resolve) => setImmediate(resolve));
    stop.abort();
    Atomics.store(shared, 1, 1);
    Atomics.notify(shared, 1);
    expect((await running).status).toBe("cancelled");
    expect((await queued).status).toBe("cancelled");
    expect(own.stats()).toMatchObject({ bytesLive: 0, inFlight: 0 });
  });

  it("of a task whose signal is aborted already never runs it", async () => {
    const outcome = await executor.run({
      key: keyOf("t", 0),
      spec: callOf("() => 1", 0),
      inputs: [],
      trusted: true,
      signal: AbortSignal.abort(),
    });
    expect(outcome.status).toBe("cancelled");
  });
});

describe("the budget", () => {
  it("waits for a block that is being sent although nobody wants it any more", async () => {
    await using own = createExecutor({ threads: 1, budgetBytes: MIB });
    const elements = Math.floor((0.6 * MIB) / 8);
    const sent = output(await own.run({ key: keyOf("t", 0), spec: counting(elements), inputs: [] }));
    own.retain(sent);
    own.pin(sent);
    own.release(sent);
    const next = own.run({ key: keyOf("t", 1), spec: counting(elements), inputs: [] });
    await new Promise((resolve) => setImmediate(resolve));
    own.unpin(sent);
    own.release(sent);
    own.release(output(await next));
    expect(own.stats().bytesLive).toBe(0);
  });

  it("W-C4 ends a function that does not end by itself, and goes on", async () => {
    await using own = createExecutor({ threads: 1, budgetBytes: MIB });
    const started = new Int32Array(new SharedArrayBuffer(4));
    const endless = specOf(1, [
      {
        do: "call",
        dtype: "float64",
        shape: [1],
        text: "(s) => { Atomics.store(s, 0, 1); while (true) {} }",
        inputs: [0],
        args: null,
        mac: null,
      },
    ]);
    const key = keyOf("endless", 0);
    const running = own.run({ key, spec: endless, inputs: [{ value: started }], trusted: true });
    const next = own.run({ key: keyOf("t", 1), spec: counting(1), inputs: [] });
    while (Atomics.load(started, 0) === 0) await new Promise((resolve) => setImmediate(resolve));
    own.abort(keyOf("another", 0));
    own.abort(key);
    expect((await running).status).toBe("cancelled");
    const after = await next;
    expect(after.status).toBe("ok");
    if (after.status === "ok") own.release(after.output);
    expect(own.stats()).toMatchObject({ bytesLive: 0, inFlight: 0, threadsLost: 1 });
  });

  it("waits for the bytes of a cancelled task that runs on", async () => {
    await using own = createExecutor({ threads: 2, budgetBytes: MIB });
    const stop = new AbortController();
    const shared = new Int32Array(new SharedArrayBuffer(8));
    const elements = (0.6 * MIB) / 8;
    const text = "(s) => { Atomics.store(s, 0, 1); Atomics.notify(s, 0); Atomics.wait(s, 1, 0); }";
    const wait: TaskSpec = specOf(1, [
      { do: "call", dtype: "float64", shape: [1], text, inputs: [0], args: null, mac: null },
      { do: "arange", dtype: "float64", shape: [Math.floor(elements)], start: 0, step: 1, first: 0 },
    ]);
    const first = own.run({
      key: keyOf("t", 0),
      spec: wait,
      inputs: [{ value: shared }],
      trusted: true,
      signal: stop.signal,
    });
    while (Atomics.load(shared, 0) === 0) await new Promise((resolve) => setImmediate(resolve));
    stop.abort();
    const second = own.run({ key: keyOf("t", 1), spec: counting(Math.floor(elements)), inputs: [] });
    Atomics.store(shared, 1, 1);
    Atomics.notify(shared, 1);
    expect((await first).status).toBe("cancelled");
    own.release(output(await second));
    expect(own.stats().bytesPeak).toBeLessThanOrEqual(MIB);
  });

  it("lets a small task start once the large one before it is given up", async () => {
    await using own = createExecutor({ threads: 2, budgetBytes: MIB });
    const shared = new Int32Array(new SharedArrayBuffer(8));
    const elements = Math.floor((0.6 * MIB) / 8);
    const text = "(s) => { Atomics.store(s, 0, 1); Atomics.notify(s, 0); Atomics.wait(s, 1, 0); }";
    const wait: TaskSpec = specOf(1, [
      { do: "call", dtype: "float64", shape: [1], text, inputs: [0], args: null, mac: null },
      { do: "arange", dtype: "float64", shape: [elements], start: 0, step: 1, first: 0 },
    ]);
    const first = own.run({ key: keyOf("t", 0), spec: wait, inputs: [{ value: shared }], trusted: true });
    while (Atomics.load(shared, 0) === 0) await new Promise((resolve) => setImmediate(resolve));
    const large = own.run({ key: keyOf("t", 1), spec: counting(elements), inputs: [] });
    const small = own.run({ key: keyOf("t", 2), spec: counting(1), inputs: [] });
    own.abort(keyOf("t", 1));
    expect((await large).status).toBe("cancelled");
    own.release(output(await small)); // while the first one still waits
    Atomics.store(shared, 1, 1);
    Atomics.notify(shared, 1);
    own.release(output(await first));
    expect(own.stats()).toMatchObject({ bytesLive: 0, inFlight: 0 });
  });

  it("is a broken promise to pass, unless a test says otherwise", async () => {
    await using own = createExecutor({ threads: 1, budgetBytes: MIB });
    expect(await own.run({ key: keyOf("t", 0), spec: counting(MIB / 8 + 1), inputs: [] })).toMatchObject({
      status: "error",
      error: { code: "invariant" },
    });
    const whole = output(await own.run({ key: keyOf("t", 0), spec: counting(MIB / 8), inputs: [] }));
    expect(() => own.allocate("uint8", [1])).toThrow(/budget of 1.00 MiB/);
    own.release(whole);
    await using loose = createExecutor({ threads: 1, budgetBytes: MIB, enforceBudget: false });
    expect((await loose.run({ key: keyOf("t", 0), spec: counting(MIB), inputs: [] })).status).toBe("ok");
  });

  it("counts registers of running tasks", async () => {
    await using own = createExecutor({ threads: 1, budgetBytes: MIB });
    const n = MIB / 8 / 4;
    const a = output(await own.run({ key: keyOf("t", 0), spec: counting(n), inputs: [] }));
    const outcome = await own.run({ key: keyOf("t", 1), spec: addBoth(n), inputs: [a, a] });
    // Input, output and two registers with their tails: a little over four quarters.
    expect(outcome).toMatchObject({ status: "error", error: { code: "invariant" } });
    expect(own.stats().bytesLive).toBe(MIB / 4);
  });
});
