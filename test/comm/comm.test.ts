import { connect as connectSocket, createServer, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { type Logger, seededRandom } from "../../src/base/index.ts";
import {
  BatchedStream,
  type Comm,
  connect,
  getData,
  type Handlers,
  type Listener,
  type ListenOptions,
  listen,
  NO_REPLY,
  Rpc,
  readStream,
  serveRequests,
} from "../../src/comm/index.ts";
import { keyOfValue } from "../../src/graph/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import {
  checkReply,
  deserialize,
  pack,
  Serialized,
  serialize,
  WORKER_TO_SCHEDULER,
  type WorkerToScheduler,
} from "../../src/protocol/index.ts";
import { patiently } from "../patience.ts";

/** Keeps what is logged. */
function logbook(): Logger & { readonly lines: { readonly message: string; readonly code: unknown }[] } {
  const lines: { message: string; code: unknown }[] = [];
  const add = (message: string, details?: Readonly<Record<string, unknown>>): void => {
    lines.push({ message, code: details?.["code"] });
  };
  return { lines, debug: add, info: add, warning: add, error: add };
}

const opened: AsyncDisposable[] = [];
afterEach(async () => {
  for (const thing of opened.splice(0).reverse()) await thing[Symbol.asyncDispose]();
});

async function server(
  scheme: string,
  onComm: (comm: Comm) => Promise<void>,
  options: ListenOptions = {},
): Promise<Listener> {
  const listener = await listen(
    scheme === "tcp" ? "tcp://127.0.0.1:0" : `inproc://test-${Math.random()}`,
    onComm,
    options,
  );
  opened.push(listener);
  return listener;
}

async function client(address: string, options = {}): Promise<Comm> {
  const comm = await connect(address, options);
  opened.push(comm);
  return comm;
}

const echo = async (comm: Comm): Promise<void> => {
  for (;;) {
    let message: unknown;
    try {
      message = await comm.next();
    } catch {
      return; // the other side left
    }
    comm.send(message);
  }
};

