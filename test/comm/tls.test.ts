/** Mutual TLS: who is let in, who is refused, and how either end hears of it. */
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectSocket, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as rawTls } from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Security } from "../../src/base/index.ts";
import { type Comm, connect, type Listener, listen } from "../../src/comm/index.ts";
import { Config, type SecurityOptions, securityFor } from "../../src/config/index.ts";
import { type Certificates, makeCertificates } from "../certificates.ts";
import { patiently } from "../patience.ts";

const folder = mkdtempSync(join(tmpdir(), "rsdat-tls-"));
const NOWHERE = { DASK_ROOT_CONFIG: join(folder, "none"), HOME: join(folder, "none") };
let own: Certificates;
let foreign: Certificates;
const opened: AsyncDisposable[] = [];

beforeAll(() => {
  own = makeCertificates(folder, "own");
  foreign = makeCertificates(folder, "foreign");
});
afterEach(async () => {
  for (const thing of opened.splice(0).reverse()) await thing[Symbol.asyncDispose]();
});
afterAll(() => rmSync(folder, { recursive: true }));

function security({ ca, cert, key }: Certificates, more: SecurityOptions = {}): Security {
  return securityFor("client", { caFile: ca, cert, key, ...more }, new Config(NOWHERE));
}

const warnings: { readonly code: unknown; readonly message: string }[] = [];
const logger = {
  debug: () => undefined,
  info: () => undefined,
  warning: (message: string, details?: Readonly<Record<string, unknown>>) =>
    void warnings.push({ message, code: details?.["code"] }),
  error: (message: string) => void warnings.push({ message, code: "error" }),
};

async function echoServer(address: string, how?: Security): Promise<Listener> {
  warnings.length = 0;
  const echo = async (comm: Comm): Promise<void> => {
    for (;;) comm.send(await comm.next());
  };
  const listener = await listen(address, echo, { logger, ...(how ? { security: how } : {}) });
  opened.push(listener);
  return listener;
}

describe("C-I17 mutual TLS", () => {
  test("carries messages of any size, and both ends are named tls://", async () => {
    const listener = await echoServer("tls://127.0.0.1:0", security(own));
    expect(listener.address).toMatch(/^tls:\/\/127\.0\.0\.1:\d+$/);
    const comm = await connect(listener.address, { security: security(own) });
    opened.push(comm);
    expect([comm.peer, comm.local.slice(0, 6)]).toEqual([listener.address, "tls://"]);
    comm.send({ b: [1, 2] });
    expect(await comm.next()).toEqual(new Map([["b", [1, 2]]]));
    const bytes = Buffer.from(new Uint8Array(3_000_000).map((_, i) => i % 251));
    comm.send(bytes);
    expect(bytes.equals((await comm.next()) as Uint8Array)).toBe(true); // it sent bytes
  });

  test("who agrees on keys with a listener that is being closed is not let in, and does not hold it up", async () => {
    const listener = await echoServer("tls://127.0.0.1:0", security(own));
    const port = Number(listener.address.split(":").at(-1));
    const socket = connectSocket(port, "127.0.0.1");
    await once(socket, "connect");
    // The listener takes connections in order: when this one is served it has the one before.
    opened.push(await connect(listener.address, { security: security(own) }));
    const closing = listener.close();
    const [ca, cert, key] = [own.ca, own.cert, own.key].map((path) => readFileSync(path));
    const late = rawTls({ socket, ca, cert, key, checkServerIdentity: () => undefined });
    late.on("error", () => undefined); // it may be reset
    await closing;
    late.destroy();
  }, 8_000); // a newcomer has 10 s to shake hands

  test("a certificate of another authority is refused, on both ends with code tls and without another try", async () => {
    const listener = await echoServer("tls://127.0.0.1:0", security(own));
    const started = performance.now();
    await expect(connect(listener.address, { security: security(foreign), timeoutMs: 120_000 })).rejects.toMatchObject({
      code: "tls",
      message: expect.stringContaining("not of this cluster's authority"),
    });
    await expect.poll(() => warnings.length).toBeGreaterThan(0);
    // It trusts the server, but the server does not trust it.
    const half = security({ ...foreign, ca: own.ca });
    await expect(connect(listener.address, { security: half, timeoutMs: 120_000 })).rejects.toMatchObject({
      code: "tls",
      message: expect.stringContaining("may not trust our certificate"),
    });
    expect(performance.now() - started).toBeLessThan(60_000);
    await expect
      .poll(() => warnings.filter(({ code }) => code === "tls").at(-1)?.message)
      .toMatch(/not of this cluster/);
  });

  test("a peer without a certificate is refused", async () => {
    const listener = await echoServer("tls://127.0.0.1:0", security(own));
    const port = Number(listener.address.split(":").at(-1));
    const socket = rawTls({ host: "127.0.0.1", port, rejectUnauthorized: false });
    const failure = await new Promise((resolve) => socket.once("error", resolve));
    expect(String(failure)).toMatch(/certificate required|handshake failure/i);
    await expect.poll(() => warnings.map(({ message }) => message).join()).toMatch(/shows no certificate/);
  });

  test("plaintext and TLS do not meet: each end says what the other speaks", async () => {
    const encrypted = await echoServer("tls://127.0.0.1:0", security(own));
    const plain = encrypted.address.replace("tls://", "tcp://");
    // A closed connection may be a scheduler that is just starting, so it is tried again until the time is up.
    await patiently((scale) =>
      expect(connect(plain, { timeoutMs: 300 * scale })).rejects.toMatchObject({
        code: "connect-timeout",
        message: expect.stringContaining("it may expect a tls:// address"),
      }),
    );
    await expect.poll(() => warnings.map(({ message }) => message).join()).toMatch(/does not speak TLS/);
    const open = await echoServer("tcp://127.0.0.1:0");
    const wrong = open.address.replace("tcp://", "tls://");
    await expect(connect(wrong, { security: security(own), timeoutMs: 120_000 })).rejects.toMatchObject({
      code: "tls",
    });
    await expect.poll(() => warnings.map(({ message }) => message).join()).toMatch(/speaks TLS/);
  });

  test("a refused connection is tried again, as without TLS", async () => {
    const reserved = createServer();
    await new Promise<void>((resolve) => reserved.listen(0, "127.0.0.1", resolve));
    const { port } = reserved.address() as { readonly port: number }; // a server that listens on tcp
    await new Promise((resolve) => reserved.close(resolve));
    const connecting = connect(`tls://127.0.0.1:${port}`, { security: security(own), timeoutMs: 10_000 });
    await new Promise((resolve) => setTimeout(resolve, 50));
    await echoServer(`tls://127.0.0.1:${port}`, security(own));
    opened.push(await connecting);
  });

  test("the lowest version is obeyed", async () => {
    const listener = await echoServer("tls://127.0.0.1:0", security(own, { minVersion: 1.3 }));
    await expect(
      connect(listener.address, { security: security(own, { maxVersion: 1.2 }), timeoutMs: 120_000 }),
    ).rejects.toMatchObject({ code: "tls" });
    opened.push(await connect(listener.address, { security: security(own, { maxVersion: 1.3 }) }));
  });

  test("encryption that is required, or has no certificates, is refused before anything is sent", async () => {
    const required = security(own);
    await expect(connect("tcp://127.0.0.1:9", { security: required })).rejects.toMatchObject({ code: "tls" });
    await expect(listen("tcp://127.0.0.1:0", async () => undefined, { security: required })).rejects.toMatchObject({
      code: "tls",
    });
    await expect(connect("tls://127.0.0.1:9")).rejects.toMatchObject({
      code: "tls",
      message: expect.stringContaining("--tls-ca-file"),
    });
  });
});

