/** Values as they leave a worker. */
import { expect, test } from "vitest";
import type { Executor } from "../../src/executor/index.ts";
import { keyOfValue } from "../../src/graph/index.ts";
import { Values } from "../../src/worker/values.ts";

function loop(): unknown {
  const own: unknown[] = [];
  own.push(own);
  return own;
}

function nested(): unknown {
  let value: unknown = 1;
  for (let i = 0; i < 100_000; i++) value = [value];
  return value;
}

test.each([
  ["that has itself in it", loop()],
  ["that is nested too deeply", nested()],
])("one %s is told of in its place: the others of an answer are well", async (_, value) => {
  const values = new Values({} as Executor, (key) => key); // no block is among them
  const key = keyOfValue("x");
  values.hold(key, { kind: "plain", value, nbytes: 64 });
  const out = await values.outgoing(key);
  expect(out?.serialized.fields.get("serializer")).toBe("error");
});
