/** `performanceReport` on threads of this process: what it gives, what it writes and when, and what stays behind. */
import { globSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { array, formatBytes, performanceReport } from "../../src/index.ts";
import { type LocalRunner, localRunner } from "../../src/local/index.ts";
import "../../src/register.ts";
import type { Client } from "../../src/client/index.ts";
import { pushRunner } from "../../src/graph/index.ts";
import { all, byId, parsePage, rowsOf, textOf } from "./markup.ts";

const folder = mkdtempSync(join(tmpdir(), "rsdat-report-"));
const file = join(folder, "report.html");
let runner: LocalRunner;
let leave: () => void;

beforeAll(() => {
  runner = localRunner({ threads: 2, memoryLimitBytes: 512 * 2 ** 20 });
  leave = pushRunner(runner);
});
afterAll(async () => {
  leave();
  await runner[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

function written(): ReturnType<typeof parsePage> {
  expect(readdirSync(folder)).toEqual(["report.html"]);
  return parsePage(readFileSync(file, "utf8"));
}

test("gives what the function gives; tasks, threads, peaks and runs are those of its runs", async () => {
  const x = array.sqrt(array.ones([512, 512], { chunks: [64, 64] }).add(1));
  const [sum, mean] = [x.sum(), x.mean(0)];
  const plans = await Promise.all([sum.explain(), mean.explain()]);
  const total = plans.reduce((n, plan) => n + plan.tasks, 0);
  const value = await performanceReport(file, async () => {
    await mean.compute();
    return Number((await sum.compute()).item());
  });
  expect(value).toBeCloseTo(512 * 512 * Math.sqrt(2), 4);
  const page = written();
  const shown = (id: string): string => textOf(byId(page, id));
  expect([shown("tasks"), shown("threads"), shown("workers-count")]).toEqual([String(total), "2", "1"]);
  expect(rowsOf(byId(page, "runs")).map((row) => [row[2], row[9]])).toEqual(
    plans.toReversed().map((plan) => [String(plan.tasks), "done"]),
  );
  expect(rowsOf(byId(page, "workers"))[0]?.slice(0, 6)).toEqual([
    "threads",
    "this process",
    "rsdat",
    "2",
    expect.stringMatching(/MiB$/),
    String(total),
  ]);
  expect(shown("task-stream")).toContain("not told: threads of this process keep no record of single tasks");
  expect(rowsOf(byId(page, "versions"))[0]).toEqual([
    "this process",
    expect.stringMatching(/^\d/),
    process.versions.node,
  ]);
  expect(all(byId(page, "memory"), "path").length).toBeGreaterThan(0);
  expect(shown("code")).toContain("await mean.compute()");
  expect(shown("summary")).not.toContain("not told");
});

test("reads of stores show under their host", async () => {
  const store = `${folder}.zarr`;
  let files: number[];
  try {
    await array.arange(4096).reshape([64, 64]).rechunk([32, 32]).toZarr(store);
    const back = await array.fromZarr(store);
    files = globSync(join(store, "data", "c", "**"), { withFileTypes: true }).flatMap((entry) =>
      entry.isFile() ? [statSync(join(entry.parentPath, entry.name)).size] : [],
    );
    await back.mean().compute(); // before it, and no part of it
    await performanceReport(file, () => back.sum().compute());
  } finally {
    rmSync(store, { recursive: true, force: true });
  }
  // Each file of chunks is read once, and whole.
  const bytes = files.reduce((a, b) => a + b, 0);
  expect(bytes).toBeGreaterThan(0);
  const page = written();
  expect(rowsOf(byId(page, "reads"))).toEqual([["file", String(files.length), formatBytes(bytes)]]);
  expect(textOf(byId(page, "read"))).toBe(formatBytes(bytes));
});

test("an error of the function is thrown, after the report that names it was written in place of the old one", async () => {
  writeFileSync(file, "old");
  const error = new RangeError("no <such> band");
  const failing = performanceReport(file, () => {
    throw error;
  });
  await expect(failing).rejects.toBe(error);
  expect(textOf(byId(written(), "error"))).toBe("It ended with an error: RangeError: no <such> band");
  await expect(performanceReport(file, () => Promise.reject(undefined))).rejects.toBe(undefined);
  expect(textOf(byId(written(), "error"))).toContain("an error that says nothing");
});

test("a place that cannot be written to is told before the function runs", async () => {
  let runs = 0;
  const attempt = (path: string): Promise<number> => performanceReport(path, () => ++runs);
  await expect(attempt(join(folder, "nowhere", "report.html"))).rejects.toMatchObject({ code: "write" });
  await expect(attempt(folder)).rejects.toThrow(/it is a folder/);
  await expect(performanceReport(file, () => ++runs, { titel: "x" } as never)).rejects.toThrow(/titel.*title/s);
  expect(runs).toBe(0);
});

test("a file that cannot be written in the end leaves nothing behind; the function's own error comes first", async () => {
  const path = join(folder, "taken.html");
  const inTheWay = (): number => {
    mkdirSync(path);
    return 1;
  };
  await expect(performanceReport(path, inTheWay)).rejects.toMatchObject({ code: "write", details: { path } });
  rmSync(path, { recursive: true });
  const both = performanceReport(path, () => {
    inTheWay();
    throw new RangeError("first");
  });
  const said = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  await expect(both).rejects.toThrow("first");
  expect(said.mock.calls.map(([line]) => line)).toEqual([expect.stringMatching(/taken\.html: EISDIR.*\n$/)]);
  said.mockRestore();
  expect(readdirSync(folder).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  rmSync(path, { recursive: true });
});

test("a client that tells nothing gives a report that says so, by way of the clock where there is no index", async () => {
  const asked: unknown[] = [];
  const away = async (): Promise<never> => {
    throw new Error("the scheduler is away");
  };
  const record = { key: "x-1", worker: "w", thread: null, status: "OK", nbytes: 1, startstops: [] };
  // Only what a report asks for.
  const client = {
    name: "a client",
    accounting: away,
    schedulerInfo: away,
    getTaskStreamIndex: away,
    getTaskStream: async (options: unknown) => {
      asked.push(options);
      return [record];
    },
    getVersions: away,
    getSchedulerLogs: away,
    getWorkerLogs: away,
  } as unknown as Client;
  const before = Date.now() / 1000;
  expect(await performanceReport(file, () => 7, { client, title: "Spring & summer" })).toBe(7);
  expect(asked).toEqual([{ count: 0 }, { start: expect.any(Number) }]);
  const { start } = asked[1] as { start: number };
  expect([start >= before, start <= Date.now() / 1000]).toEqual([true, true]);
  const page = written();
  expect(textOf(all(page, "h1")[0] as never)).toBe("Spring & summer");
  expect(textOf(byId(page, "tasks"))).toBe("1");
  for (const id of ["summary", "workers", "reads", "versions", "logs"])
    expect(textOf(byId(page, id))).toContain("the scheduler is away");
});
