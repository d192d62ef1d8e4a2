/** Adaptive scaling with real processes: a cluster that grows with its work and shrinks after it. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { array, Client, config, LocalCluster } from "../../src/index.ts";
import "../../src/register.ts";

test("a local cluster grows while work waits, and lets workers go after it without losing what they hold", async () => {
  await using cluster = await LocalCluster.start({ nWorkers: 1, threadsPerWorker: 1, memoryLimit: "512MiB" });
  await using client = await Client.connect({ cluster });
  const held = await array.arange(0, 100, 1, { chunks: 10 }).persist();
  await held.wait();
  using _set = config.set({ "distributed.adaptive.interval": "100ms", "distributed.adaptive.target-duration": "1s" });
  const adaptive = cluster.adapt({ minimum: 1, maximum: 3, waitCount: 2 });
  expect(adaptive.options).toMatchObject({ minimum: 1, maximum: 3, waitCount: 2, intervalMs: 100, targetMs: 1000 });
  // There is work until the cluster has grown.
  const gate = join(mkdtempSync(join(tmpdir(), "rsdat-adaptive-")), "open");
  const work = await client.map(
    (i: number, path: string) => {
      const { existsSync } = process.getBuiltinModule("node:fs");
      const until = Date.now() + 250;
      while (Date.now() < until || (i > 2 && !existsSync(path)));
      return i * i;
    },
    Array.from({ length: 40 }, (_, i) => i),
    Array.from({ length: 40 }, () => gate),
    { pure: false },
  );
  await expect.poll(() => cluster.pids.workers.length, { timeout: 150_000, interval: 50 }).toBe(3);
  writeFileSync(gate, "");
  expect(await client.gather(work)).toEqual(Array.from({ length: 40 }, (_, i) => i * i));
  for (const future of work) future.release();
  await expect.poll(() => cluster.pids.workers.length, { timeout: 150_000, interval: 50 }).toBe(1);
  // What was kept on workers that went is still there, or was moved.
  expect((await held.sum().compute()).item()).toBe(4950n);
  await cluster.scale(2);
  expect(cluster.pids.workers.length).toBe(2);
  await cluster.scale(1);
  await expect.poll(() => cluster.pids.workers.length, { timeout: 60_000 }).toBe(1);
  await expect(cluster.scale(-1)).rejects.toMatchObject({ code: "argument" });
  expect(() => cluster.adapt({ minimum: 3, maximum: 1 })).toThrow(/minimum 3 and maximum 1/);
  expect(() => cluster.adapt({ waitCount: 0 })).toThrow(/waitCount/);
});
