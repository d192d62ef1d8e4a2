/** A Slurm cluster looks after its jobs whatever becomes of its own files. The commands are scripts that say little. */
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { SlurmCluster } from "../../src/cluster/index.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rsdat-slurm-"));
  const command = (name: string, text: string): void => {
    writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(folder, name), 0o700);
  };
  // Every job is accepted, under the number of those before it, and gone when it is looked for.
  command("sbatch", `cat > /dev/null; echo job >> ${folder}/submitted; wc -l < ${folder}/submitted`);
  for (const name of ["squeue", "scancel", "sinfo", "scontrol"]) command(name, "exit 0");
  vi.stubEnv("PATH", `${folder}${delimiter}${process.env["PATH"]}`);
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

test("where the list of its jobs cannot be written, a cluster goes on with those that it has", {
  timeout: 60_000,
}, async () => {
  const shared = join(folder, "shared");
  await using cluster = await SlurmCluster.start({
    cores: 1,
    memory: "1GB",
    jobs: 1,
    sharedTempDirectory: shared,
    logDirectory: join(folder, "logs"),
    schedulerOptions: { host: "127.0.0.1" },
  });
  for (const name of readdirSync(shared)) rmSync(join(shared, name), { recursive: true });
  const jobs = (): number => readFileSync(join(folder, "submitted"), "utf8").trim().split("\n").length;
  await expect.poll(jobs, { timeout: 40_000 }).toBeGreaterThan(1); // the first is gone, another takes its place
  expect(cluster.jobs.length).toBeLessThanOrEqual(1);
  expect(existsSync(shared)).toBe(true);
});
