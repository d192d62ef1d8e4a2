/**
 * The client API (api.md §13): every case is run by our client on our scheduler and on Dask's, with rsdat workers, and
 * must come out as the same calls of Python's Client do on Dask (client_api_peer.py, which is run beside).
 */
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { arange, type ChunkedArray } from "../../src/array/index.ts";
import { asCompleted, Client, type Future, futuresOf, wait } from "../../src/client/index.ts";
import { registerArrays } from "../../src/graph/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { type SchedulerServer, startScheduler } from "../../src/scheduler/index.ts";
import { patiently } from "../patience.ts";
import { describePeer, runPython } from "../peers.ts";
import { type Running, startDaskScheduler, startRsdat } from "../processes.ts";
import { COORDINATION, type CoordinationCase } from "./coordination-cases.ts";

const folder = mkdtempSync(join(tmpdir(), "rsdat-client-api-"));
const tokenFile = join(folder, "token");
let files = 0;

function add(a: number, b = 1): number {
  return a + b;
}
function sum(values: readonly number[] | { readonly data: ArrayLike<number> }): number {
  return Array.from("data" in values ? values.data : values).reduce((a, b) => a + b, 0);
}
function fail(what: string): never {
  throw new RangeError(`no ${what}`);
}
function flaky(path: string, times: number): number {
  const fs = process.getBuiltinModule("node:fs");
  const seen = fs.existsSync(path) ? fs.readFileSync(path, "utf8").length : 0;
  fs.writeFileSync(path, "x".repeat(seen + 1));
  if (seen < times) throw new Error("not yet");
  return seen;
}
async function note(path: string, word: string, seconds = 0): Promise<string> {
  const { appendFileSync } = process.getBuiltinModule("node:fs");
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  appendFileSync(path, word);
  return word;
}

async function rank(path: string, word: string, seconds: number): Promise<string> {
  const { appendFileSync } = process.getBuiltinModule("node:fs");
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  appendFileSync(path, word);
  return word;
}

/** Says that it has begun, and holds its thread until there is a file `gate`. */
async function blocking(path: string, gate: string): Promise<void> {
  const { existsSync, writeFileSync } = process.getBuiltinModule("node:fs");
  writeFileSync(path, "");
  while (!existsSync(gate)) await new Promise((resolve) => setTimeout(resolve, 10));
}

async function raised(call: () => unknown): Promise<boolean> {
  try {
    await call();
    return false;
  } catch {
    return true;
  }
}

async function until(isDone: () => boolean | Promise<boolean>): Promise<void> {
  await expect.poll(isDone, { timeout: 60_000, interval: 20 }).toBe(true);
}

/** A fresh file in the folder that all workers see. */
function file(): string {
  return join(folder, `file-${files++}`);
}

class Case {
  readonly client: Client;
  readonly address: string;
  constructor(client: Client, address: string) {
    this.client = client;
    this.address = address;
  }

  async nameOf(address: string): Promise<string> {
    return String((await this.client.schedulerInfo()).workers?.get(address)?.name);
  }

  async beta(): Promise<string[]> {
    const { workers } = await this.client.schedulerInfo();
    return Array.from(workers ?? []).flatMap(([address, { name }]) => (name === "beta" ? [address] : []));
  }

  async holders(future: Future): Promise<string[]> {
    await wait(future);
    const [workers = []] = await this.client.whoHas([future]);
    return (await Promise.all(workers.map((worker) => this.nameOf(worker)))).sort();
  }

  async isHeld(future: Pick<Future, "key">): Promise<boolean> {
    return Array.from((await this.client.hasWhat()).values()).some((keys) => keys.includes(future.key));
  }

  async submit(): Promise<unknown> {
    const future = await this.client.submit(add, [40, 2]);
    const value = await future.result();
    return [
      value,
      future.status,
      future.done(),
      future.cancelled(),
      await (await this.client.submit(add, [future])).result(),
    ];
  }

  async keys(): Promise<unknown> {
    const { client } = this;
    const [same, again, other] = [
      await client.submit(add, [1]),
      await client.submit(add, [1]),
      await client.submit(add, [2]),
    ];
    const once = await client.submit(add, [1], { pure: false });
    const twice = await client.submit(add, [1], { pure: false });
    const first = await client.submit(add, [1], { key: "given" });
    const second = await client.submit(add, [100], { key: "given" });
    return [
      same.key === again.key,
      same.key === other.key,
      once.key === twice.key,
      same.key.startsWith("add-"),
      first.key,
      await first.result(),
      await second.result(),
    ];
  }

