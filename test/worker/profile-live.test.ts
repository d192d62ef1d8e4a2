/** Keys `distributed.worker.profile.*`: what a client sees of a worker's profile under each. */
import { expect, test } from "vitest";
import { silentLogger } from "../../src/base/index.ts";
import { Client, type ProfileNode, type ProfileOptions } from "../../src/client/index.ts";
import { type ConfigValue, config } from "../../src/config/index.ts";
import { startScheduler } from "../../src/scheduler/index.ts";
import { Worker } from "../../src/worker/index.ts";

/** Runs for half a second, in a function of its own. */
function busy(): number {
  function spin(ms: number): number {
    const until = performance.now() + ms;
    let n = 0;
    while (performance.now() < until) n++;
    return n;
  }
  return spin(500);
}

/** A cluster of one thread under settings, after `busy` has run there. */
async function afterBusy<T>(settings: Record<string, ConfigValue>, look: (client: Client) => Promise<T>): Promise<T> {
  using _set = config.set(
    Object.fromEntries(Object.entries(settings).map(([key, value]) => [`distributed.worker.profile.${key}`, value])),
  );
  await using scheduler = await startScheduler({ port: 0, logger: silentLogger });
  await using _worker = await Worker.start({
    scheduler: scheduler.address,
    nthreads: 1,
    memoryLimitBytes: 2 ** 29,
    allowInsecure: true,
    logger: silentLogger,
  });
  await using client = await Client.connect(scheduler.address);
  await client.waitForWorkers(1);
  await using future = await client.submit(busy);
  await future.result();
  return await look(client);
}

const names = ({ children }: ProfileNode): string[] => Array.from(children.values(), (node) => node.description.name);
const child = (node: ProfileNode, name: string): ProfileNode | undefined =>
  Array.from(node.children.values()).find(({ description }) => description.name === name);
const count = (settings: Record<string, ConfigValue>, options?: ProfileOptions): Promise<number> =>
  afterBusy(settings, async (client) => (await client.profile(options)).count);

test("what ran is there, under its prefix and its function's name", async () => {
  await afterBusy({}, async (client) => {
    const tree = await client.profile();
    expect(tree).toMatchObject({
      identifier: "root",
      description: { filename: "", name: "", lineNumber: 0, line: "" },
    });
    expect(tree.count).toBeGreaterThan(1);
    expect(names(tree)).toEqual(["busy"]);
    const task = child(tree, "busy");
    expect(task?.count).toBe(tree.count);
    expect(child(task as ProfileNode, "busy")).toMatchObject({
      description: { filename: "<function>", lineNumber: 1, line: "function busy() {" },
      count: tree.count,
    });
    expect(await client.profile({ key: "busy" })).toEqual(tree);
    expect(await client.profile({ key: "other" })).toMatchObject({ count: 0 });
    const [address = ""] = (await client.schedulerInfo()).workers?.keys() ?? [];
    expect(await client.profile({ workers: address })).toEqual(tree);
    expect(await client.profile({ workers: [] })).toMatchObject({ count: 0 });
  });
});

test("distributed.worker.profile.enabled: nothing is counted", async () => {
  expect(await count({ enabled: false })).toBe(0);
});

test("distributed.worker.profile.interval: time between two looks; bare numbers are milliseconds", async () => {
  const often = await count({});
  for (const interval of ["200ms", 200]) {
    const seldom = await count({ interval });
    expect(seldom).toBeGreaterThan(0);
    expect(seldom).toBeLessThan(4);
    expect(often).toBeGreaterThan(seldom);
  }
});

test("distributed.worker.profile.cycle: what start and stop can tell apart", async () => {
  const parts = (settings: Record<string, ConfigValue>): Promise<readonly [number, number]> =>
    afterBusy(settings, async (client) => {
      const now = Date.now() / 1_000;
      const [all, late] = [await client.profile(), await client.profile({ start: now - 0.25 })];
      expect(all.count).toBeGreaterThan(1);
      return [all.count, late.count];
    });
  const [all, late] = await parts({ cycle: "30s" });
  expect(late).toBe(all);
  const [every, last] = await parts({ cycle: "50ms" });
  expect(last).toBeLessThan(every);
});

test("distributed.worker.profile.low-level: what a function calls is below it", async () => {
  const below = (settings: Record<string, ConfigValue>): Promise<string[]> =>
    afterBusy(settings, async (client) => {
      // A thread that has nothing to do hands over what it has within half a second.
      for (let k = 0; k < 100; k++) {
        const fn = child(child(await client.profile(), "busy") as ProfileNode, "busy") as ProfileNode;
        const inner = child(fn, "spin");
        if (inner) {
          expect(inner.description).toMatchObject({ filename: "<function>", lineNumber: 2 });
          expect(inner.count).toBeLessThanOrEqual(fn.count);
        }
        if (fn.children.size > 0 || settings["low-level"] !== true) return names(fn);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      return [];
    });
  expect(await below({})).toEqual([]);
  expect(await below({ "low-level": true })).toEqual(["spin"]);
});
