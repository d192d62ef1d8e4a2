/** What a script sets counts in the processes that it starts, TLS included. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { array, Client, config, LocalCluster } from "../../src/index.ts";
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
  expect(await (await client.submit(() => 3, [], { resources: { GPU: 2 } })).result()).toBe(3);
  rmSync(folder, { recursive: true });
});
