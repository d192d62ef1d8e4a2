/** Frames that are compressed and split (`distributed.comm.compression`, `.shard`), both ways between us and a real Dask client. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { expect, test } from "vitest";
import { seededRandom, silentLogger } from "../../src/base/index.ts";
import { Client, type Future } from "../../src/client/index.ts";
import { config } from "../../src/config/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { startScheduler } from "../../src/scheduler/index.ts";
import { Worker } from "../../src/worker/index.ts";
import { describePeer, runPython } from "../peers.ts";

const bytesOf = ({ data }: NDArray): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
const digest = (block: NDArray): string => createHash("sha256").update(bytesOf(block)).digest("hex");

describePeer("compressed and split frames", ["distributed", "numpy"], () => {
  test.each([
    ["at once", "1GiB"],
    ["off the event loop", "100kB"],
  ])("a Dask client reads what we compress and split, and we what it does (%s)", async (_, offload) => {
    using _set = config.set({
      "distributed.comm.compression": "zlib",
      "distributed.comm.shard": "1MB",
      "distributed.comm.offload": offload,
    });
    await using scheduler = await startScheduler({ port: 0, logger: silentLogger });
    await using _worker = await Worker.start({
      scheduler: scheduler.address,
      nthreads: 1,
      memoryLimitBytes: 2 ** 29,
      logger: silentLogger,
    });
    await using client = await Client.connect(scheduler.address, { logger: silentLogger });
    const random = seededRandom(11);
    const blocks = [
      NDArray.of(Int32Array.from({ length: 600_000 }, (_, i) => i % 100)),
      NDArray.of(Uint8Array.from({ length: 1_500_000 }, () => random.below(256))),
      NDArray.of(Float64Array.from({ length: 600 }, (_, i) => i % 3)),
    ];
    const futures = (await client.scatter(blocks)) as Future<NDArray>[]; // one for one
    const names = ["even", "noise", "small"];
    for (const [i, future] of futures.entries()) await client.publishDataset(future, { name: names[i] as string });
    const printed = await runPython([join("test", "interop", "compressed_peer.py"), scheduler.address, ...names], {
      env: { DASK_DISTRIBUTED__COMM__COMPRESSION: "zlib", DASK_DISTRIBUTED__COMM__SHARD: "1MB" },
    });
    const seen = JSON.parse(printed);
    expect(seen.digests).toEqual(blocks.map(digest));
    expect(seen.layouts).toEqual([
      [[["zlib", "zlib", "zlib"], [3]]],
      [[[null, null], [2]]],
      [[[null], [1]]], // less than 10 kB
    ]);
    expect(seen.sent).toEqual(["zlib", "zlib", "zlib", null, null]);
    for (const [i, name] of names.entries()) {
      const back = (await client.getDataset(`${name}-back`)) as Future<NDArray>; // what the peer published
      expect(digest(await back.result())).toBe(digest(blocks[i] as NDArray));
    }
  });
});
