/** What a worker answers, with values that are told what they are to do. */
import { afterEach, expect, test, vi } from "vitest";
import { CommClosedError } from "../../src/base/index.ts";
import type { Comm } from "../../src/comm/index.ts";
import { type Key, keyOfValue } from "../../src/graph/index.ts";
import { GET_DATA, serialize } from "../../src/protocol/index.ts";
import { newTransfers } from "../../src/worker/metrics.ts";
import { type RequestContext, workerHandlers } from "../../src/worker/requests.ts";
import type { Outgoing, Values } from "../../src/worker/values.ts";

afterEach(() => {
  vi.useRealTimers();
});

/** The answer of a worker that serves one peer at once to a request for these keys. */
function asking(
  outgoing: (key: Key) => ReturnType<Values["outgoing"]>,
  peer: Partial<Comm> = {},
): {
  readonly transfers: RequestContext["transfers"];
  ask(...names: string[]): Promise<unknown>;
} {
  const transfers = newTransfers();
  const values: Pick<Values, "pack" | "outgoing"> = { pack: () => false, outgoing };
  const comm: Pick<Comm, "send" | "flushed" | "next"> = {
    send: () => undefined,
    flushed: () => Promise.resolve(),
    next: () => Promise.resolve("OK"),
    ...peer,
  };
  const context = { transfers, values, outgoingCountMax: 1, isPaused: () => false } as unknown as RequestContext;
  const handlers = workerHandlers(context);
  return {
    transfers,
    ask: async (...names) => {
      const request = GET_DATA.ask({ keys: names.map((name) => keyOfValue(name)), who: null });
      return handlers["get_data"]?.(new Map(Object.entries(request)), comm as Comm);
    },
  };
}

test("a peer that waits for blocks from the disk is being served", async () => {
  const disk = Promise.withResolvers<Outgoing>();
  const { ask, transfers } = asking(() => disk.promise);
  const [first, second] = [ask("a"), ask("b")];
  let released = 0;
  disk.resolve({ serialized: serialize(1), release: () => released++ });
  expect(await second).toEqual({ status: "busy" });
  await first;
  expect(released).toBe(1);
  expect(transfers).toMatchObject({ outgoingCount: 0, outgoingBytes: 0 });
});

test("an answer that cannot be put together keeps no block in its place", async () => {
  let released = 0;
  const { ask, transfers } = asking((key) => {
    if (key === keyOfValue("b")) throw new RangeError("Array buffer allocation failed");
    return { serialized: serialize(1), release: () => released++ };
  });
  await expect(ask("a", "b")).rejects.toThrow("allocation");
  expect(released).toBe(1);
  expect(transfers).toMatchObject({ outgoingCount: 0, outgoingBytes: 0 });
});

test("a peer that takes values and never says so keeps none in its place, and is dropped in the end", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  let released = 0;
  const closed = Promise.withResolvers<never>();
  const left = Promise.withResolvers<void>();
  const aborted: string[] = [];
  const { ask, transfers } = asking(() => ({ serialized: serialize(1), release: () => released++ }), {
    peer: "tcp://10.0.0.7:4000",
    flushed: () => left.promise,
    next: () => closed.promise,
    abort: ({ message }) => {
      aborted.push(message);
      closed.reject(new CommClosedError("connection is closed"));
    },
  });
  const answer = ask("a", "b");
  await vi.advanceTimersByTimeAsync(3_600_000); // for as long as bytes leave, the connection itself looks after it
  expect([released, aborted]).toEqual([0, []]);
  left.resolve();
  await vi.advanceTimersByTimeAsync(299_000);
  expect([released, aborted, transfers.outgoingCount]).toEqual([2, [], 1]);
  const end = expect(answer).rejects.toMatchObject({ code: "comm-closed" });
  await vi.advanceTimersByTimeAsync(1_000);
  await end;
  expect(aborted).toEqual([expect.stringMatching(/^tcp:\/\/10.0.0.7:4000 has not acknowledged/)]);
  expect(transfers).toMatchObject({ outgoingCount: 0, outgoingBytes: 0 });
});