describe.each(["tcp", "inproc"])("%s", (scheme) => {
  test("messages keep order and content; handshakes are exchanged", async () => {
    const listener = await server(scheme, echo);
    const comm = await client(listener.address, { version: "1.2.3" });
    expect(comm.handshake).toMatchObject({ pickleProtocol: 5, compression: null, rsdat: { dialect: 2 } });
    await expect.poll(() => listener.comms.size).toBe(1);
    expect([...listener.comms][0]?.handshake.rsdat).toEqual({ dialect: 2, version: "1.2.3" });
    for (let i = 0; i < 50; i++) comm.send({ i, text: "ü".repeat(i) });
    for (let i = 0; i < 50; i++) {
      expect(await comm.next()).toEqual(
        new Map<string, unknown>([
          ["i", i],
          ["text", "ü".repeat(i)],
        ]),
      );
    }
  });

  test("C-I15 without the dialect on one side the connection is pure Dask", async () => {
    const listener = await server(scheme, echo, { dialect: false });
    const comm = await client(listener.address);
    expect(comm.handshake.rsdat).toBeUndefined();
    await expect.poll(() => listener.comms.size).toBe(1);
    expect([...listener.comms][0]?.handshake.rsdat).toBeUndefined();
  });

  test("a block of several MB arrives unchanged and aligned", async () => {
    const listener = await server(scheme, echo);
    const comm = await client(listener.address);
    const block = NDArray.of(
      Float64Array.from({ length: 500_000 }, (_, i) => i / 3),
      [500, 1000],
    );
    comm.send({ data: serialize(block) });
    const reply = (await comm.next()) as Map<string, Serialized>;
    const back = deserialize(reply.get("data")!) as NDArray;
    expect(back.shape).toEqual([500, 1000]);
    expect(Buffer.from(back.data.buffer).equals(Buffer.from(block.data.buffer))).toBe(true);
  });

  test("frames of all sizes, echoed while many are under way", async () => {
    const listener = await server(scheme, echo);
    const comm = await client(listener.address);
    const random = seededRandom(7);
    const sent = Array.from({ length: 60 }, () => {
      const count = random.below(4);
      return Array.from({ length: count }, () =>
        new Uint8Array(random.below(3) === 0 ? random.below(300_000) : random.below(50)).fill(random.below(256)),
      );
    });
    for (const parts of sent) comm.send(parts.map((part) => new Serialized(pack({ "num-sub-frames": 1 }), [part])));
    for (const parts of sent) {
      const back = (await comm.next()) as Serialized[];
      expect(back.length).toBe(parts.length);
      back.forEach((value, i) => {
        expect(Buffer.compare(value.frames[0]!, parts[i]!)).toBe(0);
        expect(value.frames[0]!.byteOffset).toBe(0);
      });
    }
  });

  test("C-I10 the connecting side is bounded in the same way", async () => {
    const sent = Promise.withResolvers<Comm>();
    const listener = await server(scheme, async (comm) => {
      for (let i = 0; i < 400; i++) comm.send(new Uint8Array(50_000).fill(i));
      sent.resolve(comm);
      await comm.closed;
    });
    const comm = await client(listener.address, { receiveBytesMax: 100_000, receiveMessagesMax: 10 });
    const other = await sent.promise;
    if (scheme === "tcp") {
      const drained = other.drained().then(() => "drained");
      expect(await Promise.race([drained, new Promise((r) => setTimeout(r, 200, "waits"))])).toBe("waits");
    }
    for (let i = 0; i < 400; i++) expect(((await comm.next()) as Uint8Array)[49_999]).toBe(i % 256);
  });

  test("closing ends both sides, with a typed error for those who wait", async () => {
    const listener = await server(scheme, echo);
    const comm = await connect(listener.address);
    const waiting = comm.next();
    await comm.close();
    await expect(waiting).rejects.toMatchObject({ code: "comm-closed" });
    await expect(comm.next()).rejects.toMatchObject({ code: "comm-closed" });
    expect(() => comm.send(1)).toThrow(expect.objectContaining({ code: "comm-closed" }));
    await expect.poll(() => listener.comms.size).toBe(0);
  });

  test("a waiting reader can be aborted without losing the next message", async () => {
    const listener = await server(scheme, echo);
    const comm = await client(listener.address);
    const stop = new AbortController();
    const waiting = comm.next(stop.signal);
    stop.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
    comm.send("later");
    expect(await comm.next()).toBe("later");
  });

  test("C-I10 what is not read is bounded: the sender is made to wait, and nothing is lost", async () => {
    let received = 0;
    const gate = Promise.withResolvers<void>();
    const listener = await server(
      scheme,
      async (comm) => {
        await gate.promise;
        for (; received < 400; received++) await comm.next();
        comm.send("all");
        await comm.closed;
      },
      { receiveBytesMax: 100_000, receiveMessagesMax: 10 },
    );
    const comm = await client(listener.address);
    for (let i = 0; i < 400; i++) comm.send(new Uint8Array(50_000));
    if (scheme === "tcp") {
      expect(comm.isCongested).toBe(true);
      await expect(
        Promise.race([comm.drained().then(() => "drained"), new Promise((r) => setTimeout(r, 200, "waits"))]),
      ).resolves.toBe("waits");
    }
    gate.resolve();
    expect(await comm.next()).toBe("all");
    expect(comm.isCongested).toBe(false);
  });

  test("C-I12 one turn of sends is one batch; batches are read as typed messages until close-stream", async () => {
    const batches: WorkerToScheduler[][] = [];
    const done = Promise.withResolvers<void>();
    const listener = await server(scheme, async (comm) => {
      for await (const batch of readStream(comm, WORKER_TO_SCHEDULER.parse)) batches.push(batch);
      done.resolve();
    });
    const comm = await client(listener.address);
    const stream = new BatchedStream<WorkerToScheduler>(comm, WORKER_TO_SCHEDULER.encode);
    const key = keyOfValue(["x", 0, 1]);
    for (let i = 0; i < 5; i++) stream.send({ op: "release-worker-data", key, stimulusId: `s${i}` });
    await stream.flush();
    stream.send({ op: "keep-alive" });
    await stream.flush();
    for (let i = 0; i < 100; i++) comm.send([]); // says nothing
    comm.send([{ op: "keep-alive" }, { op: "close-stream" }]);
    await done.promise;
    expect(batches.map((b) => b.length)).toEqual([5, 1, 1]);
    expect(batches[0]![4]).toEqual({ op: "release-worker-data", key, stimulusId: "s4" });
  });

  test("C-I9 a stream with an unknown op, a missing field or a wrong type ends with a logged error that names them", async () => {
    const log = logbook();
    const listener = await server(
      scheme,
      async (comm) => {
        for await (const _ of readStream(comm, WORKER_TO_SCHEDULER.parse));
      },
      { logger: log },
    );
    for (const [bad, says] of [
      [{ op: "no-such-op" }, /unknown op "no-such-op"/],
      [{ op: "add-keys", stimulus_id: "s" }, /add-keys\.keys: expected the field to be there/],
      [{ op: "add-keys", keys: [null], stimulus_id: "s" }, /add-keys\.keys: expected a task key/],
      [
        { op: "release-worker-data", key: "k", stimulus_id: 5 },
        /release-worker-data\.stimulus_id: expected text, got 5/,
      ],
      ["text", /expected maps with an op/],
    ] as const) {
      log.lines.length = 0;
      const comm = await client(listener.address);
      comm.send([bad]);
      await expect(comm.next()).rejects.toMatchObject({ code: "comm-closed" });
      await expect.poll(() => log.lines.find((l) => l.code === "remote-protocol")?.message).toMatch(says);
    }
  });

  describe("requests", () => {
    const handlers: Handlers = {
      add: (request) => Number(request.get("a")) + Number(request.get("b")),
      fail: () => {
        throw new RangeError("out of luck");
      },
      slow: () => new Promise((resolve) => setTimeout(resolve, 300, "slow")),
      leave: async (_, comm) => {
        await comm.close();
        return NO_REPLY;
      },
    };

    test("C-I9 answers, error replies, unknown ops, concurrent calls on separate connections, reuse", async () => {
      const log = logbook();
      const listener = await server(scheme, (comm) => serveRequests(comm, handlers, log));
      const rpc = new Rpc();
      opened.push(rpc);
      expect(await rpc.call(listener.address, { op: "add", a: 1, b: 2 })).toBe(3);
      expect(await rpc.call(listener.address, { op: "add", a: 5, b: 2 })).toBe(7);
      expect(listener.comms.size).toBe(1);
      expect(await Promise.all([1, 2, 3].map((a) => rpc.call(listener.address, { op: "add", a, b: a })))).toEqual([
        2, 4, 6,
      ]);
      expect(await rpc.call(listener.address, { op: "nonsense" })).toBe(null);
      expect(log.lines.at(-1)?.message).toContain('unknown op "nonsense"');
      const reply = await rpc.call(listener.address, { op: "fail" });
      expect(() => checkReply(reply)).toThrow(
        expect.objectContaining({ code: "remote", message: "RangeError: out of luck" }),
      );
      expect(await rpc.call(listener.address, { op: "add", a: 1, b: 1 })).toBe(2);
    });

    test("C-I14 a late answer, a connection that breaks, and a closed pool are typed errors; the next call works", async () => {
      const listener = await server(scheme, (comm) => serveRequests(comm, handlers, logbook()));
      const rpc = new Rpc();
      opened.push(rpc);
      await expect(rpc.call(listener.address, { op: "slow" }, { timeoutMs: 50 })).rejects.toMatchObject({
        code: "rpc-timeout",
      });
      await expect(rpc.call(listener.address, { op: "leave" })).rejects.toMatchObject({ code: "comm-closed" });
      expect(await rpc.call(listener.address, { op: "add", a: 2, b: 2 })).toBe(4);
      const waiting = rpc.call(listener.address, { op: "slow" });
      setTimeout(() => void rpc.close(), 20);
      await expect(waiting).rejects.toMatchObject({ code: "comm-closed" });
      await expect(rpc.call(listener.address, { op: "add", a: 2, b: 2 })).rejects.toMatchObject({
        code: "comm-closed",
      });
    });

    test("a pool at its limit waits for a place, and gives up an idle connection to another address", async () => {
      const one = await server(scheme, (comm) => serveRequests(comm, handlers, logbook()));
      const two = await server(scheme, (comm) => serveRequests(comm, handlers, logbook()));
      const rpc = new Rpc({ connectionsMax: 2 });
      opened.push(rpc);
      const sums = await Promise.all(
        Array.from({ length: 12 }, (_, a) => rpc.call(a % 2 ? one.address : two.address, { op: "add", a, b: 0 })),
      );
      expect(sums).toEqual(Array.from({ length: 12 }, (_, a) => a));
      expect(one.comms.size + two.comms.size).toBeLessThanOrEqual(4);
    });

    test("a pool at its limit takes no place of an idle connection that was closed by the other end", async () => {
      const gone = await server(scheme, (comm) => serveRequests(comm, handlers, logbook()));
      const there = await server(scheme, (comm) => serveRequests(comm, handlers, logbook()));
      const rpc = new Rpc({ connectionsMax: 1 });
      opened.push(rpc);
      let isSeen: Promise<unknown> = Promise.resolve();
      await rpc.use(gone.address, async (comm) => {
        isSeen = comm.closed;
      });
      await gone.close();
      await isSeen;
      const slow = rpc.call(there.address, { op: "slow" });
      const next = rpc.call(there.address, { op: "add", a: 1, b: 1 });
      expect(await slow).toBe("slow");
      expect(await next).toBe(2);
      expect(there.comms.size).toBe(1); // one after the other
    });

    test("who waits for a place can be aborted, and learns that the pool closes", async () => {
      const listener = await server(scheme, (comm) => serveRequests(comm, handlers, logbook()));
      const rpc = new Rpc({ connectionsMax: 1 });
      opened.push(rpc);
      const first = rpc.call(listener.address, { op: "slow" });
      const stop = new AbortController();
      const second = rpc.call(listener.address, { op: "add", a: 1, b: 1 }, { signal: stop.signal });
      setTimeout(() => stop.abort(new Error("no more")), 20);
      await expect(second).rejects.toThrow("no more");
      const third = rpc.call(listener.address, { op: "add", a: 1, b: 1 });
      expect(await first).toBe("slow");
      expect(await third).toBe(2);
      const fourth = rpc.call(listener.address, { op: "slow" });
      const fifth = rpc.call(listener.address, { op: "add", a: 1, b: 1 });
      setTimeout(() => void rpc.close(), 20);
      await expect(fourth).rejects.toMatchObject({ code: "comm-closed" });
      await expect(fifth).rejects.toMatchObject({ code: "comm-closed" });
    });

    test("get_data in two steps; busy; close", async () => {
      let confirmed = "";
      const key = keyOfValue("k");
      const listener = await server(scheme, (comm) =>
        serveRequests(
          comm,
          {
            get_data: async (request) => {
              if ((request.get("keys") as Set<string>).has("busy")) return { status: "busy" };
              comm.send({ status: "OK", data: { k: serialize(NDArray.of(Int16Array.of(1, 2))) } });
              confirmed = String(await comm.next());
              return NO_REPLY;
            },
          },
          logbook(),
        ),
      );
      const rpc = new Rpc();
      opened.push(rpc);
      const fetched = await getData(rpc, listener.address, { keys: [key], who: null });
      if (fetched.status !== "OK") throw new Error("busy");
      expect((deserialize(fetched.data.get(key)!) as NDArray).toArray()).toEqual([1, 2]);
      await expect.poll(() => confirmed).toBe("OK");
      expect(await getData(rpc, listener.address, { keys: [keyOfValue("busy")], who: null })).toEqual({
        status: "busy",
      });
      expect(await rpc.call(listener.address, { op: "close" })).toBe("OK");
    });
  });
});

