/** LocalCluster and Client over the wire: the same results as without, errors with their place, workers that die. */
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { arange, array, type ChunkedArray } from "../../src/array/index.ts";
import { type RsdatError, seededRandom } from "../../src/base/index.ts";
import { asCompleted, Client, wait } from "../../src/client/index.ts";
import { LocalCluster } from "../../src/cluster/index.ts";
import { Rpc } from "../../src/comm/index.ts";
import { runtimeReserveBytes } from "../../src/executor/index.ts";
import { currentRunner, keyOfValue, pushRunner, type RunProgress } from "../../src/graph/index.ts";
import { LocalRunner } from "../../src/local/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { openRaster } from "../../src/xr/index.ts";
import { patiently } from "../patience.ts";
import { ROOT } from "../peers.ts";
import { waitGone } from "../processes.ts";

/** Something with every kind of step: fused kernels, a rechunk, tree reductions of floats. */
function pipeline(): ChunkedArray[] {
  const random = seededRandom(7);
  const noise = (): ChunkedArray =>
    array(
      NDArray.of(
        Float32Array.from({ length: 300 * 200 }, () => random.next() * 5000),
        [300, 200],
      ),
      { chunks: [64, 50] },
    );
  const [red, nir] = [noise(), noise()];
  const ndvi = nir.sub(red).div(nir.add(red));
  return [ndvi, ndvi.mean(), ndvi.std(0), ndvi.rechunk([30, 200]).sum(1), red.astype("int16").max()];
}

async function valuesOn(runner: LocalRunner | Client): Promise<Uint8Array[]> {
  const leave = pushRunner(runner);
  try {
    const out: Uint8Array[] = [];
    for (const lazy of pipeline()) {
      const block = (await lazy.compute()) as NDArray;
      out.push(new Uint8Array(block.data.buffer, block.data.byteOffset, block.data.byteLength).slice());
    }
    return out;
  } finally {
    leave();
  }
}

