/** A worker that answers its peers with frames of nonsense, and stays: what only it has is computed again, bit for bit. */
import { connect, createServer, type Socket } from "node:net";
import { expect, test } from "vitest";
import { silentLogger } from "../../src/base/index.ts";
import { array, Client } from "../../src/index.ts";
import "../../src/register.ts";
import { NATIVE_RESOURCE } from "../../src/protocol/index.ts";
import { startScheduler } from "../../src/scheduler/index.ts";
import { Worker } from "../../src/worker/index.ts";
import { FakeWorker } from "./fake-peers.ts";

/** Shakes hands as whoever listens at `port` does, and answers whatever is asked then with nonsense. */
class Nonsense implements AsyncDisposable {
  readonly #sockets = new Set<Socket>();
  readonly #server: ReturnType<typeof createServer>;
  answers = 0;

  constructor(port: number) {
    this.#server = createServer((near) => {
      const far = connect(port, "127.0.0.1");
      far.pipe(near, { end: false });
      let heard = 0;
      near.on("data", (bytes) => {
        if (heard++ === 0) return void far.write(bytes);
        this.answers++;
        near.write(Buffer.alloc(256, 0xff));
      });
      for (const socket of [near, far]) {
        this.#sockets.add(socket);
        socket.on("error", () => near.destroy());
        socket.on("close", () => void [near, far].map((each) => each.destroy()));
      }
    });
  }

  listen(): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>();
    this.#server.listen(0, "127.0.0.1", () => {
      const at = this.#server.address();
      resolve(`tcp://127.0.0.1:${typeof at === "object" && at ? at.port : 0}`);
    });
    return promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

test("S-C17: garbage instead of a block", async () => {
  await using scheduler = await startScheduler({ port: 0, machine: { inVainMs: 200 }, logger: silentLogger });
  await using nonsense = new Nonsense(scheduler.port);
  const resources = new Map([[NATIVE_RESOURCE, 1e9]]);
  const address = await nonsense.listen();
  const liar = await FakeWorker.join(scheduler.address, { dialect: false, address, resources });
  // It alone makes the first blocks; who needs them comes later.
  const rows = array.arange(0, 4096, 1, { chunks: 256, dtype: "float64" }).reshape([64, 64]).rechunk([4, 64]).mul(3);
  await using client = await Client.connect(scheduler.address, { logger: silentLogger });
  let isLying = true;
  const lying = (async () => {
    while (isLying) liar.finish(await liar.next("compute-task"), "never read");
  })();
  lying.catch(() => undefined); // it ends with its connection
  const result = client.compute(rows.rechunk([64, 4]).add(1));
  await expect.poll(() => liar.values.size, { interval: 5 }).toBeGreaterThan(3);
  const options = { scheduler: scheduler.address, nthreads: 1, memoryLimitBytes: 2 ** 29, logger: silentLogger };
  await using _honest = await Worker.start(options);
  const recomputed = (): number => scheduler.views.counts().recomputed;
  await expect.poll(recomputed, { timeout: 20_000, interval: 5 }).toBeGreaterThan(0);
  expect(nonsense.answers).toBeGreaterThan(0);
  expect(scheduler.views.counts().workers).toBe(2); // it is there all the time
  isLying = false;
  await liar.leave();
  expect((await result).data).toEqual(Float64Array.from({ length: 4096 }, (_, i) => 3 * i + 1));
});
