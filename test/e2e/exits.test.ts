/** Scripts with a LocalCluster as real processes: how they end, and that nothing stays behind. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { patiently } from "../patience.ts";
import { ROOT } from "../peers.ts";
import { isAlive, type Running, start, waitGone } from "../processes.ts";

const script = (name: string, ...args: string[]): Running =>
  start(process.execPath, [join(ROOT, "test", "e2e", "scripts", `${name}.ts`), ...args]);

async function childrenOf(running: Running): Promise<number[]> {
  const [, pids] = await running.waitFor(/pids (\[.*\])/);
  return JSON.parse(pids as string);
}

/** Milliseconds from the time that a process prints last until we hear of its end. */
async function lingerMs(running: Running): Promise<number> {
  expect(await running.exit, running.output()).toBe(0);
  const ended = Date.now();
  const [, last] = /last (\d+)/.exec(running.output()) ?? [];
  return ended - Number(last);
}

test("a script that closes nothing ends with 0 right after its last await", async () => {
  await patiently(async () => {
    await using running = script("closes-nothing");
    const linger = await lingerMs(running);
    expect(running.output()).toMatch(/submit 42\nsum 499500/);
    await waitGone(await childrenOf(running));
    await using trivial = start(process.execPath, ["-e", 'console.log("last", Date.now())']);
    // What any process needs to end on this machine now, and a second: connections, timers and children must not hold it.
    expect(linger).toBeLessThan((await lingerMs(trivial)) + 1000);
  });
});

test("with await using, all processes are gone when it ends", async () => {
  await using running = script("disposes");
  expect(await running.exit, running.output()).toBe(0);
  expect(running.output()).toMatch(/sum 499500/);
  expect((await childrenOf(running)).filter(isAlive)).toEqual([]);
  // No process complains about connections that were meant to close.
  expect(running.output()).not.toMatch(/"level":[45]0/);
});

test("an unhandled error ends with non-zero, shows key and worker, and leaves nothing behind", async () => {
  await using running = script("fails");
  expect(await running.exit).toBe(1);
  expect(running.output()).toMatch(/task bad on tcp:\/\/127\.0\.0\.1:\d+: RangeError: .*no such band/);
  await waitGone(await childrenOf(running));
});

test("what a callback of a future throws is an uncaught exception, and the client goes on", async () => {
  await using running = script("callback-throws");
  expect(await running.exit, running.output()).toBe(0);
  expect(running.output()).toMatch(/uncaught my callback/);
  expect(running.output()).toMatch(/first 2\nsecond 3/);
});

test("a process stays alive while it waits for the cluster", async () => {
  await using running = script("waits", "1.5", "0.1");
  expect(await running.exit, running.output()).toBe(0);
  expect(running.output()).toMatch(/\[ 'spun', 'spun' \]/);
});

for (const signal of ["SIGINT", "SIGKILL"] as const) {
  test(`${signal} while it computes leaves no process`, async () => {
    await using running = script("waits", "60", "60");
    const pids = await childrenOf(running);
    await running.waitFor(/computing/);
    expect(pids.every(isAlive)).toBe(true);
    running.process.kill(signal);
    expect(await running.exit).toBe(signal);
    await waitGone(pids);
  });
}

test("Ctrl-C, which reaches the whole group, leaves no process", async () => {
  await using running = start("sh", [
    "-c",
    `set -m; exec setsid ${process.execPath} ${join(ROOT, "test", "e2e", "scripts", "waits.ts")} 60`,
  ]);
  const pids = await childrenOf(running);
  await running.waitFor(/computing/);
  const group = running.process.pid as number;
  process.kill(-group, "SIGINT");
  expect(await running.exit).toBe("SIGINT");
  await waitGone(pids);
});
