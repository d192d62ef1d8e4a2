/**
 * A running worker against messages of real peers that are almost right: requests on its listener, each of which is
 * handled or ends its own connection; and the stream of its scheduler, where a broken promise ends that worker, with a
 * reason, and no other worker of the process.
 */
import { createServer, type Server, type Socket } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { isRsdatError, seededRandom } from "../../src/base/index.ts";
import { type Comm, connect } from "../../src/comm/index.ts";
import { createExecutor, type Executor } from "../../src/executor/index.ts";
import { encodeGraph, encodeTaskSpec } from "../../src/graph/index.ts";
import {
  decodeMessage,
  FrameDecoder,
  SCHEDULER_TO_COLUMNAR,
  SCHEDULER_TO_WORKER,
  serializeTaskSpec,
} from "../../src/protocol/index.ts";
import { startScheduler } from "../../src/scheduler/index.ts";
import { Worker } from "../../src/worker/index.ts";
import { counting, keyOf } from "../executor/specs.ts";
import {
  bytesOf,
  COUNT,
  deliver,
  describeMutation,
  Growth,
  HANDSHAKE,
  logBook,
  mutate,
  requestSubjects,
  SEED,
  type Subject,
  streamSubjects,
  timeoutFor,
  untyped,
} from "../protocol/mutations.ts";
import { pairs, run } from "./state/graphs.ts";

/** MiB that the process may grow by: in what it holds after a collection, and in its peak, blocks within the budget included. */
const GROWTH_MAX = { held: 64, resident: 320 };
const BUDGET_BYTES = 64e6;

const { logger, entries } = logBook();
const unhandled: unknown[] = [];
const onUnhandled = (error: unknown): void => void unhandled.push(error);
const executor = createExecutor({ threads: 1, budgetBytes: BUDGET_BYTES });
/** One set of threads for all workers of this file: a worker disposes of its executor, which here outlives it. */
const lent: Executor = new Proxy(executor, {
  get: (target, name) => {
    if (name === Symbol.asyncDispose) return () => Promise.resolve();
    const value: unknown = Reflect.get(target, name);
    return typeof value === "function" ? value.bind(target) : value;
  },
});

beforeAll(async () => {
  process.on("unhandledRejection", onUnhandled);
  // The memory of the blocks is there from the start, so that growth does not count it.
  const outcome = await executor.run({ key: keyOf("first"), spec: counting(1_000_000), inputs: [] });
  if (outcome.status === "ok") executor.release(outcome.output);
});
afterAll(async () => {
  process.off("unhandledRejection", onUnhandled);
  await executor[Symbol.asyncDispose]();
});

/** The answer to `ping` on a connection that was there from the start. */
async function ping(second: Comm): Promise<string> {
  second.send({ op: "ping", reply: true });
  const answer = await second.next();
  return answer instanceof Uint8Array ? Buffer.from(answer).toString() : String(answer);
}

interface Tally {
  refused: number;
  taken: number;
}

/** Mutations `from … count-1` (negative ones warm up), each given to `serve` and judged by what it left in the log. */
async function mutations(
  { subjects, count, isRefused }: { subjects: readonly Subject[]; count: number; isRefused: () => boolean },
  serve: (subject: Subject, bytes: Uint8Array) => Promise<void>,
): Promise<Tally> {
  const random = seededRandom(SEED);
  const tally = { refused: 0, taken: 0 };
  let growth = new Growth();
  for (let i = -Math.min(200, count / 4); i < count; i++) {
    if (i === 0) growth = new Growth();
    const subject = subjects[random.below(subjects.length)] as Subject;
    const bytes = mutate(subject.bytes, random);
    entries.length = 0;
    const about = describeMutation(SEED, i, subject, bytes);
    await serve(subject, bytes).catch((cause: unknown) => {
      throw new Error(about, { cause });
    });
    expect(untyped(entries), about).toEqual([]);
    expect(unhandled, about).toEqual([]);
    tally[isRefused() ? "refused" : "taken"]++;
    growth.sample();
  }
  const { held, resident } = growth.figures();
  console.log(`worker, ${count} mutated messages: ${JSON.stringify({ ...tally, held, resident })}`);
  expect(held, "MiB held more").toBeLessThan(GROWTH_MAX.held);
  expect(resident, "MiB resident more").toBeLessThan(GROWTH_MAX.resident);
  return tally;
}

