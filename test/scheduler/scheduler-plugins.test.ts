/** Plugins of a scheduler in this process: who may register one, what it is told, and that it hurts nobody. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Logger, silentLogger } from "../../src/base/index.ts";
import { Client, type SchedulerPlugin } from "../../src/client/index.ts";
import { Rpc } from "../../src/comm/index.ts";
import { config } from "../../src/config/index.ts";
import { type SchedulerOptions, type SchedulerServer, startScheduler } from "../../src/scheduler/index.ts";
import { Worker } from "../../src/worker/index.ts";

const folder = mkdtempSync(join(tmpdir(), "rsdat-plugins-"));
const tokenFile = join(folder, "token");
writeFileSync(tokenFile, "secret\n", { mode: 0o600 });

declare global {
  // Hooks that travel run in this process here, as text: what they leave is left there.
  var heard: unknown[] | undefined;
}

const teller: SchedulerPlugin<{ readonly word: string }> = {
  kind: "scheduler",
  name: "teller",
  args: { word: "up" },
  async start(scheduler) {
    await Promise.resolve();
    globalThis.heard?.push([this.args.word, scheduler.address, scheduler.clients.length]);
  },
};

/** A scheduler, and a client of it. */
async function together<T>(
  options: SchedulerOptions,
  act: (client: Client, scheduler: SchedulerServer) => Promise<T>,
): Promise<T> {
  await using scheduler = await startScheduler({ port: 0, logger: silentLogger, ...options });
  await using client = await Client.connect(scheduler.address, {
    setAsDefault: false,
    ...(options.token ? { tokenFile } : {}),
  });
  globalThis.heard = [];
  return await act(client, scheduler);
}

const startWorker = (scheduler: SchedulerServer): Promise<Worker> =>
  Worker.start({
    scheduler: scheduler.address,
    nthreads: 1,
    memoryLimitBytes: 2 ** 29,
    allowInsecure: true,
    logger: silentLogger,
  });

