/** The client at a scheduler in this process: links, metadata, refusals that need no worker. */
import { afterAll, beforeAll, expect, test } from "vitest";
import "../../src/register.ts";
import { planAll } from "../../src/array/compute.ts";
import { arange, delayed } from "../../src/array/index.ts";
import { silentLogger } from "../../src/base/index.ts";
import { AsCompleted, Client, futuresOf, py, Queue, Semaphore, wait } from "../../src/client/index.ts";
import { Rpc } from "../../src/comm/index.ts";
import { currentRunner } from "../../src/graph/index.ts";
import { PyCall, PyGlobal, PyTuple, serializePickle, writePickle } from "../../src/protocol/index.ts";
import { type SchedulerServer, startScheduler } from "../../src/scheduler/index.ts";

let scheduler: SchedulerServer;
let client: Client;
beforeAll(async () => {
  scheduler = await startScheduler({ port: 0, httpPort: 0, logger: silentLogger });
  client = await Client.connect(scheduler.address, { setAsDefault: false });
});
afterAll(async () => {
  await client.close();
  await scheduler.close();
});

test("the dashboard's link is the configured template's", async () => {
  // Dask's default template is "{scheme}://{host}:{port}/status".
  expect(client.dashboardLink).toBe(`http://127.0.0.1:${scheduler.httpPort}/status`);
  await using plain = await startScheduler({ port: 0, logger: silentLogger });
  await using other = await Client.connect(plain.address, { setAsDefault: false });
  expect(other.dashboardLink).toBeNull();
});

test("metadata lies under paths; a map of all that is below, a value in the place of a map", async () => {
  await client.setMetadata(["a", "b", "c"], 1);
  await client.setMetadata(["a", "b", "d"], [2]);
  expect(await client.getMetadata(["a", "b"])).toEqual(
    new Map<string, unknown>([
      ["c", 1],
      ["d", [2]],
    ]),
  );
  await client.setMetadata(["a", "b"], "flat");
  expect(await client.getMetadata("a")).toEqual(new Map([["b", "flat"]]));
  await expect(client.getMetadata(["a", "b", "c"])).rejects.toMatchObject({ code: "remote" });
  await expect(client.setMetadata([], 1)).rejects.toMatchObject({ code: "remote" });
});

test("time limits are errors of their own", async () => {
  await expect(client.waitForWorkers(1, { timeout: "50ms" })).rejects.toMatchObject({ code: "no-workers" });
  // A number is seconds, and the message says so.
  await expect(client.waitForWorkers(1, { timeout: 0.05 })).rejects.toThrow(/0 of 1 workers are there after 50 ms$/);
  await using never = await client.submit((n: number) => n, [1]);
  await expect(never.result({ timeout: "30ms" })).rejects.toMatchObject({ code: "timeout" });
  await expect(wait(never, { timeout: "30ms" })).rejects.toMatchObject({ code: "timeout" });
  await expect(new AsCompleted([never], { timeout: "30ms" }).next()).rejects.toMatchObject({ code: "timeout" });
  await expect(never.result({ timeout: 0.03 })).rejects.toThrow(/ was not there within 30 ms$/);
  await expect(wait(never, { timeout: 0.03 })).rejects.toThrow(/ not done within 30 ms$/);
  // Of the whole, not of what was left of it.
  await expect(new AsCompleted([never], { timeout: "30ms" }).next()).rejects.toThrow(/ not done within 30 ms$/);
  // What is left of a longer one may be below 0.
  await expect(never.result({ timeout: -0.2 })).rejects.toMatchObject({ code: "timeout" });
  await expect(wait(never, { timeout: -1 })).rejects.toMatchObject({ code: "timeout" });
  await expect(new AsCompleted([never], { timeout: -1 }).next()).rejects.toMatchObject({ code: "timeout" });
  await expect(client.waitForWorkers(1, { timeout: -1 })).rejects.toMatchObject({ code: "no-workers" });
  await expect(never.result({ timeout: Number.NaN })).rejects.toMatchObject({ code: "argument" });
  expect(never.status).toBe("pending");
});