  async mapped(): Promise<unknown> {
    const { client } = this;
    const one = await client.map(add, [1, 2, 3]);
    const two = await client.map(add, [1, 2, 3], [10, 20]);
    const named = await client.map(add, [1, 2], { key: "word" });
    const listed = await client.map(add, [1, 2], { key: ["first", "second"] });
    const batched = await client.map(add, [0, 1, 2, 3, 4], { batchSize: 2 });
    const [a, b] = await client.map(add, [1, 1], { pure: false });
    return [
      await client.gather(one),
      await client.gather(two),
      named.map((future) => future.key.startsWith("word-")),
      listed.map((future) => future.key),
      await client.gather(batched),
      a?.key === b?.key,
    ];
  }

  async nested(): Promise<unknown> {
    const { client } = this;
    const [a, b] = [await client.submit(add, [1]), await client.submit(add, [2])];
    const total = await client.submit(sum, [[a, b, 5]]);
    return [await total.result(), await client.gather({ a, list: [b, 7] })];
  }

  async failing(): Promise<unknown> {
    const { client } = this;
    const bad = await client.submit(fail, ["luck"]);
    const child = await client.submit(add, [bad]);
    await wait([bad, child]);
    const text = async (future: Future): Promise<unknown> => (await future.exception())?.details["text"];
    const good = await client.submit(add, [5]);
    return [
      bad.status,
      child.status,
      await text(bad),
      await text(child),
      (await bad.traceback()) !== null,
      (await good.exception()) === null,
      await raised(() => bad.result()),
      await raised(() => client.gather([good, bad])),
      await client.gather([bad, good, child], { errors: "skip" }),
    ];
  }

  async retrying(): Promise<unknown> {
    const { client } = this;
    const first = await client.submit(flaky, [file(), 2], { retries: 3, pure: false });
    const enough = await first.result();
    const second = await client.submit(flaky, [file(), 1], { pure: false });
    await wait(second);
    const before = second.status;
    await second.retry();
    await wait(second);
    const after = second.status;
    const third = await client.submit(flaky, [file(), 1], { pure: false });
    await wait(third);
    await client.retry([third]);
    return [enough, before, after, await second.result(), await third.result()];
  }

  async cancelling(): Promise<unknown> {
    const { client } = this;
    const gate = file();
    const slow = await client.submit(blocking, [file(), gate], { pure: false });
    const child = await client.submit(add, [slow as Future]);
    slow.cancel();
    const other = await client.submit(blocking, [file(), gate], { pure: false });
    client.cancel([other]);
    await until(() => child.status === "cancelled");
    writeFileSync(gate, "");
    return [
      slow.status,
      slow.cancelled(),
      child.status,
      other.status,
      await raised(() => slow.result()),
      await raised(() => wait([slow])),
      await (await client.submit(add, [1])).result(),
    ];
  }

  async scattering(): Promise<unknown> {
    const { client } = this;
    const block = (n: number): NDArray => NDArray.of(Float64Array.from({ length: n }, (_, i) => i));
    const value = await client.scatter(block(4));
    const listed = await client.scatter([5, 6]);
    const named = await client.scatter({ lat: 1, lon: 2 });
    const isShared = async (hash: boolean): Promise<boolean> => {
      const [[first], [second]] = [await client.scatter(["same"], { hash }), await client.scatter(["same"], { hash })];
      return first?.key === second?.key;
    };
    const everywhere = await client.broadcast(block(5));
    const there = await client.scatter(block(6), { workers: await this.beta() });
    return [
      (await value.result()).toArray(),
      value.status,
      await Promise.all(listed.map((future) => future.result())),
      Object.keys(named).sort(),
      [named.lon.key, await named.lon.result()],
      await isShared(true),
      await isShared(false),
      await this.holders(everywhere),
      await this.holders(there),
      await (await client.submit(sum, [value])).result(),
    ];
  }

  async where(): Promise<unknown> {
    const { client } = this;
    const future = await client.submit(add, [1], { key: "where", workers: ["alpha"] });
    await wait(future);
    const what: Record<string, boolean> = {};
    for (const [worker, keys] of await client.hasWhat()) what[await this.nameOf(worker)] = keys.includes(future.key);
    const nbytes = await client.nbytes([future]);
    return [
      await this.holders(future),
      what,
      Array.from(nbytes.keys()),
      (nbytes.get(future.key) ?? 0) > 0,
      Array.from((await client.ncores()).values()),
    ];
  }

