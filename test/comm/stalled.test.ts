/** `distributed.comm.timeouts.tcp`: peers that take nothing are dropped, slow ones are not; keep-alive follows from it. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect as connectSocket, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { CommError, type CommSettings } from "../../src/base/index.ts";
import { type Comm, connect, type Listener, listen } from "../../src/comm/index.ts";
import { keepAliveDelayMs } from "../../src/comm/stalled.ts";
import { securityFor } from "../../src/config/index.ts";
import {
  encodeFrames,
  encodeMessage,
  handshakeMessage,
  pack,
  parseAddress,
  Serialized,
} from "../../src/protocol/index.ts";
import { type Certificates, makeCertificates } from "../certificates.ts";

const opened: AsyncDisposable[] = [];
afterEach(async () => {
  for (const thing of opened.splice(0).reverse()) await thing[Symbol.asyncDispose]();
});

function within(tcpTimeoutMs: number | null): { readonly settings: CommSettings } {
  const none = Number.POSITIVE_INFINITY;
  return { settings: { compression: null, shardBytes: none, shardsForOwn: false, offloadBytes: none, tcpTimeoutMs } };
}

/** A peer that shakes hands and reads nothing more unless it is told to. */
function shaken(socket: Socket): Socket {
  socket.on("error", () => undefined);
  for (const bytes of encodeFrames(encodeMessage(handshakeMessage()).frames)) socket.write(bytes);
  socket.once("data", () => socket.pause());
  opened.push({ [Symbol.asyncDispose]: async () => void socket.destroy() });
  return socket;
}

const folder = mkdtempSync(join(tmpdir(), "rsdat-stalled-"));
let files: Certificates;
beforeAll(() => {
  files = makeCertificates(folder, "own");
});
afterAll(() => rmSync(folder, { recursive: true }));
const pem = () => ({ ca: readFileSync(files.ca), cert: readFileSync(files.cert), key: readFileSync(files.key) });
const security = () => securityFor("client", { caFile: files.ca, cert: files.cert, key: files.key });

type Open = (tcpTimeoutMs: number | null) => Promise<readonly [Comm, Socket]>;

/** Connect to one over TLS. */
async function toTlsPeer(tcpTimeoutMs: number | null): Promise<readonly [Comm, Socket]> {
  const accepted = Promise.withResolvers<Socket>();
  const server = createTlsServer({ ...pem(), requestCert: true }, (socket) => accepted.resolve(shaken(socket)));
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  if (typeof address !== "object" || !address) throw new Error("no address");
  const options = { ...within(tcpTimeoutMs), security: security() };
  const comm = await connect(`tls://127.0.0.1:${address.port}`, options);
  server.close();
  return [comm, await accepted.promise];
}

/** Connect to one; gives both ends. */
async function toPeer(tcpTimeoutMs: number | null): Promise<readonly [Comm, Socket]> {
  const accepted = Promise.withResolvers<Socket>();
  const server = createServer({ highWaterMark: 2 ** 20 }, (socket) => accepted.resolve(shaken(socket)));
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  if (typeof address !== "object" || !address) throw new Error("no address");
  const comm = await connect(`tcp://127.0.0.1:${address.port}`, within(tcpTimeoutMs));
  server.close();
  return [comm, await accepted.promise];
}

/** Listen to one; gives both ends. */
const fromPeer: Open = (tcpTimeoutMs) => listened("tcp", tcpTimeoutMs);
const fromTlsPeer: Open = (tcpTimeoutMs) => listened("tls", tcpTimeoutMs);

async function listened(scheme: "tcp" | "tls", tcpTimeoutMs: number | null): Promise<readonly [Comm, Socket]> {
  const accepted = Promise.withResolvers<Comm>();
  const listener: Listener = await listen(
    `${scheme}://127.0.0.1:0`,
    async (comm) => {
      accepted.resolve(comm);
      await comm.closed;
    },
    { ...within(tcpTimeoutMs), ...(scheme === "tls" ? { security: security() } : {}) },
  );
  opened.push(listener);
  const { host, port } = parseAddress(listener.address);
  const plain = { host, port };
  const socket = shaken(
    scheme === "tls" ? connectTls({ ...plain, ...pem(), checkServerIdentity: () => undefined }) : connectSocket(plain),
  );
  return [await accepted.promise, socket];
}

