/** Plugins in real processes: of nannies, before and while their workers run, and of the scheduler of a cluster of one's own. */
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Client, type NannyPlugin, type SchedulerPlugin } from "../../src/client/index.ts";
import { LocalCluster } from "../../src/cluster/index.ts";
import { type Running, startRsdat } from "../processes.ts";

const folder = mkdtempSync(join(tmpdir(), "rsdat-plugins-"));
const tokenFile = join(folder, "token");
const strangersFile = join(folder, "guessed");
writeFileSync(tokenFile, "secret\n", { mode: 0o600 });
writeFileSync(strangersFile, "guessed\n", { mode: 0o600 });

interface Args {
  readonly path: string;
  readonly value: string;
}

/** Sets a variable of the worker's environment, and writes down when it does. */
function marking(path: string, value: string, restart: boolean): NannyPlugin<Args> {
  return {
    kind: "nanny",
    name: "mark",
    restart,
    args: { path, value },
    setup(nanny, args) {
      const { appendFileSync } = process.getBuiltinModule("node:fs");
      appendFileSync(args.path, `up ${nanny.name} ${process.pid}\n`);
      nanny.env["MARK"] = args.value;
    },
    async teardown(nanny, args) {
      const { appendFileSync } = process.getBuiltinModule("node:fs");
      await Promise.resolve();
      appendFileSync(args.path, `down ${nanny.name} ${process.pid}\n`);
      delete nanny.env["MARK"];
    },
  };
}

function startNanny(address: string, name: string, flags: readonly string[] = ["--token-file", tokenFile]): Running {
  const options = ["--nanny", "--name", name, "--nthreads", "1", "--memory-limit", "400MiB"];
  return startRsdat(["worker", address, ...options, ...flags]);
}

const linesOf = (path: string): string[] => readFileSync(path, "utf8").trim().split("\n");

