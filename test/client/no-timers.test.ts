/** C-I12: nothing that is sent waits for a clock. With all timers stopped, calls and arrays come back from a cluster all the same. */
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { silentLogger } from "../../src/base/index.ts";
import { array, Client } from "../../src/index.ts";
import "../../src/register.ts";
import { type SchedulerServer, startScheduler } from "../../src/scheduler/index.ts";
import { Worker } from "../../src/worker/index.ts";

let scheduler: SchedulerServer;
let workers: Worker[];
let client: Client;

beforeAll(async () => {
  scheduler = await startScheduler({ port: 0, logger: silentLogger });
  const options = { scheduler: scheduler.address, nthreads: 1, memoryLimitBytes: 2 ** 29, logger: silentLogger };
  workers = await Promise.all([1, 2].map(() => Worker.start({ ...options, allowInsecure: true })));
  client = await Client.connect(scheduler.address, { logger: silentLogger });
});

afterAll(async () => {
  vi.useRealTimers();
  await client?.close();
  for (const worker of workers ?? []) await worker.close();
  await scheduler?.close();
});

test.each(["cold", "warm"])("calls one after the other and at once, chains and arrays: %s", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "setInterval"] });
  const inc = (x: number): number => x + 1;
  for (let i = 0; i < 3; i++) expect(await (await client.submit(inc, [i], { pure: false })).result()).toBe(i + 1);
  let link = await client.submit(inc, [0], { pure: false });
  for (let i = 0; i < 20; i++) link = await client.submit(inc, [link], { pure: false });
  expect(await link.result()).toBe(21);
  const many = await client.map(
    inc,
    Array.from({ length: 200 }, (_, i) => i),
    { pure: false },
  );
  expect((await client.gather(many)).at(-1)).toBe(200);
  // Blocks cross between the workers.
  const x = array.arange(0, 4096, 1, { chunks: 256, dtype: "float64" }).reshape([64, 64]).rechunk([64, 4]).add(1).sum();
  expect(Number((await client.compute(x)).item())).toBe((4096 * 4095) / 2 + 4096);
});
