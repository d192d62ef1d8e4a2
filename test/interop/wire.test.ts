/** The wire against a real Dask scheduler and worker: handshake, requests, graphs, blocks and pickles both ways. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BatchedStream, type Comm, connect, getData, Rpc, readStream } from "../../src/comm/index.ts";
import { DTYPES, type DType } from "../../src/dtype/index.ts";
import { type Key, keyOfValue, showKey, valueOfKey } from "../../src/graph/index.ts";
import { ascontiguous, NDArray } from "../../src/ndarray/index.ts";
import {
  CLIENT_TO_SCHEDULER,
  type ClientToScheduler,
  deserialize,
  GATHER,
  IDENTITY,
  materialiseReply,
  materialiseRequest,
  NATIVE_MARK,
  Pickled,
  type PyCall,
  PyCode,
  PyFloat,
  PySet,
  PyTuple,
  type PyValue,
  pyGlobal,
  pyGraph,
  pyLayeredGraph,
  pyNativeTask,
  pyTask,
  pyTaskList,
  pyTaskRef,
  REGISTER_CLIENT,
  RUN,
  readRunSpec,
  remoteError,
  SCATTER,
  SCHEDULER_TO_CLIENT,
  type SchedulerToClient,
  Serialized,
  serialize,
  serializeExpression,
  VERSIONS,
  writePickle,
} from "../../src/protocol/index.ts";
import { describePeer, PYTHON } from "../peers.ts";
import { messageOf, readGoldens } from "../protocol/wire-view.ts";

describePeer("the wire against a real Dask", ["distributed", "numpy"], () => {
  let peer: ChildProcess;
  let addresses: { scheduler: string; worker: string };
  let comm: Comm;
  let stream: BatchedStream<ClientToScheduler>;
  let events: AsyncIterableIterator<SchedulerToClient[], undefined>;
  const rpc = new Rpc();
  const seen: SchedulerToClient[] = [];

  beforeAll(async () => {
    peer = spawn(PYTHON, [join(import.meta.dirname, "wire_peer.py")], { stdio: ["pipe", "pipe", "inherit"] });
    const [line] = await once(peer.stdout!, "data");
    addresses = JSON.parse(String(line));
    comm = await connect(addresses.scheduler, { version: "0.1.0" });
    const versions = VERSIONS.parseAnswer(await rpc.call(addresses.scheduler, VERSIONS.ask({})));
    comm.send({ ...REGISTER_CLIENT.ask({ client: "rsdat-test", versions }), reply: false });
    stream = new BatchedStream(comm, CLIENT_TO_SCHEDULER.encode);
    events = readStream(comm, SCHEDULER_TO_CLIENT.parse);
    const first = await events.next();
    expect(first.value?.[0]).toMatchObject({ op: "stream-start" });
    expect(first.value?.[0]).not.toHaveProperty("error", expect.stringMatching(/./));
  }, 240_000);
  afterAll(async () => {
    stream.send({ op: "close-client" });
    await stream.close();
    await rpc.close();
    peer.stdin!.end();
    await once(peer, "exit");
  });

  /** The event about `key`. */
  async function outcome(key: Key): Promise<SchedulerToClient> {
    for (;;) {
      const found = seen.find((m) => (m.op === "key-in-memory" || m.op === "task-erred") && m.key === key);
      if (found) return found;
      const batch = await events.next();
      if (batch.done) throw new Error("the scheduler left");
      seen.push(...batch.value);
    }
  }

  function submit(expression: PyCall, keys: readonly Key[], annotations: PyValue = new Map()): void {
    stream.send({
      op: "update-graph",
      exprSer: serializeExpression(expression),
      keys,
      internalPriority: null,
      submittingTask: null,
      actors: null,
      fifoTimeout: "60s",
      code: new Pickled(writePickle(new PyTuple())),
      annotations: new Pickled(writePickle(annotations)),
      spanMetadata: new Pickled(
        writePickle(new Map<PyValue, PyValue>([["collections", [new Map([["type", "rsdat"]])]]])),
      ),
    });
  }

  async function gather(...keys: Key[]): Promise<unknown[]> {
    for (const key of keys) expect(await outcome(key)).toMatchObject({ op: "key-in-memory" });
    const reply = GATHER.parseAnswer(await rpc.call(addresses.scheduler, GATHER.ask({ keys })));
    expect(reply.status).toBe("OK");
    return keys.map((key) => deserialize(reply.data!.get(key)!));
  }

  test("the extra handshake field is accepted and not answered; identity says who is there", async () => {
    expect(comm.handshake).toMatchObject({ pickleProtocol: 5, compression: null });
    expect(comm.handshake.rsdat).toBeUndefined();
    const identity = IDENTITY.parseAnswer(await rpc.call(addresses.scheduler, IDENTITY.ask({ nWorkers: -1 })));
    expect(identity).toMatchObject({ type: "Scheduler", address: addresses.scheduler, nWorkers: 1, totalThreads: 2 });
    expect(identity.workers?.get(addresses.worker)).toMatchObject({
      type: "Worker",
      name: "python",
      nthreads: 2,
      status: "running",
    });
    expect(await rpc.call(addresses.scheduler, { op: "no-such-op" })).toBe(null);
  });

  test("tasks by name, with dependencies, keyword arguments, lists, tuple keys and functions that travel as text", async () => {
    const [a, b, c, d] = [keyOfValue("a"), keyOfValue(["b", 0, 1]), keyOfValue("c"), keyOfValue("d")];
    const code = new PyCode("def spell(x, *, times=1):\n    return [type(x).__name__, x * times]\n", "spell");
    submit(
      pyGraph(
        new Map([
          [a, pyTask(a, { func: pyGlobal("operator.add"), args: [1, 2] })],
          [b, pyTask(b, { func: pyGlobal("builtins.sum"), args: [pyTaskList([pyTaskRef(a), 10])] })],
          [c, pyTask(c, { func: code, args: [pyTaskRef(b)], kwargs: { times: pyTaskRef(a) } })],
          [d, pyTask(d, { func: pyGlobal("builtins.dict"), kwargs: { real: new PyFloat(2), whole: 2, none: null } })],
        ]),
      ),
      [a, b, c, d],
    );
    expect(await gather(a, b, c, d)).toEqual([
      3,
      13,
      ["int", 39],
      new Map<string, unknown>([
        ["real", 2],
        ["whole", 2],
        ["none", null],
      ]),
    ]);
  });

  test("a failing task says type, text and traceback", async () => {
    const key = keyOfValue("divide");
    submit(pyGraph(new Map([[key, pyTask(key, { func: pyGlobal("operator.truediv"), args: [1, 0] })]])), [key]);
    const failed = await outcome(key);
    if (failed.op !== "task-erred") throw new Error(failed.op);
    expect(remoteError(failed.exception, { key: showKey(key) }).details).toMatchObject({
      type: "ZeroDivisionError",
      text: "division by zero",
      key: "divide",
    });
  });

  test("layers with annotations; a native task passes through a Python worker unharmed", async () => {
    const [x, y] = [keyOfValue(["layer", 0]), keyOfValue(["native", 0])];
    submit(
      pyLayeredGraph(
        new Map([
          [
            "layer",
            {
              tasks: new Map([[x, pyTask(x, { func: pyGlobal("operator.neg"), args: [5] })]]),
              annotations: new Map<PyValue, PyValue>([["priority", 3]]),
              dependencies: [],
            },
          ],
          [
            "native",
            {
              tasks: new Map([[y, pyNativeTask(y, Uint8Array.of(1, 2, 255), [x])]]),
              annotations: new Map<PyValue, PyValue>([["resources", new Map([["JS", 1]])]]),
              dependencies: ["layer"],
            },
          ],
        ]),
        [y],
      ),
      [x, y],
    );
    expect(await gather(y)).toEqual([[NATIVE_MARK, Uint8Array.of(1, 2, 255), -5]]);
  });

  /** Python describes what it received. */
  const DESCRIBE = new PyCode(
    "def describe(x):\n    import numpy as np\n    return [type(x).__name__, x.dtype.str, list(x.shape), np.ascontiguousarray(x).tobytes(), bool(x.flags.aligned), bool(x.flags.writeable)]\n",
    "describe",
  );

  async function pythonSees(values: ReadonlyMap<Key, Serialized>, func: PyCode): Promise<unknown[]> {
    await rpc.call(
      addresses.scheduler,
      SCATTER.ask({ data: values, workers: null, client: "rsdat-test", broadcast: false, timeout: 100 }),
    );
    const asked = Array.from(values.keys(), (key) => [key, keyOfValue(`seen-${String(valueOfKey(key))}`)] as const);
    submit(
      pyGraph(new Map(asked.map(([key, seenKey]) => [seenKey, pyTask(seenKey, { func, args: [pyTaskRef(key)] })]))),
      asked.map(([, k]) => k),
    );
    return gather(...asked.map(([, k]) => k));
  }

  test("blocks of every dtype and layout are NumPy's, aligned and writeable", async () => {
    const blocks = new Map<string, NDArray>();
    for (const dtype of Object.keys(DTYPES) as DType[]) {
      const block = NDArray.zeros(dtype, [2, 3]);
      for (let i = 0; i < block.data.length; i++) block.data[i] = (DTYPES[dtype].big ? BigInt(i % 2) : i % 2) as never;
      blocks.set(`d-${dtype}`, block);
    }
    const base = NDArray.of(
      Float32Array.from({ length: 24 }, (_, i) => i),
      [4, 6],
    );
    blocks.set("fortran", base.transpose());
    blocks.set("slice", new NDArray("float32", base.data, [2, 3], [12, 2], 1));
    blocks.set("reversed", new NDArray("float32", base.data, [24], [-1], 23));
    blocks.set("broadcast", new NDArray("float32", base.data, [3, 6], [0, 1], 6));
    blocks.set("constant", new NDArray("float32", base.data, [5, 5], [0, 0], 2));
    blocks.set("scalar", NDArray.of(Int16Array.of(-7), []));
    blocks.set("empty", NDArray.zeros("float64", [0, 3]));
    const data = new Map(Array.from(blocks, ([name, block]) => [keyOfValue(`block-${name}`), serialize(block)]));
    const seenBlocks = await pythonSees(data, DESCRIBE);
    Array.from(blocks.values()).forEach((block, i) => {
      const plain = ascontiguous(block);
      const bytes = new Uint8Array(new Uint8Array(plain.data.buffer, plain.data.byteOffset, plain.nbytes));
      expect(seenBlocks[i], Array.from(blocks.keys())[i]).toEqual([
        "ndarray",
        DTYPES[block.dtype].numpy,
        [...block.shape],
        bytes,
        true,
        true,
      ]);
    });
  });

  test("plain values and pickles are what Python would have made", async () => {
    const REPR = new PyCode("def show(x):\n    return repr(x)\n", "show");
    const values: Record<string, [unknown, string]> = {
      none: [null, "None"],
      yes: [true, "True"],
      int: [42, "42"],
      negative: [-129, "-129"],
      long: [2 ** 40, "1099511627776"],
      huge: [-(2n ** 80n), "-1208925819614629174706176"],
      edge: [-128n, "-128"],
      edge2: [128n, "128"],
      float: [1.5, "1.5"],
      nan: [Number.NaN, "nan"],
      text: ["h\u00e9\u20ac\u{1f30d}", "'h\u00e9\u20ac\u{1f30d}'"],
      long_text: ["x".repeat(300), `'${"x".repeat(300)}'`],
      bytes: [Uint8Array.of(0, 255), "b'\\x00\\xff'"],
      list: [[1, [2, "a"], []], "[1, [2, 'a'], []]"],
      dict: [{ a: 1, b: { c: [] } }, "{'a': 1, 'b': {'c': []}}"],
      map: [new Map([[["t", 1], 2]]), "{('t', 1): 2}"],
      set: [new Set([7]), "{7}"],
    };
    const data = new Map(
      Object.entries(values).map(([name, [value]]) => [keyOfValue(`plain-${name}`), serialize(value)]),
    );
    expect(await pythonSees(data, REPR)).toEqual(Object.values(values).map(([, repr]) => repr));
    const tree: PyValue = new PyTuple(
      new PyTuple(),
      new PyTuple(1),
      new PyTuple(1, 2, 3, 4),
      new PySet([new PyTuple("x", 1)], true),
      new PySet([]),
      new PyFloat(3),
      pyGlobal("builtins.len"),
    );
    const reply = RUN.parseAnswer(
      await rpc.call(
        addresses.worker,
        RUN.ask({
          function: writePickle(pyGlobal("builtins.repr")),
          args: writePickle(new PyTuple(tree)),
          kwargs: writePickle(new Map()),
          wait: true,
        }),
      ),
    );
    expect(deserialize(reply.result as Serialized)).toBe(
      "((), (1,), (1, 2, 3, 4), frozenset({('x', 1)}), set(), 3.0, <built-in function len>)",
    );
  });

  test("results straight from the worker", async () => {
    const key = keyOfValue("direct");
    submit(pyGraph(new Map([[key, pyTask(key, { func: pyGlobal("numpy.arange"), args: [100_000] })]])), [key]);
    await outcome(key);
    const fetched = await getData(rpc, addresses.worker, { keys: [key, keyOfValue("absent")], who: null });
    if (fetched.status !== "OK") throw new Error("busy");
    expect(Array.from(fetched.data.keys())).toEqual([key]);
    const block = deserialize(fetched.data.get(key)!) as NDArray;
    expect([block.dtype, block.size, block.item(99_999)]).toEqual(["int64", 100_000, 99_999n]);
  });

  test("a Python worker expands recorded graphs into tasks, dependencies, order and annotations", async () => {
    const goldens = readGoldens(join(import.meta.dirname, "../golden/wire")).filter((g) => g.about.tasks);
    let expanded = 0;
    for (const golden of goldens) {
      for (const map of messageOf(golden.bytes) as ReadonlyMap<unknown, unknown>[]) {
        if (map.get("op") !== "update-graph") continue;
        const message = CLIENT_TO_SCHEDULER.parse(map);
        if (message.op !== "update-graph" || message.annotations instanceof Map) throw new Error("unreachable");
        const reply = materialiseReply(
          await rpc.call(
            addresses.worker,
            materialiseRequest({
              exprSer: message.exprSer,
              keys: message.keys,
              annotations: message.annotations,
              needOrder: true,
            }),
          ),
        );
        if (!("tasks" in reply)) throw new Error(reply.failure.exceptionText);
        const wanted = new Set(message.keys);
        expect(reply.tasks.filter((task) => wanted.has(task.key)).length, golden.name).toBe(wanted.size);
        for (const task of reply.tasks) {
          const known = golden.about.tasks!.find((t) => JSON.stringify(t.key) === JSON.stringify(valueOfKey(task.key)));
          expect(task.dependencies.map((d) => JSON.stringify(valueOfKey(d)).replaceAll(",", ", ")).sort()).toEqual(
            known?.dependencies,
          );
          const spec = readRunSpec(task.runSpec);
          expect(spec.kind).toBe("python");
          expect(Number.isInteger(task.order)).toBe(true);
          expanded++;
        }
      }
    }
    expect(expanded).toBeGreaterThan(20);
  });

  test("a graph that Python cannot read is a failure with its text, not a broken connection", async () => {
    const exprSer = new Serialized(serializeExpression(null).header, [writePickle(pyGlobal("no_such_module.nothing"))]);
    const reply = materialiseReply(
      await rpc.call(addresses.worker, materialiseRequest({ exprSer, keys: [], annotations: null, needOrder: false })),
    );
    if (!("failure" in reply)) throw new Error("expanded");
    expect(reply.failure.exceptionText).toContain("no_such_module");
    expect(reply.failure.exception).toBeInstanceOf(Serialized);
  });
});
