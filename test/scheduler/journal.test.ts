/** The journal: what is in the file, what is left of a torn one, and what a scheduler does with it. */
import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  fstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isRsdatError, type Logger, silentLogger } from "../../src/base/index.ts";
import { connect } from "../../src/comm/index.ts";
import { encodeGraph, type Graph, type Key, KeyColumn, sourceNode, valueOfKey } from "../../src/graph/index.ts";
import { type ClientToScheduler, REGISTER_CLIENT } from "../../src/protocol/index.ts";
import { type SchedulerServer, startScheduler } from "../../src/scheduler/index.ts";
import { Journal } from "../../src/scheduler/journal.ts";
import { JournalFile } from "../../src/scheduler/journal-file.ts";
import { readInventory } from "../../src/scheduler/restore.ts";
import { graphOf } from "../sim/random-graph.ts";
import { FakeClient, FakeWorker, k, NO_VERSIONS } from "./fake-peers.ts";

let folder: string;
let path: string;
let warnings: string[];
let logger: Logger;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rsdat-journal-"));
  path = join(folder, "journal");
  warnings = [];
  logger = { ...silentLogger, warning: (message) => void warnings.push(message) };
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function written(...texts: string[]): void {
  const file = new JournalFile(path, logger);
  for (const text of texts) file.append(Buffer.from(text));
  file.close();
}

function read(): string[] {
  const file = new JournalFile(path, logger);
  const records = Array.from(file.records(), (bytes) => Buffer.from(bytes).toString());
  file.close();
  return records;
}