describe("C-I13 connecting to what is no Dask peer", () => {
  async function raw(onSocket: (socket: Socket) => void): Promise<string> {
    const tcp = createServer(onSocket);
    await new Promise<void>((resolve) => tcp.listen(0, "127.0.0.1", resolve));
    const sockets = new Set<Socket>();
    tcp.on("connection", (s) => sockets.add(s));
    opened.push({
      [Symbol.asyncDispose]: async () => {
        for (const s of sockets) s.destroy();
        await new Promise((resolve) => tcp.close(resolve));
      },
    });
    return `tcp://127.0.0.1:${(tcp.address() as { port: number }).port}`;
  }

  test("an HTTP server", async () => {
    const address = await raw((socket) => {
      socket.on("data", () => socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"));
      socket.on("error", () => undefined);
    });
    await expect(connect(address, { timeoutMs: 15_000 })).rejects.toMatchObject({
      code: "remote-protocol",
      message: expect.stringContaining(address),
    });
  });

  test("a server that greets first, as ssh does", async () => {
    const address = await raw((socket) => {
      socket.write("SSH-2.0-OpenSSH_9.2\r\n");
      socket.on("error", () => undefined);
    });
    await expect(connect(address, { timeoutMs: 15_000 })).rejects.toMatchObject({
      code: "remote-protocol",
      message: expect.stringContaining(address),
    });
  });

  test("silence", async () => {
    const address = await raw((socket) => socket.on("error", () => undefined));
    await patiently((scale) =>
      expect(connect(address, { timeoutMs: 200 * scale })).rejects.toMatchObject({
        code: "connect-timeout",
        message: expect.stringMatching(
          /^no connection to tcp:\/\/127\.0\.0\.1:\d+ within [\d.]+ s: connected, but the peer sent no handshake$/,
        ),
      }),
    );
  });

  test("a server that hangs up", async () => {
    const address = await raw((socket) => socket.destroy());
    await expect(connect(address, { timeoutMs: 300 })).rejects.toMatchObject({
      code: "connect-timeout",
      message: expect.stringContaining(address),
    });
  });

  test("a closed port, and an abort while trying", async () => {
    const listener = await listen("tcp://127.0.0.1:0", echo);
    await listener.close();
    await patiently((scale) =>
      expect(connect(listener.address, { timeoutMs: 200 * scale })).rejects.toMatchObject({
        code: "connect-timeout",
        message: expect.stringContaining("ECONNREFUSED"),
      }),
    );
    const stop = new AbortController();
    setTimeout(() => stop.abort(new Error("changed my mind")), 50);
    await expect(connect(listener.address, { timeoutMs: 5000, signal: stop.signal })).rejects.toThrow(
      "changed my mind",
    );
  });

  test("a listener that comes up while we try is found", async () => {
    const first = await listen("tcp://127.0.0.1:0", echo);
    await first.close();
    const connecting = connect(first.address, { timeoutMs: 5000 });
    await new Promise((resolve) => setTimeout(resolve, 100));
    const second = await listen(first.address, echo);
    opened.push(second);
    const comm = await connecting;
    await comm.close();
  });

  test("transports that are not there, and unreadable addresses", async () => {
    await expect(connect("ws://127.0.0.1:1")).rejects.toMatchObject({ code: "unsupported" });
    await expect(connect("tcp://[::1")).rejects.toMatchObject({ code: "argument" });
    await expect(listen("udp://127.0.0.1:1", echo)).rejects.toMatchObject({ code: "argument" });
  });

  test("a taken port", async () => {
    const listener = await server("tcp", echo);
    await expect(listen(listener.address, echo)).rejects.toMatchObject({
      code: "eaddrinuse",
      message: expect.stringContaining(listener.address),
    });
  });

  test("a newcomer that does not shake hands is dropped, the others stay", async () => {
    await patiently(async (scale) => {
      const log = logbook();
      const listener = await server("tcp", echo, { handshakeTimeoutMs: 100 * scale, logger: log });
      const good = await client(listener.address);
      const socket = connectSocket(Number(listener.address.split(":").at(-1)), "127.0.0.1");
      socket.resume();
      await new Promise((resolve) => socket.on("close", resolve));
      await expect.poll(() => log.lines.some((l) => l.code === "handshake-timeout")).toBe(true);
      good.send("still here");
      expect(await good.next()).toBe("still here");
    });
  });

  test("a wildcard listener names a concrete address", async () => {
    const listener = await listen("tcp://0.0.0.0:0", echo, { contactHost: "127.0.0.1" });
    opened.push(listener);
    expect(listener.address).toMatch(/^tcp:\/\/127\.0\.0\.1:\d+$/);
    await client(listener.address);
  });
});

test("C-I11 a peer that never reads is dropped once its backlog passes the bound", async () => {
  const log = logbook();
  const listener = await server("tcp", async (comm) => {
    await comm.closed;
  });
  const comm = await client(listener.address, { logger: log });
  const stream = new BatchedStream<WorkerToScheduler>(comm, WORKER_TO_SCHEDULER.encode, { backlogMax: 1000 });
  const release = { op: "log-event", topic: "t", msg: "x".repeat(100_000) } as const;
  let isAlive = true;
  for (let i = 0; i < 5000 && isAlive; i++) {
    isAlive = stream.send(release);
    if (i % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  expect(isAlive).toBe(false);
  expect((await comm.closed)?.code).toBe("slow-peer");
  expect(log.lines[0]?.code).toBe("slow-peer");
});

test("C-I12 a late stream is written after the others of the turn, as one batch", async () => {
  const written: [string, unknown][] = [];
  const listener = await server("inproc", async (comm) => {
    for (let batch = await comm.next(); ; batch = await comm.next()) written.push(["", batch]);
  });
  const streams = await Promise.all(
    [true, false].map(async (isLate) => {
      const comm = await client(listener.address);
      const name = isLate ? "late" : "early";
      const encode = (message: { readonly n: number }): unknown => ({ op: name, n: message.n });
      return new BatchedStream<{ readonly n: number }>(comm, encode, { isLate });
    }),
  );
  const [late, early] = streams;
  late?.send({ n: 1 });
  early?.send({ n: 2 });
  late?.send({ n: 3 });
  while (written.length < 2) await new Promise((resolve) => setImmediate(resolve));
  const op = (batch: unknown): unknown[] => (batch as Map<string, unknown>[]).map((message) => message.get("op"));
  expect(written.map(([, batch]) => op(batch))).toEqual([["early"], ["late", "late"]]);
});

test("C-I12 what nobody waits for goes along with what is sent next, before it; or when it is asked for, or is much", async () => {
  const batches: unknown[][] = [];
  const listener = await server("inproc", async (comm) => {
    for (let batch = await comm.next(); ; batch = await comm.next()) batches.push(batch as unknown[]);
  });
  const comm = await client(listener.address);
  const stream = new BatchedStream<{ readonly n: number }>(comm, ({ n }) => ({ op: "number", n }));
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const numbers = (): unknown[][] =>
    batches.map((batch) => (batch as ReadonlyMap<string, unknown>[]).map((message) => message.get("n")));
  const turns = async (): Promise<void> => {
    for (let i = 0; i < 50; i++) await turn();
  };
  stream.sendAlong({ n: 1 });
  stream.sendAlong({ n: 2 });
  await turns();
  expect(numbers()).toEqual([]);
  stream.send({ n: 3 });
  await turns();
  expect(numbers()).toEqual([[1, 2, 3]]);
  stream.sendAlong({ n: 4 });
  stream.wake();
  await turns();
  stream.wake(); // there is nothing
  await turns();
  expect(numbers().slice(1)).toEqual([[4]]);
  for (let n = 0; n < 32; n++) stream.sendAlong({ n });
  await turns();
  expect(numbers().slice(2)).toEqual([Array.from({ length: 32 }, (_, n) => n)]);
});

test("C-I12 a stream that lingers waits some turns for more, not for ever, and not when there is enough", async () => {
  const batches: unknown[][] = [];
  const listener = await server("inproc", async (comm) => {
    for (let batch = await comm.next(); ; batch = await comm.next()) batches.push(batch as unknown[]);
  });
  let isBrisk = true;
  let asked = 0;
  const stream = new BatchedStream<{ readonly n: number }>(
    await client(listener.address),
    ({ n }) => ({ op: "number", n }),
    { lingers: () => ++asked > 0 && isBrisk },
  );
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const until = async (count: number): Promise<void> => {
    while (batches.length < count) await turn();
  };
  stream.send({ n: 1 });
  for (let i = 0; i < 5; i++) await turn();
  stream.send({ n: 2 });
  await until(1);
  expect([batches[0]?.length, asked]).toEqual([2, 32]); // as many turns as it lingers
  for (let n = 0; n < 16; n++) stream.send({ n });
  await until(2);
  expect([batches[1]?.length, asked]).toEqual([16, 32]);
  isBrisk = false;
  stream.send({ n: 3 });
  await until(3);
  expect([batches[2]?.length, asked]).toEqual([1, 33]);
});
