/** Publications that wait for the stream of their client. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { silentLogger } from "../../src/base/index.ts";
import { type Comm, Rpc } from "../../src/comm/index.ts";
import { systemClock } from "../../src/config/index.ts";
import { Hub } from "../../src/scheduler/hub.ts";
import { Published } from "../../src/scheduler/published.ts";

let hub: Hub;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  hub = new Hub({ clock: systemClock, logger: silentLogger, rpc: new Rpc(), machine: {}, onFatal: () => undefined });
});

afterEach(() => {
  hub.dispose();
  vi.useRealTimers();
});

test("where a stream has come so far is remembered for as long as a publication waits for it", async () => {
  const published = new Published(hub);
  const ended: string[] = [];
  const put = async (uid: string): Promise<void> => {
    const request = new Map<string, unknown>([["uid", uid], ...["names", "keys", "data"].map((f) => [f, []] as const)]);
    await published.handlers()["publish_put"]?.(request, {} as Comm); // it looks at no connection
    ended.push(uid);
  };
  published.reached("soon");
  await put("soon");
  expect(ended).toEqual(["soon"]);
  expect(vi.getTimerCount()).toBe(0);
  published.reached("never asked for");
  await vi.advanceTimersByTimeAsync(30_000);
  expect(vi.getTimerCount()).toBe(0);
  const late = put("never asked for"); // as any that was not reached
  await vi.advanceTimersByTimeAsync(29_999);
  expect(ended).toEqual(["soon"]);
  await vi.advanceTimersByTimeAsync(1);
  await late;
  published.reached("never asked for"); // of a publication that has given up
  await vi.advanceTimersByTimeAsync(30_000);
  expect(vi.getTimerCount()).toBe(0);
});
