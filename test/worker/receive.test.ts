import { createServer } from "node:net";
import { afterEach, describe, expect, test, vi } from "vitest";
import {
  type Comm,
  type Listener,
  type ListenOptions,
  listen,
  NO_REPLY,
  Rpc,
  serveRequests,
} from "../../src/comm/index.ts";
import { systemClock } from "../../src/config/index.ts";
import { createExecutor, type Executor } from "../../src/executor/index.ts";
import { type Key, keyOfValue } from "../../src/graph/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import {
  BlockPacker,
  deserialize,
  encodeFrames,
  encodeMessage,
  FrameDecoder,
  GET_DATA,
  handshakeMessage,
  plainBlockOf,
  Serialized,
  serialize,
  splitterOf,
} from "../../src/protocol/index.ts";
import { fetchFrom } from "../../src/worker/fetch.ts";
import { Values } from "../../src/worker/values.ts";

const BUDGET = 64 * 2 ** 20;
const opened: AsyncDisposable[] = [];
afterEach(async () => {
  for (const thing of opened.splice(0).reverse()) await thing[Symbol.asyncDispose]();
});

function keep<T extends AsyncDisposable>(thing: T): T {
  opened.push(thing);
  return thing;
}

const quiet = { debug: () => undefined, info: () => undefined, warning: () => undefined, error: () => undefined };

/** A peer that answers get_data with these. */
async function peerWith(data: ReadonlyMap<Key, Serialized>, options: ListenOptions = {}): Promise<Listener> {
  const answer = async (_: unknown, comm: Comm): Promise<typeof NO_REPLY> => {
    comm.send(GET_DATA.answer({ status: "OK", data }));
    await comm.next();
    return NO_REPLY;
  };
  return keep(await listen("tcp://127.0.0.1:0", (comm) => serveRequests(comm, { get_data: answer }, quiet), options));
}

function worker(): { readonly executor: Executor; readonly values: Values; readonly rpc: Rpc } {
  const executor = keep(createExecutor({ threads: 1, budgetBytes: BUDGET }));
  return { executor, values: new Values(executor, (key) => key), rpc: keep(new Rpc()) };
}

async function fetchAll(
  { values, rpc }: ReturnType<typeof worker>,
  address: string,
  keys: readonly Key[],
): ReturnType<typeof fetchFrom> {
  const surroundings = { me: "tcp://127.0.0.1:1", values, clock: systemClock, signal: new AbortController().signal };
  return fetchFrom(rpc, { worker: address, keys }, surroundings);
}

const key = (name: string): Key => keyOfValue(name);

function ramp(n: number, shape: readonly number[] = [n]): NDArray {
  return new NDArray(
    "float32",
    Float32Array.from({ length: n }, (_, i) => i * 0.5),
    shape,
  );
}

