/** `performanceReport` with a client of a LocalCluster: its counts are those of the job, in the dialect and in pure Dask. */
import { globSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { array, Client, type Future, LocalCluster, parseBytes, performanceReport, wait } from "../../src/index.ts";
import { all, byId, type Element, parsePage, rowsOf, textOf } from "../report/markup.ts";

function add(a: number, b: number): number {
  return a + b;
}
function fail(what: string): never {
  throw new RangeError(`no ${what}`);
}

const folder = mkdtempSync(join(tmpdir(), "rsdat-report-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe.each([
  ["the dialect", "1"],
  ["pure Dask", "0"],
])("with %s", (name, dialect) => {
  let cluster: LocalCluster;
  let client: Client;
  const before = process.env["RSDAT_DIALECT"];
  const file = join(folder, `${name.replace(" ", "-")}.html`);

  beforeAll(async () => {
    process.env["RSDAT_DIALECT"] = dialect;
    cluster = await LocalCluster.start({ nWorkers: 2, threadsPerWorker: 1, memoryLimit: "512MiB" });
    client = await Client.connect(cluster);
    await client.waitForWorkers(2, { timeout: 60 });
  });
  afterAll(async () => {
    await client?.close();
    await cluster?.close();
    if (before === undefined) delete process.env["RSDAT_DIALECT"];
    else process.env["RSDAT_DIALECT"] = before;
  });

  /** Tasks and failures by kind of key. */
  function kinds(page: Element): Map<string, string[]> {
    return new Map(rowsOf(byId(page, "keys")).map(([kind = "", tasks = "", failed = ""]) => [kind, [tasks, failed]]));
  }

  test("arrays and calls: every task of the job is counted once, with its kind, time and worker", async () => {
    // Before the report: not part of it.
    await array.ones([40], { chunks: 10 }).sum().compute();
    const lazy = array
      .sqrt(array.ones([240, 240], { chunks: [40, 40] }).add(1))
      .rechunk([240, 20])
      .sum();
    const { tasks } = await lazy.explain();
    const sum = await performanceReport(file, async () => {
      const value = await lazy.compute();
      const futures = await client.map(
        add,
        Array.from({ length: 25 }, (_, i) => i),
        new Array(25).fill(1),
        { pure: false },
      );
      const bad = await client.submit(fail, ["band"]);
      await wait([...futures, bad] as Future[]);
      return Number(value.item());
    });
    expect(sum).toBeCloseTo(240 * 240 * Math.sqrt(2), 4);
    const page = parsePage(readFileSync(file, "utf8"));
    const shown = (id: string): string => textOf(byId(page, id));
    expect(shown("tasks")).toBe(String(tasks + 25 + 1));
    expect(shown("summary")).toContain("1 failed");
    const found = kinds(page);
    expect(found.get("add")).toEqual(["25", ""]);
    expect(found.get("fail")).toEqual(["1", "1"]);
    const rest = [...found].filter(([kind]) => kind !== "add" && kind !== "fail");
    expect(rest.reduce((n, [, [count]]) => n + Number(count), 0)).toBe(tasks);
    expect(all(byId(page, "task-stream"), "rect").length).toBeGreaterThan(tasks);
    expect([shown("workers-count"), shown("threads"), shown("memory-limit")]).toEqual(["2", "2", "1.00 GiB"]);
    const workers = rowsOf(byId(page, "workers"));
    const info = await client.schedulerInfo();
    expect(workers.map(([, address]) => address).sort()).toEqual([...(info.workers?.keys() ?? [])].sort());
    // A memory line for each worker, their versions, and the scheduler's log.
    expect(
      all(byId(page, "memory"), "title")
        .map(textOf)
        .filter((title) => title.startsWith("tcp://")),
    ).toHaveLength(2);
    expect(
      rowsOf(byId(page, "versions"))
        .map(([who]) => who)
        .slice(0, 2),
    ).toEqual(["scheduler and 2 more", "client"]);
    expect(shown("logs")).toMatch(/worker tcp:\S+ joined/);
    // Sums are of the dialect; there, workers and runs add up to the same.
    if (dialect === "0") return expect(shown("summary")).toContain("sums of the runner are not told");
    expect(workers.reduce((n, row) => n + Number(row[5]), 0)).toBe(tasks + 26);
    expect(rowsOf(byId(page, "runs")).map((row) => [row[2], row[9]])).toEqual([[String(tasks), "done"]]);
    expect(shown("peak")).toMatch(/\d (B|KiB|MiB)$/);
  });

  test("a failure of the job is thrown, and its report is there", async () => {
    const failing = performanceReport(file, async () => (await client.submit(fail, ["report"])).result());
    await expect(failing).rejects.toThrow(/no report/);
    const page = parsePage(readFileSync(file, "utf8"));
    expect(textOf(byId(page, "error"))).toContain("no report");
    expect([textOf(byId(page, "tasks")), kinds(page).get("fail")]).toEqual(["1", ["1", "1"]]);
  });

  test("what workers read shows under its host, and by worker", async () => {
    const store = join(folder, `${dialect}.zarr`);
    await array.arange(4096).rechunk([512]).toZarr(store);
    const back = await array.fromZarr(store);
    await performanceReport(file, () => back.sum().compute());
    const page = parsePage(readFileSync(file, "utf8"));
    if (dialect === "0") return expect(textOf(byId(page, "reads"))).toContain("not told: accounting");
    const files = globSync(join(store, "data", "c", "**"), { withFileTypes: true }).filter((entry) => entry.isFile());
    const bytes = files.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
    const [[host, , read] = []] = rowsOf(byId(page, "reads"));
    // Two workers may both read an index of a shard that they share: at least once all of it.
    expect(host).toBe("file");
    expect(parseBytes(read as string)).toBeGreaterThanOrEqual(0.99 * bytes);
    expect(textOf(byId(page, "read"))).toBe(read);
  });

  test("a client that is not the current one is looked at where it is named", async () => {
    const other = await Client.connect(cluster, { setAsDefault: false });
    await performanceReport(file, async () => (await other.submit(add, [1, 2], { pure: false })).result(), {
      client: other,
    });
    await other.close();
    expect(textOf(byId(parsePage(readFileSync(file, "utf8")), "tasks"))).toBe("1");
  });
});
