/** `distributed.p2p.comm.message-bytes-limit` between two workers: how many blocks one request asks for. */
import { expect, test, vi } from "vitest";
import "../../src/register.ts";
import { type ChunkedArray, random } from "../../src/array/index.ts";
import { silentLogger } from "../../src/base/index.ts";
import { Client, futuresOf, wait } from "../../src/client/index.ts";
import { type ConfigValue, config } from "../../src/config/index.ts";
import { startScheduler } from "../../src/scheduler/index.ts";
import { Worker } from "../../src/worker/index.ts";

/** Blocks asked for by each request between workers. */
const requests = vi.hoisted(() => [] as number[]);
vi.mock("../../src/comm/index.ts", async (original) => {
  const comm = await original<typeof import("../../src/comm/index.ts")>();
  const getData: typeof comm.getData = (rpc, worker, request, ...rest) => {
    if (request.who) requests.push(request.keys.length); // a worker, no client
    return comm.getData(rpc, worker, request, ...rest);
  };
  return { ...comm, getData };
});

/** 16 rows of 8 KiB. */
const rows = (): ChunkedArray => random.defaultRng(5).random([16, 1024], { chunks: [1, 1024] });

/** A rechunk at one worker of what another holds; its value and the requests between them. */
async function between(settings: Record<string, ConfigValue>): Promise<[number, number[]]> {
  using _set = config.set(settings);
  await using scheduler = await startScheduler({ port: 0, logger: silentLogger });
  const options = { scheduler: scheduler.address, nthreads: 1, memoryLimitBytes: 2 ** 29, logger: silentLogger };
  await using holder = await Worker.start(options);
  await using other = await Worker.start(options);
  await using client = await Client.connect(scheduler.address, { logger: silentLogger });
  const held = await client.persist(rows(), { workers: holder.address });
  await wait(futuresOf(held));
  requests.length = 0;
  const result = await client.compute(held.rechunk([16, 512]).max(0).sum(), { workers: other.address });
  return [Number(result.item()), requests.slice()];
}

test("a request asks for as many blocks of a rechunk as its bound of bytes holds, one at the least", async () => {
  const [expected, all] = await between({});
  expect(all).toEqual([16]);
  const limit = "distributed.p2p.comm.message-bytes-limit";
  const [two, byTwo] = await between({ [limit]: "16 kiB" });
  expect(byTwo).toEqual(new Array(8).fill(2));
  const [one, single] = await between({ [limit]: 1 });
  expect(single).toEqual(new Array(16).fill(1));
  expect([two, one]).toEqual([expected, expected]);
});