describe("code of clients", () => {
  test("is refused unless rsdat.scheduler.plugins says else, by an error that names the key", async () => {
    await together({}, async (client) => {
      await expect(client.registerPlugin(teller)).rejects.toMatchObject({
        code: "remote",
        message: expect.stringMatching(/plugin teller is refused: rsdat\.scheduler\.plugins is false/),
      });
      expect(globalThis.heard).toEqual([]);
    });
    using _on = config.set({ "rsdat.scheduler.plugins": true });
    await together({}, async (client, scheduler) => {
      expect(await client.registerPlugin(teller)).toEqual([]);
      expect(globalThis.heard).toEqual([["up", scheduler.address, 1]]);
    });
    // What is said in code wins.
    await together({ plugins: false }, async (client) => {
      await expect(client.registerPlugin(teller)).rejects.toThrow("rsdat.scheduler.plugins is false");
    });
  });

  test("takes nothing from the operator: its plugins are neither removed nor replaced by clients", async () => {
    await together({ plugins: true }, async (client, scheduler) => {
      await scheduler.addPlugin({ name: "teller", addClient: () => globalThis.heard?.push("operator's") });
      for (const attempt of [client.unregisterPlugin("teller", { scheduler: true }), client.registerPlugin(teller)])
        await expect(attempt).rejects.toThrow("the scheduler plugin teller is the operator's");
      await using _other = await Client.connect(scheduler.address, { setAsDefault: false });
      await expect.poll(() => globalThis.heard).toEqual(["operator's"]);
      scheduler.removePlugin("teller");
      await client.registerPlugin(teller);
      await client.unregisterPlugin("teller", { scheduler: true });
    });
  });

  test("with a token runs only if that vouches for it", async () => {
    await together({ plugins: true, token: "secret" }, async (client, scheduler) => {
      await client.registerPlugin(teller);
      await using stranger = await Client.connect(scheduler.address, { setAsDefault: false });
      await expect(stranger.registerPlugin({ ...teller, name: "other" })).rejects.toThrow(/cluster's mac/);
      expect(globalThis.heard).toHaveLength(1);
    });
  });

  test("replaces what has its name, stays where that is so wished, and goes when it is unregistered", async () => {
    await together({ plugins: true }, async (client, scheduler) => {
      const changed = (word: string) => ({ ...teller, args: { word } });
      await client.registerPlugin(teller);
      await client.registerPlugin(changed("not"), { idempotent: true });
      await client.registerPlugin(changed("again"));
      expect(globalThis.heard?.map((each) => (each as unknown[])[0])).toEqual(["up", "again"]);
      const bad: SchedulerPlugin = {
        kind: "scheduler",
        name: "bad",
        start: () => Promise.reject(new RangeError("no way")),
      };
      await expect(client.registerPlugin(bad)).rejects.toThrow("no way");
      await expect(client.unregisterPlugin("bad", { scheduler: true })).rejects.toThrow(
        "the scheduler plugin bad does not exist",
      );
      expect(await client.unregisterPlugin("teller", { scheduler: true })).toEqual([]);
      expect(() => scheduler.removePlugin("teller")).toThrow("the scheduler plugin teller does not exist");
      await expect(client.unregisterPlugin("teller", { scheduler: true, nanny: true })).rejects.toMatchObject({
        code: "argument",
      });
    });
  });
});

test("a hook that throws, or whose promise is rejected, is logged once as an error, and tasks go on", async () => {
  const lines: string[] = [];
  const note = (level: string) => (message: string) => void lines.push(`${level}: ${message}`);
  const logger: Logger = { ...silentLogger, error: note("error"), debug: note("debug") };
  await together({ logger }, async (client, scheduler) => {
    let moves = 0;
    await scheduler.addPlugin({
      name: "clumsy",
      transition: () => {
        throw new RangeError(`move ${moves++}`);
      },
      addWorker: () => Promise.reject(new RangeError("late")),
      logEvent: () => {
        throw new RangeError("deaf");
      },
    });
    await using _worker = await startWorker(scheduler);
    expect(await (await client.submit((x: number) => x + 1, [1])).result()).toBe(2);
    await using rpc = new Rpc();
    await rpc.call(scheduler.address, { op: "log_event", topic: "t", msg: 1 });
    expect(moves).toBe(3);
    expect(lines.filter((line) => line.includes("plugin"))).toEqual([
      "error: scheduler plugin clumsy: addWorker failed: late",
      "error: scheduler plugin clumsy: transition failed: move 0",
      "debug: scheduler plugin clumsy: transition failed: move 1",
      "debug: scheduler plugin clumsy: transition failed: move 2",
      "error: scheduler plugin clumsy: logEvent failed: deaf",
    ]);
  });
});

test("of a plugin that has gone nothing is left: what comes by its name is told of as new", async () => {
  const lines: string[] = [];
  await together({ logger: { ...silentLogger, error: (line) => void lines.push(line) } }, async (_, scheduler) => {
    await using rpc = new Rpc();
    for (const why of ["first", "second"]) {
      await scheduler.addPlugin({
        name: "clumsy",
        logEvent: () => {
          throw new RangeError(why);
        },
      });
      for (const msg of [1, 2]) await rpc.call(scheduler.address, { op: "log_event", topic: "t", msg });
      scheduler.removePlugin("clumsy");
    }
    expect(lines).toEqual(["first", "second"].map((why) => `scheduler plugin clumsy: logEvent failed: ${why}`));
  });
});

test("a module of the operator's adds a plugin without leave; it is told of graphs, and waited for at the end", async () => {
  const module = join(folder, "preloaded.mjs");
  writeFileSync(
    module,
    `export const setup = (scheduler) => scheduler.addPlugin({
       name: "preloaded",
       start: () => globalThis.heard.push("start"),
       updateGraph: (scheduler, { keys, tasks }) => globalThis.heard.push([...keys, tasks.length, scheduler.stateOf(keys[0]), scheduler.workers.length]),
       beforeClose: () => globalThis.heard.push("beforeClose"),
       close: async () => { await new Promise((resolve) => setTimeout(resolve, 50)); globalThis.heard.push("close"); },
     });`,
  );
  globalThis.heard = [];
  const scheduler = await startScheduler({ port: 0, logger: silentLogger, preload: [module] });
  const client = await Client.connect(scheduler.address, { setAsDefault: false });
  await client.submit((x: number) => x + 1, [1], { key: "n" });
  while (globalThis.heard.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  await client.close();
  await scheduler.close();
  expect(globalThis.heard).toEqual(["start", ["n", 1, "no-worker", 0], "beforeClose", "close"]);
});

test("the machine keeps no transitions for a plugin that does not ask for them, nor for one that has gone", async () => {
  await together({}, async (client, scheduler) => {
    await using _worker = await startWorker(scheduler);
    const moves: string[] = [];
    const run = async (key: string | readonly [string, number]): Promise<unknown> =>
      (await client.submit((x: number) => x + 1, [1], { key })).result();
    await scheduler.addPlugin({ name: "graphs", updateGraph: () => moves.push("graph") });
    await run("a");
    expect(moves).toEqual(["graph"]);
    await scheduler.addPlugin({
      name: "moves",
      transition: (key, _from, to) => moves.push(`${JSON.stringify(key)} ${to}`),
    });
    scheduler.removePlugin("graphs");
    await run(["b", 1]);
    expect(moves.slice(1)).toEqual(['["b",1] waiting', '["b",1] processing', '["b",1] memory']);
    scheduler.removePlugin("moves");
    await run("c");
    expect(moves).toHaveLength(4);
  });
});
