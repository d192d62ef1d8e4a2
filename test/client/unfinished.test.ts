/** What a client says again to a scheduler that came back. */
import { expect, test } from "vitest";
import { Unfinished } from "../../src/client/unfinished.ts";
import { blockKey, keyOfValue } from "../../src/graph/index.ts";

test("S-J5: releases are said again by key, however they were said, unless what they name is wanted anew", () => {
  const unfinished = new Unfinished();
  const never = (): boolean => false;
  unfinished.sent({ op: "client-releases-keys", keys: [keyOfValue("x")], client: "c" }, never);
  unfinished.sent(
    { op: "client-releases-blocks", layer: "a", grid: [2, 2], blocks: Uint32Array.of(0, 3), client: "c" },
    never,
  );
  const wanted = blockKey("a", [0, 0]);
  expect(unfinished.messages("c", (key) => key === wanted)).toEqual([
    { op: "client-releases-keys", keys: [keyOfValue("x"), blockKey("a", [1, 1])], client: "c" },
  ]);
});
