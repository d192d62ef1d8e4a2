/** Interop (b): an rsdat Client on a real Dask scheduler and worker. Expected values are NumPy's own and Python's. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { asCompleted, Client, py } from "../../src/client/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { describePeer } from "../peers.ts";
import { type Running, startDaskScheduler, startDaskWorker } from "../processes.ts";

describePeer("an rsdat client on a dask scheduler", ["distributed", "numpy"], () => {
  let scheduler: Running;
  let worker: Running;
  let client: Client;

  beforeAll(async () => {
    const started = await startDaskScheduler();
    scheduler = started.scheduler;
    worker = await startDaskWorker(started.address);
    client = await Client.connect(started.address);
  });
  afterAll(async () => {
    await client?.close();
    await worker?.[Symbol.asyncDispose]();
    await scheduler?.[Symbol.asyncDispose]();
  });

  test("runs a Python function by name and reads a NumPy result", async () => {
    await using future = await client.submit(py("numpy.arange"), [2, 11, 3]);
    const value = (await future.result()) as NDArray;
    expect(value.dtype).toBe("int64");
    expect(value.toArray()).toEqual([2n, 5n, 8n]);
    expect(future.status).toBe("finished");
  });

  test("passes futures, arrays and named arguments", async () => {
    const array = NDArray.of(new Float32Array([1, 2, 3]));
    await using squares = await client.submit(py("numpy.multiply"), [array, array]);
    await using sum = await client.submit(py("numpy.sum"), [squares], { kwargs: { initial: 100, dtype: "float64" } });
    expect(await client.gather([squares, sum])).toMatchObject([{ dtype: "float32" }, 114]);
    await using largest = await client.submit(py("builtins.max"), [[squares, 3].slice(1)]);
    expect(await largest.result()).toBe(3);
  });

  test("maps, and gives results as they end", async () => {
    const futures = await client.map(py("math.sqrt"), [1, 4, 9, 16]);
    const values = new Set<unknown>();
    for await (const future of asCompleted(futures)) values.add(await future.result());
    expect(values).toEqual(new Set([1, 2, 3, 4]));
    for (const future of futures) future.release();
  });

  test("a failing function gives its Python error, with the key", async () => {
    await using future = await client.submit(py("operator.truediv"), [1, 0], { key: "bad-division" });
    await expect(future.result()).rejects.toMatchObject({
      code: "remote",
      details: { type: "ZeroDivisionError", text: "division by zero", key: "bad-division" },
    });
    expect(future.status).toBe("error");
  });

  test("a result is forgotten by the cluster once every future of it is released", async () => {
    const [first, second] = [
      await client.submit(py("time.time_ns"), [], { key: "now" }),
      await client.submit(py("time.time_ns"), [], { key: "now" }),
    ];
    const at = await first.result();
    first.release();
    await expect(first.result()).rejects.toMatchObject({ code: "released" });
    expect(await second.result()).toBe(at);
    second.release();
    await using again = await client.submit(py("time.time_ns"), [], { key: "now" });
    expect(await again.result()).not.toBe(at);
  });

  test("a cancelled future says so", async () => {
    const slow = await client.submit(py("time.sleep"), [30], { key: "slow" });
    slow.cancel();
    await expect(slow.result()).rejects.toMatchObject({ code: "cancelled" });
    expect(slow.status).toBe("cancelled");
  });

  test("a worker's port is no scheduler", async () => {
    const [, address] = /Start worker at:\s+(tcp:\/\/\S+)/.exec(worker.output()) ?? [];
    await expect(Client.connect(address as string, { timeout: "10s" })).rejects.toMatchObject({
      code: "remote-protocol",
      message: expect.stringContaining("no scheduler"),
    });
  });
});
