/** `rsdat doctor`: findings about this machine, and a scheduler that is asked. */
import { afterEach, expect, test } from "vitest";
import { silentLogger } from "../../src/base/index.ts";
import { examine } from "../../src/cli/doctor.ts";
import { startScheduler } from "../../src/scheduler/index.ts";

const before = process.env["RSDAT_TOKEN_FILE"];
afterEach(() => {
  if (before === undefined) delete process.env["RSDAT_TOKEN_FILE"];
  else process.env["RSDAT_TOKEN_FILE"] = before;
});

test("a machine that can run, and a scheduler that answers", async () => {
  await using scheduler = await startScheduler({ port: 0, logger: silentLogger });
  const found = new Map(await examine(scheduler.address));
  expect(Array.from(found.values()).filter(({ state }) => state === "bad")).toEqual([]);
  expect(found.get("versions")?.text).toContain(`Node ${process.versions.node}`);
  expect(found.get("a run on threads")).toMatchObject({ state: "ok", text: expect.stringMatching(/^right, after/) });
  expect(found.get("network")?.text).toContain("127.0.0.1");
  expect(found.get("scheduler")).toEqual({
    state: "ok",
    text: expect.stringMatching(/: Scheduler with 0 workers, rsdat \d/),
  });
}, 240_000);

test("what is wrong is said in its own words", async () => {
  process.env["RSDAT_TOKEN_FILE"] = "/nowhere/token";
  const found = new Map(await examine("tcp://127.0.0.1:9", 300));
  expect(found.get("token")).toEqual({ state: "bad", text: expect.stringContaining("/nowhere/token cannot be read") });
  expect(found.get("scheduler")?.state).toBe("bad");
}, 240_000);
