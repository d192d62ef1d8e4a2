/** Connections that compress, split and do so off the event loop: `distributed.comm.compression`, `.shard` and `.offload`. */
import { once } from "node:events";
import { connect as connectSocket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { type CommSettings, silentLogger } from "../../src/base/index.ts";
import type { Channel, ChannelEvents } from "../../src/comm/channel.ts";
import { MessageComm } from "../../src/comm/comm.ts";
import { type Comm, getData, listen, NO_REPLY, Rpc, serveRequests } from "../../src/comm/index.ts";
import { TcpChannel } from "../../src/comm/tcp.ts";
import { keyOfValue } from "../../src/graph/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import {
  COMPRESSORS,
  compressMessage,
  decodeMessage,
  deserialize,
  encodeMessage,
  FrameDecoder,
  GET_DATA,
  handshakeMessage,
  parseAddress,
  type Serialized,
  serialize,
  splitterOf,
} from "../../src/protocol/index.ts";

const SETTINGS: CommSettings = {
  compression: "zlib",
  shardBytes: Number.POSITIVE_INFINITY,
  shardsForOwn: false,
  offloadBytes: Number.POSITIVE_INFINITY,
  tcpTimeoutMs: null,
};
const BLOCK = NDArray.of(Int32Array.from({ length: 100_000 }, (_, i) => i % 13));

const bytesOf = ({ data }: NDArray): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

const opened: AsyncDisposable[] = [];
afterEach(async () => {
  for (const thing of opened.splice(0).reverse()) await thing[Symbol.asyncDispose]();
});

/** The two ends of a connection; `from` is the address that the first one has. */
async function pair(
  from: string,
  ours: CommSettings | undefined,
  theirs: CommSettings | undefined,
  dialect = true,
): Promise<readonly [Comm, Comm]> {
  const accepted = Promise.withResolvers<Comm>();
  const settingsOf = (settings: CommSettings | undefined) => (settings ? { settings } : {});
  const listener = await listen(
    "tcp://127.0.0.1:0",
    async (comm) => {
      accepted.resolve(comm);
      await comm.closed;
    },
    { ...settingsOf(theirs), dialect },
  );
  opened.push(listener);
  const { host, port } = parseAddress(listener.address);
  const socket = connectSocket({ host, port, localAddress: from });
  await once(socket, "connect");
  const channel = new TcpChannel(socket, new FrameDecoder());
  socket.on("data", (bytes: Buffer) => channel.received(bytes));
  const comm = new MessageComm(channel, settingsOf(ours));
  opened.push(comm);
  await comm.shakeHands(AbortSignal.timeout(10_000));
  return [comm, await accepted.promise];
}

async function sent([from, to]: readonly [Comm, Comm], block = BLOCK): Promise<Serialized> {
  from.send([serialize(block)]);
  const value = ((await to.next()) as Serialized[])[0]!;
  expect(Buffer.compare(bytesOf(deserialize(value) as NDArray), bytesOf(block))).toBe(0);
  return value;
}

test("both ways where both ends name the same compression and have hosts of their own; else not at all", async () => {
  const compressionOf = async (...ends: Parameters<typeof pair>): Promise<unknown> => {
    const [a, b] = await pair(...ends);
    const found = [await sent([a, b]), await sent([b, a])].map((value) => value.fields.get("compression"));
    expect(found[0]).toEqual(found[1]);
    return found[0];
  };
  expect(await compressionOf("127.0.0.2", SETTINGS, SETTINGS)).toEqual(["zlib"]);
  expect(await compressionOf("127.0.0.1", SETTINGS, SETTINGS)).toEqual([null]);
  expect(await compressionOf("127.0.0.2", SETTINGS, { ...SETTINGS, compression: "zstd" })).toEqual([null]);
  expect(await compressionOf("127.0.0.2", SETTINGS, undefined)).toEqual([null]);
});

test("frames are split for Dask's peers, and for our own where that was asked for", async () => {
  const partsOf = async (settings: Partial<CommSettings>, dialect: boolean): Promise<number> => {
    const [a, b] = await pair("127.0.0.2", { ...SETTINGS, compression: null, ...settings }, undefined, dialect);
    return (await sent([a, b])).frames.length;
  };
  expect(await partsOf({ shardBytes: 100_000 }, false)).toBe(4);
  expect(await partsOf({ shardBytes: 100_000 }, true)).toBe(1);
  expect(await partsOf({ shardBytes: 100_000, shardsForOwn: true }, true)).toBe(4);
});

