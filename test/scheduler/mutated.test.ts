/**
 * A running scheduler against messages of real peers that are almost right: each is handled or ends its own connection
 * with a logged typed error; everybody else goes on, and what the process grows by stays bounded.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { seededRandom } from "../../src/base/index.ts";
import { type Comm, connect } from "../../src/comm/index.ts";
import { encodeGraph } from "../../src/graph/index.ts";
import {
  CLIENT_TO_SCHEDULER,
  COLUMNAR_TO_SCHEDULER,
  decodeMessage,
  serialize,
  WORKER_TO_SCHEDULER,
} from "../../src/protocol/index.ts";
import { type SchedulerServer, startScheduler } from "../../src/scheduler/index.ts";
import {
  bytesOf,
  COUNT,
  deliver,
  describeMutation,
  Growth,
  golden,
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
import { framesOf } from "../protocol/wire-view.ts";
import { randomGraph } from "../sim/random-graph.ts";
import { FakeWorker, k } from "./fake-peers.ts";

/** MiB that the process may grow by: in what it holds after a collection, and in its peak. One claim of a message's size would show. */
const GROWTH_MAX = { held: 64, resident: 320 };

const { logger, entries } = logBook();
const unhandled: unknown[] = [];
const onUnhandled = (error: unknown): void => void unhandled.push(error);
let scheduler: SchedulerServer;
let bystander: FakeWorker;
let second: Comm;

beforeAll(async () => {
  process.on("unhandledRejection", onUnhandled);
  scheduler = await startScheduler({ port: 0, logger, pythonWaitMs: 1 });
  bystander = await FakeWorker.join(scheduler.address, { name: "bystander" });
  second = await connect(scheduler.address);
});
afterAll(async () => {
  process.off("unhandledRejection", onUnhandled);
  await Promise.all([second.close(), bystander.leave()]);
  await scheduler.close();
});

const AS_CLIENT = [HANDSHAKE, golden("request-register-client")];
const AS_WORKER = [HANDSHAKE, golden("request-register-worker")];

/** A worker of ours that takes columns. */
function asColumnar(): Uint8Array[] {
  const register = decodeMessage(framesOf(golden("request-register-worker")).frames);
  if (!(register instanceof Map)) throw new Error("no registration");
  const extra = new Map<string, unknown>([
    ["language", "rsdat"],
    ["columns", true],
  ]);
  return [HANDSHAKE, bytesOf(new Map(register).set("extra", extra))];
}

/** What only rsdat's own clients and workers say, beside what was recorded of Dask's. */
function ours(): Subject[] {
  const graph = randomGraph(seededRandom(7), { label: "mutated" });
  const layers = CLIENT_TO_SCHEDULER.encode({
    op: "update-layers",
    layers: encodeGraph(graph),
    wanted: graph.outputs.map((output) => [output, 0, graph.count(output)] as const),
    annotations: new Map<string, unknown>([
      ["least_bytes", 100],
      ["priority", 1],
    ]),
    client: "mutant",
    stimulusId: "x",
  });
  const erred = WORKER_TO_SCHEDULER.encode({
    op: "task-erred",
    key: k("a"),
    runId: 2,
    exception: serialize("x"),
    traceback: null,
    exceptionText: "x",
    tracebackText: "",
    thread: 0,
    startstops: [],
    stimulusId: "x",
  });
  const ends = COLUMNAR_TO_SCHEDULER.encode({
    op: "tasks-finished",
    submission: 1,
    tasks: Uint32Array.of(0, 3),
    runIds: Uint32Array.of(1, 2),
    nbytes: Float64Array.of(8, 16),
    seconds: Float32Array.of(0.5, 0.25),
  });
  return [
    ...[1, 2, 3].map(() => ({ name: "tasks-finished", opener: asColumnar(), bytes: bytesOf([ends]) })),
    ...[1, 2, 3].map(() => ({ name: "update-layers", opener: AS_CLIENT, bytes: bytesOf([layers]) })),
    { name: "task-erred", opener: AS_WORKER, bytes: bytesOf([erred]) },
  ];
}

const SUBJECTS: readonly Subject[] = [
  { name: "handshake", opener: [], bytes: golden("handshake") },
  { name: "register-client", opener: [HANDSHAKE], bytes: golden("request-register-client") },
  { name: "register-worker", opener: [HANDSHAKE], bytes: golden("request-register-worker") },
  ...requestSubjects(["worker-gather", "update_data"]),
  ...streamSubjects("client-", AS_CLIENT),
  ...streamSubjects("worker-", AS_WORKER),
  ...ours(),
];

/** The answer to `identity` on the connection that was there from the start. */
async function askSecond(): Promise<unknown> {
  second.send({ op: "identity", n_workers: 0, reply: true });
  const answer = await second.next();
  return answer instanceof Map ? answer.get("type") : answer;
}

test("unmutated, every message is taken: no connection ends by an error", async () => {
  for (const { name, opener, bytes } of SUBJECTS) {
    entries.length = 0;
    await deliver(scheduler.address, [...opener, bytes]);
    expect(await askSecond(), name).toBe("Scheduler");
    expect(
      entries.filter(({ code }) => code === "remote-protocol"),
      name,
    ).toEqual([]);
  }
});

test(`C-I8 ${COUNT} mutated messages (seed ${SEED})`, { timeout: timeoutFor(COUNT) }, async () => {
  const random = seededRandom(SEED);
  let refused = 0;
  let taken = 0;
  let growth = new Growth();
  const warmUp = Math.min(200, COUNT / 4); // lets the heap reach its working size: growth is what messages leave behind
  for (let i = -warmUp; i < COUNT; i++) {
    if (i === 0) growth = new Growth();
    const subject = SUBJECTS[random.below(SUBJECTS.length)] as Subject;
    const bytes = mutate(subject.bytes, random);
    entries.length = 0;
    const about = describeMutation(SEED, i, subject, bytes);
    await deliver(scheduler.address, [...subject.opener, bytes]).catch((cause: unknown) => {
      throw new Error(about, { cause });
    });
    expect(untyped(entries), about).toEqual([]);
    expect(await askSecond(), about).toBe("Scheduler");
    expect(bystander.comm.isClosed, about).toBe(false);
    if (entries.some(({ code }) => code === "remote-protocol" || code === "comm-closed")) refused++;
    else taken++;
    growth.sample();
  }
  expect(unhandled).toEqual([]);
  expect(refused).toBeGreaterThan(COUNT / 4);
  expect(taken).toBeGreaterThan(COUNT / 10);
  const { held, resident } = growth.figures();
  console.log(`scheduler, ${COUNT} mutated messages: ${JSON.stringify({ refused, taken, held, resident })}`);
  expect(held, "MiB held more").toBeLessThan(GROWTH_MAX.held);
  expect(resident, "MiB resident more").toBeLessThan(GROWTH_MAX.resident);
});
