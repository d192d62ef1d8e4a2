/** Interop (c): an rsdat worker on a real Dask scheduler, beside a Python worker. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { arange } from "../../src/array/index.ts";
import { Client, py } from "../../src/client/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { describePeer } from "../peers.ts";
import { type Running, startDaskScheduler, startDaskWorker, startRsdat } from "../processes.ts";

describePeer("an rsdat worker on a dask scheduler", ["distributed", "numpy"], () => {
  let scheduler: Running;
  let python: Running;
  let worker: Running;
  let address: string;
  let client: Client;
  const tokenFile = join(mkdtempSync(join(tmpdir(), "rsdat-token-")), "token");

  beforeAll(async () => {
    writeFileSync(tokenFile, "secret of this test", { mode: 0o600 });
    const started = await startDaskScheduler();
    scheduler = started.scheduler;
    address = started.address;
    python = await startDaskWorker(address);
    worker = startRsdat([
      "worker",
      address,
      "--nthreads",
      "1",
      "--memory-limit",
      "1GiB",
      "--name",
      "js",
      "--token-file",
      tokenFile,
      "--resources",
      "SPECIAL=2",
    ]);
    await worker.waitFor(/registered to/);
    client = await Client.connect(address, { tokenFile });
  });
  afterAll(async () => {
    await client?.close();
    for (const process of [worker, python, scheduler]) await process?.[Symbol.asyncDispose]();
  });

  /** Names of the Python worker, so that Python tasks can be kept off ours. */
  async function pythonWorkers(): Promise<string[]> {
    const { workers } = await client.schedulerInfo();
    return Array.from(workers ?? []).flatMap(([at, info]) => (info.language === "rsdat" ? [] : [at]));
  }

  test("registers with its name, threads, memory, resources and facts", async () => {
    const { workers } = await client.schedulerInfo();
    const ours = Array.from(workers?.values() ?? []).find(({ name }) => name === "js");
    expect(ours).toMatchObject({ nthreads: 1, memoryLimit: 2 ** 30, status: "running", language: "rsdat" });
    expect(ours?.resources.get("SPECIAL")).toBe(2);
    expect(ours?.budgetBytes).toBeLessThan(2 ** 30);
  });

  test("runs one rsdat task", async () => {
    await using future = await client.submit((a: number, b: number) => a * b, [6, 7]);
    expect(await future.result()).toBe(42);
  });

  test("a lazy array is computed there to NumPy's values", async () => {
    // sum of (i mod 251 squared) for i < 100_000, by Python's integers: sum((i % 251) ** 2 for i in range(100000))
    const x = arange(100_000, { chunks: 10_000, dtype: "int64" });
    const result = await client.compute(x.mod(251).mul(x.mod(251)).sum());
    expect(result.item()).toBe(2_085_719_301n);
  });

  test("blocks pass from JavaScript to Python and back", async () => {
    const workers = await pythonWorkers();
    await using made = await client.submit((n: number) => n, [3]);
    await using ones = await client.submit(py("numpy.ones"), [made], { workers });
    await using total = await client.submit(
      (block: { data: ArrayLike<number> }) => Array.from(block.data).reduce((a, b) => a + b, 0),
      [ones],
    );
    expect(await total.result()).toBe(3);
    const scattered = await client.scatter(NDArray.of(Float64Array.from({ length: 1_000_000 }, (_, i) => i)), {
      workers: ["js"].map(() => jsAddress()),
    });
    await using sum = await client.submit(py("numpy.sum"), [scattered], { workers });
    expect(await sum.result()).toBe((999_999 * 1_000_000) / 2);
  });

  function jsAddress(): string {
    return /worker js at (tcp:\/\/[\d.:]+)/.exec(worker.output())?.[1] ?? "";
  }

  test("an error names key and worker", async () => {
    await using bad = await client.submit(
      () => {
        throw new TypeError("no such band");
      },
      [],
      { key: "bad-js" },
    );
    await expect(bad.result()).rejects.toMatchObject({
      code: "remote",
      details: { key: "bad-js", worker: jsAddress(), text: expect.stringContaining("no such band") },
    });
  });

  test("a Python task that comes here by mistake fails with a way out", async () => {
    await using lost = await client.submit(py("operator.add"), [1, 1], { workers: [jsAddress()] });
    await expect(lost.result()).rejects.toMatchObject({ message: expect.stringContaining("restrict Python tasks") });
  });

  test("without the token its text is refused", async () => {
    await using stranger = await Client.connect(address, { setAsDefault: false });
    await using future = await stranger.submit(() => 1, [], { key: "untrusted" });
    await expect(future.result()).rejects.toMatchObject({ message: expect.stringContaining("mac") });
  });

  test("workers that are only a wish, and are not there, send no JavaScript to Python workers", async () => {
    const wish = { workers: ["nobody"], allowOtherWorkers: true };
    const futures = await client.map((n: number) => n + 1, [1, 2, 3, 4, 5, 6, 7, 8], wish);
    expect(await client.gather(futures)).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
    for (const future of futures) future.release();
    expect((await client.compute(arange(80, { chunks: 10 }).sum(), wish)).item()).toBe(3160n);
  });

  test("at SIGTERM it hands its data over and leaves", async () => {
    await using kept = await client.submit(() => [1, 2, 3], [], { key: "kept" });
    await kept.wait();
    worker.process.kill("SIGTERM");
    expect(await worker.exit).toBe(0);
    expect(await kept.result()).toEqual([1, 2, 3]);
  });
});
