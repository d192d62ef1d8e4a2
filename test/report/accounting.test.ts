/** The accounting of runs: arithmetic by hand, and real runs on threads whose figures have to add up. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { accountingBetween, pushRunner, type RunAccounting, type RunnerFigures } from "../../src/graph/index.ts";
import { array, config, lastRun, watchAccounting } from "../../src/index.ts";
import { localRunner } from "../../src/local/index.ts";
import { AHEAD_BYTES } from "../../src/local/tasks.ts";
import "../../src/register.ts";
import { accountingText, appendAccounting } from "../../src/report/index.ts";

const NO_KERNELS = { modulesCompiled: 0, moduleBytes: 0, compileMs: 0, cacheHits: 0, interpreted: 0 };
const START: RunnerFigures = {
  clockSeconds: 100,
  workers: 2,
  threads: 4,
  tasks: 10,
  busySeconds: 7,
  storeSeconds: 2,
  transferSeconds: 1,
  schedulerSeconds: 3,
  bytesRead: 100,
  bytesWritten: 200,
  bytesTransferred: 300,
  bytesSpilled: 400,
  peakBytes: 1 << 20,
  budgetBytes: 1 << 30,
  kernels: NO_KERNELS,
};
const END: RunnerFigures = {
  ...START,
  clockSeconds: 110,
  tasks: 60,
  busySeconds: 27,
  storeSeconds: 7,
  transferSeconds: 1.5,
  schedulerSeconds: 3.25,
  bytesRead: 1100,
  peakBytes: 3 << 20,
};
const ABOUT = { runner: "threads", peakBytesPlanned: 4 << 20, isDone: true };

test("a run is what lies between two looks; thread-seconds add up", () => {
  const a = accountingBetween(START, END, ABOUT);
  expect(a).toMatchObject({ tasks: 50, seconds: 10, computeSeconds: 15, storeSeconds: 5, idleSeconds: 20 });
  expect(a).toMatchObject({ transferSeconds: 0.5, schedulerSeconds: 0.25, bytesRead: 1000, bytesWritten: 0 });
  expect(a).toMatchObject({ peakBytesPlanned: 4 << 20, peakBytesObserved: 3 << 20, isDone: true });
  expect(accountingText(a)).toBe(
    "50 tasks on 4 threads in 10.0 s: compute 38 %, stores 13 %, idle 50 %, scheduler 250 ms, peak 3.00 MiB of 4.00 MiB planned",
  );
  // A worker that left took its sums along.
  expect(accountingBetween(END, START, ABOUT)).toMatchObject({ tasks: 0, seconds: 0, computeSeconds: 0, bytesRead: 0 });
});

test("runs on threads: what was computed shows, its peak is near what was planned, and the file has a line each", async () => {
  const folder = mkdtempSync(join(tmpdir(), "rsdat-accounting-"));
  const file = join(folder, "runs.jsonl");
  await using runner = localRunner({ threads: 2, memoryLimitBytes: 512 * 2 ** 20 });
  const leave = pushRunner(runner);
  const heard: RunAccounting[] = [];
  try {
    const work = array.sqrt(array.ones([2048, 2048], { chunks: [128, 128] }).add(1)).sum();
    await work.compute();
    expect(heard).toEqual([]);
    const watch = watchAccounting((one) => heard.push(one));
    await work.compute();
    watch[Symbol.dispose]();
    await work.compute();
    expect(heard).toHaveLength(1);
    const [a] = heard as [RunAccounting];
    expect(a).toMatchObject({
      workers: 1,
      threads: 2,
      isDone: true,
      bytesRead: 0,
      storeSeconds: 0,
      bytesTransferred: 0,
    });
    const plan = await work.explain();
    expect([a.tasks, a.peakBytesPlanned]).toEqual([plan.tasks, plan.peakWorkerBytes]);
    expect(a.computeSeconds).toBeGreaterThan(0);
    expect(a.computeSeconds + a.idleSeconds).toBeCloseTo(2 * a.seconds, 1);
    expect(a.peakBytesObserved).toBeGreaterThan(0);
    // Each thread may have its next task's block beside the one that it works on; small blocks go ahead of that (S-C29).
    expect(a.peakBytesObserved).toBeLessThanOrEqual(2 * a.peakBytesPlanned + AHEAD_BYTES);
    expect(lastRun()).toBe(a);
    using _set = config.set({ "rsdat.accounting": file });
    const [first, second] = await Promise.all([work.compute(), work.add(1).compute()]);
    expect([first.item(), second.item()].map(Number)).toEqual([
      expect.closeTo(5931641.6, 0),
      expect.closeTo(5931642.6, 0),
    ]);
    await work.compute();
    const lines = readFileSync(file, "utf8").trim().split("\n");
    // Two calls of one tick are one run.
    expect(lines).toHaveLength(2);
    expect(JSON.parse(lines[1] as string)).toMatchObject({ threads: 2, isDone: true, time: expect.any(String) });
    await expect(
      work
        .mapBlocks(() => {
          throw new Error("no");
        })
        .compute(),
    ).rejects.toThrow("no");
    expect(JSON.parse(readFileSync(file, "utf8").trim().split("\n")[2] as string)).toMatchObject({ isDone: false });
  } finally {
    leave();
  }
  expect(() => appendAccounting(join(folder, "no", "such"), heard[0] as RunAccounting)).toThrow(
    /accounting cannot be added/,
  );
  rmSync(folder, { recursive: true });
});
