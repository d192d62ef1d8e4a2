/** SlurmCluster on a real Slurm of two nodes. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Client } from "../../src/client/index.ts";
import { SlurmCluster, type SlurmOptions } from "../../src/cluster/index.ts";
import { describePeer, ROOT, run } from "../peers.ts";
import { start } from "../processes.ts";
import { slurmEnv } from "./slurm-env.ts";

const SCENE = join(ROOT, "examples", "data", "L7_ETMs.tif");
const DATES = [
  [3, 4],
  [2, 4],
  [1, 4],
  [3, 5],
].flatMap(([red, nir]) => ["--red", `${SCENE}:${red}`, "--nir", `${SCENE}:${nir}`]);

/** Path and bytes of every file below a folder. */
function filesOf(folder: string): Map<string, string> {
  const paths = readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => join(folder, name));
  const files = paths.filter((path) => statSync(path).isFile()).sort();
  return new Map(files.map((path) => [relative(folder, path), readFileSync(path, "base64")]));
}

/** Ids of jobs that Slurm lists as waiting or running. */
async function listed(): Promise<string[]> {
  return (await run("squeue", ["-h", "-r", "-o", "%i"])).split("\n").filter(Boolean);
}

async function until(what: string, isTrue: () => boolean | Promise<boolean>, timeoutMs = 30_000): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!(await isTrue())) {
    if (performance.now() > end) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await sleep(100);
  }
}

