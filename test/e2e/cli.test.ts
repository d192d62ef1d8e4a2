/** The command line as real processes. */
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Client } from "../../src/client/index.ts";
import { startRsdat, waitGone } from "../processes.ts";

const folder = mkdtempSync(join(tmpdir(), "rsdat-cli-"));

test("scheduler and worker by command, found by file; a worker at the end of its life hands over and leaves", async () => {
  const file = join(folder, "scheduler.json");
  const pidFile = join(folder, "scheduler.pid");
  const tokenFile = join(folder, "token");
  writeFileSync(tokenFile, "a secret", { mode: 0o600 });
  await using scheduler = startRsdat([
    "scheduler",
    "--host",
    "127.0.0.1",
    "--port",
    "0",
    "--no-dashboard",
    "--scheduler-file",
    file,
    "--pid-file",
    pidFile,
  ]);
  await scheduler.waitFor(/scheduler at tcp/);
  expect(readFileSync(pidFile, "utf8").trim()).toBe(String(scheduler.process.pid));
  const flags = [
    "worker",
    "--scheduler-file",
    file,
    "--nthreads",
    "1",
    "--memory-limit",
    "512MiB",
    "--token-file",
    tokenFile,
  ];
  await using heir = startRsdat([...flags, "--name", "heir"]);
  await heir.waitFor(/worker heir at/);
  await using client = await Client.connect({ schedulerFile: file }, { tokenFile });
  await using mortal = startRsdat([...flags, "--name", "mortal", "--lifetime", "3s", "--resources", "OLD=1"]);
  await mortal.waitFor(/worker mortal at/);
  await using only = await client.submit(() => [process.pid, "kept"], [], { resources: { OLD: 1 } });
  expect(await only.result()).toEqual([mortal.process.pid, "kept"]);
  expect(await mortal.exit, mortal.output()).toBe(0);
  // The heir has it now, and it was not computed again: it still names the process that is gone.
  expect(await only.result()).toEqual([mortal.process.pid, "kept"]);
  await using stranger = await Client.connect({ schedulerFile: file }, { setAsDefault: false });
  await expect((await stranger.submit(() => 1, [], { key: "no mac" })).result()).rejects.toMatchObject({
    message: expect.stringContaining("mac"),
  });
  scheduler.process.kill("SIGTERM");
  expect(await scheduler.exit, scheduler.output()).toBe(0);
  expect(await heir.exit, "a worker ends with its scheduler").toBe(0);
  expect([existsSync(file), existsSync(pidFile)]).toEqual([false, false]);
});