test("time limits that no timer holds are long ones", async () => {
  await using never = await client.submit((n: number) => n, [1]);
  const ends: string[] = [];
  for (const timeout of [Number.POSITIVE_INFINITY, "60 days"]) {
    never.result({ timeout }).catch((error: unknown) => ends.push(`result: ${String(error)}`));
    wait(never, { timeout }).catch((error: unknown) => ends.push(`wait: ${String(error)}`));
    new AsCompleted([never], { timeout }).next().catch((error: unknown) => ends.push(`asCompleted: ${String(error)}`));
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(ends).toEqual([]);
  never.release(); // ends them
});

test("what is submitted once a restart has come back is not given up by it", async () => {
  await using before = await client.submit((n: number) => n, [1]);
  await client.restart();
  expect(before.status).toBe("cancelled");
  await using after = await client.submit((n: number) => n, [1]);
  // Nobody computes here: it stays pending. What the scheduler had to say about the restart is there long before this.
  await expect(after.result({ timeout: "200ms" })).rejects.toMatchObject({ code: "timeout" });
  expect(after.status).toBe("pending");
});

test("what was on its way when the scheduler was restarted is wanted by nobody", async () => {
  const tasks = async (): Promise<number> => {
    const page = await fetch(`http://127.0.0.1:${scheduler.httpPort}/json/counts.json`);
    return ((await page.json()) as { readonly tasks: number }).tasks;
  };
  const future = await client.submit((n: number) => n, [1], { pure: false });
  // It travels on another connection than the restart, and comes after it.
  await client.restart();
  expect(future.status).toBe("cancelled");
  await expect.poll(tasks).toBe(0);
});

test("a client that is not the default is not the current one either", async () => {
  expect(Client.current()).toBeUndefined();
  await using other = await Client.connect(scheduler.address);
  await using _later = await Client.connect(scheduler.address, { setAsDefault: false });
  expect(Client.current()).toBe(other);
});

test("futures of persisted blocks are found whichever client holds them", async () => {
  await using _current = await Client.connect(scheduler.address);
  const held = await client.persist(arange(4, { chunks: 2 }));
  expect(futuresOf(held)).toHaveLength(2);
});

test("what a client computes runs on it to the end, and what others compute meanwhile does not", async () => {
  await using current = await Client.connect(scheduler.address);
  const gate = Promise.withResolvers<void>();
  const inside = client.compute({
    compute: async () => {
      const first = await currentRunner();
      await gate.promise;
      return [first, await currentRunner()];
    },
  });
  expect(await currentRunner()).toBe(current);
  gate.resolve();
  expect(await inside).toEqual([client, client]);
});

test("gather keeps the form: lists, objects, maps and sets, as Dask's keeps dicts and sets", async () => {
  const fail = new AbortController();
  const [gone] = await client.map((n: number) => n, [7], { signal: fail.signal, pure: false });
  fail.abort();
  const given = new Map<string, unknown>([
    ["lists", [gone, 1]],
    ["sets", new Set([gone, 2])],
  ]);
  expect(await client.gather(given, { errors: "skip" })).toEqual(
    new Map<string, unknown>([
      ["lists", [1]],
      ["sets", new Set([2])],
    ]),
  );
  await expect(client.gather(new Map([["a", gone]]))).rejects.toMatchObject({ code: "cancelled" });
});

test("a signal cancels what was submitted with it, and refuses what is submitted after", async () => {
  const stop = new AbortController();
  const [first, second] = await client.map((n: number) => n, [1, 2], { signal: stop.signal, pure: false });
  stop.abort(new Error("enough"));
  expect([first?.status, second?.cancelled()]).toEqual(["cancelled", true]);
  await expect(first?.result()).rejects.toMatchObject({
    code: "cancelled",
    message: expect.stringContaining("enough"),
  });
  await expect(client.submit((n: number) => n, [1], { signal: stop.signal })).rejects.toThrow("enough");
});

test("mistakes are told before anything is sent", async () => {
  const circle: unknown[] = [];
  circle.push({ again: circle });
  await using futures = await client.submit(() => [1, 2]);
  const mistakes: [Promise<unknown>, string][] = [
    [client.submit((n: number) => n, [1], { kwargs: { n: 1 } }), "argument"],
    [client.submit((n: number) => n, [() => 1]), "closure"],
    [client.submit((n: number) => n, 1 as never), "argument"],
    [client.map((n: number) => n, [1, 2], { key: ["one"] }), "argument"],
    [client.map((n: number) => n, [1, 2], { batchSize: 0 }), "argument"],
    [client.map((n: number) => n, 5 as never), "argument"],
    [client.map((n: number) => n, futures as never), "argument"],
    [client.map((n: number) => n, [1], null as never), "argument"],
    [client.map((n: number) => n, [1], arange(1) as never), "argument"],
    [client.submit((n: number) => n, [1], { priority: "high" as never }), "argument"],
    [client.submit((n: number) => n, [1], { priority: Number.NaN }), "argument"],
    [client.submit((n: number) => n, [1], { retries: -1 }), "argument"],
    [client.submit((n: number) => n, [1], { resources: { GPU: "1" as never } }), "argument"],
    [client.submit((n: number) => n, [1], { resources: { GPU: -1 } }), "argument"],
    [client.submit((n: number) => n, [1], { resources: 1 as never }), "argument"],
    [client.compute(arange(1), { priority: "high" as never }), "argument"],
    [client.persist(arange(1), { retries: 0.5 }), "argument"],
    [client.compute(5 as never), "argument"],
    [client.persist([delayed(() => 1)() as never]), "argument"],
    [wait([5 as never]), "argument"],
    [client.scatter(1, { broadcast: 0 }), "argument"],
    [client.gather([], { errors: "ignore" as never }), "argument"],
    [wait([], { returnWhen: "SOMETIME" as never }), "argument"],
    [client.retireWorkers(["a"], { names: ["b"] }), "argument"],
    [client.publishDataset([1]), "argument"],
    [client.registerPlugin({ name: "p" } as never), "argument"],
    [client.submit(((x: unknown) => x) as never, [circle]), "argument"],
    [client.submit(((x: unknown) => x) as never, [circle], { pure: false }), "argument"],
    [client.map(((x: unknown) => x) as never, [circle, 1]), "argument"],
    [client.submit(py("builtins.dict"), [], { kwargs: { circle } }), "argument"],
    [client.getDataset("nothing"), "not-found"],
  ];
  for (const [call, code] of mistakes) await expect(call).rejects.toMatchObject({ code });
  expect(await client.retireWorkers()).toEqual([]);
  expect(await client.map((n: number) => n, [])).toEqual([]);
});

test("what is forgotten or confused is told with the way out", async () => {
  const plus = (a: number, b: number): number => a + b;
  const told: [Promise<unknown>, string][] = [
    [client.submit(plus, 1 as never, 2 as never), "give the arguments as one list, submit(fn, [a, b], options)"],
    [client.submit(plus, [1, 2], 3 as never), "submit: options are an object, not 3"],
    [client.submit("plus" as never, [1, 2]), '"plus" is no function'],
    [
      client.submit(plus, [client.submit(plus, [1, 2]), 3] as never),
      "a Promise is no future and no value: await what submit",
    ],
    [client.gather([client.submit(plus, [1, 2])] as never), "await what submit, map, scatter or persist gave"],
    [wait([client.submit(plus, [1, 2])] as never), "wait for a Promise (await it first): expected futures"],
    [client.scatter(new Date(0)), "scatter: a Date cannot be sent: a Date has no Python form; give numbers"],
    [client.waitForWorkers("two" as never), 'waitForWorkers: "two" is no number of workers'],
    [client.waitForWorkers(Number.NaN), "waitForWorkers: NaN is no number of workers"],
    [client.retireWorkers("tcp://a:1" as never), 'retireWorkers: workers are a list of texts, not "tcp://a:1"'],
    [(async () => new Semaphore(0))(), "a semaphore of 0 leases"],
    [new Queue("q", { client, maxsize: -1 }).put(1), "maxsize -1: expected a number of 0 or more"],
  ];
  for (const [call, text] of told) await expect(call).rejects.toThrow(text);
});

test("futures that cannot be read here are refused as arguments: of another scheduler, and cancelled ones", async () => {
  await using elsewhere = await startScheduler({ port: 0, logger: silentLogger });
  await using other = await Client.connect(elsewhere.address, { setAsDefault: false });
  await using foreign = await other.submit((n: number) => n, [1]);
  await using gone = await client.submit((n: number) => n, [2], { pure: false });
  gone.cancel();
  for (const fn of [(n: number): number => n, py("operator.neg")]) {
    await expect(client.submit(fn, [{ deep: [foreign] }])).rejects.toMatchObject({
      code: "argument",
      message: expect.stringMatching(/is of another scheduler/),
    });
    await expect(client.map(fn, [gone])).rejects.toMatchObject({ code: "cancelled" });
  }
});

// In Dask too: Client(address, set_as_default=False).submit(f, future of another client) runs.
test("futures of another client of the same scheduler are inputs like any other", async () => {
  await using other = await Client.connect(scheduler.address, { setAsDefault: false });
  await using first = await other.submit((n: number) => n, [1], { pure: false });
  await using second = await client.submit((n: number) => n, [first], { pure: false });
  expect(second.status).toBe("pending"); // there are no workers here
});

test("what Dask's clients have and this one does not says what there is instead", async () => {
  const run = client.run as (...args: unknown[]) => unknown;
  await expect(async () => run.call(client, () => 1)).rejects.toMatchObject({
    code: "unsupported",
    message: expect.stringContaining("registerPlugin"),
  });
});

test("a target that is none is refused by name", async () => {
  for (const target of [5, { cluster: 5 }, { cluster: {} }])
    await expect(Client.connect(target as never, { timeout: "100ms" })).rejects.toMatchObject({ code: "argument" });
});

test("a published array of more blocks than anybody has, or of blocks of no size, is not believed", async () => {
  await using rpc = new Rpc();
  const axis = new PyTuple(...new Array<number>(2100).fill(1));
  const chunks = { many: new PyTuple(axis, axis), negative: new PyTuple(new PyTuple(-1)) };
  for (const [name, sizes] of Object.entries(chunks)) {
    const made = new PyCall(new PyGlobal("dask.array.core", "Array"), [new Map(), name, sizes, "float64"]);
    const data = [serializePickle(writePickle(made))];
    await rpc.call(scheduler.address, {
      op: "publish_put",
      names: [name],
      keys: [[]],
      data,
      override: false,
      uid: null,
    });
    await expect(client.getDataset(name)).rejects.toMatchObject({ code: "remote-protocol" });
  }
});

test("waiting for persisted blocks ends when they are given up, before or meanwhile", async () => {
  const { graph, plan } = await planAll([arange(4, { chunks: 2 })], {});
  const hold = await client.hold(graph, plan, {});
  const waiting = expect(hold.wait()).rejects.toMatchObject({ code: "cancelled" });
  hold.release();
  await waiting;
  await expect(hold.wait()).rejects.toMatchObject({ code: "cancelled" });
});
