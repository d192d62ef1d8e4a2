/** The page of a performance report: numbers against sums by hand, text of others that stays text, bounds. */
import { expect, test } from "vitest";
import type { TaskStreamRecord } from "../../src/client/index.ts";
import { type Key, keyOfValue, type RunAccounting } from "../../src/graph/index.ts";
import { memorySvg } from "../../src/report/memory-picture.ts";
import { MemorySampler } from "../../src/report/memory-sampler.ts";
import { performancePage } from "../../src/report/page.ts";
import { type PerformanceData, sumsByPrefix, transfersByPair } from "../../src/report/performance-data.ts";
import { type Bar, LANES_MAX, lanesOf, niceStep, RECTANGLES_MAX, thinned } from "../../src/report/stream-picture.ts";
import { all, byId, parsePage, rowsOf, textOf } from "./markup.ts";

type Part = TaskStreamRecord["startstops"][number];

function task(
  key: Key,
  worker: string,
  parts: readonly Part[],
  more: Partial<TaskStreamRecord> = {},
): TaskStreamRecord {
  return { key, worker, thread: "1", status: "OK", nbytes: 0, startstops: parts, ...more };
}

const compute = (start: number, stop: number): Part => ({ action: "compute", start, stop });

const [A, B] = ["tcp://10.0.0.1:4000", "tcp://10.0.0.2:4000"];
const HASH = "0123456789abcdef0123456789abcdef";

const TASKS: readonly TaskStreamRecord[] = [
  task(keyOfValue([`sum-${HASH}`, 0, 1]), A, [compute(100, 101.5)], { nbytes: 1024 }),
  task(keyOfValue([`sum-${HASH}`, 0, 2]), A, [compute(101.5, 102)], { thread: "2", nbytes: 2048 }),
  task(
    keyOfValue([`mean-${HASH}`, 0]),
    B,
    [
      { action: "transfer", start: 101, stop: 101.25, source: A },
      { action: "disk-read", start: 101.25, stop: 101.5 },
      { action: "deserialize", start: 101.5, stop: 101.5625 },
      compute(102, 105),
    ],
    { nbytes: 8 },
  ),
  task(keyOfValue(`add-${HASH}`), B, [compute(103, 103.25)], { status: "error", thread: "2" }),
];

const RUN: RunAccounting = {
  runner: "client",
  workers: 2,
  threads: 4,
  tasks: 4,
  seconds: 6,
  computeSeconds: 5.25,
  storeSeconds: 1.5,
  idleSeconds: 17.25,
  transferSeconds: 0.25,
  schedulerSeconds: 0.125,
  bytesRead: 3 * 2 ** 20,
  bytesWritten: 2 ** 20,
  bytesTransferred: 2 ** 19,
  bytesSpilled: 2 ** 18,
  peakBytesPlanned: 2 ** 22,
  peakBytesObserved: 2 ** 21,
  budgetBytes: 2 ** 30,
  kernels: { modulesCompiled: 0, moduleBytes: 0, compileMs: 0, cacheHits: 0, interpreted: 0 },
  isDone: true,
};

const SUMS = {
  tasks: 2,
  busySeconds: 2,
  storeSeconds: 1,
  transferSeconds: 0.5,
  bytesTransferred: 2 ** 20,
  bytesSpilled: 0,
  peakBytes: 2 ** 21,
};

const DATA: PerformanceData = {
  title: "Performance report",
  startedAt: Date.UTC(2026, 0, 2, 3, 4, 5),
  seconds: 6,
  runner: "client of tcp://10.0.0.9:8786",
  code: "() => sum.compute()",
  error: null,
  accounting: RUN,
  runs: [RUN, { ...RUN, peakBytesPlanned: 2 ** 23, isDone: false }],
  workers: [
    { address: A, name: "0", language: "rsdat", threads: 2, memoryLimitBytes: 2 ** 31, sums: SUMS },
    { address: B, name: "1", language: "python", threads: 2, memoryLimitBytes: 2 ** 31, sums: null },
  ],
  tasks: TASKS,
  tasksEnded: 4,
  memory: [
    { seconds: 0, bytes: new Map([[A, 2 ** 20]]) },
    { seconds: 4, bytes: new Map([[A, 3 * 2 ** 20]]) },
  ],
  reads: [
    { host: "file", requests: 0, bytes: 0 },
    { host: "data.example:443", requests: 12, bytes: 4096 },
  ],
  versions: [
    { who: "scheduler", versions: new Map([["rsdat", "1.2.3"]]) },
    { who: A, versions: new Map(Object.entries({ python: "3.11", host: "n1" })) },
    { who: B, versions: new Map(Object.entries({ python: "3.11", host: "n2" })) },
  ],
  schedulerLogs: [
    ["INFO", "second"],
    ["INFO", "first"],
  ],
  workerLogs: new Map([[A, [["ERROR", "no such band"] as const]]]),
};

