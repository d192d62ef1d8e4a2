/** How long a request may take to leave: as long as the peer goes on taking it. */
import { type AddressInfo, connect as connectSocket, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { silentLogger } from "../../src/base/index.ts";
import { listen, Rpc, serveRequests } from "../../src/comm/index.ts";

const BYTES = 48 * 2 ** 20;

/** A line that is slow in one direction. */
async function slowLine(to: number): Promise<{ port: number } & AsyncDisposable> {
  const server = createServer((near) => {
    const far = connectSocket(to, "127.0.0.1");
    for (const socket of [near, far])
      socket
        .on("error", () => undefined)
        .on("close", () => {
          near.destroy();
          far.destroy();
        });
    far.pipe(near);
    void (async () => {
      for await (const bytes of near) {
        if (!far.write(bytes as Uint8Array)) await new Promise((resolve) => far.once("drain", resolve));
        if ((bytes as Uint8Array).byteLength > 1000) await sleep(2);
      }
    })().catch(() => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => void server.close(),
  };
}

test("a large request over a slow line is none too late while it leaves", async () => {
  await using listener = await listen("tcp://127.0.0.1:0", (comm) =>
    serveRequests(comm, { put: (request) => (request.get("data") as Uint8Array).byteLength }, silentLogger),
  );
  await using line = await slowLine(Number(listener.address.split(":").at(-1)));
  await using rpc = new Rpc();
  const data = new Uint8Array(BYTES);
  const began = performance.now();
  const answer = rpc.call(`tcp://127.0.0.1:${line.port}`, { op: "put", data }, { timeoutMs: 300 });
  await expect(answer).resolves.toBe(BYTES);
  expect(performance.now() - began).toBeGreaterThan(600);
});
