/** The shell against messages that are almost right: each is handled or ends its own connection; everybody else goes on. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Random, seededRandom, silentLogger } from "../../src/base/index.ts";
import { connect, Rpc } from "../../src/comm/index.ts";
import { encodeGraph } from "../../src/graph/index.ts";
import {
  IDENTITY,
  pyGlobal,
  pyGraph,
  pyTask,
  REGISTER_CLIENT,
  serialize,
  serializeExpression,
} from "../../src/protocol/index.ts";
import { type SchedulerServer, startScheduler } from "../../src/scheduler/index.ts";
import { randomGraph } from "../sim/random-graph.ts";
import { FakeWorker, k, NO_VERSIONS } from "./fake-peers.ts";

const MESSAGES = 300;

let scheduler: SchedulerServer;
const reasons: unknown[] = [];

beforeAll(async () => {
  const logger = {
    ...silentLogger,
    warning: (message: string) => void reasons.push(message),
    error: (message: string) => void reasons.push(message),
  };
  scheduler = await startScheduler({ port: 0, logger, pythonWaitMs: 1 });
});

afterAll(() => scheduler.close());

/** Right messages of clients and workers, as wire maps. */
function templates(random: Random): Record<string, unknown>[] {
  const graph = randomGraph(seededRandom(random.below(10)), { label: `m${random.below(1000)}` });
  const expr = serializeExpression(
    pyGraph(new Map([[k("a"), pyTask(k("a"), { func: pyGlobal("builtins.int"), args: [1] })]])),
  );
  const base = { key: "a", stimulus_id: "x" };
  return [
    {
      op: "update-layers",
      layers: encodeGraph(graph),
      wanted: graph.outputs.map((o) => [o, 0, graph.count(o)]),
      annotations: { least_bytes: 100, priority: 1 },
      client: "mutant",
      stimulus_id: "x",
    },
    {
      op: "update-graph",
      expr_ser: expr,
      keys: new Set(["a"]),
      internal_priority: null,
      submitting_task: null,
      actors: false,
      fifo_timeout: 0,
      code: [],
      annotations: { retries: 1, workers: ["w"] },
      span_metadata: {},
      user_priority: 1,
    },
    { op: "client-desires-keys", keys: ["a", ["b", 1]], client: "mutant" },
    { op: "client-releases-keys", keys: ["a"], client: "mutant" },
    { op: "cancel-keys", keys: ["a"], force: true, reason: "x", msg: "y" },
    { op: "report-key", key: ["b", 0] },
    { op: "update-data", who_has: { a: ["tcp://127.0.0.1:1"] }, nbytes: { a: 1 }, client: "mutant" },
    {
      op: "task-finished",
      ...base,
      run_id: 1,
      nbytes: 8,
      type: Buffer.from(""),
      typename: "t",
      metadata: {},
      thread: 1,
      startstops: [],
      status: "OK",
    },
    {
      op: "task-erred",
      ...base,
      run_id: 2,
      exception: serialize("x"),
      traceback: null,
      exception_text: "x",
      traceback_text: "",
      thread: 0,
      startstops: [],
      status: "error",
    },
    { op: "add-keys", keys: ["a", "b"], stimulus_id: "x" },
    { op: "release-worker-data", ...base },
    { op: "steal-response", ...base, state: "ready" },
    { op: "long-running", ...base, run_id: 1, compute_duration: 0.1 },
    { op: "worker-status-change", status: "paused", stimulus_id: "x" },
    { op: "request-refresh-who-has", keys: ["a"], stimulus_id: "x" },
  ];
}

const STRANGE: readonly unknown[] = [
  null,
  -1,
  2 ** 40,
  0.5,
  Number.NaN,
  "",
  "a",
  "x".repeat(5000),
  [],
  [[[[]]]],
  {},
  true,
  Buffer.from([1, 2, 3]),
  new Map([[[1], 2]]),
  new Set(["a"]),
  ["a", ["b"]],
];

/** One field dropped, added or replaced, in the message or one level down; or a bit of its bytes flipped. */
function mutate(random: Random, message: Record<string, unknown>): Record<string, unknown> {
  const names = Object.keys(message);
  const name = names[random.below(names.length)] as string;
  const value = message[name];
  const strange = STRANGE[random.below(STRANGE.length)];
  if (value instanceof Uint8Array && value.length > 0 && random.below(2) === 0) {
    const copy = Buffer.from(value);
    const at = random.below(copy.length);
    copy[at] = (copy[at] as number) ^ (1 << random.below(8));
    return { ...message, [name]: copy };
  }
  if (Array.isArray(value) && value.length > 0 && random.below(2) === 0)
    return { ...message, [name]: [...value.slice(1), strange] };
  if (random.below(6) === 0) return Object.fromEntries(Object.entries(message).filter(([each]) => each !== name));
  return random.below(8) === 0 ? { ...message, surprise: strange } : { ...message, [name]: strange };
}

test(`${MESSAGES} mutated messages: a bystander is answered after each, and the state stays sound`, {
  timeout: 60_000,
}, async () => {
  await using rpc = new Rpc();
  const bystander = await FakeWorker.join(scheduler.address, { name: "bystander" });
  let closed = 0;
  for (let seed = 1; seed <= MESSAGES; seed++) {
    const random = seededRandom(seed);
    const all = templates(random);
    const message = mutate(random, all[random.below(all.length)] as Record<string, unknown>);
    const isWorker = "stimulus_id" in message && message["client"] === undefined;
    const comm = isWorker
      ? (await FakeWorker.join(scheduler.address, { name: `mutant-${seed}` })).comm
      : await connect(scheduler.address);
    if (!isWorker) comm.send({ ...REGISTER_CLIENT.ask({ client: "mutant", versions: NO_VERSIONS }), reply: false });
    try {
      comm.send(random.below(10) === 0 ? message : [message]);
    } catch {
      // The strange value cannot even be written; nothing was sent.
    }
    if (!comm.isClosed) comm.send([{ op: "close-stream" }]);
    await comm.flushed();
    const identity = IDENTITY.parseAnswer(await rpc.call(scheduler.address, IDENTITY.ask({ nWorkers: 0 })));
    expect(identity.type, `seed ${seed}`).toBe("Scheduler");
    expect(bystander.comm.isClosed, `seed ${seed}`).toBe(false);
    await comm.close();
    closed++;
  }
  expect(closed).toBe(MESSAGES);
  expect(reasons.filter((reason) => String(reason).includes("state is broken"))).toEqual([]);
  expect(reasons.length).toBeGreaterThan(MESSAGES / 10);
});
