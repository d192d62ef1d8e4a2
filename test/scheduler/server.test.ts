/** The scheduler's shell over loopback, with peers that say only what the test says. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PerformanceObserver } from "node:perf_hooks";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { CommError, isRsdatError, silentLogger } from "../../src/base/index.ts";
import { connect, Rpc } from "../../src/comm/index.ts";
import { config } from "../../src/config/index.ts";
import { decodeTaskSpec, encodeGraph, type Graph, sourceNode } from "../../src/graph/index.ts";
import {
  deserialize,
  failureOf,
  GATHER,
  HEARTBEAT_WORKER,
  IDENTITY,
  NCORES,
  pyGlobal,
  pyGraph,
  pyTask,
  pyTaskRef,
  RETIRE_WORKERS,
  readRunSpec,
  SCATTER,
  serialize,
  serializeExpression,
  type UpdateGraph,
  WHO_HAS_REQUEST,
} from "../../src/protocol/index.ts";
import { type SchedulerServer, startScheduler } from "../../src/scheduler/index.ts";
import { graphOf } from "../sim/random-graph.ts";
import { FakeClient, FakeWorker, k, METRICS_OF_NOTHING } from "./fake-peers.ts";

let scheduler: SchedulerServer;
let rpc: Rpc;

beforeEach(async () => {
  scheduler = await startScheduler({ port: 0, httpPort: 0, logger: silentLogger });
  rpc = new Rpc();
});

afterEach(async () => {
  await rpc.close();
  await scheduler.close();
});

function ask(request: Record<string, unknown>): Promise<unknown> {
  return rpc.call(scheduler.address, request);
}

/** Three blocks of 8 bytes. */
function blocks(label = "blocks"): Graph {
  return graphOf([sourceNode({ label, source: label, dtype: "float32", chunks: [[2, 2, 2]], scratchBytes: 100 })]);
}

function submit(client: FakeClient, graph: Graph): void {
  client.send({
    op: "update-layers",
    layers: encodeGraph(graph),
    wanted: [[0, 0, 3]],
    annotations: new Map([["least_bytes", 1000]]),
    client: client.id,
    stimulusId: "submit",
  });
}

/** `numpy.sum` of what the other task gave, as our own client writes it. */
function pythonGraph(): UpdateGraph {
  const tasks = new Map([
    [k("a"), pyTask(k("a"), { func: pyGlobal("builtins.int"), args: [1] })],
    [k("b"), pyTask(k("b"), { func: pyGlobal("numpy.sum"), args: [pyTaskRef(k("a"))] })],
  ]);
  return {
    op: "update-graph",
    exprSer: serializeExpression(pyGraph(tasks)),
    keys: [k("b")],
    internalPriority: null,
    submittingTask: null,
    actors: false,
    fifoTimeout: 0,
    code: [],
    annotations: new Map<string, unknown>([["retries", 1]]),
    spanMetadata: null,
  };
}

test("layers are expanded to native specs, results gathered as they came, and released at the worker", async () => {
  const worker = await FakeWorker.join(scheduler.address, { nthreads: 2 });
  const client = await FakeClient.join(scheduler.address, "alice");
  const graph = blocks();
  submit(client, graph);
  const keys = [0, 1, 2].map((task) => graph.key(task));
  for (let i = 0; i < 3; i++) {
    const task = await worker.next("compute-task");
    expect(keys).toContain(task.key);
    const spec = readRunSpec(task.runSpec);
    expect(spec.kind === "native" && decodeTaskSpec(spec.spec).out).toEqual({
      dtype: "float32",
      shape: [2],
      nbytes: 8,
    });
    worker.finish(task, `value of ${task.key}`);
  }
  for (let i = 0; i < 3; i++) expect((await client.next("key-in-memory")).workers).toEqual([worker.address]);
  const reply = GATHER.parseAnswer(await ask(GATHER.ask({ keys })));
  expect(reply.status).toBe("OK");
  expect(keys.map((key) => deserialize(reply.data?.get(key) as never))).toEqual(keys.map((key) => `value of ${key}`));
  expect(WHO_HAS_REQUEST.parseAnswer(await ask(WHO_HAS_REQUEST.ask({ keys: null })))).toEqual(
    new Map(keys.map((key) => [key, [worker.address]])),
  );
  client.send({ op: "client-releases-keys", keys, client: "alice" });
  expect(new Set((await worker.next("free-keys")).keys)).toEqual(new Set(keys));
  expect(scheduler.views.isEmpty()).toBe(true);
});

