/** The HTTP store against a server that misbehaves: every answer is checked, retries are bounded and counted. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  type HttpOptions,
  type Located,
  locate,
  openTiff,
  plainByteKernels,
  readRegion,
} from "../../../src/io/index.ts";
import { NDArray } from "../../../src/ndarray/index.ts";
import { writeCog } from "../cog/support.ts";
import { whole } from "../tiff/support.ts";
import { type Fault, FaultServer } from "./fault-server.ts";

const body = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 31 + (i >> 8)) & 255);
let server: FaultServer;
let sleeps: number[] = [];

/** A store whose waiting is recorded instead of waited, with the largest jitter. */
function at(path: string, options: HttpOptions = {}): Located {
  const sleep = async (ms: number): Promise<void> => void sleeps.push(ms);
  return locate(server.url + path, { http: { random: () => 0.999, sleep, ...options } });
}

async function range(from: number, length: number, located: Located = at("a.bin")): Promise<Uint8Array> {
  const into = new Uint8Array(new SharedArrayBuffer(length));
  await located.store.readInto(located.key, from, into);
  return into;
}

/** Equal bytes; far quicker than a deep comparison. */
function expectBytes(got: Uint8Array | undefined, from: number, length: number): void {
  expect(got?.byteLength).toBe(length);
  expect(Buffer.compare(got!, body.subarray(from, from + length))).toBe(0);
}

beforeEach(async () => {
  server = await FaultServer.start({ body });
  sleeps = [];
});
afterEach(() => server[Symbol.asyncDispose]());

test("a range comes exactly, into shared memory, unencoded, with the version", async () => {
  const { store, key } = at("a.bin");
  const into = new Uint8Array(new SharedArrayBuffer(1000));
  const version = await store.readInto(key, 500, into);
  expect(Array.from(into)).toEqual(Array.from(body.subarray(500, 1500)));
  expect(version).toEqual({ etag: '"v1"', size: body.length });
  expect(server.log[0]).toMatchObject({ range: "bytes=500-1499", acceptEncoding: "identity" });
  expect(store.counters()).toMatchObject({
    requests: 1,
    bytesRead: 1000,
    bytesWasted: 0,
    retries: {},
    ttfbMs: expect.any(Number),
  });
});

test("the whole object, its start, its head; absence is null, or an error for a range", async () => {
  const { store, key } = at("a.bin?token=secret");
  expectBytes((await store.read(key, { maxBytes: 1e6 }))?.bytes, 0, body.length);
  expect(await store.readStart(key, { maxBytes: 10 })).toMatchObject({
    bytes: body.subarray(0, 10),
    size: body.length,
  });
  expectBytes((await store.readStart(key, { maxBytes: 1e6 }))?.bytes, 0, body.length);
  expect(await store.head(key)).toEqual({ size: body.length, version: { etag: '"v1"', size: body.length } });
  const missing = at("missing?token=secret");
  expect(await missing.store.read(missing.key, { maxBytes: 10 })).toBeNull();
  expect(await missing.store.readStart(missing.key, { maxBytes: 10 })).toBeNull();
  expect(await missing.store.head(missing.key)).toBeNull();
  await expect(range(0, 10, missing)).rejects.toMatchObject({
    code: "not-found",
    message: expect.not.stringMatching(/secret/),
  });
  await expect(store.read(key, { maxBytes: 1000 })).rejects.toMatchObject({ code: "too-large" });
});

