/**
 * Locks, semaphores, events, variables, queues, and what a client may ask: the same calls of an rsdat client on our
 * scheduler and on Dask's, and of a Python client on ours. What Dask's own scheduler answers is the expectation.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Client, Event, type Future, Lock, py, Queue, Semaphore, Variable } from "../../src/client/index.ts";
import { type SchedulerServer, startScheduler } from "../../src/scheduler/index.ts";
import { describePeer, runPython } from "../peers.ts";
import { type Running, startDaskScheduler, startDaskWorker } from "../processes.ts";

describePeer("coordination", ["distributed"], () => {
  describe.each(["rsdat", "dask"])("an rsdat client on a %s scheduler", (kind) => {
    const running: Running[] = [];
    let own: SchedulerServer | undefined;
    let clients: [Client, Client];

    beforeAll(async () => {
      let address: string;
      if (kind === "rsdat") {
        own = await startScheduler({ port: 0 });
        address = own.address;
      } else {
        const started = await startDaskScheduler();
        running.push(started.scheduler);
        address = started.address;
      }
      running.unshift(await startDaskWorker(address));
      clients = [await Client.connect(address), await Client.connect(address, { setAsDefault: false })];
      await clients[0].waitForWorkers(1);
    });
    afterAll(async () => {
      for (const client of clients ?? []) await client.close();
      for (const process of running) await process[Symbol.asyncDispose]();
      await own?.close();
    });

    test("a lock has one holder, whoever asks", async () => {
      const [mine, theirs] = clients.map((client) => new Lock("one-holder", { client })) as [Lock, Lock];
      expect(await mine.acquire()).toBe(true);
      expect(await theirs.locked()).toBe(true);
      expect(await theirs.acquire({ timeout: "100ms" })).toBe(false);
      const waiting = theirs.acquire();
      await mine.release();
      expect(await waiting).toBe(true);
      await theirs.release();
      expect(await mine.locked()).toBe(false);
      await expect(mine.release()).rejects.toMatchObject({ code: "not-held" });
    });

    test("a semaphore has so many leases, and one number of them", async () => {
      const pool = new Semaphore(2, "two-leases", { client: clients[0] });
      await using _first = await pool.hold();
      expect(await pool.acquire()).toBe(true);
      expect(await pool.getValue()).toBe(2);
      expect(await pool.acquire({ timeout: 0.05 })).toBe(false);
      await pool.release();
      await expect(new Semaphore(3, "two-leases", { client: clients[1] }).acquire()).rejects.toThrow(/max leases/);
    });

    test("an event is waited for", async () => {
      const [mine, theirs] = clients.map((client) => new Event("go", { client })) as [Event, Event];
      expect([await mine.isSet(), await theirs.wait({ timeout: "50ms" })]).toEqual([false, false]);
      const waiting = theirs.wait({ timeout: "20s" });
      await mine.set();
      expect([await waiting, await theirs.isSet()]).toEqual([true, true]);
      await theirs.clear();
      expect(await mine.isSet()).toBe(false);
    });

    test("a variable holds a value or a future, and keeps the future alive", async () => {
      const [mine, theirs] = clients.map((client) => new Variable("shared", { client })) as [Variable, Variable];
      await expect(theirs.get({ timeout: "50ms" })).rejects.toMatchObject({ code: "remote" });
      await mine.set([1, "two", null]);
      expect(await theirs.get()).toEqual([1, "two", null]);
      const future = await clients[0].submit(py("operator.add"), [20, 1]);
      await mine.set(future);
      expect(await future.result()).toBe(21);
      future.release();
      const got = (await theirs.get()) as Future<number>;
      expect(await got.result()).toBe(21);
      mine.delete();
    });

    test("a queue passes values and futures, waits, and has a size", async () => {
      const [mine, theirs] = clients.map((client) => new Queue("line", { client, maxsize: 2 })) as [Queue, Queue];
      await mine.put(1);
      await mine.put({ two: 2 });
      await expect(mine.put(3, { timeout: "50ms" })).rejects.toMatchObject({ details: { type: /TimeoutError/ } });
      expect(await theirs.qsize()).toBe(2);
      expect(await theirs.get()).toBe(1);
      expect(await theirs.getBatch()).toEqual([new Map([["two", 2]])]);
      await expect(theirs.get({ timeout: "50ms" })).rejects.toMatchObject({ details: { type: /TimeoutError/ } });
      const waiting = theirs.get();
      const future = await clients[0].submit(py("operator.mul"), [6, 7]);
      await mine.put(future);
      expect(await ((await waiting) as Future<number>).result()).toBe(42);
      mine.close();
      theirs.close();
    });

    test("what is where, and how large; metadata; a failed task again", async () => {
      const [client] = clients;
      await using numbers = await client.submit(py("builtins.list"), [[1, 2, 3]], { key: "numbers" });
      await numbers.wait();
      const [[worker, threads] = ["", 0]] = await client.ncores();
      expect(threads).toBeGreaterThan(0);
      expect((await client.hasWhat()).get(worker)).toContain(numbers.key);
      expect((await client.nbytes([numbers])).get(numbers.key)).toBeGreaterThan(0);
      await client.setMetadata(["run", "name"], "spring");
      expect(await clients[1].getMetadata(["run", "name"])).toBe("spring");
      expect(await client.getMetadata("nothing", 7)).toBe(7);
      await expect(client.getMetadata("nothing")).rejects.toMatchObject({ code: "remote" });
      await using bad = await client.submit(py("operator.truediv"), [1, 0], { key: "bad-again" });
      await bad.wait();
      await client.retry([bad]);
      await expect(bad.result()).rejects.toMatchObject({ details: { type: "ZeroDivisionError" } });
    });
  });

  test("a Python client's locks, events, variables and queues work on our scheduler", async () => {
    await using scheduler = await startScheduler({ port: 0 });
    await using _worker = await startDaskWorker(scheduler.address);
    const said = JSON.parse(await runPython(["-c", PYTHON, scheduler.address], { timeoutMs: 240_000 })) as unknown;
    expect(said).toEqual({
      lock: [true, false, true],
      semaphore: [2, 1],
      event: [false, true],
      variable: [[1, 2], 3],
      queue: [1, 6, 0, "TimeoutError"],
    });
  });
});

const PYTHON = `
import json, sys
from dask.distributed import Client, Event, Lock, Queue, Semaphore, Variable
with Client(sys.argv[1], timeout="120s") as client:
    out = {}
    lock = Lock("l")
    out["lock"] = [lock.acquire(), Lock("l").acquire(timeout=0.05), lock.locked()]
    lock.release()
    sem = Semaphore(2, "s")
    sem.acquire(); sem.acquire()
    two = sem.get_value()
    sem.release()
    out["semaphore"] = [two, sem.get_value()]
    event = Event("e")
    before = event.wait(timeout=0.05)
    event.set()
    out["event"] = [before, event.wait(timeout=5)]
    v = Variable("v")
    v.set([1, 2])
    first = list(v.get())
    v.set(client.submit(sum, [1, 2]))
    out["variable"] = [first, v.get().result(timeout=120)]
    q = Queue("q")
    q.put(1)
    q.put(client.submit(sum, [1, 2, 3]))
    a, b = q.get(), q.get().result(timeout=120)
    try:
        q.get(timeout=0.05)
        late = ""
    except TimeoutError as error:
        late = type(error).__name__
    out["queue"] = [a, b, q.qsize(), late]
print(json.dumps(out))
`;
