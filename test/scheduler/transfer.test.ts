/** Results out of workers that do not give them. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { silentLogger } from "../../src/base/index.ts";
import type { Fetched } from "../../src/comm/index.ts";
import type { Hub } from "../../src/scheduler/hub.ts";
import { gather } from "../../src/scheduler/transfer.ts";
import { k } from "./fake-peers.ts";

beforeEach(() => vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => vi.useRealTimers());

test.each([
  [{ status: "busy" }, []],
  [{ status: "OK", data: new Map() }, [{ type: "data-missing", worker: "w", keys: [k("x")] }]],
] satisfies [Fetched, object[]][])(
  "of a worker that answers %o the machine hears what follows",
  async (answer, told) => {
    const events: object[] = [];
    // What gathering looks at.
    const hub = {
      machine: { views: { whoHas: (keys: string[]) => new Map(keys.map((key) => [key, ["w"]])) } },
      rpc: { use: async () => answer },
      feed: (event: object) => void events.push(event),
      logger: silentLogger,
    } as unknown as Hub;
    const reply = gather(hub, [k("x")]);
    await vi.advanceTimersByTimeAsync(120_000);
    expect(await reply).toEqual({ status: "error", keys: [k("x")] });
    expect(events).toEqual(told); // a busy one has what it is not asked for just now
  },
);
