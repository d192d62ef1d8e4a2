/** A nanny's connection to its scheduler: it lasts beyond one of them, and is none where there are no plugins for it. */
import { expect, test } from "vitest";
import { silentLogger } from "../../src/base/index.ts";
import { Client, type NannyPlugin } from "../../src/client/index.ts";
import { startScheduler } from "../../src/scheduler/index.ts";
import { NannyPlugins } from "../../src/worker/index.ts";

const plugin = (value: string): NannyPlugin<{ readonly value: string }> => ({
  kind: "nanny",
  name: "env",
  args: { value },
  setup: (nanny, args) => {
    nanny.env["VALUE"] = args.value;
  },
});

async function register(scheduler: string, value: string): Promise<string[]> {
  await using client = await Client.connect(scheduler, { setAsDefault: false });
  return await client.registerPlugin(plugin(value));
}

function nannyOf(scheduler: string, signal: AbortSignal, deathTimeoutMs = 60_000): NannyPlugins {
  return new NannyPlugins({
    scheduler,
    name: "one",
    localDirectory: "",
    env: { OTHER: "kept" },
    trust: { token: null, allowInsecure: true },
    deathTimeoutMs,
    logger: silentLogger,
    signal,
  });
}

test("plugins are there when it has joined, and those of a scheduler in place of one that has gone come too", async () => {
  const leave = new AbortController();
  const first = await startScheduler({ port: 0, logger: silentLogger });
  const { address, port } = first;
  const nanny = nannyOf(address, leave.signal);
  expect(await register(address, "early")).toEqual([]);
  await nanny.join();
  expect(nanny.env).toEqual({ OTHER: "kept", VALUE: "early" });
  expect(await register(address, "first")).toEqual([expect.stringMatching(/^one@tcp:/)]);
  expect(nanny.env["VALUE"]).toBe("first");
  await first.close();
  await using _second = await startScheduler({ port, logger: silentLogger });
  await register(address, "second");
  for (let k = 0; k < 3000 && nanny.env["VALUE"] !== "second"; k++)
    await new Promise((resolve) => setTimeout(resolve, 10));
  expect(nanny.env["VALUE"]).toBe("second");
  leave.abort();
  await nanny.close();
  expect(await register(address, "third")).toEqual([]);
});

test("a plugin of a scheduler that is joined again has the worker started anew where it says so, and one alone", async () => {
  const leave = new AbortController();
  const first = await startScheduler({ port: 0, logger: silentLogger });
  const nanny = nannyOf(first.address, leave.signal);
  const registered = async (address: string, name: string, restart: boolean): Promise<void> => {
    await using client = await Client.connect(address, { setAsDefault: false });
    await client.registerPlugin({ ...plugin(name), name, restart });
  };
  await registered(first.address, "env", true);
  await nanny.join();
  const started = nanny.workerStarts();
  started.addEventListener("abort", () => nanny.workerStarted());
  expect(started.aborted).toBe(false); // it starts with what it has
  const { port } = first;
  await first.close();
  await using second = await startScheduler({ port, logger: silentLogger });
  await registered(second.address, "env", true); // the same as before
  await registered(second.address, "quiet", false);
  await registered(second.address, "loud", true);
  await expect.poll(() => started.aborted, { timeout: 30_000 }).toBe(true);
  expect(nanny.env["VALUE"]).toBe("loud");
  leave.abort();
  await nanny.close();
});

test("a nanny that is to end waits for no plugin that does not", async () => {
  const leave = new AbortController();
  await using scheduler = await startScheduler({ port: 0, logger: silentLogger });
  await using client = await Client.connect(scheduler.address, { setAsDefault: false });
  await client.registerPlugin({ kind: "nanny", name: "endless", setup: () => new Promise(() => undefined) });
  const nanny = nannyOf(scheduler.address, leave.signal);
  setTimeout(() => leave.abort(), 100);
  await nanny.join();
  expect(leave.signal.aborted).toBe(true);
  await nanny.close();
});

test("a scheduler of pure Dask is asked nothing; without any, a nanny that is to end gives up", async () => {
  const leave = new AbortController();
  await using scheduler = await startScheduler({ port: 0, logger: silentLogger, dialect: false });
  const nanny = nannyOf(scheduler.address, leave.signal);
  await nanny.join();
  expect(nanny.env).toEqual({ OTHER: "kept" });
  await expect(nannyOf("tcp://127.0.0.1:1", leave.signal, 300).join()).rejects.toMatchObject({
    code: "connect-timeout",
  });
  const given = nannyOf("tcp://127.0.0.1:1", leave.signal).join();
  leave.abort();
  await expect(given).rejects.toThrow();
  await nanny.close();
});
