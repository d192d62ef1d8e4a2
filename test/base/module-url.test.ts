import { expect, test } from "vitest";
import { moduleUrl } from "../../src/base/index.ts";

test("a thread's entry has the ending of who starts it", () => {
  expect(moduleUrl("./thread", "file:///a/src/executor/pool.ts").href).toBe("file:///a/src/executor/thread.ts");
  expect(moduleUrl("../x/thread", "file:///a/dist/executor/pool.js").href).toBe("file:///a/dist/x/thread.js");
});