test("what is to be done reaches workers before what was released with it is looked at", async () => {
  const worker = await FakeWorker.join(scheduler.address, { nthreads: 3 });
  const client = await FakeClient.join(scheduler.address, "alice");
  const [first, second] = [blocks("first"), blocks("second")];
  submit(client, first);
  for (let i = 0; i < 3; i++) worker.finish(await worker.next("compute-task"), i);
  for (let i = 0; i < 3; i++) await client.next("key-in-memory");
  worker.batches.length = 0;
  submit(client, second);
  client.send({ op: "client-releases-keys", keys: [0, 1, 2].map((task) => first.key(task)), client: "alice" });
  await worker.next("free-keys");
  expect(worker.batches.flatMap((ops, k) => ops.map((op) => [k, op]))).toEqual([
    [0, "compute-task"],
    [0, "compute-task"],
    [0, "compute-task"],
    [1, "free-keys"],
  ]);
});

test("Python tasks go to Python workers only, carry their inputs' holders, and errors come back after the retries", async () => {
  const native = await FakeWorker.join(scheduler.address, { name: "native" });
  const python = await FakeWorker.join(scheduler.address, { name: "python", language: "python" });
  const client = await FakeClient.join(scheduler.address, "alice");
  client.send(pythonGraph());
  const first = await python.next("compute-task");
  expect(first.key).toBe("a");
  python.finish(first, 1);
  const second = await python.next("compute-task");
  expect([second.key, second.whoHas]).toEqual(["b", new Map([["a", [python.address]]])]);
  const failure = failureOf(new Error("no luck"));
  python.stream.send({
    op: "task-erred",
    key: second.key,
    runId: second.runId,
    ...failure,
    thread: 0,
    startstops: [],
    stimulusId: "x",
  });
  const again = await python.next("compute-task");
  expect([again.key, again.runId > second.runId]).toEqual(["b", true]);
  python.stream.send({
    op: "task-erred",
    key: again.key,
    runId: again.runId,
    ...failure,
    thread: 0,
    startstops: [],
    stimulusId: "x",
  });
  const erred = await client.next("task-erred");
  expect(erred.key).toBe("b");
  expect(scheduler.views.processing(null).get(native.address)).toEqual([]);
});

test("a worker that breaks its connection loses its tasks to another", async () => {
  const first = await FakeWorker.join(scheduler.address, { nthreads: 3 });
  const client = await FakeClient.join(scheduler.address, "alice");
  submit(client, blocks());
  const task = await first.next("compute-task");
  first.finish(task, 1);
  await client.next("key-in-memory");
  const second = await FakeWorker.join(scheduler.address, { nthreads: 3 });
  first.comm.abort(new CommError("test", "pulled the plug"));
  expect((await client.next("lost-data")).key).toBe(task.key);
  const tasks = [
    await second.next("compute-task"),
    await second.next("compute-task"),
    await second.next("compute-task"),
  ];
  expect(new Set(tasks.map((each) => each.key)).size).toBe(3);
  expect((await second.next("remove-worker")).worker).toBe(first.address);
});

test("a Python client that is back before its broken connection was noticed is served by the new one, from nothing", async () => {
  const worker = await FakeWorker.join(scheduler.address);
  const old = await FakeClient.join(scheduler.address, "python", { dialect: false });
  await ask(
    SCATTER.ask({
      data: new Map([[k("x"), serialize("x")]]),
      workers: null,
      client: "python",
      broadcast: false,
      timeout: 1,
    }),
  );
  await old.next("key-in-memory");
  const back = await FakeClient.join(scheduler.address, "python", { dialect: false });
  expect((await worker.next("free-keys")).keys).toEqual([k("x")]);
  old.comm.abort(new CommError("test", "pulled the plug"));
  await expect.poll(() => scheduler.views.counts().clients).toBe(1);
  const other = await FakeClient.join(scheduler.address, "other", { dialect: false });
  other.comm.abort(new CommError("test", "pulled the plug"));
  await expect.poll(() => scheduler.views.clients()).toEqual(["python"]);
  back.send({ op: "report-key", key: k("x") });
  expect(await back.next("cancelled-keys")).toMatchObject({ keys: [k("x")], reason: "unknown key" });
});