test("a nanny starts a killed worker again, and leaves with it", async () => {
  await using scheduler = startRsdat(["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]);
  const [, address = ""] = await scheduler.waitFor(/scheduler at (tcp:[\d./:]+)/);
  await using nanny = startRsdat([
    "worker",
    address,
    "--nanny",
    "--nthreads",
    "1",
    "--memory-limit",
    "512MiB",
    "--allow-insecure",
  ]);
  await nanny.waitFor(/registered to/);
  await using client = await Client.connect(address);
  const pid = async (): Promise<number> => (await client.submit(() => process.pid, [], { pure: false })).result();
  const first = await pid();
  expect(first).not.toBe(nanny.process.pid);
  process.kill(first, "SIGKILL");
  await nanny.waitFor(/starting it again[\s\S]*registered to/);
  const second = await pid();
  expect(second).not.toBe(first);
  nanny.process.kill("SIGTERM");
  expect(await nanny.exit, nanny.output()).toBe(0);
  await waitGone([second]);
});

test("a nanny kills a worker that takes too much memory; one whose lifetime is over comes back if it is to", async () => {
  await using scheduler = startRsdat(["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]);
  const [, address = ""] = await scheduler.waitFor(/scheduler at (tcp:[\d./:]+)/);
  const flags = ["worker", address, "--nanny", "--nthreads", "1", "--memory-limit", "400MiB", "--allow-insecure"];
  await using nanny = startRsdat([...flags, "--name", "greedy"], {
    env: { DASK_DISTRIBUTED__WORKER__MEMORY__TERMINATE: "0.9" },
  });
  await nanny.waitFor(/registered to/);
  await using client = await Client.connect(address);
  const greedy = await client.submit(
    () => {
      // Kept for ever, as a leak is; a little at a time, so that the nanny sees it.
      const kept: Uint8Array[] = [];
      const until = Date.now() + 120_000;
      while (Date.now() < until) if (kept.length < 600) kept.push(new Uint8Array(2 ** 20).fill(1));
      return kept.length;
    },
    [],
    { pure: false, workers: ["greedy"] },
  );
  await nanny.waitFor(/of memory, over 360\D.*it is killed/);
  client.cancel([greedy], { force: true });
  await nanny.waitFor(/starting it again \(1 of 5\)[\s\S]*registered to/);
  expect(await (await client.submit(() => 7, [], { pure: false })).result()).toBe(7);
  await using reborn = startRsdat([...flags, "--name", "mortal"], {
    env: { DASK_DISTRIBUTED__WORKER__LIFETIME__DURATION: "1s", DASK_DISTRIBUTED__WORKER__LIFETIME__RESTART: "True" },
  });
  await reborn.waitFor(/lifetime is over; starting it again[\s\S]*registered to/);
  reborn.process.kill("SIGTERM");
  expect(await reborn.exit, reborn.output()).toBe(0);
});

test("preloaded modules are set up and torn down; a worker has pages; log levels are obeyed; prefixes too", async () => {
  const module = join(folder, "preload.mjs");
  writeFileSync(
    module,
    `export const setup = (server) => console.log("SETUP " + server.address);
     export const teardown = (server) => console.log("TEARDOWN");`,
  );
  await using scheduler = startRsdat([
    ...[
      "scheduler",
      "--host",
      "127.0.0.1",
      "--port",
      "0",
      "--dashboard-address",
      ":0",
      "--dashboard-prefix",
      "/proxy/1",
    ],
    ...["--preload", module, "--log-level", "debug"],
  ]);
  const [, address = ""] = await scheduler.waitFor(/SETUP (tcp:[\d./:]+)/);
  await using worker = startRsdat(
    ["worker", address, "--nthreads", "1", "--memory-limit", "512MiB", "--dashboard-address", ":0"],
    { env: { RSDAT_LOG: "rsdat.worker=info,error", DASK_DISTRIBUTED__WORKER__PRELOAD: `['${module}']` } },
  );
  const [, pages = ""] = await worker.waitFor(/metrics at (http:[\d./:]+)\/metrics/);
  expect(await (await fetch(`${pages}/health`)).text()).toBe("ok");
  expect(await (await fetch(`${pages}/metrics`)).text()).toMatch(/^dask_worker_threads 1$/m);
  const [, home = ""] = await scheduler.waitFor(/pages at (http:[\d./:]+)/);
  for (const prefix of ["", "/proxy/1"]) expect(await (await fetch(`${home}${prefix}/health`)).text()).toBe("ok");
  await using silent = startRsdat([
    "worker",
    address,
    "--nthreads",
    "1",
    "--memory-limit",
    "512MiB",
    "--log-level",
    "error",
    "--name",
    "silent",
  ]);
  await scheduler.waitFor(/"name":"silent"/);
  scheduler.process.kill("SIGTERM");
  expect([await scheduler.exit, await worker.exit, await silent.exit]).toEqual([0, 0, 0]);
  expect(silent.output()).toBe("");
  for (const process of [scheduler, worker]) expect(process.output()).toContain("TEARDOWN");
});

test("mistakes are one line and exit code 1", async () => {
  await using refused = startRsdat(["worker", "tcp://127.0.0.1:9", "--death-timeout", "1s", "--nthreads", "1"]);
  await using small = startRsdat(["worker", "tcp://127.0.0.1:9", "--memory-limit", "50MB"]);
  await using none = startRsdat(["worker"]);
  for (const process of [refused, small, none]) expect(await process.exit).toBe(1);
  expect(refused.output()).toMatch(/^rsdat: no connection to tcp:\/\/127\.0\.0\.1:9 within 1 s: .*ECONNREFUSED.*\n$/);
  expect(small.output()).toMatch(/^rsdat: memory limit .* leaves nothing for blocks.*\n$/);
  expect(none.output()).toMatch(/^rsdat: no scheduler.*\n$/);
});

test("a scheduler and a worker by specification", async () => {
  await using scheduler = startRsdat([
    "spec",
    "--spec",
    JSON.stringify({ cls: "dask.distributed.Scheduler", opts: { host: "127.0.0.1", port: 0 } }),
  ]);
  const [, address = ""] = await scheduler.waitFor(/scheduler at (tcp:[\d./:]+)/);
  const worker = { cls: "dask.distributed.Nanny", opts: { nthreads: 1, memory_limit: "512MiB", name: "by-spec" } };
  await using running = startRsdat(["spec", address, "--spec", JSON.stringify(worker)]);
  await scheduler.waitFor(/"name":"by-spec"/);
  for (const process of [running, scheduler]) {
    process.process.kill("SIGTERM");
    expect(await process.exit, process.output()).toBe(0);
  }
});

test("plan: every compute, persist and write is explained, and nothing runs", async () => {
  const script = join(folder, "pipeline.ts");
  const out = join(folder, "planned.zarr");
  const home = new URL("../../src/", import.meta.url).href;
  writeFileSync(
    script,
    `import "${home}register.ts";
import { array, compute, SlurmCluster, xr } from "${home}index.ts";
const a = array.ones([4000, 4000], { chunks: 1000 });
const sum = await a.add(1).sum().compute();
console.log("SUM", sum.item(), process.argv[2]);
const kept = await a.mapBlocks(() => { throw new Error("it ran"); }, { dtype: "float64" }).persist();
console.log("KEPT", kept.shape);
const wrote = await a.toZarr(${JSON.stringify(out)});
console.log("WROTE", wrote);
await SlurmCluster.start({ cores: 1, memory: "1GiB" }).catch((error) => console.log(error.message));
if (process.argv[3] === "--stop") console.log(wrote.tasks);
`,
  );
  await using planned = startRsdat(["plan", script, "--flag"]);
  expect(await planned.exit, planned.output()).toBe(0);
  const text = planned.output();
  expect(text).toMatch(/^1\. plan: \d+ tasks$/m);
  expect(text).toMatch(/^SUM 0 --flag$/m);
  expect(text).toMatch(/^2\. plan: 16 tasks$/m);
  expect(text).toMatch(/^KEPT \[ 4000, 4000 \]$/m);
  expect(text).toMatch(/^WROTE undefined$/m);
  expect(text).toMatch(/which submits no jobs/);
  expect(text).toMatch(/^in all: 3 runs, \d+ tasks, 0 B read in 0 requests, .* at the peak of one worker$/m);
  expect(existsSync(out)).toBe(false);
  expect(text).toMatch(
    /^rsdat plan: nothing runs; the script sees zeros for results, and undefined for what was written$/m,
  );
  await using stopped = startRsdat(["plan", script, "--flag", "--stop"]);
  expect(await stopped.exit).toBe(1);
  expect(stopped.output()).toMatch(/^rsdat plan: the script stopped on its way, .*TypeError.*tasks/m);
  expect(stopped.output()).toMatch(/^in all: 3 runs, /m);
  await using missing = startRsdat(["plan", join(folder, "none.js")]);
  expect(await missing.exit).toBe(1);
  expect(missing.output()).toMatch(/^rsdat: .*no such script\n$/);
});

test("info", async () => {
  await using versions = startRsdat(["info", "versions"]);
  await using limits = startRsdat(["info", "limits"]);
  expect([await versions.exit, await limits.exit]).toEqual([0, 0]);
  expect(JSON.parse(versions.output())).toMatchObject({
    node: process.versions.node,
    rsdat: expect.stringMatching(/^\d+\.\d+\.\d+/),
  });
  expect(JSON.parse(limits.output()).threads).toBeGreaterThan(0);
});