describe("securityFor", () => {
  test("reads Dask's settings: each role its own files, or texts", () => {
    const both = join(folder, "both.pem");
    writeFileSync(both, readFileSync(own.key, "utf8") + readFileSync(own.cert, "utf8"));
    const config = new Config({
      ...NOWHERE,
      DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION: "True",
      DASK_DISTRIBUTED__COMM__TLS__CA_FILE: own.ca,
      DASK_DISTRIBUTED__COMM__TLS__WORKER__CERT: own.cert,
      DASK_DISTRIBUTED__COMM__TLS__WORKER__KEY: own.key,
      DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT: both,
      DASK_DISTRIBUTED__COMM__TLS__MIN_VERSION: "1.3",
      DASK_DISTRIBUTED__COMM__TLS__CIPHERS: "ECDHE+AESGCM",
    });
    const worker = securityFor("worker", {}, config);
    expect(worker).toMatchObject({
      requiresEncryption: true,
      tls: { key: readFileSync(own.key, "utf8"), minVersion: "TLSv1.3", ciphers: "ECDHE+AESGCM" },
    });
    // A key may stand in the certificate's file, as in Dask.
    expect(securityFor("client", {}, config).tls?.key).toBe(readFileSync(both, "utf8"));
    expect(() => securityFor("scheduler", {}, config)).toThrow(/distributed.comm.tls.scheduler.cert is not set/);
    const text = readFileSync(own.cert, "utf8");
    expect(securityFor("scheduler", { cert: text }, config).tls?.cert).toBe(text);
  });

  test("without settings nothing is encrypted or required; nonsense is named", () => {
    expect(securityFor("client", {}, new Config(NOWHERE))).toEqual({ tls: null, requiresEncryption: false });
    expect(() => securityFor("client", { caFile: "/no/such", cert: "/none" }, new Config(NOWHERE))).toThrow(
      /certificate of the client: \/none cannot be read/,
    );
    expect(() =>
      securityFor("client", {}, new Config({ ...NOWHERE, DASK_DISTRIBUTED__COMM__TLS__MIN_VERSION: "1.1" })),
    ).toThrow(/min-version is 1.1, expected 1.2 or 1.3/);
  });
});