test("scattered values are placed in turn, known, wanted by their client and gathered; a lost one is an error", async () => {
  const workers = [await FakeWorker.join(scheduler.address), await FakeWorker.join(scheduler.address)] as const;
  const client = await FakeClient.join(scheduler.address, "alice");
  const keys = ["x", "y"].map(k);
  const request = SCATTER.ask({
    data: new Map(keys.map((key) => [key, serialize(key)])),
    workers: null,
    client: "alice",
    broadcast: false,
    timeout: 1,
  });
  expect(SCATTER.parseAnswer(await ask(request))).toEqual(keys);
  expect(WHO_HAS_REQUEST.parseAnswer(await ask(WHO_HAS_REQUEST.ask({ keys })))).toEqual(
    new Map([
      ["x", [workers[0].address]],
      ["y", [workers[1].address]],
    ]),
  );
  const reply = GATHER.parseAnswer(await ask(GATHER.ask({ keys })));
  expect(keys.map((key) => deserialize(reply.data?.get(key) as never))).toEqual(["x", "y"]);
  workers[0].values.clear();
  expect(GATHER.parseAnswer(await ask(GATHER.ask({ keys })))).toEqual({ status: "error", keys: ["x"] });
  for (const _ of keys) await client.next("key-in-memory");
  expect((await client.next("lost-data")).key).toBe("x");
  expect((await client.next("task-erred")).key).toBe("x");
  await expect(
    ask(
      SCATTER.ask({
        data: new Map(),
        workers: [workers[0].address, "nobody"],
        client: "alice",
        broadcast: false,
        timeout: 1e9,
      }),
    ).then(SCATTER.parseAnswer),
  ).rejects.toThrow(
    `no worker nobody to put 0 values on; there are ${workers.map(({ address }) => address).join(", ")}`,
  );
});