describe.each([
  ["the dialect", "1"],
  ["pure Dask", "0"],
])("with %s", (_name, dialect) => {
  let cluster: LocalCluster;
  let client: Client;
  const before = process.env["RSDAT_DIALECT"];

  beforeAll(async () => {
    process.env["RSDAT_DIALECT"] = dialect;
    cluster = await LocalCluster.start({ nWorkers: 2, threadsPerWorker: 1, memoryLimit: "512MiB" });
    client = await Client.connect({ cluster });
  });
  afterAll(async () => {
    await client?.close();
    await cluster?.close();
    if (before === undefined) delete process.env["RSDAT_DIALECT"];
    else process.env["RSDAT_DIALECT"] = before;
  });

  test("both ends speak what they were told to", () => {
    expect(client.isNative).toBe(dialect === "1");
  });

  test("lazy arrays give the same bits as on threads of this process", async () => {
    const local = new LocalRunner({ threads: 2 });
    const expected = await valuesOn(local);
    await local[Symbol.asyncDispose]();
    expect(expected.map((bytes) => bytes.byteLength)).toEqual([300 * 200 * 4, 4, 200 * 4, 300 * 4, 2]);
    expect(await valuesOn(client)).toEqual(expected);
  });

  test("progress counts all tasks, and the bytes read, as on threads", async () => {
    const scene = await openRaster(join(ROOT, "examples", "data", "L7_ETMs.tif"));
    const told = async (): Promise<RunProgress[]> => {
      const all: RunProgress[] = [];
      await scene.mean().compute({ onProgress: (progress) => all.push(progress) });
      return all;
    };
    const onCluster = await told();
    const local = new LocalRunner({ threads: 2 });
    const leave = pushRunner(local);
    const onThreads = await told().finally(leave);
    await local[Symbol.asyncDispose]();
    const last = onCluster.at(-1);
    expect(last?.bytesRead).toBeGreaterThan(100_000);
    const { kernels, memory, ...atEnd } = onThreads.at(-1) as RunProgress; // told at least once
    // Of this process; a cluster's are its workers'.
    expect(kernels?.modulesCompiled).toBeGreaterThan(0);
    expect(memory?.peakBytes).toBeGreaterThan(0);
    expect(last).toEqual(atEnd);
    expect(last?.done).toBe(last?.total);
    for (const [i, progress] of onCluster.entries())
      expect(progress.done).toBeGreaterThanOrEqual(onCluster[i - 1]?.done ?? 0);
  });

  test("submit, map, gather, scatter", async () => {
    await using three = await client.submit((a: number, b: number) => a + b, [1, 2]);
    await using text = await client.submit(
      (n: number, o: { list: number[] }) => `${n} of ${o.list.length}`,
      [three, { list: [1, three, 5] }],
    );
    expect(await text.result()).toBe("3 of 3");
    const squares = await client.map(
      (n: number) => n * n,
      Array.from({ length: 50 }, (_, i) => i),
    );
    expect(await client.gather(squares)).toEqual(Array.from({ length: 50 }, (_, i) => i * i));
    await using block = await client.scatter(NDArray.of(new Int16Array([1, -2, 3])));
    await using doubled = await client.submit((b: { data: Int16Array }) => Array.from(b.data, (v) => 2 * v), [block]);
    expect(await doubled.result()).toEqual([2, -4, 6]);
    expect(((await block.result()) as NDArray).toArray()).toEqual([1, -2, 3]);
    await using literal = await client.submit(
      (b: { data: Float32Array }) => b.data.length,
      [NDArray.of(new Float32Array(7))],
    );
    expect(await literal.result()).toBe(7);
  });

  test("a persisted array is computed once and stays on the workers, named by what follows", async () => {
    const leave = pushRunner(client);
    try {
      const random = (block: NDArray): Float64Array =>
        Float64Array.from({ length: block.shape[0] as number }, () => Math.random());
      const x = await arange(40, { chunks: 10 }).mapBlocks(random, { dtype: "float64" }).persist();
      await wait([x]);
      const first = (await x.compute()).toArray() as number[];
      expect((await x.compute()).toArray()).toEqual(first);
      expect((await x.slice([5, 25]).add(1).compute()).toArray()).toEqual(first.slice(5, 25).map((v) => v + 1));
      const futures = client.futuresOf(x);
      expect(futures.map((future) => future.key)).toEqual([0, 1, 2, 3].map((k) => keyOfValue([x.name, k])));
      const holders = await client.whoHas(x);
      expect(holders).toHaveLength(4);
      expect(holders.every((workers) => workers.length >= 1)).toBe(true);
    } finally {
      leave();
    }
  });

  test("a graph that needs a part of a layer, or nothing of it, does not hinder one that needs all", async () => {
    const leave = pushRunner(client);
    try {
      const x = arange(12, { chunks: 3 }).mapBlocks((block) => block.data, { dtype: "int64" });
      const [nothing, part] = [await x.slice([2, 1]).persist(), await x.slice([0, 2]).persist()];
      const whole = await x.persist();
      const all = Array.from({ length: 12 }, (_, i) => BigInt(i));
      expect((await whole.compute()).toArray()).toEqual(all);
      expect((await x.add(whole).compute()).toArray()).toEqual(all.map((v) => 2n * v));
      expect([nothing, part].map((held) => held.shape)).toEqual([[0], [2]]);
    } finally {
      leave();
    }
  });

  test("calls of one tick are one graph; each fails by itself", async () => {
    const leave = pushRunner(client);
    try {
      const random = (block: NDArray): Float64Array =>
        Float64Array.from({ length: block.shape[0] as number }, () => Math.random());
      const x = arange(20, { chunks: 5 }).mapBlocks(random, { dtype: "float64" });
      const bad = x.mapBlocks(
        () => {
          throw new Error("no such band");
        },
        { dtype: "float64" },
      );
      const [a, b, c] = await Promise.allSettled([x.compute(), x.mul(2).compute(), bad.compute()]);
      expect(c).toMatchObject({ status: "rejected", reason: { message: expect.stringContaining("no such band") } });
      if (a.status !== "fulfilled" || b.status !== "fulfilled") throw new Error("both have all they need");
      expect(b.value.toArray()).toEqual((a.value.toArray() as number[]).map((v) => 2 * v));
      // What is kept, too: random numbers are the same only where they come from the same task.
      const y = arange(24, { chunks: 6 }).mapBlocks(random, { dtype: "float64" });
      const [kept, doubled, total, failed] = await Promise.allSettled([
        y.persist(),
        y.mul(2).persist(),
        y.sum().compute(),
        y
          .mapBlocks(
            () => {
              throw new Error("no such band");
            },
            { dtype: "float64" },
          )
          .compute(),
      ]);
      expect(failed).toMatchObject({
        status: "rejected",
        reason: { message: expect.stringContaining("no such band") },
      });
      if (kept.status !== "fulfilled" || doubled.status !== "fulfilled" || total.status !== "fulfilled")
        throw new Error("all three have what they need");
      const values = (await kept.value.compute()).toArray() as number[];
      expect((await doubled.value.compute()).toArray()).toEqual(values.map((v) => 2 * v));
      const sum = values.reduce((one, other) => one + other, 0);
      expect(Number(total.value.item())).toBeCloseTo(sum, 12);
    } finally {
      leave();
    }
  });

  test("the same call is computed once, an impure one each time", async () => {
    const pid = () => process.hrtime.bigint();
    await using first = await client.submit(pid);
    await using second = await client.submit(pid);
    await using other = await client.submit(pid, [], { pure: false });
    expect(second.key).toBe(first.key);
    expect(await second.result()).toBe(await first.result());
    expect(await other.result()).not.toBe(await first.result());
  });

  test("a failing task shows its error with key and worker, and fails what depends on it", async () => {
    await using bad = await client.submit(
      (n: number) => {
        if (n > 1) throw new RangeError(`no band ${n}`);
        return n;
      },
      [9],
      { key: ["bad", 1] },
    );
    await using after = await client.submit((x: unknown) => x, [bad], { key: "after" });
    const error = (await bad.exception()) as RsdatError;
    expect(error).toMatchObject({
      code: "remote",
      message: expect.stringMatching(/^task \('bad', 1\) on tcp:\/\/127\.0\.0\.1:\d+: RangeError: .*no band 9/),
    });
    expect(error.details).toMatchObject({
      key: "('bad', 1)",
      worker: expect.stringMatching(/^tcp:/),
      traceback: expect.stringContaining("no band 9"),
    });
    expect((error.cause as Error).message).toContain("no band 9");
    await expect(after.result()).rejects.toMatchObject({
      code: "remote",
      details: { text: expect.stringContaining("no band 9") },
    });
    await expect(client.gather([bad])).rejects.toMatchObject({ code: "remote" });
  });

  test("a function that throws on a block is told with its layer and the block, whatever was wanted", async () => {
    const rows = arange(6, { dtype: "float64", chunks: 2 }).mapBlocks(
      (block: NDArray) => {
        if (block.data[0] === 4) throw new RangeError("no such row");
        return block;
      },
      { name: "rows" },
    );
    const error: RsdatError = await rows
      .sum()
      .compute()
      .then(
        () => expect.unreachable(),
        (e) => e,
      );
    expect(error.message).toMatch(/^task \('\S*rows\S*', 2\) on tcp:\S+: RangeError: no such row/);
    expect(error.details).toMatchObject({ layer: expect.stringMatching(/rows/), position: [2] });
  });

  test("futures as they end, and waiting", async () => {
    const gate = join(mkdtempSync(join(tmpdir(), "rsdat-gate-")), "open");
    const slow = await client.submit(
      (path: string) => {
        while (!process.getBuiltinModule("node:fs").existsSync(path));
        return "slow";
      },
      [gate],
      { workers: ["0"] },
    );
    const fast = await client.submit(() => "fast", [], { workers: ["1"] });
    const order: unknown[] = [];
    for await (const future of asCompleted([slow, fast])) {
      order.push(await future.result());
      writeFileSync(gate, "");
    }
    expect(order).toEqual(["fast", "slow"]);
  });

  test("an aborted run rejects with the reason, and the cluster goes on", async () => {
    const controller = new AbortController();
    const runner = await currentRunner();
    expect(runner).toBe(client);
    const running = arange(50_000_000, { chunks: 1_000_000, dtype: "float64" })
      .mul(2)
      .sum()
      .compute({ signal: controller.signal });
    controller.abort(new Error("enough"));
    await expect(running).rejects.toThrow("enough");
    expect(String(((await arange(10, { dtype: "int64" }).sum().compute()) as NDArray).item())).toBe("45");
  });

  test("what only a killed worker held is computed again", async () => {
    const where = (n: number) => [process.pid, n * n];
    const futures = await client.map(
      where,
      Array.from({ length: 12 }, (_, i) => i),
      { pure: false },
    );
    const first = await client.gather(futures);
    const holders = await client.whoHas(futures);
    const [victim] = cluster.pids.workers;
    const lost = first.flatMap(([pid], i) => (pid === victim ? [i] : []));
    expect(lost.length, "the killed worker holds some of them").toBeGreaterThan(0);
    for (const i of lost) expect(holders[i], "and nobody else does").toHaveLength(1);
    const victims = new Set(lost.map((i) => holders[i]?.[0]));
    expect(victims.size).toBe(1);
    process.kill(victim as number, "SIGKILL");
    await waitGone([victim as number]);
    const second = await client.gather(futures);
    expect(second.map(([, value]) => value)).toEqual(Array.from({ length: 12 }, (_, i) => i * i));
    for (const i of lost) expect(second[i]?.[0], `result ${i} is from another process`).not.toBe(victim);
    for (const future of futures) future.release();
  });

  test("a worker killed in the middle of a run does not change its result", async () => {
    const expected = String(Array.from({ length: 40 }, (_, i) => i).reduce((a, b) => a + b * b, 0));
    const slow = (n: number) => {
      const until = Date.now() + 50;
      while (Date.now() < until);
      return n * n;
    };
    const futures = await client.map(
      slow,
      Array.from({ length: 40 }, (_, i) => i),
      { pure: false },
    );
    await futures[2]?.wait();
    process.kill(cluster.pids.workers[0] as number, "SIGKILL");
    expect(String((await client.gather(futures)).reduce((a, b) => a + b, 0))).toBe(expected);
  });
});