  async waiting(): Promise<unknown> {
    const { client } = this;
    const gate = file();
    const slow = await client.submit(blocking, [file(), gate], { pure: false });
    const quick = await client.submit(add, [7]);
    const first = await wait([slow, quick] as Future[], { returnWhen: "FIRST_COMPLETED" });
    const late = await raised(() => wait([slow], { timeout: 0.1 }));
    const resultLate = await raised(() => slow.result({ timeout: 0.1 }));
    slow.cancel();
    writeFileSync(gate, "");
    const done = await wait(await client.map(add, [0, 1, 2, 3]));
    return [[first.done.length, first.notDone.length], late, resultLate, [done.done.length, done.notDone.length]];
  }

  async completing(): Promise<unknown> {
    const { client } = this;
    const five = (): Promise<Future<number>[]> => client.map(add, [0, 1, 2, 3, 4]);
    const values: number[] = [];
    for await (const future of asCompleted(await five())) values.push(await future.result());
    const pairs: number[] = [];
    for await (const [, result] of asCompleted(await five(), { withResults: true })) pairs.push(result);
    const batches: number[] = [];
    for await (const batch of asCompleted(await five()).batches())
      for (const future of batch) batches.push(await future.result());
    const sequence = asCompleted([await client.submit(add, [1])]);
    const before = sequence.count();
    await sequence.next();
    sequence.add(await client.submit(add, [2]));
    const later = (await sequence.next()).value as Future<number>;
    const bad = asCompleted([await client.submit(fail, ["pair"])], { withResults: true });
    const calm = asCompleted([await client.submit(fail, ["pair"])], { withResults: true, raiseErrors: false });
    return [
      values.sort(),
      pairs.sort(),
      batches.sort(),
      before,
      await later.result(),
      sequence.isEmpty(),
      await raised(() => bad.next()),
      (await calm.next()).value?.[0].status,
    ];
  }

  async collections(): Promise<unknown> {
    const { client } = this;
    const x = arange(40, { chunks: 10 });
    const y = await client.persist(x);
    const inside = futuresOf({ a: [await client.submit(add, [1])], b: await client.submit(add, [2]) });
    const held = await client.persist(x.add(1), { workers: ["beta"] });
    await wait([held]);
    const places = new Set((await client.whoHas(held)).flat());
    const numbers = (await client.compute([x.min(), x.max()])).map((each) => Number(each.item()));
    return [
      client.futuresOf(y).length,
      inside.length,
      client.futuresOf(x).length,
      client.futuresOf(y.add(1)).length,
      (await Promise.all(Array.from(places, (place) => this.nameOf(place)))).sort(),
      Number((await client.compute(x.sum())).item()),
      numbers,
    ];
  }

  async forgetting(): Promise<unknown> {
    const path = file();
    const future = await this.client.submit(note, [path, "done", 0.2], { pure: false });
    this.client.fireAndForget(future);
    const { key } = future;
    future.release();
    await until(() => existsSync(path) && readFileSync(path, "utf8") !== "");
    await until(async () => !(await this.isHeld({ key })));
    return [readFileSync(path, "utf8"), await this.isHeld({ key })];
  }

  async restricting(): Promise<unknown> {
    const { client } = this;
    const pure = false;
    const elsewhere = ["tcp://127.0.0.1:9"];
    const byAddress = await client.submit(add, [1], { workers: await this.beta(), pure });
    const byName = await client.submit(add, [1], { workers: "alpha", pure });
    const nowhere = await client.submit(add, [1], { workers: elsewhere, pure });
    const anyway = await client.submit(add, [1], { workers: elsewhere, allowOtherWorkers: true, pure });
    const gpu = await client.submit(add, [1], { resources: { GPU: 1 }, pure });
    const many = await client.submit(add, [1], { resources: { GPU: 2 }, pure });
    const out = [
      await this.holders(byAddress),
      await this.holders(byName),
      await anyway.result(),
      await this.holders(gpu),
      await raised(() => client.submit(add, [1], { allowOtherWorkers: true })),
    ];
    // What follows them on both workers has ended: if these two ran, they would have, before.
    for (const workers of [["alpha"], ["beta"]])
      await (await client.submit(add, [1], { workers, pure, priority: -1 })).result();
    return [...out, nowhere.status, many.status];
  }

