/** Calls of users' functions as tasks of a graph: what fits into a slot's record goes by it, and gives the same as what does not. */
import { afterAll, describe, expect, test } from "vitest";
import { createExecutor, type LaneTask, type TaskInput, type TaskOutcome } from "../../src/executor/index.ts";
import { type Call, CallsBuilder, encodePlain, Graph, keyOfValue, type Plain } from "../../src/graph/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";

const executor = createExecutor({ threads: 2, budgetBytes: 8 * 2 ** 20 });
afterAll(() => executor[Symbol.asyncDispose]());

type Given = Pick<Call, "text" | "args"> & { readonly inputs?: readonly TaskInput[] };

/** Outcomes of these calls, each a task of one graph. */
async function run(calls: readonly Given[], { isTrusted = true } = {}): Promise<TaskOutcome[]> {
  const builder = new CallsBuilder();
  const most = Math.max(0, ...calls.map(({ inputs = [] }) => inputs.length));
  // Inputs are whatever tasks these stand for.
  for (let i = 0; i < most; i++) builder.add({ key: keyOfValue(`in-${i}`), text: "() => 0", args: [], inputs: [] });
  calls.forEach(({ text, args, inputs = [] }, i) => {
    builder.add({ key: keyOfValue(`call-${i}`), text, args, inputs: inputs.map((_, k) => k) });
  });
  const programs = executor.open(new Graph([{ ...builder.build("calls", null), inline: false }], [0]), () => isTrusted);
  const outcomes = await Promise.all(
    calls.map(
      ({ inputs = [] }, i) =>
        new Promise<TaskOutcome>((done) => {
          const task: LaneTask = { programs, task: most + i, inputs, done };
          executor.submitOf(task);
        }),
    ),
  );
  executor.close(programs);
  return outcomes;
}

/** What they give; texts of errors. */
async function values(calls: readonly Given[]): Promise<unknown[]> {
  return (await run(calls)).map((outcome) => {
    if (outcome.status === "value") return outcome.value;
    return outcome.status === "error" ? outcome.error.message : outcome.status;
  });
}

const SCALARS = [1.5, Number.NaN, -0, 2 ** 53 - 1, true, false, null, undefined];
const BYTES = Uint8Array.of(1, 2, 3);

describe("arguments and results", () => {
  const given: Plain[] = [
    [],
    [1, "two", true, null],
    ["{", "a{b}", "\u00e9\u{1f600}", ""],
    [[1, [2, 3]], { a: { b: 1 } }],
    [Number.NaN, -0, 12n, BYTES],
    ["x".repeat(5000)],
    [Array.from({ length: 300 }, (_, i) => i)],
    { a: 1 },
  ];

  test("arrive as they are, short or long", async () => {
    const got = await values(given.map((args) => ({ text: "(...xs) => xs", args })));
    expect(got).toEqual(given.map((args) => (Array.isArray(args) ? args : [args])));
  });

  test("a function has its own: what it does to them nobody else sees", async () => {
    const text = "(xs, bytes) => { xs.list.push(1); bytes[0]++; return [xs.list.length, bytes[0]]; }";
    const args: Plain = [{ list: [] }, BYTES];
    expect(encodePlain(args).length).toBeLessThan(400);
    const got = await values(Array.from({ length: 8 }, () => ({ text, args })));
    expect(got).toEqual(Array.from({ length: 8 }, () => [1, 2]));
  });

  test.each(SCALARS)("%o comes as an input and goes as it is", async (value) => {
    const inputs = [{ value }, { value: 1 }];
    expect(await values([{ text: "(x, y) => x", args: null, inputs }])).toEqual([value]);
    expect(await values([{ text: "(y, x) => x", args: [{ input: 1 }, { input: 0 }], inputs }])).toEqual([value]);
  });

  test("inputs that are texts, objects and many", async () => {
    const inputs = ["text", { a: [1] }, 3].map((value) => ({ value }));
    expect(await values([{ text: "(...xs) => xs", args: null, inputs }])).toEqual([["text", { a: [1] }, 3]]);
    const many = Array.from({ length: 40 }, (_, value) => ({ value }));
    expect(await values([{ text: "(...xs) => xs.length", args: null, inputs: many }])).toEqual([40]);
  });

  test("blocks are seen in place, and given back when the call has ended", async () => {
    const block = new NDArray("int16", Int16Array.of(1, 2, 3, 4, 5, 6), [2, 3]);
    const before = executor.stats().blocks;
    const handle = executor.put(block);
    const text = "(x, k) => [x.dtype, x.shape, Array.from(x.data), k]";
    const args: Plain = [{ input: 0 }, 7];
    expect(await values([{ text, args, inputs: [handle] }])).toEqual([["int16", [2, 3], [1, 2, 3, 4, 5, 6], 7]]);
    executor.release(handle);
    expect(executor.stats().blocks).toBe(before);
  });

  test("an array is a block of the executor", async () => {
    const inputs = [executor.put(new NDArray("float32", Float32Array.of(1, 2, 3), [3]))];
    const [outcome] = await run([{ text: "(x) => x", args: null, inputs }]);
    if (outcome?.status !== "ok") throw new Error(JSON.stringify(outcome));
    expect(executor.view(outcome.output).data).toEqual(Float32Array.of(1, 2, 3));
    executor.release(outcome.output);
    for (const input of inputs) executor.release(input);
  });

  test("3000 at once, each with its own", async () => {
    const calls = Array.from({ length: 3000 }, (_, i) => ({ text: "(x) => x / 7", args: [i] }));
    expect(await values(calls)).toEqual(calls.map((_, i) => i / 7));
  });
});

