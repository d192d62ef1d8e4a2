/** Plugins are kept for workers that come later, so what is kept has a bound. */
import { expect, test } from "vitest";
import type { Hub } from "../../src/scheduler/hub.ts";
import { Plugins } from "../../src/scheduler/plugins.ts";

/** A scheduler without workers. */
const hub = { workers: new Map() } as unknown as Hub; // all that keeping plugins touches

async function register(plugins: Plugins, name: string, bytes: number): Promise<unknown> {
  const request = new Map<unknown, unknown>([
    ["name", name],
    ["plugin", new Uint8Array(bytes)],
  ]);
  // No connection: the answer is given back.
  return await plugins.handlers()["register_worker_plugin"]?.(request, undefined as never);
}

test("bytes of all plugins are bounded; one in place of another counts once", async () => {
  const plugins = new Plugins(hub, 100);
  await register(plugins, "a", 60);
  await register(plugins, "b", 40);
  await expect(register(plugins, "c", 1)).rejects.toMatchObject({
    code: "argument",
    message: "plugin c has 1 bytes, those that are registered 100; at most 100 are kept: unregister one",
  });
  await register(plugins, "a", 50);
  await register(plugins, "c", 10);
  await expect(register(plugins, "c", 11)).rejects.toMatchObject({ code: "argument" });
  expect([...plugins.for(true)].map(([name, { byteLength }]) => [name, byteLength])).toEqual([
    ["a", 50],
    ["b", 40],
    ["c", 10],
  ]);
  await plugins.handlers()["unregister_worker_plugin"]?.(new Map([["name", "b"]]), undefined as never);
  await register(plugins, "d", 40);
});