describe("blocks of a peer's answer", () => {
  test("large ones are in the arena when they have arrived, and hold what was sent", async () => {
    const sent = ramp(300_000, [300, 1000]);
    const me = worker();
    const peer = await peerWith(
      new Map([
        [key("large"), serialize(sent)],
        [key("small"), serialize(ramp(10))],
        [key("turned"), serialize(sent.transpose())],
        [key("text"), serialize("x".repeat(100_000))],
      ]),
    );
    const end = await fetchAll(me, peer.address, ["large", "small", "turned", "text"].map(key));
    if (end.type !== "gather-success") throw new Error(end.type);
    const large = end.received.get(key("large"));
    if (large?.kind !== "block") throw new Error(String(large?.kind));
    expect(me.executor.view(large.handle).shape).toEqual([300, 1000]);
    expect(me.executor.view(large.handle).data).toEqual(sent.data);
    const turned = end.received.get(key("turned"));
    if (turned?.kind !== "block") throw new Error(String(turned?.kind));
    expect(me.executor.view(turned.handle).shape).toEqual([1000, 300]);
    expect(me.executor.view(turned.handle).data[7 * 300 + 3]).toBe(sent.data[3 * 1000 + 7]);
    expect(end.received.get(key("text"))).toMatchObject({ kind: "plain", value: "x".repeat(100_000) });
    const blocks = [...end.received.values()].flatMap((value) => (value.kind === "block" ? [value.handle] : []));
    expect(blocks).toHaveLength(3);
    for (const block of blocks) me.executor.release(block);
    expect(me.executor.stats()).toMatchObject({ bytesLive: 0, blocks: 0 });
  });

  test.each([600_000, 590_000, 400_000])(
    "those that come in parts of %d bytes are put together there",
    async (shardBytes) => {
      const sent = ramp(300_000, [300, 1000]); // 1,200,000 bytes; parts below 64 KiB are not placed
      const settings = {
        compression: null,
        shardBytes,
        shardsForOwn: true,
        offloadBytes: Number.POSITIVE_INFINITY,
        tcpTimeoutMs: null,
      } as const;
      const [me, peer] = [
        worker(),
        await peerWith(
          new Map([
            [key("a"), serialize(sent)],
            [key("b"), serialize(sent)],
          ]),
          { settings },
        ),
      ];
      const copies = vi.spyOn(me.executor, "putIfRoom");
      const end = await fetchAll(me, peer.address, [key("a"), key("b")]);
      if (end.type !== "gather-success") throw new Error(end.type);
      for (const value of end.received.values()) {
        if (value.kind !== "block") throw new Error(value.kind);
        const { shape, data } = me.executor.view(value.handle);
        expect(shape).toEqual([300, 1000]);
        expect(
          Buffer.compare(new Uint8Array(data.buffer, data.byteOffset, 1_200_000), new Uint8Array(sent.data.buffer)),
        ).toBe(0);
        me.executor.release(value.handle);
      }
      expect(end.received.size).toBe(2);
      expect(copies).not.toHaveBeenCalled();
      expect(me.executor.stats()).toMatchObject({ bytesLive: 0, blocks: 0 });
    },
  );

  test("parts that are not the block's bytes are refused, and give their memory back", async () => {
    const { header } = serialize(ramp(300_000));
    const [first] = encodeMessage([serialize(ramp(300_000))], splitterOf(600_000)).frames.slice(1);
    const me = worker();
    {
      using receiver = me.values.receiver();
      expect(receiver.place(1_200_001, [first as Uint8Array])).toBeUndefined();
      const part = receiver.place(600_000, [first as Uint8Array]) as Uint8Array;
      expect(receiver.place(600_001, [part])).toBeUndefined();
      const rest = receiver.place(500_000, [part]) as Uint8Array;
      expect(rest.byteOffset).toBe(part.byteOffset + 600_000);
      // A part of a block, told as the whole of it, would show what lay there before.
      expect(receiver.take(new Serialized(header, [part]))).toBeUndefined();
      expect(receiver.take(new Serialized(first as Uint8Array, [part, rest]))).toBeUndefined();
    }
    expect(me.executor.stats()).toMatchObject({ bytesLive: 0, blocks: 0 });
  });

  test("C-I18 small ones come together between rsdat peers, by themselves to others, and also where the arena is full", async () => {
    const there = worker();
    const small = Array.from({ length: 40 }, (_, i) => ramp(10 + (i % 2)));
    for (const [i, block] of small.entries())
      there.values.hold(key(`${i}`), { kind: "block", handle: there.executor.put(block) });
    there.values.hold(key("seven"), { kind: "plain", value: 7, nbytes: 8 });
    const packs: number[] = [];
    const serve = async (request: ReadonlyMap<unknown, unknown>, comm: Comm): Promise<typeof NO_REPLY> => {
      const { keys, packed } = GET_DATA.parse(request);
      const packer = new BlockPacker(keys.length);
      const data = new Map<Key, Serialized>();
      for (const [place, each] of keys.entries()) {
        if (packed && there.values.pack(each, place, packer)) continue;
        const outgoing = await there.values.outgoing(each);
        if (outgoing) data.set(each, outgoing.serialized);
        outgoing?.release();
      }
      packs.push(packer.packs().length);
      comm.send(GET_DATA.answer({ status: "OK", data, packs: packer.packs() }));
      await comm.next();
      return NO_REPLY;
    };
    const peer = keep(await listen("tcp://127.0.0.1:0", (comm) => serveRequests(comm, { get_data: serve }, quiet)));
    const keys = [...small.keys(), "seven", "absent"].map((name) => key(`${name}`));
    const full = worker();
    full.executor.allocate("uint8", [BUDGET]);
    const python = { ...worker(), rpc: keep(new Rpc({ dialect: false })) };
    for (const me of [worker(), python, full]) {
      const end = await fetchAll(me, peer.address, keys);
      if (end.type !== "gather-success") throw new Error(end.type);
      expect(end.received.size).toBe(41);
      expect(end.received.get(key("seven"))).toMatchObject({ kind: "plain", value: 7 });
      for (const [i, block] of small.entries()) {
        const got = end.received.get(key(`${i}`));
        const array = got?.kind === "block" ? me.executor.view(got.handle) : got?.kind === "plain" ? got.value : null;
        expect([got?.kind, (array as NDArray).toArray()]).toEqual([me === full ? "plain" : "block", block.toArray()]);
      }
    }
    expect(packs).toEqual([2, 0, 2]);
  });

  test("C-I18 a block that was not asked for, or that comes twice, ends the exchange", async () => {
    const me = worker();
    for (const places of [Uint32Array.of(1), Uint32Array.of(0, 0)]) {
      const pack = { dtype: "uint8", shape: [1], places, bytes: new Uint8Array(places.length) } as const;
      const serve = (_: unknown, comm: Comm): typeof NO_REPLY => {
        comm.send(GET_DATA.answer({ status: "OK", data: new Map(), packs: [pack] }));
        return NO_REPLY;
      };
      const peer = keep(await listen("tcp://127.0.0.1:0", (comm) => serveRequests(comm, { get_data: serve }, quiet)));
      expect(await fetchAll(me, peer.address, [key("a")])).toMatchObject({ type: "gather-network-failure" });
      expect(me.executor.stats().blocks).toBe(0);
    }
  });

  test("an answer that cannot be read to its end leaves nothing behind", async () => {
    const me = worker();
    const whole = serialize(ramp(300_000));
    const peer = await peerWith(
      new Map([
        [key("whole"), whole],
        [key("short"), new Serialized(whole.header, [new Uint8Array(100)])],
      ]),
    );
    expect(await fetchAll(me, peer.address, [key("whole"), key("short")])).toMatchObject({ type: "gather-failure" });
    expect(me.executor.stats()).toMatchObject({ bytesLive: 0, blocks: 0 });
  });

  test("typed arrays stay such, and what cannot travel fails alone, where it is read", async () => {
    const me = worker();
    const there = worker();
    const large = Float64Array.from({ length: 20_000 }, (_, i) => i / 3);
    const facts = { kind: "plain", nbytes: 8 } as const;
    there.values.hold(key("large"), { ...facts, value: large });
    there.values.hold(key("bytes"), { ...facts, value: new Uint16Array([1, 2]) });
    there.values.hold(key("never"), { ...facts, value: () => 1 });
    const data = new Map<Key, Serialized>();
    for (const name of ["large", "bytes", "never"]) {
      const outgoing = await there.values.outgoing(key(name));
      if (outgoing) data.set(key(name), outgoing.serialized);
    }
    const peer = await peerWith(data);
    const end = await fetchAll(me, peer.address, ["large", "bytes", "never"].map(key));
    if (end.type !== "gather-success") throw new Error(end.type);
    expect(end.received.get(key("large"))).toMatchObject({ kind: "plain", value: large });
    expect(end.received.get(key("bytes"))).toMatchObject({ kind: "plain", value: new Uint16Array([1, 2]) });
    const never = end.received.get(key("never"));
    if (!never) throw new Error("no answer about the value that cannot travel");
    me.values.hold(key("never"), never);
    expect(() => me.values.input(key("never"))).toThrow(
      "could not serialize a value: the result of task never, a function, cannot be sent: a function has no Python form",
    );
    const inItself: unknown[] = [];
    inItself.push(inItself);
    there.values.hold(key("round"), { ...facts, value: inItself });
    const round = await there.values.outgoing(key("round"));
    expect(() => deserialize(round?.serialized as Serialized)).toThrow(
      "the result of task round, an Array, cannot be sent: it is nested too deeply, or has itself in it",
    );
  });

  test("headers of blocks are remembered by dtype and shape, and by nothing that differs", () => {
    const block = (shape: readonly number[], stride?: readonly number[]): NDArray =>
      new NDArray(
        "int16",
        Int16Array.from({ length: 24 }, (_, i) => i),
        shape,
        stride,
      );
    for (let round = 0; round < 2; round++) {
      const all = [block([4, 6]), block([6, 4]), block([4, 6], [0, 1]), block([4, 6], [1, 4]), block([0, 6], [0, 0])];
      const back = all.map((one) => deserialize(serialize(one)) as NDArray);
      expect(back.map((one) => one.toArray())).toEqual(all.map((one) => one.toArray()));
      expect(back.map(({ shape }) => shape)).toEqual(all.map(({ shape }) => shape));
    }
  });

  test("without room in the arena they are held outside it", async () => {
    const me = worker();
    const held = me.executor.allocate("uint8", [BUDGET - 1000]);
    const peer = await peerWith(new Map([[key("x"), serialize(ramp(300_000))]]));
    const end = await fetchAll(me, peer.address, [key("x")]);
    if (end.type !== "gather-success") throw new Error(end.type);
    expect(end.received.get(key("x"))).toMatchObject({ kind: "plain", nbytes: 1_200_000 });
    expect(me.executor.stats().blocks).toBe(1);
    me.executor.release(held);
  });

  test("C-I16 a peer that leaves in the middle of a block leaves nothing behind", async () => {
    const me = worker();
    const { frames, blockFrames } = encodeMessage(
      GET_DATA.answer({ status: "OK", data: new Map([[key("x"), serialize(ramp(1_000_000))]]) }),
    );
    const bytes = Buffer.concat(encodeFrames(frames, { blockFrames }));
    let seen = 0;
    const hello = encodeMessage(handshakeMessage({}));
    const server = createServer((socket) => {
      socket.write(Buffer.concat(encodeFrames(hello.frames, { blockFrames: hello.blockFrames })));
      const decoder = new FrameDecoder();
      let heard = 0;
      socket.on("data", (chunk) => {
        decoder.push(chunk);
        while (decoder.next()) heard++;
        if (heard < 2) return; // its handshake, then the request
        socket.write(bytes.subarray(0, 2_000_000), () => {
          seen = me.executor.stats().blocks;
          socket.destroy();
        });
      });
      socket.on("error", () => undefined);
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const address = server.address();
    if (typeof address !== "object" || address === null) throw new Error("no address");
    const end = await fetchAll(me, `tcp://127.0.0.1:${address.port}`, [key("x")]);
    server.close();
    expect(end.type).toBe("gather-network-failure");
    expect(seen).toBeLessThanOrEqual(1);
    expect(me.executor.stats()).toMatchObject({ bytesLive: 0, blocks: 0 });
  });

  test("C-I16 what a header claims is not believed beyond what its frame holds", () => {
    const { header } = serialize(ramp(1000, [10, 100]));
    expect(plainBlockOf(header)).toEqual({ dtype: "float32", shape: [10, 100], nbytes: 4000, frames: 1 });
    const me = worker();
    using receiver = me.values.receiver();
    expect(receiver.place(100_000, [header])).toBeUndefined();
    expect(receiver.place(4000, [new Uint8Array([0xc1])])).toBeUndefined();
    expect(receiver.place(4000, [])).toBeUndefined();
    expect(receiver.place(4000, [header])).toHaveLength(4000);
  });
});
