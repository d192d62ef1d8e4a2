/** `performanceReport` with our client on a Dask scheduler and worker: Python's parsers read the page, Dask's client counts the tasks. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Client, type Future, py, wait } from "../../src/client/index.ts";
import { performanceReport } from "../../src/report/index.ts";
import { describePeer, runPython } from "../peers.ts";
import { type Running, startDaskScheduler, startDaskWorker } from "../processes.ts";

/** Reads the page with Python's XML and HTML parsers, and asks the scheduler for the same records. */
const READER = `
import json, sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from html.parser import HTMLParser
import dask
from dask.utils import key_split
from distributed import Client

path, address = sys.argv[1:]
text = open(path, encoding="utf-8").read()
ns = "{http://www.w3.org/1999/xhtml}"
root = ElementTree.fromstring(text)

class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.count = Counter()
    def handle_starttag(self, tag, attrs):
        self.count[tag] += 1

tags = Tags()
tags.feed(text)

def by_id(name):
    return root.find(f".//*[@id='{name}']")

def words(element):
    return "".join(element.itertext()).strip()

rows = [[words(cell) for cell in row.findall(f"{ns}td")] for row in by_id("keys").iter(f"{ns}tr")][1:]
sections = {name: words(by_id(name)) for name in ["summary", "tasks", "threads", "workers-count", "logs", "reads", "transfers", "code"]}
versions = [[words(cell) for cell in row] for row in by_id("versions").iter(f"{ns}tr")]
with Client(address, set_as_default=False) as client:
    records = [r for r in client.get_task_stream() if r["key"] != "before"]
    compute = sum(s["stop"] - s["start"] for r in records for s in r["startstops"] if s["action"] == "compute")
    print(json.dumps({
        "rects": sum(1 for _ in root.iter("{http://www.w3.org/2000/svg}rect")),
        "tags": {tag: tags.count[tag] for tag in ["script", "img", "section", "rect"]},
        "rows": {row[0]: row[1:3] for row in rows},
        "compute": words(by_id("compute-seconds")),
        "sections": sections,
        "versions": versions,
        "transfers": [[words(cell) for cell in row] for row in by_id("transfers").iter(f"{ns}tr")][1:],
        "dask": {
            "kinds": Counter(key_split(r["key"]) for r in records),
            "erred": Counter(key_split(r["key"]) for r in records if r["status"] != "OK"),
            "parts": sum(1 for r in records for s in r["startstops"] if s["stop"] > s["start"]),
            "compute": compute,
            "version": dask.__version__,
            "transfers": sum(1 for r in records for s in r["startstops"] if "source" in s),
            "threads": sorted({f"{r['worker']} {r['thread']}" for r in client.get_task_stream()}),
            "workers": len(client.scheduler_info()["workers"]),
        },
    }))
`;

describePeer("a performance report of a dask cluster", ["distributed", "numpy"], () => {
  const folder = mkdtempSync(join(tmpdir(), "rsdat-report-"));
  let scheduler: Running;
  const workers: Running[] = [];
  let client: Client;
  let address: string;

  beforeAll(async () => {
    ({ scheduler, address } = await startDaskScheduler());
    for (let i = 0; i < 2; i++) workers.push(await startDaskWorker(address));
    client = await Client.connect(address);
  });
  afterAll(async () => {
    await client?.close();
    for (const worker of workers) await worker[Symbol.asyncDispose]();
    await scheduler?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  test("counts and seconds are those of Dask's own records; what Dask does not tell is said", async () => {
    const [file, reader] = [join(folder, "report.html"), join(folder, "reader.py")];
    writeFileSync(reader, READER);
    // Recorded, but before the report.
    await client.getTaskStream();
    await (await client.submit(py("math.sqrt"), [2], { key: "before" })).result();
    const [from = "", to = ""] = (await client.schedulerInfo()).workers?.keys() ?? [];
    const title = `<img src="x"/> & "quotes"`;
    await performanceReport(
      file,
      async () => {
        const roots = await client.map(
          py("math.sqrt"),
          Array.from({ length: 30 }, (_, i) => i),
          { pure: false, workers: [from] },
        );
        const sum = await client.submit(py("builtins.sum"), [roots], { workers: [to] });
        const bad = await client.submit(py("operator.truediv"), [1, 0], { key: "a<b>bad</b>-task" });
        const nap = await client.submit(py("time.sleep"), [0.2]);
        await wait([...roots, sum, bad, nap] as Future[]);
      },
      { client, title },
    );
    const told = JSON.parse(await runPython([reader, file, address]));
    expect(told.dask.kinds).toEqual({ sqrt: 30, sum: 1, "a<b>bad</b>-task": 1, sleep: 1 });
    expect(told.rows).toEqual(
      Object.fromEntries(
        Object.entries<number>(told.dask.kinds).map(([kind, n]) => [
          kind,
          [String(n), String(told.dask.erred[kind] ?? "")],
        ]),
      ),
    );
    expect(told.sections.tasks).toBe("33");
    expect([told.sections["workers-count"], told.sections.threads]).toEqual([String(told.dask.workers), "2"]);
    expect(Number.parseFloat(told.compute)).toBeCloseTo(told.dask.compute, 2);
    expect(told.dask.compute).toBeGreaterThan(0.2);
    expect(told.rects).toBe(told.dask.parts);
    expect(told.tags).toEqual({ script: 0, img: 0, section: 11, rect: told.rects });
    expect(told.transfers).toEqual([
      [from, to, String(told.dask.transfers), expect.stringMatching(/^\d+\.\d{3} s$/), ""],
    ]);
    const records = await client.getTaskStream();
    expect([...new Set(records.map((record) => `${record.worker} ${record.thread}`))].sort()).toEqual(
      told.dask.threads,
    );
    expect(told.sections.summary).toContain("Dask's scheduler keeps no sums");
    expect(told.sections.reads).toContain("not told");
    expect(told.sections.logs).toContain("Scheduler");
    expect(told.sections.code).toContain("builtins.sum");
    const [head, ...rows] = told.versions as string[][];
    // Scheduler and workers are one installation.
    expect(rows.map(([who]) => who)).toEqual(["scheduler and 2 more", "client"]);
    const [dask, node] = ["dask", "node"].map((name) => head?.indexOf(name) ?? -1) as [number, number];
    expect(rows[0]?.[dask]).toBe(told.dask.version);
    expect([rows[1]?.[dask], rows[1]?.[node]]).toEqual(["", process.versions.node]);
  });
});
