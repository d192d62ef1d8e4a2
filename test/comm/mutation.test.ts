/**
 * A listening server against mutated messages of real peers: each is handled or ends that one connection with a logged
 * typed error, a second connection keeps working after each, and memory stays bounded.
 *
 * 2 000 messages by default, `RSDAT_MUTATIONS=10000` in the long run. A failure names seed and message.
 */
import { connect as connectSocket } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { isRsdatError, type Logger, type Random, seededRandom } from "../../src/base/index.ts";
import {
  type Comm,
  connect,
  type Handlers,
  type Listener,
  listen,
  NO_REPLY,
  readStream,
  serveRequests,
} from "../../src/comm/index.ts";
import {
  CLIENT_TO_SCHEDULER,
  type ClientToScheduler,
  deserialize,
  encodeFrames,
  encodeMessage,
  GATHER,
  GET_DATA,
  HEARTBEAT_WORKER,
  handshakeMessage,
  IDENTITY,
  joinBytes,
  Pickled,
  plainOf,
  REGISTER_CLIENT,
  REGISTER_WORKER,
  readPickle,
  readRunSpec,
  SCATTER,
  SCHEDULER_TO_WORKER,
  type SchedulerToWorker,
  Serialized,
  UPDATE_DATA,
  WORKER_TO_SCHEDULER,
  type WorkerToScheduler,
} from "../../src/protocol/index.ts";
import { messageOf, readGoldens } from "../protocol/wire-view.ts";

const COUNT = Number(process.env["RSDAT_MUTATIONS"] ?? "2000");
const SEED = Number(process.env["RSDAT_SEED"] ?? "1");
/** What the process may grow by while all messages are served: bounds leaks (a leak of one 64 MiB claim shows). */
const GROWTH_BYTES_MAX = 192 * 2 ** 20;

const GOLDENS = readGoldens(join(import.meta.dirname, "../golden/wire"));
const bytesOf = (name: string): Uint8Array => GOLDENS.find((g) => g.name === name)!.bytes;
const HANDSHAKE = joinBytes(encodeFrames(encodeMessage(handshakeMessage()).frames));

interface Entry {
  readonly code: unknown;
  readonly message: string;
}
const log: Entry[] = [];
const unhandled: unknown[] = [];
const logger: Logger = (() => {
  const add = (message: string, details?: Readonly<Record<string, unknown>>): void =>
    void log.push({ code: details?.["code"] ?? details?.["op"], message });
  return { debug: add, info: add, warning: add, error: add };
})();

let listener: Listener;
let second: Comm;
let finished = 0;

/** Look at everything in a message, as scheduler, worker and client would. */
function inspect(message: WorkerToScheduler | ClientToScheduler | SchedulerToWorker): void {
  for (const value of Object.values(message)) open(value);
  if (message.op === "compute-task") readRunSpec(message.runSpec);
}

function open(value: unknown): void {
  try {
    if (value instanceof Serialized) deserialize(value);
    if (value instanceof Pickled) plainOf(readPickle(value.pickle, value.plainBuffers()), () => null);
    if (value instanceof Map) for (const inner of value.values()) open(inner);
  } catch (error) {
    if (!isRsdatError(error)) throw error; // a typed refusal is an answer
  }
}

async function stream(
  comm: Comm,
  family: { parse(map: ReadonlyMap<unknown, unknown>): WorkerToScheduler | ClientToScheduler | SchedulerToWorker },
): Promise<typeof NO_REPLY> {
  for await (const batch of readStream(comm, (map) => family.parse(map))) batch.forEach(inspect);
  return NO_REPLY;
}

const HANDLERS: Handlers = {
  identity: (request) => {
    IDENTITY.parse(request);
    return { type: "Scheduler", id: "s" };
  },
  "register-worker": (request, comm) => {
    REGISTER_WORKER.parse(request);
    return stream(comm, WORKER_TO_SCHEDULER);
  },
  "register-client": (request, comm) => {
    REGISTER_CLIENT.parse(request);
    return stream(comm, CLIENT_TO_SCHEDULER);
  },
  "as-worker": (_, comm) => stream(comm, SCHEDULER_TO_WORKER),
  heartbeat_worker: (request) => HEARTBEAT_WORKER.parse(request) && { status: "OK" },
  gather: (request) => ({ status: "error", keys: GATHER.parse(request).keys.length }),
  scatter: (request) => {
    const { data } = SCATTER.parse(request);
    open(data);
    return data.size;
  },
  update_data: (request) => {
    const { data } = UPDATE_DATA.parse(request);
    open(data);
    return data.size;
  },
  get_data: (request) => GET_DATA.parse(request).keys.length,
  // Replies reach a server only by mistake; here they are opened as a client would.
  default: () => null,
};

beforeAll(async () => {
  process.on("unhandledRejection", onUnhandled);
  listener = await listen(
    "tcp://127.0.0.1:0",
    async (comm) => {
      try {
        await serveRequests(comm, HANDLERS, logger);
      } finally {
        finished++;
      }
    },
    { logger },
  );
  second = await connect(listener.address);
});
afterAll(async () => {
  process.off("unhandledRejection", onUnhandled);
  await second.close();
  await listener.close();
});
function onUnhandled(error: unknown): void {
  unhandled.push(error);
}

