import { expect, test } from "vitest";
import { ones } from "../../src/array/index.ts";
import { pushRunner } from "../../src/graph/index.ts";
import { localRunner } from "../../src/local/index.ts";
import { barText, processPeakBytes, progress, progressBar } from "../../src/report/index.ts";
import { phaseOf } from "../../src/report/progress.ts";

const at = (done: number): { done: number; total: number; bytesRead: number; bytesWritten: number } => ({
  done,
  total: 8,
  bytesRead: 2 ** 20,
  bytesWritten: 0,
});

test("outside a terminal: a line a minute and one at the end", () => {
  const said: string[] = [];
  let time = 0;
  const bar = progressBar({ label: "ndvi", stream: { write: (text) => said.push(text) }, now: () => time });
  bar.update(at(1));
  time = 61_000;
  bar.update(at(4));
  time = 62_000;
  bar.update(at(5));
  bar.close();
  expect(said).toEqual([
    "ndvi: computing, 4/8 tasks (50 %), read 1.00 MiB, wrote 0 B, 1m 01s, 1m 01s left\n",
    "ndvi: 5/8 tasks (62 %), read 1.00 MiB, wrote 0 B, 1m 02s, 37.2 s left\n",
  ]);
});

test("the phase follows what moves", () => {
  const now = { done: 3, total: 8, bytesRead: 10, bytesWritten: 10 };
  expect(phaseOf(now, { ...now, done: 4 }, "reading")).toBe("computing");
  expect(phaseOf(now, { ...now, done: 4, bytesRead: 11 }, "computing")).toBe("reading");
  expect(phaseOf(now, { ...now, done: 4, bytesRead: 11, bytesWritten: 11 }, "computing")).toBe("writing");
  expect(phaseOf(now, now, "writing")).toBe("writing");
});

test("the bar fills with the share of tasks, tells what is left and fits the terminal", () => {
  expect(barText("x", at(4), 1000, { columns: 120, phase: "reading" })).toBe(
    `x ${"█".repeat(20)}${"░".repeat(20)} 4/8  read 1.00 MiB  wrote 0 B  reading  1.0 s, 1.0 s left`,
  );
  expect(barText("x", at(8), 1000, { columns: 60 }).length).toBeLessThan(60);
});

test("peak memory is at least what the process holds now", () => {
  expect(processPeakBytes()).toBeGreaterThan(20 * 2 ** 20);
});

test("progress of futures counts those that have ended, as Dask's does, and says what it cannot watch", async () => {
  const said: string[] = [];
  const stream = { write: (text: string) => said.push(text) };
  const futures = [{ wait: async () => 1 }, { wait: () => Promise.reject(new Error("no such band")) }];
  expect(await progress(futures, { label: "maps", stream })).toBeUndefined();
  await progress(futures[0] as { wait(): Promise<number> }, { label: "one", stream });
  expect(said).toEqual([expect.stringMatching(/^maps: 2\/2 tasks/), expect.stringMatching(/^one: 1\/1 tasks/)]);
  for (const wrong of [5, null, [futures[0], "x"]]) await expect(progress(wrong as never)).rejects.toThrow(/futures/);
});

test("progress shows the runs that a promise waits for, and gives its result or its error", async () => {
  await using runner = localRunner({ threads: 1, memoryLimitBytes: 512 * 2 ** 20 });
  const leave = pushRunner(runner);
  try {
    const said: string[] = [];
    const stream = { write: (text: string) => said.push(text) };
    const x = ones([40], { chunks: 10 });
    const sum = await progress(x.add(1).sum().compute(), { label: "sum", stream });
    expect(sum.item()).toBe(80);
    expect(said).toEqual([
      expect.stringMatching(/^sum: (\d+)\/\1 tasks \(100 %\)/),
      expect.stringMatching(
        /^\d+ tasks on 1 threads in .*: compute \d+ %, stores 0 %, idle \d+ %, scheduler .*, peak .* of .* planned\n$/,
      ),
    ]);
    await x.sum().compute();
    expect(said).toHaveLength(2);
    const bad = x.mapBlocks(() => {
      throw new Error("no such band");
    });
    await expect(progress(bad.compute(), { label: "bad", stream })).rejects.toThrow(/no such band/);
    expect(said[2]).toMatch(/^bad: .*, failed\n$/);
  } finally {
    leave();
  }
});
