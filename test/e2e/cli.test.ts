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
  await using mortal = startRsdat([...flags, "--name", "mortal", "--lifetime", "2s", "--resources", "OLD=1"]);
  await using heir = startRsdat([...flags, "--name", "heir"]);
  await mortal.waitFor(/worker mortal at/);
  await heir.waitFor(/worker heir at/);
  await using client = await Client.connect({ schedulerFile: file }, { tokenFile });
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

test("mistakes are one line and exit code 1", async () => {
  await using refused = startRsdat(["worker", "tcp://127.0.0.1:9", "--death-timeout", "300ms", "--nthreads", "1"]);
  await using small = startRsdat(["worker", "tcp://127.0.0.1:9", "--memory-limit", "50MB"]);
  await using none = startRsdat(["worker"]);
  for (const process of [refused, small, none]) expect(await process.exit).toBe(1);
  expect(refused.output()).toMatch(
    /^rsdat: no connection to tcp:\/\/127\.0\.0\.1:9 within 0\.3 s: .*ECONNREFUSED.*\n$/,
  );
  expect(small.output()).toMatch(/^rsdat: memory limit .* leaves nothing for blocks.*\n$/);
  expect(none.output()).toMatch(/^rsdat: no scheduler.*\n$/);
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
