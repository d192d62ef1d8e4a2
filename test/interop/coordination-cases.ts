/**
 * Locks, semaphores, events, variables, queues and plugins: cases of client-api.test.ts, each as the function of its name in
 * client_api_peer.py does it on Dask.
 */
import { readFileSync } from "node:fs";
import { expect } from "vitest";
import { type Client, Event, type Future, Lock, Queue, Semaphore, Variable, wait } from "../../src/client/index.ts";

/** What a case works with. */
export interface Given {
  readonly client: Client;
  /** A fresh file in the folder that all workers see. */
  readonly file: () => string;
  readonly isHeld: (key: Future["key"]) => Promise<boolean>;
}

export type CoordinationCase = "locking" | "leasing" | "signalling" | "sharing" | "queueing" | "plugging";

function add(a: number, b = 1): number {
  return a + b;
}

async function raised(call: () => unknown): Promise<boolean> {
  try {
    await call();
    return false;
  } catch {
    return true;
  }
}

async function until(isDone: () => Promise<boolean>): Promise<void> {
  await expect.poll(isDone, { timeout: 60_000, interval: 20 }).toBe(true);
}

async function locking({ client }: Given): Promise<unknown> {
  const [mine, theirs] = [new Lock("one", { client }), new Lock("one", { client })];
  const first = await mine.acquire();
  const late = await theirs.acquire({ timeout: 0.1 });
  const seen = await theirs.locked();
  const waiting = theirs.acquire();
  await mine.release();
  const second = await waiting;
  await theirs.release();
  let inside: boolean;
  {
    await using _held = await mine.hold();
    inside = await theirs.locked();
  }
  return [first, late, seen, second, inside, await mine.locked()];
}

async function leasing({ client }: Given): Promise<unknown> {
  const [pool, same] = [new Semaphore(2, "two", { client }), new Semaphore(2, "two", { client })];
  const taken = [await pool.acquire(), await same.acquire({ timeout: 1 }), await pool.acquire({ timeout: 0.1 })];
  const full = await pool.getValue();
  const waiting = pool.acquire();
  await same.release();
  const got = await waiting;
  const values = [await same.getValue()];
  await pool.release();
  await pool.release();
  values.push(await same.getValue());
  const other = await raised(() => new Semaphore(3, "two", { client }).acquire({ timeout: 1 }));
  return [taken, full, got, values, other];
}

async function signalling({ client }: Given): Promise<unknown> {
  const [mine, theirs] = [new Event("go", { client }), new Event("go", { client })];
  const before = [await mine.isSet(), await theirs.wait({ timeout: 0.1 })];
  const waiting = [theirs.wait({ timeout: 60 }), mine.wait()];
  await theirs.set();
  const after = [...(await Promise.all(waiting)), await theirs.isSet(), await theirs.wait({ timeout: 0.1 })];
  await theirs.clear();
  return [before, after, await mine.isSet(), await mine.wait({ timeout: 0.1 })];
}

async function sharing({ client, isHeld }: Given): Promise<unknown> {
  const [mine, theirs] = [new Variable("shared", { client }), new Variable("shared", { client })];
  const isUnset = (): Promise<boolean> => raised(() => theirs.get({ timeout: 0.1 }));
  const unset = await isUnset();
  const waiting = theirs.get({ timeout: 60 });
  await mine.set([1, "two", null, true, 1.5]);
  const first = [await waiting, await theirs.get(), await mine.get()];
  await mine.set("again");
  const second = await theirs.get();
  const future = await client.submit(add, [20, 1]);
  const { key } = future;
  await mine.set(future);
  await wait(future);
  future.release();
  const got = (await theirs.get()) as Future<number>;
  const values = [await got.result(), got.key === key, await isHeld(key)];
  got.release();
  await mine.set(0);
  await until(async () => !(await isHeld(key)));
  const gone = await isHeld(key);
  mine.delete();
  await until(isUnset);
  return [unset, first, second, values, gone, await isUnset()];
}

async function queueing({ client }: Given): Promise<unknown> {
  const [mine, theirs] = [new Queue("line", { client, maxsize: 2 }), new Queue("line", { client })];
  const empty = [await mine.qsize(), await raised(() => theirs.get({ timeout: 0.1 }))];
  await mine.put(1);
  await mine.put([2, "b"]);
  const full = [
    await theirs.qsize(),
    await raised(() => mine.put(3, { timeout: 0.1 })),
    await raised(() => theirs.put(3, { timeout: 0.1 })),
  ];
  const waiting = mine.put(3, { timeout: 60 }).then(() => true);
  const order: unknown[] = [await theirs.get()];
  order.push(await waiting, await theirs.getBatch());
  await mine.put(await client.submit(add, [41]));
  await mine.put(5);
  const [future, five] = await theirs.getBatch(2);
  const values = [await (future as Future).result(), five, await theirs.getBatch()];
  const late = theirs.get({ timeout: 60 });
  await mine.put("last");
  return [empty, full, order, values, await late, await mine.qsize()];
}

async function plugging({ client, file }: Given): Promise<unknown> {
  const path = file();
  const lines = (): string[] => readFileSync(path, "utf8").trim().split("\n").sort();
  const marks = (word: string) => ({
    name: "marks",
    args: { path, word },
    setup: (worker: { readonly name: string }, args: { readonly path: string; readonly word: string }) => {
      process.getBuiltinModule("node:fs").appendFileSync(args.path, `${args.word} ${worker.name}\n`);
    },
    teardown: (worker: { readonly name: string }, args: { readonly path: string }) => {
      process.getBuiltinModule("node:fs").appendFileSync(args.path, `down ${worker.name}\n`);
    },
  });
  const { length } = await client.registerPlugin(marks("up"));
  const first = lines();
  await client.registerPlugin(marks("other"), { idempotent: true });
  const isSame = lines().join() === first.join();
  await client.registerPlugin(marks("again"));
  const second = lines();
  await client.unregisterPlugin("marks");
  return [length, first, isSame, second, lines(), await raised(() => client.unregisterPlugin("marks"))];
}

/** In the order in which the peer runs them. */
export const COORDINATION: Readonly<Record<CoordinationCase, (given: Given) => Promise<unknown>>> = {
  locking,
  leasing,
  signalling,
  sharing,
  queueing,
  plugging,
};