/** A channel that only notes what is written, on two hosts. */
class Notes implements Channel {
  readonly local = "tcp://10.0.0.1:1";
  readonly peer = "tcp://10.0.0.2:2";
  readonly bytesReceived = 0;
  readonly bytesLeft = 0;
  readonly written: unknown[] = [];
  events!: ChannelEvents;
  start(events: ChannelEvents): void {
    this.events = events;
  }
  write(frames: readonly Uint8Array[]): boolean {
    this.written.push(decodeMessage(frames));
    return true;
  }
  flushed = (): Promise<void> => Promise.resolve();
  place(): void {
    // nothing to be done
  }
  pause(): void {
    // nothing to be done
  }
  resume(): void {
    // nothing to be done
  }
  hold(): void {
    // nothing to be done
  }
  end(): void {
    this.events.closed(undefined);
  }
  destroy(): void {
    this.end();
  }
}

async function noted(offloadBytes: number): Promise<{ readonly comm: MessageComm; readonly written: unknown[] }> {
  const channel = new Notes();
  const comm = new MessageComm(channel, { settings: { ...SETTINGS, offloadBytes } });
  const shaken = comm.shakeHands(AbortSignal.timeout(10_000));
  const { frames, blockFrames } = encodeMessage(handshakeMessage({}, "zlib"));
  channel.events.message({ frames, blockFrames, nbytes: 100 });
  await shaken;
  channel.written.length = 0;
  return { comm, written: channel.written };
}

test("a message above the bound is compressed while the event loop turns; those behind it wait, in order", async () => {
  const { comm, written } = await noted(BLOCK.nbytes - 1);
  let turns = 0;
  let isOver = false;
  const turn = (): void => {
    turns++;
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  comm.send([serialize(BLOCK)]);
  comm.send("behind");
  expect([written.length, comm.isCongested]).toEqual([0, true]);
  let isDrained = false;
  const drained = comm.drained().then(() => {
    isDrained = true;
  });
  await new Promise(setImmediate);
  expect(isDrained).toBe(false);
  await comm.flushed();
  isOver = true;
  expect(turns).toBeGreaterThan(0);
  expect(written).toHaveLength(2);
  expect((written[0] as Serialized[])[0]?.fields.get("compression")).toEqual(["zlib"]);
  expect(written[1]).toBe("behind");
  await drained;
  expect(comm.isCongested).toBe(false);
});

test("one up to the bound is compressed at once", async () => {
  const { comm, written } = await noted(BLOCK.nbytes);
  comm.send([serialize(BLOCK)]);
  comm.send("behind");
  expect([written.length, comm.isCongested]).toEqual([2, false]);
  expect((written[0] as Serialized[])[0]?.fields.get("compression")).toEqual(["zlib"]);
});

test("a connection that is closed writes first what it is compressing", async () => {
  const { comm, written } = await noted(0);
  comm.send([serialize(BLOCK)]);
  await comm.close();
  expect(written).toHaveLength(1);
});

test.each([
  ["above the bound are decompressed off the event loop before somebody reads them", 0, true],
  ["up to it are left to their reader", Number.POSITIVE_INFINITY, false],
])("answers %s", async (_, offloadBytes, isDone) => {
  const whole = encodeMessage([serialize(BLOCK)], splitterOf(Number.POSITIVE_INFINITY));
  const small = await compressMessage(whole, COMPRESSORS.zstd, 0);
  const [value] = decodeMessage(small.frames) as Serialized[];
  const key = keyOfValue("x");
  const answer = async (_request: unknown, comm: Comm): Promise<typeof NO_REPLY> => {
    comm.send(GET_DATA.answer({ status: "OK", data: new Map([[key, value as Serialized]]) }));
    await comm.next();
    return NO_REPLY;
  };
  const serve = (comm: Comm): Promise<void> => serveRequests(comm, { get_data: answer }, silentLogger);
  const listener = await listen("tcp://127.0.0.1:0", serve);
  const rpc = new Rpc({ settings: { ...SETTINGS, offloadBytes } });
  opened.push(listener, rpc);
  const fetched = await getData(rpc, listener.address, { keys: [key], who: null });
  const got = fetched.status === "OK" ? fetched.data.get(key) : undefined;
  await rpc.decompress(got ? [got] : []);
  const [first] = got?.plainFrames() ?? [];
  // What is done is kept; what is not is done each time.
  expect(got?.plainFrames()[0] === first).toBe(isDone);
  expect(Buffer.compare(bytesOf(deserialize(got as Serialized) as NDArray), bytesOf(BLOCK))).toBe(0);
});