const big = (nbytes: number): Serialized => new Serialized(pack({ "num-sub-frames": 1 }), [new Uint8Array(nbytes)]);

test.each([
  ["we connected to", toPeer],
  ["connected to us", fromPeer],
  ["we connected to over TLS", toTlsPeer],
  ["connected to us over TLS", fromTlsPeer],
] as const)(
  "a peer that %s and takes nothing is dropped after the time, with an error that names both",
  async (_, open) => {
    const [comm] = await open(400);
    comm.send("something small, which the kernel takes");
    const began = performance.now();
    comm.send([big(64e6)]);
    const reason = await comm.closed;
    expect(performance.now() - began).toBeGreaterThanOrEqual(400);
    expect(reason).toMatchObject({ code: "comm-closed", details: { peer: comm.peer, timeoutMs: 400 } });
    expect(reason?.message).toMatch(
      new RegExp(
        `^${comm.peer} has taken nothing for 0.4 s of \\d+ bytes that wait for it \\(distributed.comm.timeouts.tcp\\)`,
      ),
    );
    await expect(comm.next()).rejects.toMatchObject({ code: "comm-closed" });
  },
);

test.each([
  ["we connected to", toPeer],
  ["we connected to over TLS", toTlsPeer],
  ["connected to us over TLS", fromTlsPeer],
] as const)(
  "a peer that %s and reads slowly keeps its connection for many times as long, and gets everything",
  async (_, open) => {
    const timeoutMs = 1000;
    const [comm, socket] = await open(timeoutMs);
    const nbytes = 64e6;
    comm.send([big(nbytes)]);
    const began = performance.now();
    // At most 150 kB every 10 ms; what the kernel holds moves on a megabyte or two at a time.
    while (performance.now() - began < 3 * timeoutMs && !comm.isClosed) {
      socket.read(Math.min(socket.readableLength, 150_000) || undefined);
      await sleep(10);
    }
    expect([comm.isClosed, socket.bytesRead < nbytes]).toEqual([false, true]);
    socket.resume();
    await expect.poll(() => socket.bytesRead, { timeout: 30_000 }).toBeGreaterThanOrEqual(nbytes);
    expect(comm.isClosed).toBe(false);
    comm.abort(new CommError("over", "the test is over"));
  },
);

test("an idle connection, and one that has no time set, stay", async () => {
  const [idle] = await toPeer(100);
  const [patient] = await toPeer(null);
  patient.send([big(64e6)]);
  await sleep(600);
  expect([idle.isClosed, patient.isClosed]).toEqual([false, false]);
  for (const comm of [idle, patient]) comm.abort(new CommError("over", "the test is over"));
});

test("an event loop that stands still is no peer's fault", async () => {
  const [comm, socket] = await toPeer(300);
  comm.send([big(64e6)]);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
  socket.resume();
  await comm.flushed();
  expect(comm.isClosed).toBe(false);
  comm.abort(new CommError("over", "the test is over"));
});

test.runIf(process.platform === "linux")("keep-alive begins so that a silent peer is found out in time", async () => {
  const [comm] = await toPeer(45_000);
  const ends = [comm.local, comm.peer].map((address) =>
    parseAddress(address).port.toString(16).toUpperCase().padStart(4, "0"),
  );
  const line = readFileSync("/proc/net/tcp", "utf8")
    .split("\n")
    .map((row) => row.trim().split(/\s+/))
    .find((row) => row[1]?.endsWith(`:${ends[0]}`) && row[2]?.endsWith(`:${ends[1]}`));
  const [kind, when] = line?.[5]?.split(":") ?? [];
  expect(kind).toBe("02"); // the timer that runs is that of keep-alive, in hundredths of a second
  const seconds = Number.parseInt(when ?? "", 16) / 100;
  expect(seconds).toBeLessThanOrEqual(35);
  expect(seconds).toBeGreaterThan(25);
  expect([45_000, 30_000, 5_000].map(keepAliveDelayMs)).toEqual([35_000, 20_000, 1_000]);
  comm.abort(new CommError("over", "the test is over"));
});