describe("the file", () => {
  test("records come back as they were written, also after further ones", () => {
    written("one", "", "three".repeat(1000));
    written("four");
    expect(read()).toEqual(["one", "", "three".repeat(1000), "four"]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(warnings).toEqual([]);
  });

  test("S-J1: torn at any byte, it keeps the whole records and says so once; what is written then is whole", () => {
    written("first", "second");
    const whole = readFileSync(path);
    const firstEnds = whole.length - 8 - "second".length;
    for (let length = firstEnds; length < whole.length; length++) {
      writeFileSync(path, whole.subarray(0, length));
      warnings.length = 0;
      written("third");
      expect(warnings).toHaveLength(length === firstEnds ? 0 : 1);
      expect(read()).toEqual(["first", "third"]);
    }
    truncateSync(path, 5); // killed before the first line was out
    expect(read()).toEqual([]);
  });

  test("a flipped bit ends what is believed; garbage behind the last record too", () => {
    written("first", "second", "third");
    const whole = readFileSync(path);
    const at = whole.indexOf("second");
    whole[at] = (whole[at] ?? 0) ^ 1;
    writeFileSync(path, whole);
    expect(read()).toEqual(["first"]);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain("torn");
    appendFileSync(path, Buffer.alloc(64, 0xff));
    expect(read()).toEqual(["first"]);
  });

  test("S-J1: a record that could not be read again is not written; an error says whose, and what comes later is", () => {
    const journal = new Journal(path, { ...logger, error: (line) => warnings.push(line) }, { recordBytesMax: 1000 });
    const keys = Array.from({ length: 500 }, (_, i) => k(`key-${i}`));
    journal.note({ kind: "left", client: "before" });
    journal.note({
      kind: "message",
      client: "alice",
      message: { op: "client-releases-keys", keys, client: "alice" },
    });
    journal.note({ kind: "left", client: "after" });
    journal.close();
    expect(warnings).toEqual([
      expect.stringMatching(/^journal .*: client-releases-keys of alice has [\d.]+ KiB, a record at most 0.98 KiB; /),
    ]);
    const again = new Journal(path, logger);
    expect([...again.entries()]).toEqual(["before", "after"].map((client) => ({ kind: "left", client })));
    again.close();
  });

  test("S-J1: another file is refused and left alone; so is a folder that is not there", () => {
    writeFileSync(path, "something else entirely");
    expect(() => new JournalFile(path, logger)).toThrow(expect.toSatisfy((e) => isRsdatError(e, "config")));
    expect(readFileSync(path, "utf8")).toBe("something else entirely");
    const nowhere = join(folder, "no", "journal");
    expect(() => new JournalFile(nowhere, logger)).toThrow(expect.toSatisfy((e) => isRsdatError(e, "write")));
  });
});

/** The code and process that a refusal names. */
function refusal(): { readonly code: string; readonly pid: unknown } | null {
  try {
    new JournalFile(path, logger).close();
    return null;
  } catch (error) {
    if (!isRsdatError(error)) throw error;
    return { code: error.code, pid: error.details["pid"] };
  }
}

describe("S-J6: one process writes it", () => {
  const lock = (): string => `${path}.lock`;

  test("a second one is refused and told by whom; given back, it is free", () => {
    const file = new JournalFile(path, logger);
    expect(refusal()).toEqual({ code: "journal-locked", pid: process.pid });
    file.close();
    expect(existsSync(lock())).toBe(false);
    expect(refusal()).toBe(null);
    expect(readdirSync(folder)).toEqual(["journal"]);
  });

  test("the lock of a process that was killed is taken over, also when its id is somebody else's now", () => {
    const dead = spawnSync(process.execPath, ["-e", ""]).pid;
    const held = (holder: object): void => writeFileSync(lock(), JSON.stringify({ host: hostname(), ...holder }));
    held({ pid: dead, since: null });
    expect(refusal()).toBe(null);
    held({ pid: process.ppid, since: "another life 1" });
    expect(refusal()).toBe(null);
    held({ pid: process.ppid, since: null });
    expect(refusal()).toEqual({ code: "journal-locked", pid: process.ppid });
    writeFileSync(lock(), ""); // a machine lost its power while it was written
    expect(refusal()).toBe(null);
  });

  test("of another machine nobody knows whether it lives: refused, with the way out", () => {
    writeFileSync(lock(), JSON.stringify({ host: "elsewhere", pid: 7, since: "1 2" }));
    expect(() => new JournalFile(path, logger)).toThrow(
      `process 7 on elsewhere: two schedulers cannot share one; if it is gone, remove ${lock()}`,
    );
  });

  test("a scheduler that cannot start gives it back", async () => {
    await using first = await startScheduler({ port: 0, logger, journal: path });
    await expect(startScheduler({ port: 0, logger, journal: path })).rejects.toMatchObject({ code: "journal-locked" });
    const other = join(folder, "other");
    await expect(startScheduler({ port: first.port, logger, journal: other })).rejects.toMatchObject({
      name: "CommError",
    });
    expect(existsSync(`${other}.lock`)).toBe(false);
  });
});

test("S-J7: brought to the disk one time after the other; a file that was replaced meanwhile is closed when it is there", () => {
  const calls: { readonly fd: number; readonly done: (error: Error | null) => void }[] = [];
  const file = new JournalFile(path, logger, { syncs: (fd, done) => void calls.push({ fd, done }) });
  for (const text of ["a", "b", "c"]) file.append(Buffer.from(text));
  expect(calls).toHaveLength(1);
  calls[0]?.done(null);
  expect(calls).toHaveLength(2); // b and c came while a was on its way
  file.replace([Buffer.from("kept")]);
  const old = calls[1]?.fd ?? -1;
  expect(fstatSync(old).nlink).toBe(0); // open, without a name
  calls[1]?.done(null);
  expect(() => fstatSync(old)).toThrow("EBADF");
  expect(calls).toHaveLength(2); // what replaced it was on disk before it had the name
  file.append(Buffer.from("d"));
  calls[2]?.done(new Error("EINVAL"));
  file.append(Buffer.from("e"));
  expect(calls).toHaveLength(3);
  expect(warnings).toEqual([expect.stringContaining("a machine that fails may lose them")]);
  file.close();
  expect(read()).toEqual(["kept", "d", "e"]);
});

/** One block of 8 bytes for each key. */
function blocks(label: string): Graph {
  return graphOf([sourceNode({ label, source: label, dtype: "float32", chunks: [[2, 2]], scratchBytes: 100 })]);
}

function submission(graph: Graph, client = "alice"): ClientToScheduler {
  return {
    op: "update-layers",
    layers: encodeGraph(graph),
    wanted: [[0, 0, graph.taskCount]],
    annotations: new Map([["least_bytes", 1000]]),
    client,
    stimulusId: "submit",
  };
}

const keysOf = (graph: Graph): Key[] => Array.from({ length: graph.taskCount }, (_, task) => graph.key(task));

test("S-J3: what is given up in a column of keys is remembered as its keys", () => {
  const journal = new Journal(path, logger);
  const hash = (digit: string): Key => k(`f-${digit.repeat(32)}`);
  const release = (...keys: Key[]): ClientToScheduler => ({
    op: "client-releases-column",
    keys: KeyColumn.of(keys),
    client: "alice",
  });
  journal.hear("alice", true, release(hash("1"), hash("2")));
  journal.hear("alice", true, release(hash("3")));
  journal.compact((key) => key === hash("2"), []);
  const kept = [...journal.entries()].map((entry) => entry.kind === "message" && entry.message);
  expect(kept.map((message) => message && message.op === "client-releases-column" && message.keys.toArray())).toEqual([
    [hash("1"), hash("2")],
  ]);
  journal.close();
});

test("S-J3: compaction keeps what is about known tasks, in order, and who is here", () => {
  const journal = new Journal(path, logger);
  const [old, current] = [blocks("old"), blocks("current")];
  for (const graph of [old, current]) journal.hear("alice", true, submission(graph));
  journal.hear("alice", true, { op: "client-releases-keys", keys: keysOf(old), client: "alice" });
  const release = { op: "client-releases-blocks", grid: [2], blocks: Uint32Array.of(1), client: "alice" } as const;
  journal.hear("alice", true, { ...release, layer: old.layer(0).name });
  journal.hear("alice", true, { ...release, layer: current.layer(0).name });
  journal.hear("alice", true, { op: "client-releases-keys", keys: keysOf(current).slice(1), client: "alice" });
  journal.hear("alice", true, { op: "heartbeat-client" });
  journal.note({ kind: "left", client: "nobody" });
  journal.note({ kind: "placed", client: "alice", keys: [k("data")] });
  journal.note({ kind: "joined", worker: "tcp://10.0.0.1:1" });
  const known = new Set([...keysOf(current), k("data")]);
  const before = statSync(path).size;
  journal.compact((key) => known.has(key), ["tcp://10.0.0.2:2"]);
  expect(statSync(path).size).toBeLessThan(before);
  const expected = [
    { kind: "message", client: "alice", message: submission(current) },
    { kind: "message", client: "alice", message: { ...release, layer: current.layer(0).name } },
    {
      kind: "message",
      client: "alice",
      message: { op: "client-releases-keys", keys: keysOf(current).slice(1), client: "alice" },
    },
    { kind: "placed", client: "alice", keys: [k("data")] },
    { kind: "joined", worker: "tcp://10.0.0.2:2" },
  ];
  expect([...journal.entries()]).toEqual(expected);
  journal.close();
  expect([...new Journal(path, logger).entries()]).toEqual(expected);
});

test("S-J3: what was let go of a graph that is kept stays let go", () => {
  const journal = new Journal(path, logger);
  const graph = blocks("partly");
  const [gone, kept] = keysOf(graph) as [Key, Key];
  const release: ClientToScheduler = { op: "client-releases-keys", keys: [gone], client: "alice" };
  journal.hear("alice", true, submission(graph));
  journal.hear("alice", true, release);
  journal.hear("alice", true, { ...release, keys: [k("unheard of")] });
  journal.compact((key) => key === kept, []);
  const expected = [submission(graph), release].map((message) => ({ kind: "message", client: "alice", message }));
  expect([...journal.entries()]).toEqual(expected);
  journal.compact((key) => key === kept, []); // as at every start
  expect([...journal.entries()]).toEqual(expected);
  journal.close();
});

test("S-J3: what a restart ended is not wanted again where its key is known once more", () => {
  const journal = new Journal(path, logger);
  const graph = blocks("twice");
  const entries = [
    { kind: "message", client: "alice", message: submission(graph) },
    { kind: "restart" },
    { kind: "message", client: "bob", message: submission(graph, "bob") },
  ] as const;
  for (const entry of entries) journal.note(entry);
  journal.compact(() => true, []);
  expect([...journal.entries()]).toEqual(entries);
  journal.compact(() => false, []);
  journal.note({ kind: "restart" });
  journal.compact(() => true, []);
  expect([...journal.entries()]).toEqual([]); // there is nothing before it
  journal.close();
});

describe("a scheduler that is started again", () => {
  let scheduler: SchedulerServer | undefined;

  afterEach(async () => {
    await scheduler?.close();
    scheduler = undefined;
  });

  /** As after a kill: the file is what it was at that moment. */
  async function crash(): Promise<void> {
    const kept = readFileSync(path);
    await scheduler?.close();
    writeFileSync(path, kept);
  }

  const start = async (gatherMs = 60_000): Promise<SchedulerServer> => {
    scheduler = await startScheduler({ port: 0, logger, journal: path, gatherMs });
    return scheduler;
  };

  test("S-J2: waits for its workers, takes in what they hold, and has the rest computed, and only the rest", async () => {
    const graph = blocks("again");
    const first = await start();
    const worker = await FakeWorker.join(first.address, { nthreads: 2 });
    const client = await FakeClient.join(first.address, "alice");
    client.send(submission(graph));
    const orders = [await worker.next("compute-task"), await worker.next("compute-task")];
    const done = orders[0]!;
    worker.finish(done, "value");
    await client.next("key-in-memory");
    await crash();
    await worker.leave();
    const second = await start();
    const inventory = [
      [valueOfKey(done.key), 20],
      [valueOfKey(k("unknown")), 5],
    ];
    const back = await FakeWorker.join(second.address, { nthreads: 2, address: worker.address, inventory });
    const order = await back.next("compute-task");
    expect(order.key).toBe(orders[1]?.key);
    expect((await back.next("free-keys")).keys).toEqual([k("unknown")]);
    expect(second.views.counts()).toMatchObject({ sent: 1, tasks: { memory: 1, processing: 1 } });
    expect(second.views.whoHas([done.key]).get(done.key)).toEqual([back.address]);
    // The client comes back by its name, says again what it wants, and gets both.
    const again = await FakeClient.join(second.address, "alice");
    again.send({ op: "client-desires-keys", keys: keysOf(graph), client: "alice" });
    expect((await again.next("key-in-memory")).key).toBe(done.key);
    back.finish(order, "other");
    expect((await again.next("key-in-memory")).key).toBe(order.key);
    again.send({ op: "client-releases-keys", keys: keysOf(graph), client: "alice" });
    expect(new Set((await back.next("free-keys")).keys)).toEqual(new Set(keysOf(graph)));
    expect(second.views.isEmpty()).toBe(true);
  });

  test("a second worker of one name is refused while the first waits with it", async () => {
    const first = await start();
    const worker = await FakeWorker.join(first.address);
    const client = await FakeClient.join(first.address, "alice");
    client.send(submission(blocks("named")));
    await worker.next("compute-task");
    await crash();
    await worker.leave();
    const second = await start();
    const both = [0, 1].map(() => FakeWorker.join(second.address, { name: "one" }));
    const joined = Promise.allSettled(both);
    await expect(Promise.race(both)).rejects.toThrow(/name taken, one/);
    await FakeWorker.join(second.address, { address: worker.address });
    expect((await joined).map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
    expect(second.views.workers()).toHaveLength(2);
  });

  test("does not wait for ever for a worker that is gone, and not at all when there was none", async () => {
    const graph = blocks("alone");
    const first = await start();
    const client = await FakeClient.join(first.address, "alice");
    client.send(submission(graph), { op: "report-key", key: k("nothing") });
    await client.next("cancelled-keys");
    await crash();
    const second = await start(0);
    const worker = await FakeWorker.join(second.address, { nthreads: 2 });
    expect(new Set([(await worker.next("compute-task")).key, (await worker.next("compute-task")).key])).toEqual(
      new Set(keysOf(graph)),
    );
    await crash();
    await worker.leave();
    const third = await start(50);
    const other = await FakeWorker.join(third.address, { nthreads: 2 });
    await other.next("compute-task");
  });

  test("S-J5: tells a Python client that what it wanted is lost, and does not compute it", async () => {
    const first = await start();
    const python = await FakeClient.join(first.address, "python", { dialect: false });
    python.send({ op: "client-desires-keys", keys: [k("x")], client: "python" });
    const graph = blocks("python");
    python.send(submission(graph, "python"), { op: "report-key", key: k("nothing") });
    await python.next("cancelled-keys");
    await crash();
    const second = await start();
    expect(second.views.counts().tasks.waiting).toBe(0);
    const again = await FakeClient.join(second.address, "python", { dialect: false });
    expect((await again.next("lost-data")).key).toBe(k("x"));
  });

  test("a client that has gone by the time others are served is not held for one", async () => {
    const first = await start();
    const worker = await FakeWorker.join(first.address);
    const alice = await FakeClient.join(first.address, "alice");
    alice.send(submission(blocks("early")));
    await worker.next("compute-task");
    await crash();
    await worker.leave();
    const second = await start();
    const bob = await connect(second.address, { dialect: false });
    bob.send({ ...REGISTER_CLIENT.ask({ client: "bob", versions: NO_VERSIONS }), reply: false });
    await bob.flushed();
    await bob.close();
    const back = await FakeWorker.join(second.address, { address: worker.address });
    await back.next("compute-task");
    await FakeClient.join(second.address, "carol");
    await expect.poll(() => second.views.clients()).toEqual(["alice", "carol"]);
  });

  test("without a journal nothing of it is said to anybody", async () => {
    scheduler = await startScheduler({ port: 0, logger });
    const client = await FakeClient.join(scheduler.address, "alice");
    expect(client.start.keepsJournal).toBeUndefined();
    await scheduler.close();
    const kept = await start();
    expect((await FakeClient.join(kept.address, "alice")).start.keepsJournal).toBe(true);
    expect((await FakeClient.join(kept.address, "bob", { dialect: false })).start.keepsJournal).toBeUndefined();
  });
});

test.each([Number.POSITIVE_INFINITY, Number.NaN, -1, 2 ** 60, "8"])(
  "a worker that holds %s bytes is not believed",
  (nbytes) => {
    expect(() => readInventory([[k("x"), nbytes]])).toThrow(/pairs of key and bytes/);
    expect(readInventory([[k("x"), 8]])).toEqual(new Map([[k("x"), 8]]));
  },
);