describePeer("SlurmCluster", "slurm", () => {
  let folder: string;
  let options: SlurmOptions;

  beforeAll(() => {
    Object.assign(process.env, slurmEnv());
    folder = mkdtempSync(join(tmpdir(), "rsdat-slurm-"));
    options = {
      cores: 1,
      memory: "400MiB",
      walltime: "00:05:00",
      sharedTempDirectory: folder,
      logDirectory: join(folder, "logs"),
      pollInterval: "2s",
    };
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("the main job over two nodes gives the bytes of threads", async () => {
    const [threads, nodes] = [join(folder, "threads"), join(folder, "nodes")];
    await run(process.execPath, [join(ROOT, "examples", "ndvi.ts"), ...DATES, "--out", threads]);
    const script = join(ROOT, "test", "slurm", "scripts", "ndvi-on-slurm.ts");
    const out = await run(process.execPath, [script, ...DATES, "--out", nodes], { env: { TEST_FOLDER: folder } });
    const last = out.trim().split("\n").at(-1) ?? "";
    const facts: { readonly nodes: string[]; readonly busyNodes: string[] } = JSON.parse(last);
    expect(facts.nodes.toSorted()).toEqual(["n1", "n2"]);
    expect(facts.busyNodes.toSorted()).toEqual(["n1", "n2"]);
    const summaries = [threads, nodes].map((path) => JSON.parse(readFileSync(join(path, "summary.json"), "utf8")));
    for (const name of ["valid", "missing", "mean", "min", "max"])
      expect(summaries[1][name], name).toBe(summaries[0][name]);
    for (const path of [threads, nodes]) rmSync(join(path, "summary.json"));
    const [ours, theirs] = [filesOf(nodes), filesOf(threads)];
    expect(Array.from(ours.keys())).toEqual(
      expect.arrayContaining(["ndvi.tif", "ndvi.png", join("ndvi.zarr", "zarr.json")]),
    );
    expect(Array.from(ours.keys())).toEqual(Array.from(theirs.keys()));
    for (const [path, bytes] of ours) expect(bytes === theirs.get(path), `${path} is the same`).toBe(true);
    expect(await listed()).toEqual([]);
  });

  test("scales up and down without losing results, replaces who leaves, and close cancels all", async () => {
    await using cluster = await SlurmCluster.start({ ...options, cores: 2, name: "scaled" });
    expect(statSync(cluster.tokenFile).mode & 0o777).toBe(0o600);
    expect(statSync(join(cluster.tokenFile, "..")).mode & 0o777).toBe(0o700);
    await cluster.scale({ cores: 4 });
    await cluster.waitForWorkers(2, { timeout: "60s" });
    expect(cluster.jobs.map(({ workers, phase }) => [workers, phase])).toEqual([
      [["scaled-0"], "joined"],
      [["scaled-1"], "joined"],
    ]);
    await using client = await Client.connect({ cluster });
    const runs = join(folder, "runs");
    // Every run leaves a line: results that were moved are not computed again.
    const task = (file: string, i: number): string => {
      process.getBuiltinModule("node:fs").appendFileSync(file, `${i}\n`);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 150);
      return `${process.env["SLURMD_NODENAME"]} ${i}`;
    };
    const futures = await Promise.all([0, 1, 2, 3, 4, 5, 6, 7].map((i) => client.submit(task, [runs, i])));
    await Promise.all(futures.map((future) => future.wait()));
    const before = (await listed()).length;
    await cluster.scale(1);
    expect(cluster.jobs).toHaveLength(1);
    const values = (await client.gather(futures)).map(String);
    expect(new Set(values.map((value) => value.split(" ")[0]))).toEqual(new Set(["n1", "n2"]));
    expect([before, (await listed()).length]).toEqual([2, 1]);

    const [left] = cluster.jobs;
    await cluster.scale({ jobs: 2 });
    await cluster.waitForWorkers(2, { timeout: "60s" });
    // What Slurm sends before the end of a job's time; the workers are busy and have more to do.
    const more = await client.map(
      (i: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100 + i),
      Array.from({ length: 60 }, (_, i) => i),
    );
    await run("scancel", ["--signal=USR2", "--batch", left?.id ?? ""]);
    await until(
      "a job takes the place of the one that left",
      () => cluster.jobs.length === 2 && cluster.jobs.every(({ id, phase }) => id !== left?.id && phase === "joined"),
    );
    expect(await client.gather(more)).toEqual(more.map(() => "timed-out"));
    expect((await client.gather(futures)).map(String)).toEqual(values);
    expect(readFileSync(runs, "utf8").trim().split("\n")).toHaveLength(8);
    expect(await run("scontrol", ["show", "job", "-o", left?.id ?? ""])).toContain("JobState=COMPLETED");

    const [cancelled] = cluster.jobs;
    await run("scancel", [cancelled?.id ?? ""]);
    await until("a job that somebody else cancelled is not replaced", () => cluster.jobs.length === 1);
    expect((await cluster.logs()).get(cluster.jobs[0]?.id ?? "")).toContain("registered to");
    await cluster.close();
    expect(await listed()).toEqual([]);
  });

  test("several workers share a job, after a prologue and before an epilogue", async () => {
    await using cluster = await SlurmCluster.start({
      ...options,
      cores: 2,
      memory: "1GiB",
      processes: 2,
      nWorkers: 2,
      name: "shared",
      jobScriptPrologue: ["export FROM_PROLOGUE=yes"],
      jobScriptEpilogue: ["echo the epilogue ran"],
    });
    await cluster.waitForWorkers(2, { timeout: "60s" });
    expect(cluster.jobs.map(({ workers }) => workers)).toEqual([["shared-0-0", "shared-0-1"]]);
    await using client = await Client.connect({ cluster });
    const workers = Array.from((await client.schedulerInfo()).workers?.values() ?? []);
    const facts = workers.map(({ name, nthreads, memoryLimit }) => ({ name, nthreads, memoryLimit }));
    expect(facts.toSorted((a, b) => String(a.name).localeCompare(String(b.name)))).toEqual(
      ["shared-0-0", "shared-0-1"].map((name) => ({ name, nthreads: 1, memoryLimit: Math.floor(0.4 * 2 ** 30) })),
    );
    expect(await (await client.submit(() => process.env["FROM_PROLOGUE"])).result()).toBe("yes");
    const [job] = cluster.jobs;
    await cluster.close();
    expect(readFileSync(join(folder, "logs", `dask-worker-${job?.id}.out`), "utf8")).toContain("the epilogue ran");
  });

  test("what sbatch refuses reaches the caller, with the option at fault", async () => {
    await using cluster = await SlurmCluster.start({ ...options, partition: "short", walltime: "01:00:00" });
    const refusal = await cluster.scale({ jobs: 2 }).then(
      () => null,
      (error: unknown) => error,
    );
    expect(refusal).toMatchObject({
      code: "slurm-submit",
      message: expect.stringMatching(/exit code 1\).*Requested time limit is invalid[\s\S]*walltime: /),
      details: { exitCode: 1, option: "walltime", script: expect.stringContaining("#SBATCH --array=0-1") },
    });
    expect(cluster.jobs).toEqual([]);
    await expect(SlurmCluster.start({ ...options, partition: "nowhere", jobs: 1 })).rejects.toMatchObject({
      code: "slurm-submit",
      details: { option: "partition" },
    });
    await expect(SlurmCluster.start({ ...options, memory: "1TB", jobs: 1 })).rejects.toMatchObject({
      code: "slurm-submit",
      details: { option: "memory" },
    });
    await expect(SlurmCluster.start({ ...options, cores: 999, jobs: 1 })).rejects.toMatchObject({
      code: "slurm-submit",
      details: { option: "cores" },
    });
    expect(readdirSync(folder).filter((name) => name.startsWith("cluster-"))).toHaveLength(1);
  });

  test("jobs that die before their worker is there end the wait, with Slurm's reason and the log", async () => {
    const prologue = ["echo loading the environment", "exit 3"];
    await using cluster = await SlurmCluster.start({ ...options, jobs: 1, jobScriptPrologue: prologue });
    await using client = await Client.connect({ cluster });
    const future = await client.submit((x: number) => x, [1]);
    const failure = await future.result().then(
      () => null,
      (error: unknown) => error,
    );
    expect(failure).toMatchObject({
      code: "worker-start",
      message: expect.stringMatching(
        /FAILED \(NonZeroExitCode, exit code 3\)[\s\S]*failed starts in a row: 3[\s\S]*loading the environment/,
      ),
      details: { state: "FAILED", exitCode: 3, lines: ["loading the environment"], givenUpAfter: 3 },
    });
    await expect(cluster.waitForWorkers()).rejects.toBe(failure);
    expect(
      readdirSync(join(folder, "logs")).filter((name) =>
        readFileSync(join(folder, "logs", name), "utf8").includes("loading"),
      ),
    ).toHaveLength(3);
    expect(await listed()).toEqual([]);
  });

  test("what sbatch refuses later is tried again three times, and ends the wait", async () => {
    // A folder with a space, as users have.
    const logs = join(folder, "my logs");
    await using cluster = await SlurmCluster.start({
      ...options,
      logDirectory: logs,
      partition: "short",
      walltime: "1",
      pollInterval: "0.3s",
      jobs: 1,
    });
    await cluster.waitForWorkers(1, { timeout: "60s" });
    expect((await cluster.logs()).get(cluster.jobs[0]?.id ?? "")).toContain("registered to");
    await using client = await Client.connect({ cluster });
    await run("scontrol", ["update", "PartitionName=short", "State=INACTIVE"]);
    try {
      await run("scancel", ["--signal=USR2", "--batch", cluster.jobs[0]?.id ?? ""]);
      await until("its job is gone", () => cluster.jobs.length === 0);
      const result = client.submit((x: number) => x, [1]).then((future) => future.result());
      await expect(result).rejects.toMatchObject({
        code: "worker-start",
        message: expect.stringContaining("no job takes the place"),
        details: { exitCode: 1 },
      });
    } finally {
      await run("scontrol", ["update", "PartitionName=short", "State=UP"]);
    }
  });

  test("a node that cannot reach the scheduler says so", async () => {
    // On a node, loopback is the node itself; where all nodes are this machine, a worker would get through.
    if (process.env["RSDAT_SLURM_LOGIN"] === "127.0.0.1") return;
    await using cluster = await SlurmCluster.start({
      ...options,
      jobs: 1,
      deathTimeout: "2s",
      maxStartFailures: 1,
      schedulerOptions: { host: "127.0.0.1" },
    });
    await expect(cluster.waitForWorkers()).rejects.toMatchObject({
      code: "worker-start",
      message: expect.stringContaining("see schedulerOptions.host"),
    });
  });

  test.each([
    ["hang", "is killed"],
    ["end", "closes nothing"],
  ])("a driver (%s) that %s leaves no job behind", async (how) => {
    await using driver = start(process.execPath, [join(ROOT, "test", "slurm", "scripts", "driver.ts"), how], {
      env: { TEST_FOLDER: folder },
    });
    const [, text = ""] = await driver.waitFor(/jobs ([\d_ ]+)\./, 60_000);
    expect(text.split(" ")).toHaveLength(3);
    if (how === "hang") driver.process.kill("SIGKILL");
    expect(await driver.exit).toBe(how === "hang" ? "SIGKILL" : 0);
    await until("Slurm lists none of its jobs", async () => (await listed()).length === 0, 20_000);
    await until("its token is gone", () => !readdirSync(folder).some((name) => name.startsWith("cluster-")), 10_000);
  });
});