test("the summary has the figures, and peaks planned and observed", () => {
  const page = parsePage(performancePage(DATA));
  const value = (id: string): string => textOf(byId(page, id));
  expect(["duration", "tasks", "workers-count", "threads", "memory-limit"].map(value)).toEqual([
    "6.0 s",
    "4",
    "2",
    "4",
    "4.00 GiB",
  ]);
  expect(["compute-seconds", "store-seconds", "idle-seconds", "transfer-seconds", "disk-seconds"].map(value)).toEqual([
    "5.250 s",
    "1.500 s",
    "17.250 s",
    "0.250 s",
    "0.250 s",
  ]);
  expect(["scheduler-seconds", "read", "written", "peak"].map(value)).toEqual([
    "0.125 s",
    "3.00 MiB",
    "1.00 MiB",
    "2.00 MiB",
  ]);
  expect(textOf(byId(page, "summary"))).toContain("of 8.00 MiB planned, on one worker");
  expect(textOf(byId(page, "summary"))).toContain("1 failed");
  expect(textOf(all(page, "header")[0] as never)).toContain("2026-01-02 03:04:05 UTC, client of tcp://10.0.0.9:8786");
});

test("computing by kind of key: sums of the records, longest first, with bars in proportion", () => {
  expect(sumsByPrefix(TASKS)).toEqual([
    // By hand: 3; 1.5 + 0.5; 0.25 seconds.
    {
      prefix: "mean",
      tasks: 1,
      erred: 0,
      computeSeconds: 3,
      longestSeconds: 3,
      transferSeconds: 0.25,
      diskSeconds: 0.25,
      bytes: 8,
    },
    {
      prefix: "sum",
      tasks: 2,
      erred: 0,
      computeSeconds: 2,
      longestSeconds: 1.5,
      transferSeconds: 0,
      diskSeconds: 0,
      bytes: 3072,
    },
    {
      prefix: "add",
      tasks: 1,
      erred: 1,
      computeSeconds: 0.25,
      longestSeconds: 0.25,
      transferSeconds: 0,
      diskSeconds: 0,
      bytes: 0,
    },
  ]);
  const keys = byId(parsePage(performancePage(DATA)), "keys");
  expect(rowsOf(keys)).toEqual([
    ["mean", "1", "", "3.000 s", "", "3.000 s", "3.000 s", "0.250 s", "0.250 s", "8 B"],
    ["sum", "2", "", "2.000 s", "", "1.000 s", "1.500 s", "", "", "3.00 KiB"],
    ["add", "1", "1", "0.250 s", "", "0.250 s", "0.250 s", "", "", "0 B"],
  ]);
  const widths = all(keys, "b").map(({ attributes }) => /width:([\d.]+)%/.exec(attributes.get("style") ?? "")?.[1]);
  expect(widths).toEqual(["100.0", "66.7", "8.3"]);
});

test("workers, transfers, reads, runs, versions and logs have a row each", () => {
  const page = parsePage(performancePage(DATA));
  expect(rowsOf(byId(page, "workers"))).toEqual([
    [
      "0",
      A,
      "rsdat",
      "2",
      "2.00 GiB",
      "2",
      "2.000 s",
      "1.000 s",
      "0.500 s",
      "1.00 MiB",
      "2.00 MiB/s",
      "0 B",
      "2.00 MiB",
    ],
    ["1", B, "python", "2", "2.00 GiB", ...Array.from({ length: 8 }, () => "not told")],
  ]);
  expect(transfersByPair(TASKS)).toEqual([{ from: A, to: B, count: 1, seconds: 0.25 }]);
  expect(rowsOf(byId(page, "transfers"))).toEqual([[A, B, "1", "0.250 s", ""]]);
  expect(rowsOf(byId(page, "reads"))).toEqual([["data.example:443", "12", "4.00 KiB"]]);
  expect(rowsOf(byId(page, "runs")).map((row) => [row[0], row[2], row[7], row[9]])).toEqual([
    ["1", "4", "4.00 MiB", "done"],
    ["2", "4", "8.00 MiB", "failed"],
  ]);
  expect(rowsOf(byId(page, "versions"))).toEqual([
    ["scheduler", "1.2.3", ""],
    [`${A} and 1 more`, "", "3.11"],
  ]);
  expect(all(byId(page, "logs"), "pre").map(textOf)).toEqual(["first\nsecond", "no such band"]);
  expect(textOf(byId(page, "code"))).toContain("() => sum.compute()");
});

