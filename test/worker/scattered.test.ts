/** What a running worker is given by key. */
import { expect, test } from "vitest";
import { Rpc } from "../../src/comm/index.ts";
import { createExecutor } from "../../src/executor/index.ts";
import { keyOfValue } from "../../src/graph/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { Serialized, serialize, UPDATE_DATA } from "../../src/protocol/index.ts";
import { startScheduler } from "../../src/scheduler/index.ts";
import { Worker } from "../../src/worker/index.ts";

test("a block that it holds already leaves nothing behind", async () => {
  const executor = createExecutor({ threads: 1, budgetBytes: 2 ** 24 });
  await using scheduler = await startScheduler({ port: 0 });
  await using worker = await Worker.start({ scheduler: scheduler.address, executor });
  await using rpc = new Rpc();
  const block = new NDArray("uint8", new Uint8Array(100_000), [100_000]);
  for (let round = 0; round < 3; round++) {
    const data = new Map([[keyOfValue("block"), serialize(block)]]);
    const { status } = UPDATE_DATA.parseAnswer(await rpc.call(worker.address, UPDATE_DATA.ask({ data })));
    expect(status).toBe("OK");
    expect(executor.stats()).toMatchObject({ blocks: 1, bytesLive: 100_000 });
  }
});

test("data that cannot be read to its end leaves nothing behind", async () => {
  const executor = createExecutor({ threads: 1, budgetBytes: 2 ** 24 });
  await using scheduler = await startScheduler({ port: 0 });
  await using worker = await Worker.start({ scheduler: scheduler.address, executor });
  await using rpc = new Rpc();
  const whole = serialize(new NDArray("uint8", new Uint8Array(100_000), [100_000]));
  const data = new Map([
    [keyOfValue("whole"), whole],
    [keyOfValue("short"), new Serialized(whole.header, [new Uint8Array(100)])],
  ]);
  await expect(rpc.call(worker.address, UPDATE_DATA.ask({ data }))).rejects.toMatchObject({ code: "comm-closed" });
  expect(executor.stats()).toMatchObject({ blocks: 0, bytesLive: 0 });
});