describe("retried until it works", () => {
  const cases: readonly (readonly [name: string, faults: readonly Fault[], cause: string])[] = [
    [
      "503",
      [
        { kind: "status", status: 503 },
        { kind: "status", status: 503 },
      ],
      "503",
    ],
    ["500", [{ kind: "status", status: 500 }], "500"],
    ["429", [{ kind: "status", status: 429 }], "429"],
    ["cut before the body", [{ kind: "cut", after: 0 }], "connection"],
    [
      "cut in the body",
      [
        { kind: "cut", after: 40_000 },
        { kind: "cut", after: 20_000 },
      ],
      "connection",
    ],
  ];
  test.each(cases)("%s", async (_, faults, cause) => {
    const located = at("a.bin");
    server.plan(...faults);
    expectBytes(await range(1000, 100_000, located), 1000, 100_000);
    expect(server.log).toHaveLength(faults.length + 1);
    expect(located.store.counters().retries).toEqual({ [cause]: faults.length });
    expect(sleeps.filter((ms) => ms > 0).map(Math.round)).toEqual(
      faults.map((_f, i) => Math.round(0.999 * 200 * 2 ** i)),
    );
  });

  test("a cut body continues where it stopped, pinned to its version", async () => {
    server.plan({ kind: "cut", after: 40_000 });
    await range(1000, 100_000);
    const [first, second] = server.log;
    expect(first?.range).toBe("bytes=1000-100999");
    const from = Number(/bytes=(\d+)-100999/.exec(second?.range ?? "")?.[1]);
    expect(from).toBeGreaterThan(1000);
    expect(from).toBeLessThanOrEqual(41_000);
    expect(second?.ifMatch).toBe('"v1"');
  });

  test("a stalled connection", async () => {
    const located = at("a.bin", { stallMs: 200 });
    server.plan({ kind: "silence" });
    expectBytes(await range(0, 10, located), 0, 10);
    expect(located.store.counters().retries).toEqual({ stall: 1 });
  });

  test("Retry-After holds the whole origin", async () => {
    let now = 0;
    const clock = { now: () => now, wall: () => 0 };
    const sleep = async (ms: number): Promise<void> => {
      sleeps.push(ms);
      now += ms;
    };
    const located = at("a.bin", { clock, sleep });
    server.plan({ kind: "status", status: 503, retryAfter: "7" });
    await range(0, 10, located);
    expect(sleeps[0]).toBeCloseTo(0.999 * 200);
    expect(sleeps.reduce((a, b) => a + b, 0)).toBeCloseTo(7000);
  });
});

describe("refused at once or after the last attempt", () => {
  const cases: readonly (readonly [name: string, faults: readonly Fault[], code: string, requests: number])[] = [
    ["403", [{ kind: "status", status: 403 }], "forbidden", 1],
    ["401", [{ kind: "status", status: 401 }], "forbidden", 1],
    ["400", [{ kind: "status", status: 400 }], "http-status", 1],
    ["500 for ever", new Array<Fault>(9).fill({ kind: "status", status: 500 }), "http-status", 5],
    ["cut for ever", new Array<Fault>(9).fill({ kind: "cut", after: 0 }), "connection", 5],
    ["wrong Content-Range", [{ kind: "wrong-range" }], "range-mismatch", 1],
    ["Content-Encoding", [{ kind: "encoding" }], "content-encoding", 1],
  ];
  test.each(cases)("%s", async (_, faults, code, requests) => {
    server.plan(...faults);
    await expect(range(1000, 2000)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(/a\.bin bytes 1000-2999/),
    });
    expect(server.log).toHaveLength(requests);
  });

  test("nobody listens", async () => {
    const { url } = server;
    await server[Symbol.asyncDispose]();
    const located = locate(`${url}a.bin`, { http: { sleep: async () => undefined } });
    await expect(range(0, 10, located)).rejects.toMatchObject({
      code: "connection",
      message: expect.stringMatching(/ECONNREFUSED.*after 5 attempts/),
    });
  });

  test("beyond the end", async () => {
    await expect(range(body.length + 5, 10)).rejects.toMatchObject({ code: "short" });
    await expect(range(body.length - 5, 10)).rejects.toMatchObject({
      code: "short",
      message: expect.stringMatching(/got 5 bytes, expected 10/),
    });
    expect(server.log).toHaveLength(2);
  });
});

test("a small object from a server without ranges is cut, a large one refused", async () => {
  const located = at("a.bin");
  server.plan({ kind: "whole" }, { kind: "whole" });
  expectBytes(await range(1000, 2000, located), 1000, 2000);
  expect(located.store.counters().bytesWasted).toBe(body.length - 2000);
  expect(await located.store.readStart("a.bin", { maxBytes: 100 })).toMatchObject({
    bytes: body.subarray(0, 100),
    size: body.length,
  });
  await using large = await FaultServer.start({ body: new Uint8Array(9 * 2 ** 20) });
  large.plan({ kind: "whole" });
  const refused = locate(`${large.url}a.bin`);
  await expect(range(0, 10, refused)).rejects.toMatchObject({
    code: "range-ignored",
    message: expect.stringMatching(/9437184 bytes/),
  });
});

