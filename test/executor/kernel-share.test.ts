/** Kernels are compiled once for all threads of a process, and the counters say so. */
import { afterAll, expect, test } from "vitest";
import { createExecutor, type TaskOutcome } from "../../src/executor/index.ts";
import { KernelBuilder, type Key, keyOfValue, type TaskSpec } from "../../src/graph/index.ts";

const THREADS = 4;
const executor = createExecutor({ threads: THREADS, budgetBytes: 64 * 2 ** 20 });
afterAll(() => executor[Symbol.asyncDispose]());

/** `x * factor + addend…` on a block of 100 000 elements; another `links` is another kernel, another factor is not. */
function spec(links: number, factor: number): TaskSpec {
  const b = new KernelBuilder();
  let node = b.input("float32");
  for (let k = 0; k < links; k++) node = b.binary("add", b.binary("mul", node, b.param(factor + k, "float32")), node);
  const shape = [100_000];
  const nbytes = 400_000;
  return {
    v: 1,
    inputs: 0,
    steps: [
      { do: "literal", dtype: "float32", shape, bytes: new Uint8Array(Float32Array.of(2).buffer) },
      { do: "map", dtype: "float32", shape, call: b.build([node]), inputs: [0], axes: [[0]] },
    ],
    workspace: nbytes + 64,
    scratch: 0,
    out: { dtype: "float32", shape, nbytes },
  };
}

let count = 0;
async function runAll(specs: readonly TaskSpec[]): Promise<Set<number>> {
  const ends = await Promise.all(
    specs.map((s): Promise<TaskOutcome> => {
      const key: Key = keyOfValue(`task-${count++}`);
      return executor.run({ key, spec: s, inputs: [] });
    }),
  );
  for (const end of ends) {
    if (end.status !== "ok") throw new Error(`${end.status} ${JSON.stringify(end)}`);
    executor.release(end.output);
  }
  return new Set(ends.map((end) => end.thread));
}

test("each once, whichever thread is first", async () => {
  // All threads are up and have what fills the literal: one that starts later asks the pool.
  const seen = new Set<number>();
  while (seen.size < THREADS)
    for (const thread of await runAll(Array.from({ length: 10 * THREADS }, (_, i) => spec(1, i)))) seen.add(thread);
  const before = executor.stats().kernels;
  for (let links = 2; links < 12; links++) await runAll(Array.from({ length: 2 * THREADS }, (_, i) => spec(links, i)));
  const after = executor.stats().kernels;
  expect(after.modulesCompiled - before.modulesCompiled).toBe(10);
  expect(after.moduleBytes).toBeGreaterThan(before.moduleBytes);
  expect(after.compileMs).toBeGreaterThan(before.compileMs);
  expect(after.cacheHits).toBeGreaterThan(before.cacheHits);
});

test("ten thousand thresholds are one kernel", async () => {
  await runAll([spec(3, 0.5)]);
  const before = executor.stats().kernels.modulesCompiled;
  for (let at = 0; at < 10_000; at += 40) await runAll(Array.from({ length: 40 }, (_, i) => spec(3, (at + i) / 7)));
  expect(executor.stats().kernels.modulesCompiled).toBe(before);
});