describe("ends", () => {
  test("promises, errors, and what cannot travel", async () => {
    const got = await values([
      { text: "async (x) => x + 1", args: [1] },
      { text: "async () => { throw new Error('late'); }", args: [] },
      { text: "() => { throw new TypeError('now'); }", args: [] },
      { text: "() => () => 1", args: [] },
      { text: "1 + 1", args: [] },
    ]);
    expect(got.slice(0, 3)).toEqual([2, "late", "now"]);
    expect(got[3]).toMatch(
      /^the function gave a function, which cannot leave its thread: \(\) => 1 could not be cloned; /,
    );
    expect(got[4]).toMatch(/no function expression/);
  });

  test("a stack has places in the function's own text, and no frames of ours", async () => {
    const text = (body: string): string =>
      `function outer() {\n  function inner(x) {\n    ${body}\n  }\n  return inner(1);\n}`;
    const outcomes = await run([
      { text: text("throw new TypeError('bad');"), args: [] },
      { text: text("throw new Error('outside', { cause: new Error('inside') });"), args: [] },
      { text: "async () => { await null; throw new Error('late'); }", args: [] },
      { text: "() => { throw 'words'; }", args: [] },
    ]);
    const stacks = outcomes.map((outcome) => (outcome.status === "error" ? outcome.error : null));
    const frames = ["    at inner (<function>:3:11)", "    at outer (<function>:5:10)"];
    expect(stacks[0]?.stack?.split("\n")).toEqual(["TypeError: bad", ...frames]);
    expect(stacks[1]?.stack?.split("\n")).toEqual(["Error: outside", ...frames]);
    expect(stacks[1]?.cause?.stack?.split("\n")).toEqual([
      "Error: inside",
      "    at inner (<function>:3:41)",
      "    at outer (<function>:5:10)",
    ]);
    expect(stacks[2]?.stack?.split("\n")).toEqual(["Error: late", "    at <function>:1:33"]);
    expect(stacks[3]?.stack).toBe("Error: words");
  });

  test("an error names its key", async () => {
    const [outcome] = await run([{ text: "() => { throw new Error('x'); }", args: [] }]);
    expect(outcome).toMatchObject({ status: "error", error: { details: { key: "call-0" } } });
  });

  test("nobody vouches for them: none runs", async () => {
    const [outcome] = await run([{ text: "() => 1", args: [] }], { isTrusted: false });
    expect(outcome).toMatchObject({ status: "error", error: { code: "untrusted" } });
  });

  test("one that does not end is ended with its thread, and others go on", async () => {
    const builder = new CallsBuilder();
    builder.add({ key: keyOfValue("endless"), text: "() => { for (;;); }", args: [], inputs: [] });
    const programs = executor.open(new Graph([{ ...builder.build("endless", null), inline: false }], [0]), () => true);
    const outcome = await new Promise<TaskOutcome>((done) => {
      executor.submitOf({ programs, task: 0, inputs: [], done });
      executor.abort(keyOfValue("endless"));
    });
    expect(outcome.status).toBe("cancelled");
    executor.close(programs);
    expect(await values([{ text: "() => 2", args: [] }])).toEqual([2]);
  });
});
