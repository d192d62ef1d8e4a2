/** A pool that is told that a peer is lost. */
import { expect, test } from "vitest";
import { silentLogger } from "../../src/base/index.ts";
import { listen, Rpc, serveRequests } from "../../src/comm/index.ts";

test("requests to a peer that is lost fail at once; others, and later ones, go on", async () => {
  const asked = Promise.withResolvers<void>();
  const handlers = {
    never: () => {
      asked.resolve();
      return new Promise<never>(() => undefined);
    },
    ping: () => "pong",
  };
  await using stack = new AsyncDisposableStack();
  const start = async () => {
    const listener = await listen("tcp://127.0.0.1:0", (comm) => serveRequests(comm, handlers, silentLogger));
    stack.defer(() => listener.close());
    return listener.address;
  };
  const [lost, other] = [await start(), await start()];
  const rpc = stack.use(new Rpc());
  const pending = rpc.call(lost, { op: "never" }).catch((error: unknown) => error);
  await asked.promise;
  expect(await rpc.call(other, { op: "ping" })).toBe("pong");
  rpc.drop(lost);
  expect(await pending).toMatchObject({ message: expect.stringContaining("known to be lost") });
  expect(await rpc.call(other, { op: "ping" })).toBe("pong");
  expect(await rpc.call(lost, { op: "ping" })).toBe("pong");
});