test("identity, ncores and HTTP tell who is there; an unknown op is answered with nil", async () => {
  const worker = await FakeWorker.join(scheduler.address, { name: "first", nthreads: 4 });
  const identity = IDENTITY.parseAnswer(await ask(IDENTITY.ask({ nWorkers: -1 })));
  expect(identity).toMatchObject({ type: "Scheduler", address: scheduler.address, nWorkers: 1, totalThreads: 4 });
  expect(identity.workers?.get(worker.address)).toMatchObject({ name: "first", nthreads: 4 });
  expect(NCORES.parseAnswer(await ask(NCORES.ask({ workers: null })))).toEqual(new Map([[worker.address, 4]]));
  expect(await ask({ op: "no-such-op" })).toBeNull();
  const at = (path: string) => fetch(`http://127.0.0.1:${scheduler.httpPort}${path}`);
  expect(await (await at("/health")).text()).toBe("ok");
  expect(await (await at("/json/counts.json")).json()).toMatchObject({ workers: 1, cores: 4, tasks: 0 });
  expect(await (await at("/json/identity.json")).json()).toMatchObject({ type: "Scheduler" });
  const metrics = await (await at("/metrics")).text();
  // Every line is a comment or a sample (Prometheus text format 0.0.4), every sample's family was declared.
  const families = new Set([...metrics.matchAll(/^# TYPE (\w+) (?:gauge|counter)$/gm)].map(([, name]) => name));
  for (const line of metrics
    .trimEnd()
    .split("\n")
    .filter((each) => !each.startsWith("#"))) {
    const sample = /^(\w+)(?:\{\w+="(?:[^"\\]|\\.)*"(?:,\w+="(?:[^"\\]|\\.)*")*\})? -?[\d.e+]+$/.exec(line);
    expect(families.has(sample?.[1]), line).toBe(true);
  }
  expect(metrics).toContain('dask_scheduler_workers{state="idle"} 1\n');
  expect(metrics).toContain('dask_scheduler_tasks{state="memory"} 0\n');
  expect((await at("/nowhere")).status).toBe(404);
});

test("a page that a wrong setting keeps from being made says so, and the scheduler goes on", async () => {
  const key = "distributed.adaptive.target-duration";
  const at = (path: string) => fetch(`http://127.0.0.1:${scheduler.httpPort}${path}`);
  {
    using _ = config.set({ [key]: "soon" });
    for (const path of ["/metrics", "/json/counts.json"]) {
      const answer = await at(path);
      expect(answer.status).toBe(500);
      expect(await answer.text()).toContain(`configuration ${key}`);
    }
    expect((await at("/health")).status).toBe(200);
  }
  expect((await at("/metrics")).status).toBe(200);
});

// As Dask: "Port 8787 is already in use. … Hosting the HTTP server on port … instead".
test("where the port of the pages is taken they are on a free one, and a warning names both", async () => {
  const warnings: string[] = [];
  const logger = { ...silentLogger, warning: (message: string) => void warnings.push(message) };
  const taken = scheduler.httpPort;
  await using second = await startScheduler({ port: 0, httpPort: taken, logger });
  expect(second.httpPort).not.toBe(taken);
  expect((await fetch(`http://127.0.0.1:${second.httpPort}/health`)).status).toBe(200);
  expect(warnings).toEqual([expect.stringMatching(`port ${taken} of .*on port ${second.httpPort} instead`)]);
});

test("an unknown op or a wrong field on a stream ends that connection, and only that", async () => {
  const good = await FakeClient.join(scheduler.address, "good");
  const bad = await FakeClient.join(scheduler.address, "bad");
  bad.comm.send([{ op: "no-such-op" }]);
  await bad.comm.closed;
  const worse = await FakeClient.join(scheduler.address, "worse");
  worse.comm.send([
    {
      op: "update-layers",
      layers: Buffer.from("nonsense"),
      wanted: [],
      annotations: {},
      client: "worse",
      stimulus_id: "x",
    },
  ]);
  await worse.comm.closed;
  expect(scheduler.views.clients()).toContain("good");
  expect(good.comm.isClosed).toBe(false);
  expect(await ask({ op: "no-such-op" })).toBeNull();
});

test("a worker whose name is taken is refused; one that the scheduler forgot is told so", async () => {
  await FakeWorker.join(scheduler.address, { name: "one" });
  await expect(FakeWorker.join(scheduler.address, { name: "one" })).rejects.toThrow(/name taken, one/);
  const reply = await ask(
    HEARTBEAT_WORKER.ask({
      address: "tcp://127.0.0.1:1",
      now: 0,
      metrics: METRICS_OF_NOTHING,
      executing: new Map(),
      extensions: new Map(),
    }),
  );
  expect(HEARTBEAT_WORKER.parseAnswer(reply)).toMatchObject({ status: "missing" });
});

test("a retired worker's only copies move first", async () => {
  const first = await FakeWorker.join(scheduler.address, { name: "first", nthreads: 3 });
  const client = await FakeClient.join(scheduler.address, "alice");
  submit(client, blocks());
  for (let i = 0; i < 3; i++) first.finish(await first.next("compute-task"), i);
  for (let i = 0; i < 3; i++) await client.next("key-in-memory");
  const second = await FakeWorker.join(scheduler.address, { name: "second" });
  const retired = ask(RETIRE_WORKERS.ask({ names: ["first"], closeWorkers: true }));
  expect((await first.next("worker-status-change")).status).toBe("closing_gracefully");
  const moved = await second.next("acquire-replicas");
  expect(moved.whoHas.size).toBe(3);
  second.stream.send({ op: "add-keys", keys: [...moved.whoHas.keys()], stimulusId: "moved" });
  expect([...RETIRE_WORKERS.parseAnswer(await retired).keys()]).toEqual([first.address]);
  await first.next("close");
  await first.leave();
  await expect.poll(() => scheduler.views.workers().length).toBe(1);
  expect(scheduler.views.counts()).toMatchObject({ recomputed: 0, tasks: { memory: 3 } });
});

test("a worker whose retirement failed counts, if it dies later, against its tasks", async () => {
  await using strict = await startScheduler({ port: 0, machine: { allowedFailures: 0 }, logger: silentLogger });
  const worker = await FakeWorker.join(strict.address, { nthreads: 1 });
  const client = await FakeClient.join(strict.address, "alice");
  submit(client, blocks());
  for (let i = 0; i < 3; i++) worker.finish(await worker.next("compute-task"), i);
  for (let i = 0; i < 3; i++) await client.next("key-in-memory");
  const retired = rpc.call(strict.address, RETIRE_WORKERS.ask({ workers: [worker.address], closeWorkers: true }));
  expect(RETIRE_WORKERS.parseAnswer(await retired).size).toBe(0); // nobody takes what it has
  for (const status of ["closing_gracefully", "running"]) {
    expect((await worker.next("worker-status-change")).status).toBe(status);
    worker.stream.send({ op: "worker-status-change", status, stimulusId: "heard" }); // as workers confirm it
  }
  submit(client, blocks("more"));
  const killer = await worker.next("compute-task");
  worker.comm.abort(new CommError("test", "out of memory"));
  expect(await client.next("task-erred")).toMatchObject({ key: killer.key });
});

test("the scheduler file says how to connect and goes with the scheduler; a taken port is an error", async () => {
  const folder = mkdtempSync(join(tmpdir(), "rsdat-scheduler-"));
  const schedulerFile = join(folder, "scheduler.json");
  const other = await startScheduler({ port: 0, schedulerFile, logger: silentLogger });
  expect(JSON.parse(readFileSync(schedulerFile, "utf8"))).toMatchObject({ type: "Scheduler", address: other.address });
  expect(statSync(schedulerFile).mode & 0o777).toBe(0o600);
  await expect(startScheduler({ port: other.port, logger: silentLogger })).rejects.toSatisfy((e) =>
    isRsdatError(e, "eaddrinuse"),
  );
  await other.close();
  expect(existsSync(schedulerFile)).toBe(false);
  await expect(
    startScheduler({ port: 0, schedulerFile: join(folder, "no", "such"), logger: silentLogger }),
  ).rejects.toSatisfy((e) => isRsdatError(e, "write"));
});

test("one that cannot be made, whatever setting is wrong, leaves no timer behind", async () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "setTimeout", "clearTimeout"] });
  const observe = vi.spyOn(PerformanceObserver.prototype, "observe");
  const disconnect = vi.spyOn(PerformanceObserver.prototype, "disconnect");
  try {
    for (const key of [
      "distributed.admin.tick.cycle",
      "distributed.comm.timeouts.connect",
      "distributed.scheduler.worker-ttl",
      "distributed.admin.system-monitor.interval",
    ]) {
      using _ = config.set({ [key]: "12 apples" });
      await expect(startScheduler({ port: 0, logger: silentLogger }), key).rejects.toThrow(key);
      expect(vi.getTimerCount(), key).toBe(0);
      expect(disconnect.mock.calls.length, key).toBe(observe.mock.calls.length);
    }
  } finally {
    vi.restoreAllMocks();
    vi.useRealTimers();
  }
});