describe("an object that changes while it is read", () => {
  test.each([true, false])("with ETag %s", async (etag) => {
    await using changing = await FaultServer.start({ body, etag });
    const { store, key } = locate(`${changing.url}a.bin`);
    const into = new Uint8Array(10);
    const expect1 = await store.readInto(key, 0, into);
    changing.plan({ kind: "change" });
    await expect(store.readInto(key, 10, into, { expect: expect1 })).rejects.toMatchObject({ code: "source-changed" });
    expect(changing.log).toHaveLength(2);
  });

  test("between two attempts of one read", async () => {
    server.plan({ kind: "cut", after: 40_000 }, { kind: "change" });
    await expect(range(0, 100_000)).rejects.toMatchObject({ code: "source-changed" });
  });
});

test("redirects are followed without credentials, and not for ever", async () => {
  await using pool = await FaultServer.start({ body });
  const headers = { authorization: "Bearer secret" };
  server.plan({ kind: "redirect", to: `${pool.url}b.bin?ticket=1` });
  expectBytes(await range(5, 10, at("a.bin", { headers })), 5, 10);
  expect(server.log[0]?.authorization).toBe("Bearer secret");
  expect(pool.log[0]).toMatchObject({ path: "/b.bin?ticket=1", range: "bytes=5-14", authorization: undefined });
  server.plan(...new Array<Fault>(9).fill({ kind: "redirect", to: "a.bin" }));
  await expect(range(0, 10)).rejects.toMatchObject({
    code: "redirect",
    message: expect.stringMatching(/more than 5 redirects/),
  });
});

test("an aborted read ends with the signal's reason and frees its place", async () => {
  const { store, key } = at("a.bin");
  const abort = new AbortController();
  server.plan({ kind: "silence" });
  const reading = store.readInto(key, 0, new Uint8Array(10), { signal: abort.signal });
  // Once it has been asked: what is given up before leaves its fault to the next.
  void expect
    .poll(() => server.log.length, { interval: 1 })
    .toBe(1)
    .then(() => abort.abort(new Error("enough")));
  await expect(reading).rejects.toThrow("enough");
  expectBytes(await range(0, 10), 0, 10);
});

test("plain HTTP does not list, write or delete", async () => {
  const { store } = at("a.bin");
  await expect(store.write("x", [])).rejects.toMatchObject({ code: "unsupported" });
  await expect(store.delete("x")).rejects.toMatchObject({ code: "unsupported" });
  await expect(Array.fromAsync(store.list(""))).rejects.toMatchObject({ code: "unsupported" });
});

test("a COG over HTTP: one request to open, few to read, pixels through faults", async () => {
  const spec = { url: "unwritten.tif", dtype: "uint16", shape: [700, 900], blocksize: 128, key: "00000000" } as const;
  await using web = await FaultServer.start({ body: writeCog(spec, (i) => (i * 7919) % 60000) });
  const info = await openTiff(`${web.url}a.tif`);
  expect(web.log).toHaveLength(1);
  const source = info.source(0);
  web.plan({ kind: "status", status: 503 }, { kind: "cut", after: 1000 });
  const into = NDArray.zeros("uint16", source.shape);
  const stats = await readRegion(source, whole(source), into, { kernels: plainByteKernels });
  for (let i = 0; i < into.size; i++)
    if (into.data[i] !== (i * 7919) % 60000) expect(into.data[i]).toBe((i * 7919) % 60000);
  expect(stats.requests).toBeLessThanOrEqual(3);
  const tile = NDArray.zeros("uint16", [10, 10]);
  const one = await readRegion(
    source,
    [
      { start: 130, stop: 140 },
      { start: 130, stop: 140 },
    ],
    tile,
    { kernels: plainByteKernels },
  );
  expect(one.requests).toBe(1);
  web.plan({ kind: "change" });
  await expect(readRegion(source, whole(source), into, { kernels: plainByteKernels })).rejects.toMatchObject({
    code: "source-changed",
  });
  await expect(openTiff(`${web.url}missing.tif`)).rejects.toMatchObject({ code: "not-found" });
}, 120_000);
