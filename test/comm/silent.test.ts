/** How long an answer may take: as long as it goes on arriving. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Comm, type Listener, listen, Rpc } from "../../src/comm/index.ts";

const { setTimeout: later } = globalThis;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe.each(["tcp://127.0.0.1:0", "inproc://silent"])("%s", (at) => {
  /** A server that says the parts of its answer when it is told to. */
  async function server(): Promise<{ listener: Listener; comm: Promise<Comm> }> {
    const accepted = Promise.withResolvers<Comm>();
    const listener = await listen(at, async (comm) => {
      accepted.resolve(comm);
      await comm.closed;
    });
    return { listener, comm: accepted.promise };
  }

  test("an answer of ten minutes is none too late while it arrives, and is too late once it does not", async () => {
    const { listener, comm } = await server();
    await using _listener = listener;
    await using rpc = new Rpc();
    const parts: unknown[] = [];
    const exchange = rpc.use(
      listener.address,
      async (here, signal) => {
        here.send({ op: "tell" });
        const there = await comm;
        for (let part = 0; part < 20; part++) {
          vi.advanceTimersByTime(29_000);
          there.send(part);
          parts.push(await here.next(signal));
        }
        const last = here.next(signal);
        vi.advanceTimersByTime(60_000);
        return await last;
      },
      { timeoutMs: 30_000 },
      "tell",
    );
    await expect(exchange).rejects.toMatchObject({ code: "rpc-timeout", message: /^no answer to tell/ });
    expect(parts).toEqual(Array.from({ length: 20 }, (_, part) => part));
  });

  test("a limit that no timer holds is the longest that one does", async () => {
    vi.useRealTimers(); // whose timers end at once where they are told too much
    const { listener, comm } = await server();
    await using _listener = listener;
    await using rpc = new Rpc();
    const answer = rpc.call(listener.address, { op: "tell" }, { timeoutMs: 2 ** 32 });
    const there = await comm;
    await there.next();
    await new Promise((resolve) => later(resolve, 20));
    there.send("told");
    expect(await answer).toBe("told");
  });
});