test("one that cannot start leaves the scheduler file of the one that runs", async () => {
  const folder = mkdtempSync(join(tmpdir(), "rsdat-"));
  try {
    const schedulerFile = join(folder, "scheduler.json");
    await using first = await startScheduler({ port: 0, schedulerFile, logger: silentLogger });
    await expect(startScheduler({ port: first.port, schedulerFile, logger: silentLogger })).rejects.toThrow();
    expect(JSON.parse(readFileSync(schedulerFile, "utf8")).address).toBe(first.address);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("names in which the scheduler itself wants results are no client's", async () => {
  for (const name of ["fire-and-forget", "published-datasets", 'queue-"q"', 'variable-"v"']) {
    const client = await FakeClient.join(scheduler.address, name);
    expect(client.start.error).toContain(`client name ${name}`);
    await client.comm.closed;
  }
  expect(scheduler.views.clients()).toEqual([]);
  // One that a user called "queue-reader".
  expect((await FakeClient.join(scheduler.address, "queue-reader-1f")).start.error).toBeFalsy();
  expect(scheduler.views.clients()).toEqual(["queue-reader-1f"]);
});

test("terminate and idleness end it", async () => {
  await ask({ op: "terminate" });
  await scheduler.finished;
  await expect(connect(scheduler.address, { timeoutMs: 300 })).rejects.toThrow();
  const idle = await startScheduler({ port: 0, idleTimeoutMs: 50, logger: silentLogger });
  expect(await idle.finished).toBeUndefined();
});

test("a preloaded module that fails at the end is told of in the log; the scheduler has ended all the same", async () => {
  const folder = mkdtempSync(join(tmpdir(), "rsdat-preload-"));
  const module = join(folder, "failing.mjs");
  writeFileSync(module, 'export const teardown = () => { throw new Error("no way out"); };');
  const errors: string[] = [];
  const logger = { ...silentLogger, error: (message: string) => void errors.push(message) };
  const other = await startScheduler({ port: 0, preload: [module], logger });
  await other.close();
  expect(await other.finished).toBeUndefined();
  expect(errors).toEqual(["a preloaded module failed at the scheduler's end: no way out"]);
  rmSync(folder, { recursive: true });
});