  async prioritising(): Promise<unknown> {
    const path = file();
    const only = { workers: ["alpha"], pure: false };
    // A worker whose tasks have been short is sent several ahead of its thread; after these it is sent one.
    for (let i = 0; i < 10; i++) await (await this.client.submit(rank, [file(), "w", 0.05], only)).result();
    const [started, gate] = [file(), file()];
    const block = await this.client.submit(blocking, [started, gate], only);
    await until(() => existsSync(started));
    const later: Future[] = [];
    for (const [word, priority] of [
      // A worker has one task ahead of its thread, whatever comes later: here the most urgent one.
      ["x", 20],
      ["l", -5],
      ["n", 0],
      ["h", 10],
      ["m", 5],
    ] as const)
      later.push(await this.client.submit(rank, [path, word, 0.05], { ...only, priority }));
    // Behind them on the same stream: the scheduler knows all five.
    await (await this.client.submit(add, [1], { workers: ["beta"], pure: false })).result();
    writeFileSync(gate, "");
    await wait([block as Future, ...later]);
    return readFileSync(path, "utf8");
  }

  async publishing(): Promise<unknown> {
    const { client } = this;
    const future = await client.submit(add, [40, 2]);
    const x = await client.persist(arange(20, { chunks: 5 }));
    await client.publishDataset({ answer: future, both: [future, x], words: { deep: future } });
    const taken = await raised(() => client.publishDataset({ answer: future }));
    await client.publishDataset({ answer: await client.submit(add, [1]) }, { override: true });
    await client.publishDataset(future, { name: "named" });
    const listed = await client.listDatasets();
    future.release();
    const other = await Client.connect(this.address, { setAsDefault: false, tokenFile });
    const both = (await other.getDataset("both")) as [Future<number>, ChunkedArray];
    const answer = (await other.getDataset("answer")) as Future<number>;
    const words = (await other.getDataset("words")) as { deep: Future<number> };
    const values = [
      await answer.result(),
      await both[0].result(),
      Number((await other.compute(both[1].sum())).item()),
      await words.deep.result(),
      await other.getDataset("nothing", 7),
    ];
    const missing = await raised(() => other.getDataset("nothing"));
    await other.close();
    await client.unpublishDataset(listed);
    return [taken, listed, values, missing, await client.listDatasets()];
  }

  async metadata(): Promise<unknown> {
    const { client } = this;
    await client.setMetadata(["run", "name"], "spring");
    await client.setMetadata(["run", "year"], 2023);
    await client.setMetadata("flat", [1, 2]);
    const run = (await client.getMetadata("run")) as Map<string, unknown>;
    return [
      await client.getMetadata(["run", "name"]),
      Object.fromEntries(run),
      await client.getMetadata("flat"),
      await client.getMetadata("nothing", 7),
      await raised(() => client.getMetadata(["run", "nothing"])),
    ];
  }

  async watching(): Promise<unknown> {
    const { client } = this;
    await client.getTaskStream();
    const futures = await client.map(add, [0, 1, 2], { pure: false });
    const bad = await client.submit(fail, ["stream"], { pure: false });
    await wait([...futures, bad] as Future[]);
    const keys = [...futures, bad].map(({ key }) => key);
    const find = async (): Promise<Awaited<ReturnType<typeof client.getTaskStream>>> =>
      (await client.getTaskStream()).filter(({ key }) => keys.includes(key));
    await until(async () => (await find()).length === 4);
    const records = await find();
    return [
      keys.map((key) => records.find((record) => record.key === key)?.status),
      records.every(({ startstops }) => startstops.some(({ action }) => action === "compute")),
      records.every(({ startstops }) => startstops.every(({ start, stop }) => stop >= start)),
      (await client.getTaskStream({ count: 2 })).length,
    ];
  }

  async informing(): Promise<unknown> {
    const { client } = this;
    await client.waitForWorkers(2, { timeout: 60 });
    const info = await client.schedulerInfo();
    const workers = Array.from(info.workers?.values() ?? []);
    const logs = await client.getWorkerLogs();
    return [
      workers.map(({ name }) => name).sort(),
      info.type,
      workers.map(({ nthreads }) => nthreads),
      await raised(() => client.waitForWorkers(5, { timeout: 0.2 })),
      Array.isArray(await client.getSchedulerLogs(1)),
      (await Promise.all(Array.from(logs.keys(), (worker) => this.nameOf(worker)))).sort(),
    ];
  }

  async calling_back(): Promise<unknown> {
    const { client } = this;
    const seen: string[] = [];
    const future = await client.submit(add, [1], { pure: false });
    future.addDoneCallback(({ status }) => seen.push(status));
    const bad = await client.submit(fail, ["callback"], { pure: false });
    bad.addDoneCallback(({ status }) => seen.push(status));
    await wait([future, bad] as Future[]);
    const done = await client.submit(add, [1]);
    await wait(done);
    done.addDoneCallback(({ status }) => seen.push(`late ${status}`));
    await until(() => seen.length === 3);
    await future.result();
    return [seen.sort(), future.type?.split(".").at(-1) ?? null];
  }

