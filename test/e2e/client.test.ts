/** The client and a cluster of this machine: started by the client, ended by it, kernel modules, delayed calls, plugins, aborts. */
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { arange, delayed, fromDelayed } from "../../src/array/index.ts";
import { Client, kernels, wait } from "../../src/client/index.ts";
import { LocalCluster } from "../../src/cluster/index.ts";
import { registerLocalCluster } from "../../src/graph/index.ts";
import type * as phenology from "../client/modules/phenology.ts";

const folder = mkdtempSync(join(tmpdir(), "rsdat-client-"));
const module = kernels<typeof phenology>(new URL("../client/modules/phenology.ts", import.meta.url));
let client: Client;

beforeAll(async () => {
  registerLocalCluster((wish) => LocalCluster.start(wish));
  client = await Client.connect({ nWorkers: 2, threadsPerWorker: 1, memoryLimit: "512MiB" });
});
afterAll(() => client?.close());

test("a client without an address has a cluster of its own, which ends with it", async () => {
  expect(Client.current()).toBe(client);
  expect((await client.schedulerInfo()).workers?.size).toBe(2);
  const own = await Client.connect(
    { nWorkers: 1, threadsPerWorker: 1, memoryLimit: "300MiB" },
    { setAsDefault: false },
  );
  const { scheduler } = own;
  await own.close();
  await expect(Client.connect(scheduler, { timeout: "500ms" })).rejects.toMatchObject({ code: "connect-timeout" });
});

test("shutdown ends the scheduler and its workers, whoever started them", async () => {
  const cluster = await LocalCluster.start({ nWorkers: 1, threadsPerWorker: 1, memoryLimit: "300MiB" });
  const guest = await Client.connect(cluster.schedulerAddress, { setAsDefault: false });
  await guest.shutdown();
  await expect(Client.connect(cluster.schedulerAddress, { timeout: "500ms" })).rejects.toMatchObject({
    code: "connect-timeout",
  });
  await cluster.close();
});

test("functions of a kernel module run on the workers, their text sent once per message", async () => {
  const futures = await client.map(module.twice, [1, 2, 3]);
  expect(await client.gather(futures)).toEqual([5, 10, 15]);
  await using digest = await client.submit(module.digest, ["a"]);
  expect(await digest.result()).toBe(module.digest("a"));
  const x = arange(6, { chunks: 2, dtype: "float64" }).mapBlocks(module.onBlock);
  expect((await client.compute(x)).toArray()).toEqual([0, 5, 10, 15, 20, 25]);
});

test("delayed calls run where the client's cluster is, and arrays of them too", async () => {
  const add = delayed((a: number, b: number) => a + b);
  const pid = delayed(() => process.pid);
  expect(await client.compute(add(add(1, 2), 3))).toBe(6);
  expect(await client.compute(pid())).not.toBe(process.pid);
  const total = delayed((block: { readonly data: ArrayLike<number> }) =>
    Array.from(block.data).reduce((a, b) => a + b),
  );
  const x = arange(10, { chunks: 3, dtype: "float64" });
  expect(await client.compute(total(x.mul(2)))).toBe(90);
  const load = delayed((k: number) => Float64Array.of(k, k + 1));
  expect((await client.compute(fromDelayed(load(add(1, 4)), { shape: [2], dtype: "float64" }))).toArray()).toEqual([
    5, 6,
  ]);
  expect(await client.compute([add(1, 1), add(2, 2)])).toEqual([2, 4]);
});

test("an endless function is cancelled: the workers stay, answer heartbeats, and compute the next task", async () => {
  const before = new Map((await client.schedulerInfo()).workers);
  const endless = (): never => {
    for (;;) Math.random();
  };
  const stop = new AbortController();
  const forever = [
    await client.submit(endless, [], { pure: false }),
    await client.submit(endless, [], { pure: false, signal: stop.signal }),
  ];
  const seenLater = async (): Promise<boolean> => {
    const during = (await client.schedulerInfo()).workers;
    return Array.from(before).every(([address, { lastSeen }]) => (during?.get(address)?.lastSeen ?? 0) > lastSeen);
  };
  await sleep(500); // by now both run
  for (const [address, worker] of (await client.schedulerInfo()).workers ?? []) before.set(address, worker);
  await expect.poll(seenLater, { interval: 100 }).toBe(true);
  forever[0]?.cancel();
  stop.abort(new Error("enough"));
  await expect(forever[1]?.result()).rejects.toMatchObject({
    code: "cancelled",
    message: expect.stringContaining("enough"),
  });
  const next = await client.map((n: number) => n * n, [1, 2, 3, 4]);
  expect(await client.gather(next)).toEqual([1, 4, 9, 16]);
  expect(Array.from((await client.schedulerInfo()).workers?.keys() ?? []).sort()).toEqual([...before.keys()].sort());
});

test("an endless function on blocks ends with its signal", async () => {
  const stop = new AbortController();
  const x = arange(4, { chunks: 2 }).mapBlocks(() => {
    for (;;) Math.random();
  });
  const run = client.compute(x, { signal: stop.signal });
  setTimeout(() => stop.abort(), 300);
  await expect(run).rejects.toMatchObject({ code: "cancelled" });
  expect((await client.compute(arange(4, { chunks: 2 }).sum())).item()).toBe(6n);
});

test("a plugin's functions run once on each worker, and when it is taken away", async () => {
  const path = join(folder, "plugins");
  const write = (worker: { readonly name: string }, args: { readonly path: string; readonly word: string }): void => {
    const { appendFileSync } = process.getBuiltinModule("node:fs");
    appendFileSync(args.path, `${args.word} ${worker.name}\n`);
  };
  const plugin = { name: "marks", setup: write, args: { path, word: "up" } };
  if (!client.isNative)
    return void (await expect(client.registerPlugin(plugin)).rejects.toThrow(/a scheduler of rsdat's/));
  expect(await client.registerPlugin({ ...plugin, teardown: write })).toHaveLength(2);
  expect(readFileSync(path, "utf8").trim().split("\n").sort()).toEqual(["up 0", "up 1"]);
  expect(await client.registerPlugin(plugin, { idempotent: true })).toEqual([]);
  await client.unregisterPlugin("marks");
  expect(readFileSync(path, "utf8").trim().split("\n")).toHaveLength(4);
  await expect(
    client.registerPlugin({
      name: "bad",
      setup: () => {
        throw new RangeError("no room");
      },
    }),
  ).rejects.toMatchObject({ code: "remote", message: expect.stringContaining("no room") });
});

test("placement of arrays: workers, and whether they are only a wish", async () => {
  const x = arange(8, { chunks: 2 }).add(1);
  const held = await client.persist(x, { workers: "1" });
  await wait([held]);
  expect(new Set((await client.whoHas(held)).flat()).size).toBe(1);
  const wished = client.compute(arange(8, { chunks: 2 }).add(2).sum(), {
    workers: ["nobody"],
    allowOtherWorkers: true,
  });
  expect((await wished).item()).toBe(44n);
});

test("objects come back as objects", async () => {
  await using made = await client.submit((n: number) => ({ n, list: [{ deep: n }], none: null }), [3]);
  expect(await made.result()).toEqual({ n: 3, list: [{ deep: 3 }], none: null });
  await using read = await client.submit(
    (o: { readonly list: readonly { readonly deep: number }[] }) => o.list[0]?.deep,
    [made],
  );
  expect(await read.result()).toBe(3);
});