test("the task stream: a rectangle for each part, on its thread's lane, in Dask's colours, with words", () => {
  const stream = byId(parsePage(performancePage(DATA)), "task-stream");
  const rectangles = all(stream, "rect").map((rect) => ({
    ...Object.fromEntries(rect.attributes),
    words: textOf(rect).split("\n"),
  })) as unknown as ({ x: string; y: string; width: string; fill?: string; class?: string } & { words: string[] })[];
  // 100 to 105 seconds are 940 pixels from 150 on; four lanes of 20.
  expect(rectangles.map(({ x, y, width }) => [Number(x), Number(y), Number(width)])).toEqual([
    [150, 0.5, 282],
    [432, 20.5, 94],
    [338, 40.5, 47],
    [385, 40.5, 47],
    [432, 40.5, 11.75],
    [526, 40.5, 564],
    [714, 60.5, 47],
  ]);
  const [sum, sum2, transfer, disk, deserialize, mean, add] = rectangles;
  expect([transfer?.fill, disk?.fill, deserialize?.fill]).toEqual(["#e5342b", "#f28e00", "#8c8c8c"]);
  expect(sum?.fill).toBe(sum2?.fill);
  expect(new Set([sum?.fill, mean?.fill, transfer?.fill]).size).toBe(3);
  expect([add?.class, add?.fill]).toEqual(["erred", undefined]);
  expect(sum?.words).toEqual(["sum", "1.5 s from 0 s", `('sum-${HASH}', 0, 1)`, A]);
  expect(transfer?.words.slice(0, 2)).toEqual(["transfer-mean", "250 ms from 1 s"]);
  expect(add?.words[0]).toBe("add, error");
});

test("what is not told says why, and the rest is there", () => {
  const why = { why: "Dask's keeps <no> sums" };
  const page = parsePage(
    performancePage({
      ...DATA,
      accounting: why,
      runs: [],
      reads: why,
      versions: why,
      workerLogs: why,
      memory: [],
      error: "RangeError: no <band>",
      code: null,
    }),
  );
  // Seconds come from the records then: 5.25 of computing in four threads for six seconds.
  expect(
    ["compute-seconds", "idle-seconds", "store-seconds", "read", "peak"].map((id) => textOf(byId(page, id))),
  ).toEqual(["5.250 s", "18.750 s", "not told", "not told", "not told"]);
  for (const id of ["summary", "reads", "versions", "logs"])
    expect(textOf(byId(page, id))).toContain("not told: Dask's keeps <no> sums");
  expect(textOf(byId(page, "error"))).toBe("It ended with an error: RangeError: no <band>");
  expect(textOf(byId(page, "memory"))).toContain("no moment was sampled");
  const empty = parsePage(performancePage({ ...DATA, tasks: why, workers: why }));
  expect(textOf(byId(empty, "task-stream"))).toContain("not told: Dask's keeps <no> sums");
  expect(all(byId(empty, "task-stream"), "rect")).toEqual([]);
  expect(textOf(byId(parsePage(performancePage({ ...DATA, tasks: [] })), "task-stream"))).toContain("no task ended");
});

