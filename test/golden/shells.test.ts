/**
 * What our client, scheduler and workers send when they run: each op that Dask has too, with the field names and the types
 * of values of the recordings. The shells run in one process, in pure Dask, and every message they send is kept.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { arange } from "../../src/array/index.ts";
import { silentLogger } from "../../src/base/index.ts";
import { Client } from "../../src/client/index.ts";
import { MessageComm } from "../../src/comm/comm.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { decodeMessage, encodeMessage, Pickled, Serialized } from "../../src/protocol/index.ts";
import { startScheduler } from "../../src/scheduler/index.ts";
import { Worker } from "../../src/worker/index.ts";
import { GOLDENS } from "../protocol/mutations.ts";
import { messageOf } from "../protocol/wire-view.ts";

type Fields = ReadonlyMap<unknown, unknown>;
/** Messages by name, named as in record.py. */
type Named = Map<string, Fields[]>;

function keep(into: Named, name: string, message: Fields): void {
  into.set(name, [...(into.get(name) ?? []), message]);
}

/** Ops of the recordings: `request-OP`, `client-OP`, `worker-OP`, `to-client-OP`, `to-worker-OP`, and replies that are maps. */
function recorded(): Named {
  const out: Named = new Map();
  for (const { name, bytes } of GOLDENS) {
    const message = messageOf(bytes);
    const prefix = /^(to-)?(client|worker)-/.exec(name)?.[0];
    if (message instanceof Map) keep(out, name, message);
    else if (prefix && Array.isArray(message))
      for (const each of message) if (each instanceof Map) keep(out, `${prefix}${String(each.get("op"))}`, each);
  }
  return out;
}

const sent: Named = new Map();
const originalSend = MessageComm.prototype.send;

/** As `classify` of record.py: a connection is a stream once somebody has registered on it. */
function tap(): void {
  const streams = new Map<string, string>();
  const asked = new Map<string, string>();
  MessageComm.prototype.send = function (this: MessageComm, message: unknown): void {
    originalSend.call(this, message);
    const seen: unknown = decodeMessage(encodeMessage(message).frames);
    const [out, back] = [`${this.local} ${this.peer}`, `${this.peer} ${this.local}`];
    const link = streams.get(out);
    if (link !== undefined && Array.isArray(seen)) {
      for (const each of seen) if (each instanceof Map) keep(sent, `${link}${String(each.get("op"))}`, each);
      return;
    }
    if (!(seen instanceof Map)) return;
    const op = seen.get("op");
    if (typeof op === "string") {
      const kind = /^register-(client|worker)$/.exec(op)?.[1];
      if (kind) {
        streams.set(out, `${kind}-`);
        streams.set(back, `to-${kind}-`);
      }
      asked.set(back, op);
      keep(sent, `request-${op}`, seen);
    } else if (seen.has("pickle-protocol")) keep(sent, "handshake", seen);
    else if (asked.has(out)) keep(sent, `reply-${asked.get(out)}`, seen);
  };
}

/** Where Dask's own code sends other values than the one recording shows. Everything that differs stands here. */
const ALSO: Readonly<Record<string, readonly string[]>> = {
  "client-cancel-keys.reason": ["string"], // Client._cancel passes a text on
  "to-client-cancelled-keys.reason": ["string"],
  "to-client-cancelled-keys.msg": ["string"],
  "request-get_data.keys": ["set"], // WorkerStateMachine's gathers name a set, clients a list
  "request-get_data.who": ["nil"], // a client that gathers directly is nobody's peer
  "request-who_has.keys": ["array"], // nil asks for all
  "to-worker-compute-task.resource_restrictions": ["map"], // a task that demands some: ours, of whoever runs native tasks
  "to-worker-compute-task.span_id": ["nil"], // no spans extension
  "to-client-task-erred.traceback": ["nil"], // an exception that is not Python's has no frames of Python's
  "worker-task-erred.traceback": ["nil"],
};
/**
 * Forms of a message beside the recorded one. Worker.close_gracefully adds two fields to what Client.retire_workers sends;
 * of a result that has just been made, Dask's scheduler tells the class too (`_transition_processing_memory`).
 */
const NAMES_ALSO: Readonly<Record<string, string>> = {
  "to-client-key-in-memory": "key op type",
  "request-retire_workers": "close_workers op remove reply stimulus_id workers",
};
/** Replies that are tables by key or address: no fields. */
const TABLES: ReadonlySet<string> = new Set(["reply-who_has", "reply-retire_workers"]);

