/** Times that are longer than a timer's longest, which would end at once. */
import { afterEach, expect, test, vi } from "vitest";
import { silentLogger } from "../../src/base/index.ts";
import { connect, listen } from "../../src/comm/index.ts";
import { callAfter } from "../../src/worker/lifetime.ts";
import { reconnect } from "../../src/worker/reconnect.ts";

const DAY_MS = 86_400_000;
afterEach(() => {
  vi.useRealTimers();
});

test("a lifetime of ninety days is one", () => {
  vi.useFakeTimers();
  let isOver = false;
  callAfter(90 * DAY_MS, () => {
    isOver = true;
  });
  vi.advanceTimersByTime(90 * DAY_MS - 1);
  expect(isOver).toBe(false);
  vi.advanceTimersByTime(1);
  expect(isOver).toBe(true);
});

test("a lifetime that is given up before ends nothing", () => {
  vi.useFakeTimers();
  const end = vi.fn();
  const lifetime = callAfter(60 * DAY_MS, end);
  vi.advanceTimersByTime(50 * DAY_MS);
  lifetime[Symbol.dispose]();
  vi.advanceTimersByTime(50 * DAY_MS);
  expect(end).not.toHaveBeenCalled();
});

test("a scheduler that comes within ninety days is not too late", async () => {
  const timeoutMs = 90 * DAY_MS;
  const comm = connect("inproc://late-scheduler", { timeoutMs });
  const registered: string[] = [];
  const back = reconnect(
    {
      scheduler: "inproc://late-scheduler",
      deathTimeoutMs: timeoutMs,
      signal: new AbortController().signal,
      logger: silentLogger,
    },
    async ({ peer }) => void registered.push(peer),
  );
  await new Promise((resolve) => setTimeout(resolve, 50)); // both have been refused by then, or are still to ask
  await using _listener = await listen("inproc://late-scheduler", async ({ closed }) => void (await closed));
  await back;
  expect(registered).toHaveLength(1);
  await (await comm).close();
});
