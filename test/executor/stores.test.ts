/** Steps that touch stores, on threads and on the caller's thread. Expected values are made by arithmetic. */

import { mkdtempSync, readFileSync, rmSync, truncateSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type BlockHandle,
  createExecutor,
  type ExecutorTask,
  runTask,
  runTaskSync,
  type TaskOutcome,
} from "../../src/executor/index.ts";
import type { AxisWalk, Interval, Plain, Step, TaskSpec } from "../../src/graph/index.ts";
import {
  createZarr,
  finishZarr,
  openTiff,
  openZarrGroup,
  planCog,
  planRead,
  readZarrArray,
  type SourceSpec,
} from "../../src/io/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { keyOf, specOf } from "./specs.ts";

const folder = mkdtempSync(join(tmpdir(), "rsdat-executor-"));
const executor = createExecutor({ threads: 2, budgetBytes: 64 * 2 ** 20 });
const [H, W] = [50, 70];
const value = (y: number, x: number): number => y * 100 + x;
let source: SourceSpec;
const url = pathToFileURL(join(folder, "in.zarr")).href;

// A small web server over the folder, with ranges, as remote stores have them.
let remote = "";
let requests = 0;
const server = createServer((request, response) => {
  requests++;
  try {
    const bytes = readFileSync(join(folder, decodeURIComponent(new URL(request.url ?? "/", "http://x").pathname)));
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
    const [from, to] = range
      ? [Number(range[1]), range[2] === "" ? bytes.length - 1 : Math.min(Number(range[2]), bytes.length - 1)]
      : [0, bytes.length - 1];
    response.writeHead(range ? 206 : 200, {
      "accept-ranges": "bytes",
      "content-length": to - from + 1,
      ...(range ? { "content-range": `bytes ${from}-${to}/${bytes.length}` } : {}),
    });
    response.end(request.method === "HEAD" ? undefined : bytes.subarray(from, to + 1));
  } catch {
    response.writeHead(404).end();
  }
});

beforeAll(async () => {
  const block = NDArray.of(
    new Float32Array(H * W).map((_, i) => value(Math.floor(i / W), i % W)),
    [H, W],
  );
  await finishZarr(
    await createZarr(url, { arrays: { a: { shape: [H, W], chunks: [16, 32], dtype: "float32", data: block } } }),
  );
  source = (await openZarrGroup(url)).source("a");
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  remote = `http://127.0.0.1:${(server.address() as AddressInfo).port}/in.zarr`;
});

afterAll(async () => {
  await executor[Symbol.asyncDispose]();
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true });
});

function read(
  from: SourceSpec,
  shape: readonly number[],
  region: readonly Interval[],
  walk: readonly AxisWalk[],
): TaskSpec {
  const step: Step = { do: "read", dtype: "float32", shape, source: from as unknown as Plain, region, walk }; // made by io
  return specOf(0, [step], planRead(from, region).workspaceBytes);
}

const WHOLE = [
  { start: 0, stop: H },
  { start: 0, stop: W },
];
const along = (axis: number | null, start = 0, step = 1): AxisWalk => ({ axis, start, step });

function output(outcome: TaskOutcome): BlockHandle {
  if (outcome.status !== "ok") throw new Error(JSON.stringify(outcome));
  return outcome.output;
}

async function onThreads(
  spec: TaskSpec,
  inputs: readonly BlockHandle[] = [],
): Promise<{ readonly block: NDArray; readonly outcome: TaskOutcome }> {
  const outcome = await executor.run({ key: keyOf("t", 0), spec, inputs });
  const { dtype, data, shape } = executor.view(output(outcome));
  executor.release(output(outcome));
  return { block: new NDArray(dtype, data.slice(), shape), outcome };
}

/** Region, walk, shape of the result, and the element that index (i, j) must hold. */
const WALKS: readonly [
  what: string,
  region: readonly Interval[],
  walk: readonly AxisWalk[],
  shape: readonly number[],
  expected: (i: number, j: number) => number,
][] = [
  [
    "a region",
    [
      { start: 5, stop: 45 },
      { start: 30, stop: 66 },
    ],
    [along(0), along(1)],
    [40, 36],
    (i, j) => value(5 + i, 30 + j),
  ],
  [
    "a transposed region",
    [
      { start: 5, stop: 45 },
      { start: 30, stop: 66 },
    ],
    [along(1), along(0)],
    [36, 40],
    (i, j) => value(5 + j, 30 + i),
  ],
  ["rows backwards", WHOLE, [along(0, H - 1, -1), along(1)], [H, W], (i, j) => value(H - 1 - i, j)],
  [
    "both axes backwards and exchanged",
    WHOLE,
    [along(1, H - 1, -1), along(0, W - 1, -1)],
    [W, H],
    (i, j) => value(H - 1 - j, W - 1 - i),
  ],
  ["every third column", WHOLE, [along(0), along(1, 1, 3)], [H, 23], (i, j) => value(i, 1 + 3 * j)],
  ["part of the region", WHOLE, [along(0, 7), along(1, 60, -1)], [20, 30], (i, j) => value(7 + i, 60 - j)],
  ["one row, repeated", WHOLE, [along(null, 9), along(1)], [3, W], (_, j) => value(9, j)],
];