test(`C-I8 ${COUNT} mutated requests to a worker (seed ${SEED})`, { timeout: timeoutFor(COUNT) }, async () => {
  await using scheduler = await startScheduler({ port: 0, logger });
  await using worker = await Worker.start({ scheduler: scheduler.address, executor: lent, logger });
  await using second = await connect(worker.address);
  const subjects = requestSubjects(["gather", "scheduler-update_data"]);
  const isRefused = (): boolean =>
    entries.some(({ code }) => code === "remote-protocol" || code === "comm-closed" || code === "comm");
  for (const { name, opener, bytes } of subjects) {
    entries.length = 0;
    await deliver(worker.address, [...opener, bytes]);
    expect(await ping(second), name).toBe("pong");
    expect(isRefused(), `${name}, unmutated: ${JSON.stringify(entries)}`).toBe(false);
  }
  const tally = await mutations({ subjects, count: COUNT, isRefused }, async ({ opener }, bytes) => {
    await deliver(worker.address, [...opener, bytes]);
    expect(await ping(second)).toBe("pong");
  });
  expect(tally.refused).toBeGreaterThan(COUNT / 4);
  expect(tally.taken).toBeGreaterThan(COUNT / 10);
});

/** A scheduler that takes every worker, says `words` to each that joins, and then hangs up. */
class Hostile {
  words: Uint8Array | null = null;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor() {
    this.#server = createServer((socket) => this.#serve(socket));
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    const address = this.#server.address();
    return `tcp://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(socket: Socket): void {
    const decoder = new FrameDecoder();
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    socket.on("error", () => undefined); // a worker that drops its scheduler resets the connection
    socket.write(HANDSHAKE);
    socket.on("data", (data: Buffer) => {
      decoder.push(data);
      for (let message = decoder.next(); message; message = decoder.next()) {
        const value = decodeMessage(message.frames);
        if (value instanceof Map && value.has("op")) this.#answer(socket, value.get("op"));
      }
    });
  }

  #answer(socket: Socket, op: unknown): void {
    if (op !== "register-worker") return void socket.write(bytesOf(op === "unregister" ? "OK" : { status: "OK" }));
    socket.write(bytesOf({ status: "OK", time: 0, "heartbeat-interval": 60, "worker-plugins": {} }));
    if (this.words) socket.end(this.words);
  }
}

/** Orders that a worker carries out, beside Python's, which it refuses. */
function native(): Subject[] {
  const spec = serializeTaskSpec(encodeTaskSpec(counting(100)));
  const order = SCHEDULER_TO_WORKER.encode({
    op: "compute-task",
    key: keyOf("n", 0),
    runId: 1,
    priority: [0, 0],
    stimulusId: "s",
    whoHas: new Map(),
    nbytes: new Map(),
    runSpec: spec,
    resourceRestrictions: new Map(),
    actor: false,
    annotations: new Map(),
    spanId: null,
  });
  return [1, 2, 3, 4].map(() => ({ name: "native compute-task", opener: [], bytes: bytesOf([order]) }));
}

/** A graph, and its tasks ordered and freed in columns. */
function columns(): Subject[] {
  const graph = pairs(4);
  const words = [
    { op: "graph", submission: 1, layers: encodeGraph(graph) },
    run([0, 1, 4, 5, 6], { fetch: { 4: [[2, "tcp://127.0.0.1:1"]] } }),
    { op: "free-tasks", submission: 1, tasks: Uint32Array.of(0, 4), stimulusId: "s" },
    { op: "forget-graph", submission: 1 },
  ] as const;
  const bytes = bytesOf(words.map((word) => SCHEDULER_TO_COLUMNAR.encode(word)));
  const first = bytesOf(words.slice(0, 2).map((word) => SCHEDULER_TO_COLUMNAR.encode(word)));
  return [bytes, bytes, first, first, first].map((each) => ({ name: "columns", opener: [], bytes: each }));
}

/** Start a worker; why it closed, or could not start. */
async function lifeOf(scheduler: string): Promise<string> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error("the worker did not close")), 60_000);
  try {
    const worker = await Worker.start({ scheduler, executor: lent, logger });
    return await Promise.race([worker.closed, late.promise]);
  } catch (error) {
    if (!isRsdatError(error)) throw error;
    return `the connection to the scheduler broke: ${error.message}`; // the words came together with the welcome
  } finally {
    clearTimeout(timer);
  }
}

const STREAM_COUNT = Math.ceil(COUNT / 4);

test(`C-I8 ${STREAM_COUNT} mutated batches on the stream of a worker's scheduler (seed ${SEED})`, {
  timeout: timeoutFor(STREAM_COUNT),
}, async () => {
  const hostile = new Hostile();
  const scheduler = await hostile.listen();
  await using bystander = await Worker.start({ scheduler, executor: lent, logger, name: "bystander" });
  await using second = await connect(bystander.address);
  const subjects = [...streamSubjects("to-worker-", []), ...native(), ...columns()];
  let reason = "";
  const tally = await mutations(
    { subjects, count: STREAM_COUNT, isRefused: () => reason.startsWith("the connection to the scheduler broke") },
    async (_, bytes) => {
      hostile.words = bytes;
      reason = await lifeOf(scheduler);
      expect(await ping(second)).toBe("pong");
    },
  );
  expect(tally.refused).toBeGreaterThan(STREAM_COUNT / 4);
  expect(tally.taken).toBeGreaterThan(STREAM_COUNT / 10);
  await bystander.close();
  await hostile.close();
});
