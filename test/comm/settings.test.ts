/** Which settings of connections are taken: `distributed.comm.{compression,shard,offload}`. */
import { expect, test } from "vitest";
import "../../src/register.ts";
import { silentLogger } from "../../src/base/index.ts";
import { Client } from "../../src/client/index.ts";
import { type ConfigValue, commSettings, config } from "../../src/config/index.ts";
import { startScheduler } from "../../src/scheduler/index.ts";
import { Worker } from "../../src/worker/index.ts";

test("compressions that are here are taken, others refused by name, also where connections begin", async () => {
  const key = "distributed.comm.compression";
  const of = (value: ConfigValue): unknown => {
    using _set = config.set({ [key]: value });
    return commSettings().compression;
  };
  expect(["auto", "lz4", "snappy", false, null, "zlib", "zstd"].map(of)).toEqual([
    null,
    null,
    null,
    null,
    null,
    "zlib",
    "zstd",
  ]);
  const refusal = { code: "config", message: expect.stringContaining(`${key} is "brotli", expected false, "auto"`) };
  expect(() => of("brotli")).toThrow(expect.objectContaining(refusal));
  using _set = config.set({ [key]: "brotli" });
  await expect(startScheduler({ port: 0, logger: silentLogger })).rejects.toMatchObject(refusal);
  await expect(Client.connect("tcp://127.0.0.1:9")).rejects.toMatchObject(refusal);
  await expect(Worker.start({ scheduler: "tcp://127.0.0.1:9", logger: silentLogger })).rejects.toMatchObject(refusal);
});

test("sizes of 0 switch splitting and offloading off, and a size of one's own splits for all", () => {
  const infinite = Number.POSITIVE_INFINITY;
  expect(commSettings()).toMatchObject({ shardBytes: 2 ** 26, shardsForOwn: false, offloadBytes: 10 * 2 ** 20 });
  using _set = config.set({ "distributed.comm.shard": 0, "distributed.comm.offload": false });
  expect(commSettings()).toMatchObject({ shardBytes: infinite, offloadBytes: infinite });
  using _own = config.set({ "distributed.comm.shard": "32MiB" });
  expect(commSettings()).toMatchObject({ shardBytes: 2 ** 25, shardsForOwn: true });
});