function kindOf(field: unknown, value: unknown): string {
  if (field === "key") return "key"; // text, or an array: a tuple of Python
  if (field === "resource_restrictions" && value instanceof Map && value.size === 0) return "empty map"; // Dask sends nil
  if (value === null) return "nil";
  if (Array.isArray(value)) return "array";
  if (value instanceof Uint8Array) return "bytes";
  for (const [name, kind] of [
    ["map", Map],
    ["set", Set],
    ["serialized", Serialized],
    ["pickled", Pickled],
  ] as const)
    if (value instanceof kind) return name;
  return typeof value === "bigint" ? "number" : typeof value;
}

const namesOf = (message: Fields): string => Array.from(message.keys(), String).sort().join(" ");

/** What is wrong with `message` beside the recordings of its op. */
function complaints(name: string, message: Fields, goldens: readonly Fields[]): string[] {
  const known = new Set([...goldens.map(namesOf), ...(NAMES_ALSO[name] === undefined ? [] : [NAMES_ALSO[name]])]);
  const out = known.has(namesOf(message))
    ? []
    : [`${name} has ${namesOf(message)}; recorded: ${[...known].join(" | ")}`];
  for (const [field, value] of message) {
    const kinds = new Set(
      goldens.filter((golden) => golden.has(field)).map((golden) => kindOf(field, golden.get(field))),
    );
    const kind = kindOf(field, value);
    if (kinds.size > 0 && !kinds.has(kind) && !ALSO[`${name}.${String(field)}`]?.includes(kind))
      out.push(`${name}.${String(field)} is ${kind}; recorded: ${[...kinds].join(" | ")}`);
  }
  return out;
}

/** Everything the shells say in a short life: results, errors, data placed and moved, goodbyes. */
async function live(): Promise<void> {
  const logger = silentLogger;
  await using scheduler = await startScheduler({ port: 0, logger, dialect: false });
  const options = {
    scheduler: scheduler.address,
    nthreads: 1,
    memoryLimitBytes: 2 ** 29,
    allowInsecure: true,
    logger,
    dialect: false,
  };
  const first = await Worker.start({ ...options, name: "first" });
  await using _second = await Worker.start({ ...options, name: "second" });
  const client = await Client.connect(scheduler.address, { dialect: false });
  const sum = await client.submit((a: number, b: number) => a + b, [1, 2], { workers: [first.address] });
  expect(await sum.result()).toBe(3);
  const failed = await client.submit(() => {
    throw new RangeError("no");
  }, []);
  await expect(failed.result()).rejects.toThrow("no");
  const placed = await client.scatter(NDArray.of(Float64Array.of(1, 2, 3), [3]), { workers: [first.address] });
  expect(
    (
      await arange(100, { chunks: [10] })
        .add(1)
        .sum()
        .compute()
    ).item(),
  ).toBe(5050n);
  const moved = await client.submit((x: NDArray) => x.data.length, [placed], { workers: ["second"] });
  expect(await moved.result()).toBe(3);
  await client.whoHas([sum]);
  await client.schedulerInfo();
  await client.gather([sum, moved]);
  await failed.cancel();
  sum.release();
  await first.leave("test");
  await client.close();
}

beforeAll(async () => {
  tap();
  await live();
});
afterAll(() => {
  MessageComm.prototype.send = originalSend;
});

test("C-I7 every op that our shells send has the fields and types of Dask's", () => {
  const goldens = recorded();
  const wrong = Array.from(sent).flatMap(([name, messages]) => {
    const known = goldens.get(name);
    if (!known) return [`${name} has no recording`];
    return TABLES.has(name) ? [] : messages.flatMap((message) => complaints(name, message, known));
  });
  expect([...new Set(wrong)].sort()).toEqual([]);
});

test("the shells have said what they can say", () => {
  const client = "cancel-keys client-desires-keys client-releases-keys close-client close-stream update-graph";
  const worker = "add-keys close-stream release-worker-data task-erred task-finished worker-status-change";
  const toClient = "cancelled-keys key-in-memory stream-start task-erred";
  const toWorker = "acquire-replicas compute-task free-keys remove-worker worker-status-change";
  const requests =
    "get_data identity register-client register-worker retire_workers scatter unregister update_data versions who_has";
  const wanted = Object.entries({
    "client-": client,
    "worker-": worker,
    "to-client-": toClient,
    "to-worker-": toWorker,
    "request-": requests,
    "reply-": "get_data identity register-worker retire_workers update_data versions who_has",
  }).flatMap(([prefix, ops]) => ops.split(" ").map((op) => `${prefix}${op}`));
  expect(wanted.filter((name) => !sent.has(name))).toEqual([]);
});
