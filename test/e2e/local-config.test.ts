/** What a script sets counts in the processes that it starts, TLS included. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { array, Client, config, LocalCluster, type RunAccounting, watchAccounting } from "../../src/index.ts";
import "../../src/register.ts";
import { makeCertificates } from "../certificates.ts";

test("a local cluster speaks TLS where the script's configuration says so, and obeys the rest of it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "rsdat-local-tls-"));
  const { ca, cert, key } = makeCertificates(folder, "own");
  using _set = config.set({
    "distributed.comm.require-encryption": true,
    "distributed.comm.tls.ca-file": ca,
    ...Object.fromEntries(
      ["scheduler", "worker", "client"].flatMap((role) => [
        [`distributed.comm.tls.${role}.cert`, cert],
        [`distributed.comm.tls.${role}.key`, key],
      ]),
    ),
    "distributed.worker.resources": { GPU: 2 },
  });
  await using cluster = await LocalCluster.start({ nWorkers: 2, threadsPerWorker: 1, memoryLimit: "512MiB" });
  expect(cluster.schedulerAddress).toMatch(/^tls:/);
  await using client = await Client.connect({ cluster });
  // Blocks cross between the workers, so both speak it with each other.
  const a = array.arange(0, 1000, 1, { chunks: 100 });
  expect((await a.add(1).sum().compute()).item()).toBe(500_500n);
  const { workers } = await client.schedulerInfo();
  expect([...(workers?.keys() ?? [])].every((address) => address.startsWith("tls:"))).toBe(true);
  // Where the time went, by worker and in all.
  const runs: RunAccounting[] = [];
  const watch = watchAccounting((run) => runs.push(run));
  const b = array.ones([64, 64], { chunks: 8 }).add(1);
  expect(Number((await b.rechunk([64, 1]).sum().compute()).item())).toBe(8192);
  watch[Symbol.dispose]();
  expect(await (await client.submit(() => 3, [], { resources: { GPU: 2 } })).result()).toBe(3);
  if (!client.isNative) {
    // Dask's scheduler keeps no sums.
    await expect(client.accounting()).rejects.toMatchObject({ code: "unsupported" });
    return rmSync(folder, { recursive: true });
  }
  const accounting = await client.accounting();
  expect([...accounting.byWorker.keys()].sort()).toEqual([...(workers?.keys() ?? [])].sort());
  expect(accounting).toMatchObject({ workers: 2, threads: 2, recomputed: 0 });
  expect(accounting.tasks).toBe([...accounting.byWorker.values()].reduce((sum, one) => sum + one.tasks, 0));
  expect(runs).toHaveLength(1);
  const [run] = runs as [RunAccounting];
  expect(run).toMatchObject({ workers: 2, threads: 2, isDone: true });
  expect(run.tasks).toBe((await b.rechunk([64, 1]).sum().explain()).tasks);
  expect(run.computeSeconds).toBeGreaterThan(0);
  expect(run.bytesTransferred).toBeGreaterThan(0);
  expect(run.transferSeconds).toBeGreaterThan(0);
  expect(run.computeSeconds + run.storeSeconds + run.idleSeconds).toBeCloseTo(2 * run.seconds, 1);
  expect(run.peakBytesPlanned).toBe((await b.rechunk([64, 1]).sum().explain()).peakWorkerBytes);
  expect(run.peakBytesObserved).toBeGreaterThan(0);
  expect(run.schedulerSeconds).toBeGreaterThan(0);
  rmSync(folder, { recursive: true });
});
