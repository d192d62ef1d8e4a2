/** Tries to connect that come to nothing. */
import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { listen } from "../../src/comm/index.ts";
import { connectTcp } from "../../src/comm/tcp.ts";
import { parseAddress } from "../../src/protocol/index.ts";

test("one that is refused leaves nothing on the signal that would have ended it", async () => {
  const listener = await listen("tcp://127.0.0.1:0", async () => undefined);
  await listener.close();
  const { signal } = new AbortController();
  await expect(connectTcp(parseAddress(listener.address), signal, {})).rejects.toMatchObject({
    code: "econnrefused",
  });
  expect(getEventListeners(signal, "abort")).toHaveLength(0);
});