/** Change some bytes: flips, cuts, insertions, repeats, lengths. */
function mutate(bytes: Uint8Array, random: Random): Uint8Array {
  let out = new Uint8Array(bytes);
  const times = 1 + random.below(3);
  for (let k = 0; k < times && out.length > 0; k++) {
    const at = random.below(out.length);
    // The head decides about framing and msgpack structure: half of the changes go there.
    const near = random.below(2) === 0 ? Math.min(at, random.below(Math.min(out.length, 120))) : at;
    switch (random.below(7)) {
      case 0:
        out[near] = out[near]! ^ (1 << random.below(8));
        break;
      case 1:
        out[near] = random.below(256);
        break;
      case 2:
        out = out.slice(0, near);
        break;
      case 3:
        out = Uint8Array.from([...out.subarray(0, near), random.below(256), ...out.subarray(near)]);
        break;
      case 4:
        out = Uint8Array.from([...out.subarray(0, near), ...out.subarray(near + 1 + random.below(8))]);
        break;
      case 5:
        out = Uint8Array.from([
          ...out.subarray(0, near),
          ...out.subarray(Math.max(0, near - 20), near),
          ...out.subarray(near),
        ]);
        break;
      default: {
        const word = 8 * random.below(Math.min(6, Math.floor(out.length / 8) || 1));
        const value = [0n, 1n, 0xffn, 0xffff_ffffn, 2n ** 40n, 2n ** 64n - 1n][random.below(6)]!;
        if (word + 8 <= out.length) new DataView(out.buffer).setBigUint64(word, value, true);
      }
    }
  }
  return out;
}

/** Write bytes on a fresh connection, end it, and wait until the server has closed it. */
function deliver(pieces: readonly Uint8Array[]): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = connectSocket(Number(listener.address.split(":").at(-1)), "127.0.0.1");
  socket.setTimeout(10_000, () => reject(new Error("the server neither answered nor closed the connection")));
  socket.on("error", () => undefined); // a reset is one way of closing
  socket.on("close", () => resolve());
  socket.resume();
  socket.end(joinBytes(pieces));
  return promise;
}

const OPENERS: readonly (readonly [prefix: string, opener: readonly Uint8Array[]])[] = [
  ["request-", [HANDSHAKE]],
  ["value-", [HANDSHAKE]],
  ["handshake", []],
  ["worker-", [HANDSHAKE, bytesOf("request-register-worker")]],
  ["client-", [HANDSHAKE, bytesOf("request-register-client")]],
  ["to-worker-", [HANDSHAKE, joinBytes(encodeFrames(encodeMessage({ op: "as-worker", reply: false }).frames))]],
];
const SUBJECTS = GOLDENS.flatMap((golden) => {
  const found = OPENERS.find(([prefix]) => golden.name.startsWith(prefix));
  return found ? [{ golden, opener: found[1] }] : [];
});

test("unmutated, every message is taken without a complaint", async () => {
  for (const { golden, opener } of SUBJECTS) {
    log.length = 0;
    await deliver([...opener, golden.bytes]);
    const isAsked = !golden.name.startsWith("value-") && golden.name !== "handshake";
    if (isAsked)
      expect(
        log.filter((l) => l.code === "remote-protocol"),
        golden.name,
      ).toEqual([]);
  }
});

test(`C-I8 ${COUNT} mutated messages (seed ${SEED})`, { timeout: 1_200_000 }, async () => {
  const random = seededRandom(SEED);
  await warmUp();
  const before = process.memoryUsage().rss;
  const codes = new Map<unknown, number>();
  let peak = before;
  for (let i = 0; i < COUNT; i++) {
    const { golden, opener } = SUBJECTS[random.below(SUBJECTS.length)]!;
    const bytes = mutate(golden.bytes, random);
    log.length = 0;
    const about = `seed ${SEED}, message ${i} (${golden.name}): ${Buffer.from(bytes).toString("base64").slice(0, 2000)}`;
    await deliver([...opener, bytes]);
    for (const { code, message } of log) {
      codes.set(code, (codes.get(code) ?? 0) + 1);
      expect(code === "error" || code === undefined, `${about}\nuntyped: ${message}`).toBe(false);
    }
    second.send({ op: "identity", reply: true });
    const answer = (await second.next()) as ReadonlyMap<unknown, unknown>;
    expect(answer.get("id"), about).toBe("s");
    peak = Math.max(peak, process.memoryUsage().rss);
  }
  expect(unhandled).toEqual([]);
  await expect.poll(() => listener.comms.size).toBe(1);
  const refused = (codes.get("remote-protocol") ?? 0) + (codes.get("comm-closed") ?? 0);
  expect(refused).toBeGreaterThan(COUNT / 4);
  expect(finished).toBeGreaterThan(0);
  expect(peak - before, `grew by ${((peak - before) / 2 ** 20).toFixed(0)} MiB`).toBeLessThan(GROWTH_BYTES_MAX);
});

/** Let the heap reach its working size first, so that growth measures what the messages leave behind. */
async function warmUp(): Promise<void> {
  const random = seededRandom(SEED + 1);
  for (let i = 0; i < 200; i++) {
    const { golden, opener } = SUBJECTS[random.below(SUBJECTS.length)]!;
    await deliver([...opener, mutate(golden.bytes, random)]);
  }
}

test("mutated values are read or refused with a typed error", () => {
  const random = seededRandom(SEED + 2);
  const values = GOLDENS.filter((g) => g.name.startsWith("value-"));
  let refused = 0;
  for (let i = 0; i < COUNT * 2; i++) {
    const golden = values[random.below(values.length)]!;
    const data = (messageOf(golden.bytes) as Map<string, Map<string, Serialized>>).get("data")!;
    const [value] = data.values();
    const changed =
      random.below(2) === 0
        ? new Serialized(mutate(value!.header, random), value!.frames)
        : new Serialized(
            value!.header,
            value!.frames.map((frame) => mutate(frame, random)),
          );
    try {
      deserialize(changed);
    } catch (error) {
      refused++;
      expect(isRsdatError(error), `seed ${SEED}, value ${i} of ${golden.name}: ${String(error)}`).toBe(true);
    }
  }
  expect(refused).toBeGreaterThan(COUNT / 4);
});