describe("connecting", () => {
  let server: Server | undefined;
  const sockets = new Set<Socket>();
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
    server = undefined;
  });

  async function serve(answer: string | null): Promise<string> {
    server = createServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => undefined);
      if (answer !== null) socket.write(answer);
    });
    await new Promise<void>((resolve) => server?.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    return `tcp://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  }

  test("to a port that is no Dask scheduler is a typed error that names it", async () => {
    const address = await serve("SSH-2.0-OpenSSH_9.2\r\n".repeat(4));
    await expect(Client.connect(address, { timeout: "30s" })).rejects.toMatchObject({
      code: "remote-protocol",
      message: expect.stringContaining(address),
    });
  });

  test("to a port that says nothing, or where nobody listens, ends in time", async () => {
    const silent = await serve(null);
    await expect(Client.connect(silent, { timeout: "500ms" })).rejects.toMatchObject({
      code: "connect-timeout",
      message: expect.stringContaining(silent),
    });
    await patiently((scale) =>
      expect(Client.connect("tcp://127.0.0.1:9", { timeout: `${300 * scale}ms` })).rejects.toMatchObject({
        code: "connect-timeout",
        message: expect.stringContaining("ECONNREFUSED"),
      }),
    );
  });

  test("without an address anywhere, or with a bad one", async () => {
    // Through a front door a cluster of this machine is started; a room alone has none to start.
    await expect(Client.connect()).rejects.toMatchObject({
      code: "no-cluster",
      message: expect.stringMatching(/^no scheduler: give an address/),
    });
    await expect(Client.connect({ schedulerFile: "/nowhere/scheduler.json" })).rejects.toMatchObject({
      code: "argument",
      message: expect.stringContaining("/nowhere/scheduler.json"),
    });
    await expect(Client.connect("http://x:1")).rejects.toMatchObject({ code: "argument" });
  });

  test("a future that is garbage is forgotten by the cluster", async () => {
    await using cluster = await LocalCluster.start({ threadsPerWorker: 1, memoryLimit: "512MiB" });
    await using client = await Client.connect(cluster);
    const kept = await client.submit(() => "kept", []);
    const forgotten: string[] = [];
    await (async () => {
      const future = await client.submit(() => "forgotten", []);
      expect(await future.result()).toBe("forgotten");
      forgotten.push(...((await client.whoHas([future]))[0] ?? []));
    })();
    expect(forgotten).toHaveLength(1);
    setFlagsFromString("--expose-gc");
    const gc = runInNewContext("gc") as () => void;
    const keys = async (): Promise<number> =>
      ((await new Rpc().call(forgotten[0] as string, { op: "keys" })) as unknown[]).length;
    const until = Date.now() + 60_000;
    while ((await keys()) > 1 && Date.now() < until) {
      gc();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(await keys()).toBe(1);
    expect(await kept.result()).toBe("kept");
  });

  test("a cluster with impossible numbers", async () => {
    await expect(LocalCluster.start({ nWorkers: 0 })).rejects.toMatchObject({
      code: "argument",
      message: expect.stringContaining("nWorkers is 0"),
    });
    await expect(LocalCluster.start({ memoryLimit: "1MB" })).rejects.toMatchObject({
      code: "config",
      message: expect.stringContaining("leaves nothing for blocks"),
    });
    await expect(LocalCluster.start({ processes: false })).rejects.toMatchObject({ code: "unsupported" });
  });

  test("the default is one worker with all threads, and a closed client says so", async () => {
    await using cluster = await LocalCluster.start({ memoryLimit: "1GiB" });
    const client = await Client.connect(cluster);
    const { allottedCpus } = await import("../../src/config/index.ts");
    const limits = await client.limits();
    expect(limits).toMatchObject({ workers: 1, threads: allottedCpus().value });
    // What blocks may take, not what the process may: the rest is the runtime's.
    expect(limits.memoryBytes).toBeLessThanOrEqual(2 ** 30 - runtimeReserveBytes(limits.threads));
    expect(limits.memoryBytes).toBeGreaterThan(2 ** 29);
    const future = await client.submit(() => 1, []);
    expect(Client.current()).toBe(client);
    await client.close();
    expect(Client.current()).not.toBe(client);
    await expect(client.submit(() => 1, [])).rejects.toMatchObject({ code: "comm-closed" });
    await expect(future.result()).rejects.toMatchObject({ code: "comm-closed" });
  });
});

test("a cluster that is closed while it replaces a worker leaves no process", async () => {
  const cluster = await LocalCluster.start({ nWorkers: 1, threadsPerWorker: 1, memoryLimit: "512MiB" });
  const [worker] = cluster.pids.workers as [number];
  process.kill(worker, "SIGKILL");
  await waitGone([worker]);
  // Its replacement has been started by now, or never will be.
  await expect.poll(() => childrenOf(process.pid).length, { timeout: 100_000, interval: 5 }).toBeGreaterThan(1);
  const children = childrenOf(process.pid);
  await cluster.close();
  await waitGone(children);
});

test("a cluster whose workers die one after the other tells its clients, who would wait for ever; scale tries anew", async () => {
  await using cluster = await LocalCluster.start({ nWorkers: 1, threadsPerWorker: 1, memoryLimit: "512MiB" });
  await using client = await Client.connect({ cluster });
  const killed = new Set<number>();
  for (let deaths = 0; deaths < 6; deaths++) {
    await expect
      .poll(() => cluster.pids.workers.some((pid) => !killed.has(pid)), { timeout: 100_000, interval: 5 })
      .toBe(true);
    const pid = cluster.pids.workers.find((each) => !killed.has(each)) as number; // there is one
    killed.add(pid);
    process.kill(pid, "SIGKILL");
    await waitGone([pid]);
  }
  await expect.poll(() => cluster.failure, { timeout: 10_000, interval: 5 }).toBeDefined();
  expect(cluster.failure).toMatchObject({ code: "worker-start", message: expect.stringMatching(/5 were replaced/) });
  await expect(async () => (await client.submit(() => 1, [])).result()).rejects.toBe(cluster.failure);
  await cluster.scale(1);
  expect(await (await client.submit(() => 2, [])).result()).toBe(2);
});

/** Children of a process that run Node. */
function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number);
}