test("text of users and of the network stays text", () => {
  const bad = `"><script>alert(1)</script><img src="x" onerror='x'>&amp;`;
  const odd = `${bad}\u0000\u001b[31m\ud800`;
  const record = task(
    keyOfValue(`${bad}-${HASH}`),
    bad,
    [
      { action: bad, start: 0, stop: 1, source: bad },
      { action: "transfer", start: 0, stop: 1, source: bad },
      compute(1, 2),
    ],
    { thread: bad, status: bad },
  );
  const text = performancePage({
    ...DATA,
    title: bad,
    runner: bad,
    code: odd,
    error: odd,
    accounting: { ...RUN, runner: bad },
    runs: [{ ...RUN, runner: bad }],
    workers: [{ address: bad, name: odd, language: bad, threads: 1, memoryLimitBytes: 0, sums: null }],
    tasks: [record],
    memory: [{ seconds: 1, bytes: new Map([[bad, 1]]) }],
    reads: [{ host: bad, requests: 1, bytes: 1 }],
    versions: [{ who: bad, versions: new Map([[bad, bad]]) }],
    schedulerLogs: [[bad, odd]],
    workerLogs: new Map([[bad, [[bad, odd] as const]]]),
  });
  const page = parsePage(text);
  const elements = all(page, "*");
  const allowed =
    "a b body code dd details div dl dt g h1 h2 head header html i main meta nav p path pre rect section span style summary svg table tbody td text th thead title tr";
  expect([...new Set(elements.map(({ name }) => name))].filter((name) => !allowed.split(" ").includes(name))).toEqual(
    [],
  );
  const names = new Set(elements.flatMap(({ attributes }) => [...attributes.keys()]));
  expect([...names].filter((name) => /^on|^src|^xlink/.test(name))).toEqual([]);
  for (const { attributes } of elements) expect(attributes.get("href") ?? "#").toMatch(/^#/);
  const shown = `${bad}\ufffd\ufffd[31m\ufffd`;
  expect(textOf(byId(page, "code"))).toContain(shown);
  expect(textOf(byId(page, "error"))).toContain(shown);
  expect(all(byId(page, "logs"), "pre").map(textOf)).toEqual([shown, shown]);
  expect(rowsOf(byId(page, "workers"))[0]?.slice(0, 3)).toEqual([shown, bad, bad]);
  // Nothing from elsewhere: no address but the name of the namespace, no script by law either.
  expect(text.replaceAll(/xmlns="[^"]*"/g, "").replaceAll(bad, "")).not.toMatch(/https?:|url\(|@import/);
  expect(all(page, "meta").map(({ attributes }) => attributes.get("content"))).toContain(
    "default-src 'none'; style-src 'unsafe-inline'",
  );
});

test("very much of everything is a page of a bounded size that says what it leaves out", () => {
  const tasks = Array.from({ length: 60_000 }, (_, i) => {
    const start = Math.floor(i / 300) * 0.01;
    const prefix = `kind-${"abcdefghij"[i % 10]}${"abcdefghijkl"[i % 12]}${"klmnopq"[i % 7]}`;
    return task(keyOfValue(`${prefix}-${HASH}`), `w${i % 300}`, [compute(start, start + 0.009)]);
  });
  const lines = Array.from({ length: 5_000 }, (_, i) => ["INFO", `${i} ${"x".repeat(5_000)}`] as const);
  const text = performancePage({
    ...DATA,
    code: "c".repeat(1e6),
    tasks,
    tasksEnded: 100_000,
    workers: Array.from({ length: 300 }, (_, i) => ({
      address: `w${i}`,
      name: "n",
      language: "rsdat",
      threads: 1,
      memoryLimitBytes: 0,
      sums: null,
    })),
    workerLogs: new Map(Array.from({ length: 300 }, (_, i) => [`w${i}`, lines.slice(0, 2)] as const)),
    schedulerLogs: lines,
  });
  const page = parsePage(text);
  expect(text.length).toBeLessThan(4e6);
  const stream = byId(page, "task-stream");
  expect(all(stream, "rect").length).toBeLessThanOrEqual(RECTANGLES_MAX);
  expect(all(stream, "rect").length).toBeGreaterThan(RECTANGLES_MAX / 8);
  expect(textOf(stream)).toContain("the scheduler kept the last 60,000 of 100,000 tasks");
  expect(textOf(stream)).toContain(`the first ${LANES_MAX} of 300 threads are drawn`);
  expect(rowsOf(byId(page, "keys"))).toHaveLength(100);
  expect(textOf(byId(page, "keys"))).toMatch(/and \d+ more/);
  expect(rowsOf(byId(page, "workers"))).toHaveLength(100);
  expect(textOf(byId(page, "workers"))).toContain("and 200 more");
  const logs = all(byId(page, "logs"), "pre").map((log) => textOf(log).split("\n"));
  expect(logs).toHaveLength(51);
  expect([logs[0]?.length, logs[0]?.at(-1)?.slice(0, 3), logs[0]?.at(-1)?.length]).toEqual([200, "0 x", 2000]);
  expect(textOf(byId(page, "logs"))).toContain("and 250 workers more");
  expect(textOf(byId(page, "code")).trim().length).toBeLessThan(20_100);
});

test("numbers of a peer that are none draw nothing and break nothing", () => {
  const odd = [Number.NaN, Number.POSITIVE_INFINITY, -1e308].flatMap((start) =>
    [Number.NaN, Number.NEGATIVE_INFINITY, 1e308].map((stop) => task(keyOfValue("x"), A, [compute(start, stop)])),
  );
  const page = parsePage(
    performancePage({
      ...DATA,
      tasks: [...odd, ...TASKS],
      memory: [{ seconds: 0, bytes: new Map([[A, Number.NaN]]) }],
    }),
  );
  expect(textOf(byId(page, "tasks"))).toBe("4");
  expect(sumsByPrefix(odd)).toMatchObject([{ prefix: "x", tasks: 9, computeSeconds: 0 }]);
});

test("tasks without a thread lie end to end on the worker's threads, each as long as it took", () => {
  // Six tasks of one message that came at 10 s; what they took is known.
  const lengths = [1, 2, 0.5, 1.5, 3, 0.25];
  const records = lengths.map((n, i) => task(keyOfValue(`x-${i}`), A, [compute(10 - n, 10)], { thread: null }));
  const { workers, bars } = lanesOf(records, () => 2);
  expect(workers).toEqual([A, A]);
  expect(bars.map(({ label, start, stop }) => [label, stop - start])).toEqual(
    lengths.map((n, i) => [`x-${i}`, expect.closeTo(n, 9)]),
  );
  for (const lane of [0, 1]) {
    const inLane = bars.filter((bar) => bar.lane === lane);
    expect(inLane.at(-1)?.stop).toBe(10);
    for (const [i, bar] of inLane.entries()) expect(bar.stop).toBe(inLane[i + 1]?.start ?? 10);
  }
  // A message that came later is not drawn over them.
  const later = lanesOf([...records, task(keyOfValue("y"), A, [compute(19, 20)], { thread: null })], () => 2);
  expect(later.bars.at(-1)).toMatchObject({ start: 19, stop: 20 });
});

test("too many rectangles: short ones become one where they are, and cover what they stand for", () => {
  const bars: Bar[] = Array.from({ length: 9_000 }, (_, i) => {
    const start = Math.floor(i / 3) * 0.1;
    const stop = start + (i % 500 === 0 ? 5 : 0.05);
    return { lane: i % 3, start, stop, action: "compute", prefix: "x", isError: i === 4_000, label: `x-${i}` };
  });
  const few = thinned({ workers: ["a", "b", "c"], bars }, 600);
  expect(few.bars.length).toBeLessThanOrEqual(600);
  expect([few.merged > 0, few.left]).toEqual([true, 0]);
  for (const bar of bars)
    expect(few.bars.some((b) => b.lane === bar.lane && b.start <= bar.start && b.stop >= bar.stop)).toBe(true);
  expect(few.bars.filter(({ isError }) => isError)).toHaveLength(1);
  expect(thinned({ workers: ["a"], bars: bars.slice(0, 600) }, 600)).toEqual({
    bars: bars.slice(0, 600),
    merged: 0,
    left: 0,
  });
  // Long ones over each other, more than there is room for: the longest stay.
  const long: Bar[] = Array.from({ length: 50 }, (_, i) => ({ ...(bars[0] as Bar), start: 0, stop: 100 + i }));
  const longest = thinned({ workers: ["a"], bars: long }, 10);
  expect([longest.bars.map(({ stop }) => stop), longest.left]).toEqual([
    [149, 148, 147, 146, 145, 144, 143, 142, 141, 140],
    40,
  ]);
});

test("steps of axes, and the line of a worker's memory", () => {
  expect([0.9, 1, 1.1, 2.5, 7, 0.03, 340].map(niceStep).map((n) => Number(n.toPrecision(3)))).toEqual([
    1, 1, 2, 5, 10, 0.05, 500,
  ]);
  // 3 MiB in steps of 1 MiB fill 200 pixels; four seconds are 1000 from 90 on.
  const svg = memorySvg(DATA.memory);
  expect(svg).toContain('<path d="M90 133.33L1090 0" stroke="');
  expect(svg).toContain(">1.00 MiB</text>");
  expect(memorySvg([{ seconds: 0, bytes: new Map() }])).toBeNull();
});

test("samples of memory: every other one goes when there are too many, and a moment that fails is missing", async () => {
  let [now, calls] = [0, 0];
  const sampler = new MemorySampler(
    async () => {
      if (++calls === 2) throw new Error("away");
      return new Map([["w", calls]]);
    },
    () => now,
  );
  for (let i = 0; i < 1_000; i++) {
    now = 1000 * i;
    await sampler.take();
  }
  const { samples } = sampler;
  expect(samples.length).toBeLessThan(400);
  expect(samples.length).toBeGreaterThan(150);
  expect([samples[0]?.seconds, samples.at(-1)?.seconds]).toEqual([0, 999]);
  expect(samples.some(({ seconds }) => seconds === 1)).toBe(false);
  const times = samples.map(({ seconds }) => seconds);
  expect(times).toEqual([...times].sort((a, b) => a - b));
  await sampler.stop();
});