test("a nanny's plugin runs in its process: before its worker starts, or with a restart of one that runs", async () => {
  const path = join(folder, "marks");
  await using scheduler = startRsdat(["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]);
  const [, address = ""] = await scheduler.waitFor(/scheduler at (tcp:[\d./:]+)/);
  await using early = startNanny(address, "early");
  await early.waitFor(/registered to/);
  await using client = await Client.connect(address, { tokenFile });
  const told = async (name: string): Promise<[string | null, number, number]> =>
    (
      await client.submit(() => [process.env["MARK"] ?? null, process.pid, process.ppid], [], {
        pure: false,
        workers: name,
      })
    ).result() as Promise<[string | null, number, number]>;
  const [before, firstPid, nannyPid] = await told("early");
  expect([before, nannyPid]).toEqual([null, early.process.pid]);

  const names = await client.registerPlugin(marking(path, "one", true));
  expect(names).toEqual([expect.stringMatching(/^early@tcp:/)]);
  const [mark, secondPid] = await told("early");
  expect(mark).toBe("one");
  expect(secondPid).not.toBe(firstPid);
  expect(early.output()).toContain("nanny plugin mark has the worker started anew");
  expect(await client.registerPlugin(marking(path, "two", true), { idempotent: true })).toEqual([]);

  // One that joins runs it first: its first worker has the variable.
  await using late = startNanny(address, "late");
  await late.waitFor(/registered to/);
  expect((await told("late"))[0]).toBe("one");
  expect(late.output()).not.toContain("started anew");
  expect(linesOf(path)).toEqual([`up early ${early.process.pid}`, `up late ${late.process.pid}`]);

  // In place of the other, without a restart: the worker goes on, and its successor has the new value.
  expect(await client.registerPlugin(marking(path, "three", false))).toHaveLength(2);
  expect((await told("late")).slice(0, 2)).toEqual(["one", expect.any(Number)]);
  process.kill((await told("late"))[1], "SIGKILL");
  await late.waitFor(/starting it again[\s\S]*registered to/);
  expect((await told("late"))[0]).toBe("three");

  late.process.kill("SIGTERM");
  expect(await late.exit, late.output()).toBe(0);
  expect(linesOf(path).at(-1)).toBe(`down late ${late.process.pid}`);
  expect(await client.unregisterPlugin("mark", { nanny: true })).toHaveLength(1);
  expect(linesOf(path).at(-1)).toBe(`down early ${early.process.pid}`);
  await expect(client.unregisterPlugin("mark", { nanny: true })).rejects.toThrow(
    "the nanny plugin mark does not exist",
  );
});

test("a nanny runs nothing that its token does not vouch for; what setup throws reaches the client", async () => {
  await using scheduler = startRsdat(["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]);
  const [, address = ""] = await scheduler.waitFor(/scheduler at (tcp:[\d./:]+)/);
  await using nanny = startNanny(address, "one");
  await nanny.waitFor(/registered to/);
  await using stranger = await Client.connect(address, { tokenFile: strangersFile });
  const bad: NannyPlugin = {
    kind: "nanny",
    name: "bad",
    setup() {
      throw new RangeError("no room here");
    },
  };
  await expect(stranger.registerPlugin(bad)).rejects.toMatchObject({
    code: "remote",
    message: expect.stringContaining("only with the cluster's mac"),
  });
  await using client = await Client.connect(address, { tokenFile });
  await expect(client.registerPlugin(bad)).rejects.toThrow("no room here");
  // It is kept, as Dask keeps it; a nanny that joins logs what it throws, and starts its worker all the same.
  await using late = startNanny(address, "two");
  await late.waitFor(/nanny plugin bad failed: no room here[\s\S]*registered to/);
});

test("Ctrl-C ends a nanny whose plugin does not end, and leaves a timer", async () => {
  await using scheduler = startRsdat(["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]);
  const [, address = ""] = await scheduler.waitFor(/scheduler at (tcp:[\d./:]+)/);
  await using client = await Client.connect(address, { tokenFile });
  const endless: NannyPlugin = {
    kind: "nanny",
    name: "endless",
    setup() {
      console.log("plugin begins");
      setInterval(() => undefined, 1000);
      return new Promise(() => undefined);
    },
  };
  await client.registerPlugin(endless);
  await using nanny = startNanny(address, "one");
  await nanny.waitFor(/plugin begins/);
  nanny.process.kill("SIGINT");
  expect(await nanny.exit).toBe(0);
  expect(nanny.output()).not.toMatch(/registered to/);
});

test("the scheduler of a cluster of one's own runs what the cluster's token vouches for, and nothing else", async () => {
  const path = join(folder, "told");
  await using cluster = await LocalCluster.start({ nWorkers: 1, threadsPerWorker: 1, memoryLimit: "300MiB" });
  const plugin: SchedulerPlugin<{ readonly path: string; count: number }> = {
    kind: "scheduler",
    name: "teller",
    args: { path, count: 0 },
    transition(key, start, finish) {
      if (start === "processing") this.args.count++;
      const { appendFileSync } = process.getBuiltinModule("node:fs");
      appendFileSync(this.args.path, `${this.args.count} ${key} ${start} ${finish}\n`);
    },
  };
  await using stranger = await Client.connect(cluster.schedulerAddress, {
    tokenFile: strangersFile,
    setAsDefault: false,
  });
  await expect(stranger.registerPlugin(plugin)).rejects.toThrow(/only with the cluster's mac.*another token/);
  await using client = await Client.connect({ cluster }, { setAsDefault: false });
  expect(await client.registerPlugin(plugin)).toEqual([]);
  await (await client.submit((x: number) => x + 1, [1], { key: "n" })).result();
  expect(linesOf(path)).toEqual(["0 n released waiting", "0 n waiting processing", "1 n processing memory"]);
  await client.unregisterPlugin("teller", { scheduler: true });
  await (await client.submit((x: number) => x + 2, [1], { key: "m" })).result();
  expect(linesOf(path)).toHaveLength(3);
});
