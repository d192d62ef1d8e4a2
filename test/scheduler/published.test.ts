/** Publications: those that wait for the stream of their client, and those that take the place of another. */
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

test("a publication takes the place of another one without letting go of what both have", async () => {
  const published = new Published(hub);
  const feeds = vi.spyOn(hub, "feed");
  const put = async (keys: readonly unknown[]): Promise<void> => {
    const request = new Map<string, unknown>(
      Object.entries({ names: ["band"], keys: [keys], data: ["x"], override: true }),
    );
    await published.handlers()["publish_put"]?.(request, {} as Comm);
  };
  const wants = (): string[] =>
    feeds.mock.calls.splice(0).flatMap(([event]) => ("keys" in event ? [`${event.type} ${event.keys}`] : []));
  await put(["a", "b"]);
  expect(wants()).toEqual(["client-desires-keys a,b"]);
  await put(["b", "c"]);
  expect(wants()).toEqual(["client-desires-keys b,c", "client-releases-keys a"]);
  await expect(put([[{}]])).rejects.toThrow(/publish_put/); // and what was there stays
  expect(wants()).toEqual([]);
});