describe("reads", () => {
  it.each(WALKS)("walk %s", async (_, region, walk, shape, expected) => {
    const spec = read(source, shape, region, walk);
    const wanted = Array.from({ length: shape[0] as number }, (_row, i) =>
      Array.from({ length: shape[1] as number }, (_cell, j) => expected(i, j)),
    );
    expect((runTaskSync(spec, []) as NDArray).toArray()).toEqual(wanted);
    const { block, outcome } = await onThreads(spec);
    expect(block.toArray()).toEqual(wanted);
    expect(outcome.bytesRead).toBeGreaterThan(0);
  });

  it("from a web server are fetched first, then decoded on a thread; within the task's own scratch", async () => {
    const far = (await openZarrGroup(remote)).source("a");
    const spec = read(
      far,
      [40, 36],
      [
        { start: 5, stop: 45 },
        { start: 30, stop: 66 },
      ],
      [along(0), along(1)],
    );
    const before = { requests, peak: executor.stats().bytesPeak };
    const { block, outcome } = await onThreads(spec);
    expect(block.item(39, 35)).toBe(value(44, 65));
    expect(requests - before.requests).toBe(3 * 3); // nine chunks, one object each
    expect(outcome.bytesRead).toBeGreaterThan(0);
    expect(executor.stats().bytesLive).toBe(0);
    expect(((await runTask(spec, [])) as NDArray).item(0, 0)).toBe(value(5, 30));
    expect(() => runTaskSync(spec, [])).toThrow(/waits for a store/);
  });

  it("that fail name the object, the key and the layer; nothing stays allocated", async () => {
    const far = (await openZarrGroup(remote)).source("a");
    const gone: ExecutorTask = {
      key: keyOf("ndvi-0a", 2, 1),
      spec: read({ ...far, url: `${far.url.replace("in.zarr", "gone.zarr")}`, version: null }, [H, W], WHOLE, [
        along(0),
        along(1),
      ]),
      inputs: [],
    };
    const outcome = await executor.run(gone);
    // A Zarr array without chunks holds its fill value: only a broken chunk is an error.
    expect(outcome.status).toBe("ok");
    executor.release(output(outcome));
    const broken = pathToFileURL(join(folder, "broken.zarr")).href;
    await finishZarr(
      await createZarr(broken, {
        arrays: { a: { shape: [8], chunks: [8], dtype: "float32", data: NDArray.of(new Float32Array(8).fill(3)) } },
      }),
    );
    truncateSync(join(folder, "broken.zarr", "a", "c", "0"), 10);
    const bad = (await openZarrGroup(broken)).source("a");
    const failed = await executor.run({
      key: keyOf("open-1b", 0),
      spec: read(bad, [8], [{ start: 0, stop: 8 }], [along(0)]),
      inputs: [],
    });
    expect(failed).toMatchObject({
      status: "error",
      error: { details: { key: "('open-1b', 0)", layer: "open-1b", position: [0] } },
    });
    expect(failed.status === "error" && failed.error.message).toMatch(/broken\.zarr/);
    expect(executor.stats()).toMatchObject({ bytesLive: 0, inFlight: 0 });
  });

  it("are aborted with their task", async () => {
    const silent = createServer(() => undefined); // never answers
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const far = (await openZarrGroup(remote)).source("a");
    const quiet = { ...far, url: far.url.replace(/:\d+\//, `:${(silent.address() as AddressInfo).port}/`) };
    const stop = new AbortController();
    const running = executor.run({
      key: keyOf("t", 0),
      spec: read(quiet, [H, W], WHOLE, [along(0), along(1)]),
      inputs: [],
      signal: stop.signal,
    });
    await new Promise((resolve) => silent.once("connection", resolve));
    stop.abort();
    expect((await running).status).toBe("cancelled");
    expect(executor.stats()).toMatchObject({ bytesLive: 0, inFlight: 0 });
    silent.closeAllConnections();
    silent.close();
  });

  it("are aborted with their executor", async () => {
    const silent = createServer(() => undefined); // never answers
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const far = (await openZarrGroup(remote)).source("a");
    const quiet = { ...far, url: far.url.replace(/:\d+\//, `:${(silent.address() as AddressInfo).port}/`) };
    const own = createExecutor({ threads: 1, budgetBytes: 64 * 2 ** 20 });
    const connected = new Promise<Socket>((resolve) => silent.once("connection", resolve));
    const statuses: string[] = [];
    const spec = read(quiet, [H, W], WHOLE, [along(0), along(1)]);
    own.submit({ key: keyOf("t", 0), spec, inputs: [] }, ({ status }) => statuses.push(status));
    const closed = new Promise((resolve) => void connected.then((socket) => socket.once("close", resolve)));
    await connected;
    await own[Symbol.asyncDispose]();
    await closed; // by who reads
    expect(statuses).toEqual(["cancelled"]);
    expect(own.stats()).toMatchObject({ bytesLive: 0, inFlight: 0 });
    silent.closeAllConnections();
    silent.close();
  }, 10_000); // a read by itself gives up after 30 s
});

describe("writes", () => {
  it("of Zarr chunks give their bytes, and read back equal", async () => {
    const out = pathToFileURL(join(folder, "out.zarr")).href;
    const target = await createZarr(out, { arrays: { b: { shape: [H, W], chunks: [25, W], dtype: "float32" } } });
    let written = 0;
    for (const row of [0, 1]) {
      const region = [
        { start: row * 25, stop: row * 25 + 25 },
        { start: 0, stop: W },
      ];
      const steps: Step[] = [
        {
          do: "read",
          dtype: "float32",
          shape: [25, W],
          source: source as unknown as Plain,
          region,
          walk: [along(0), along(1)],
        }, // made by io
        {
          do: "write-zarr",
          dtype: "float64",
          shape: [1],
          from: 0,
          target: target as unknown as Plain,
          array: "b",
          chunk: [row, 0],
        },
      ];
      const { block, outcome } = await onThreads(specOf(0, steps, 2 ** 20));
      expect(outcome.bytesWritten).toBe(block.item(0));
      written += outcome.bytesWritten;
    }
    await finishZarr(target);
    const group = await openZarrGroup(out);
    const back = await readZarrArray({ source: group.source("b") });
    expect(back.item(49, 69)).toBe(value(49, 69));
    expect(back.toArray()).toEqual((await readZarrArray({ source })).toArray());
    expect(written).toBeGreaterThan(1000);
  });

  it("of a COG: parts, then the file", async () => {
    const path = join(folder, "out.tif");
    const plan = planCog({
      url: path,
      dtype: "float32",
      shape: [H, W],
      blocksize: 16,
      overviews: false,
      key: "0123456789abcdef",
    });
    const level = plan.levels[0] as (typeof plan.levels)[number];
    const parts: BlockHandle[] = [];
    const firsts: number[] = [];
    for (let y = 0, tile = 0; y < H; y += 32, tile += 2 * level.tilesPerRow) {
      const rows = Math.min(32, H - y);
      const tiles = Math.ceil(rows / 16) * level.tilesPerRow;
      const steps: Step[] = [
        {
          do: "read",
          dtype: "float32",
          shape: [rows, W],
          source: source as unknown as Plain,
          region: [
            { start: y, stop: y + rows },
            { start: 0, stop: W },
          ],
          walk: [along(0), along(1)],
        }, // made by io
        {
          do: "write-cog-part",
          dtype: "float64",
          shape: [tiles],
          from: 0,
          plan: plan as unknown as Plain,
          level: 0,
          firstTile: tile,
        },
      ];
      parts.push(output(await executor.run({ key: keyOf("part", y), spec: specOf(0, steps, 2 ** 20), inputs: [] })));
      firsts.push(tile);
    }
    const assemble: Step = {
      do: "write-cog",
      dtype: "float64",
      shape: [1],
      plan: plan as unknown as Plain,
      parts: parts.map((_, k) => ({ from: k, level: 0, firstTile: firsts[k] as number })),
    };
    const { outcome } = await onThreads(specOf(parts.length, [assemble], 2 ** 24), parts);
    for (const part of parts) executor.release(part);
    expect(outcome.bytesWritten).toBe(readFileSync(path).length);
    const info = await openTiff(path);
    const spec = read(info.source(0), [H, W], WHOLE, [along(0), along(1)]);
    const { block } = await onThreads(spec);
    expect(block.toArray()).toEqual((await readZarrArray({ source })).toArray());
  });
});
