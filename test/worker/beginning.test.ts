/** A worker's process that cannot begin. */
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { expect, test } from "vitest";
import { silentLogger } from "../../src/base/index.ts";
import { Rpc } from "../../src/comm/index.ts";
import { createExecutor } from "../../src/executor/index.ts";
import { startScheduler } from "../../src/scheduler/index.ts";
import { runWorkerProcess } from "../../src/worker/index.ts";

test("leaves no worker behind when the port of its pages is taken", async () => {
  await using scheduler = await startScheduler({ port: 0 });
  await using rpc = new Rpc();
  await using executor = createExecutor({ threads: 1, budgetBytes: 2 ** 24 });
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const httpPort = (other.address() as AddressInfo).port; // it listens on tcp
  const memoryLimitBytes = 2 ** 32;
  const options = { scheduler: scheduler.address, executor, logger: silentLogger, memoryLimitBytes };
  await expect(runWorkerProcess({ ...options, httpPort })).rejects.toMatchObject({ code: "EADDRINUSE" });
  const identity = await rpc.call(scheduler.address, { op: "identity" });
  expect((identity as Map<string, unknown>).get("workers")).toEqual(new Map());
  other.close();
});