  async releasing(): Promise<unknown> {
    const first = await this.client.submit(add, [1], { key: "held" });
    const second = await this.client.submit(add, [1], { key: "held" });
    await wait(first);
    first.release();
    await (await this.client.submit(add, [1], { pure: false })).result(); // behind the release, on the same stream
    const kept = await this.isHeld(second);
    second.release();
    await until(async () => !(await this.isHeld(second)));
    return [kept, await this.isHeld(second)];
  }

  async retiring(): Promise<unknown> {
    const { client } = this;
    const beta = await this.beta();
    const only = await client.submit(add, [1], { key: "only-there", workers: beta });
    await wait(only);
    const gone = await client.retireWorkers(beta);
    await until(async () => (await client.ncores()).size === 1);
    return [gone.join() === beta.join(), await this.holders(only), await only.result(), (await client.ncores()).size];
  }

  async restarting(): Promise<unknown> {
    const { client } = this;
    const future = await client.submit(add, [1], { pure: false });
    await wait(future);
    await client.restart();
    await until(() => future.status === "cancelled");
    return [future.status, await raised(() => future.result()), await (await client.submit(add, [1])).result()];
  }
}

/** In the order in which the peer runs them: the last two change the cluster. */
const CASES = [
  "submit",
  "keys",
  "mapped",
  "nested",
  "failing",
  "retrying",
  "cancelling",
  "scattering",
  "where",
  "waiting",
  "completing",
  "collections",
  "forgetting",
  "restricting",
  "prioritising",
  "publishing",
  "metadata",
  "watching",
  "informing",
  "calling_back",
  "releasing",
  ...(Object.keys(COORDINATION) as CoordinationCase[]), // its own keys
  "retiring",
  "restarting",
] as const;

describePeer("the client API as on dask", ["distributed", "numpy"], () => {
  writeFileSync(tokenFile, "secret of this test", { mode: 0o600 });
  let expected: Promise<Record<string, unknown>>;

  beforeAll(() => {
    registerArrays(() => import("../../src/array/index.ts").then(({ heldArray }) => heldArray));
    // Dask's own workers may be lost where the machine stands still; what it says in a whole run counts.
    const peer = join("test", "interop", "client_api_peer.py");
    expected = patiently(
      async () => JSON.parse(await runPython([peer], { timeoutMs: 110_000 })) as Record<string, unknown>,
    );
    expected.catch(() => undefined); // told by the first test that waits for it
  });

  test("the peer has run every case", async () => {
    expect(Object.keys(await expected)).toEqual([...CASES]);
  });

  describe.each(["rsdat", "dask"])("our client on a %s scheduler", (kind) => {
    const running: Running[] = [];
    let own: SchedulerServer | undefined;
    let client: Client;
    let address: string;

    beforeAll(async () => {
      if (kind === "rsdat") {
        own = await startScheduler({ port: 0 });
        address = own.address;
      } else {
        const started = await startDaskScheduler();
        running.push(started.scheduler);
        address = started.address;
      }
      const options = ["--nthreads", "1", "--memory-limit", "512MiB", "--token-file", tokenFile, "--no-nanny"];
      const alpha = startRsdat(["worker", address, "--name", "alpha", ...options]);
      const beta = startRsdat(["worker", address, "--name", "beta", "--resources", "GPU=1", ...options]);
      running.unshift(alpha, beta);
      client = await Client.connect(address, { tokenFile });
      await client.waitForWorkers(2, { timeout: 200 });
    });
    afterAll(async () => {
      await client?.close();
      for (const process of running) await process[Symbol.asyncDispose]();
      await own?.close();
    });

    // A worker without a nanny does not come back from the restart of a Python scheduler, which takes Python's plugins only.
    const names = CASES.filter((name) => kind === "rsdat" || (name !== "restarting" && name !== "plugging"));
    test.each(names)("%s", async (name) => {
      const one = new Case(client, address);
      const outcome: unknown = await (name in COORDINATION
        ? COORDINATION[name as CoordinationCase]({ client, file, isHeld: (key) => one.isHeld({ key }) }) // one of its keys
        : one[name as Exclude<typeof name, CoordinationCase>]()); // none of them
      expect(JSON.parse(JSON.stringify(outcome))).toEqual((await expected)[name]);
    });
  });
});
