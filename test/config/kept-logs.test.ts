/** Loggers that remember: newest first, bounded, in Dask's words. */
import { expect, test } from "vitest";
import { silentLogger } from "../../src/base/index.ts";
import { config, fillTemplate, keepLogs } from "../../src/config/index.ts";
import { plainLine } from "../../src/config/logger.ts";

const clock = { now: () => 0, wall: () => Date.UTC(2026, 0, 2, 3, 4, 5) };

test("records come newest first, in Dask's levels and form, without debug", () => {
  const { logger, last } = keepLogs(silentLogger, { name: "rsdat.scheduler", clock });
  logger.debug("hidden");
  logger.info("first");
  logger.warning("second");
  logger.error("third");
  expect(last(2)).toEqual([
    ["ERROR", "2026-01-02T03:04:05.000Z - rsdat.scheduler - ERROR - third"],
    ["WARNING", "2026-01-02T03:04:05.000Z - rsdat.scheduler - WARNING - second"],
  ]);
  expect(last().map(([level]) => level)).toEqual(["ERROR", "WARNING", "INFO"]);
  expect(last(0)).toEqual([]);
});

test("no more records are kept than was said, and no longer ones; all are passed on", () => {
  const passed: string[] = [];
  const inner = { ...silentLogger, info: (message: string) => void passed.push(message) };
  const { logger, last } = keepLogs(inner, { name: "n", clock, length: 3 });
  for (let k = 0; k < 5; k++) logger.info(`${k}`);
  logger.info("x".repeat(10_000));
  expect(last(99).map(([, line]) => line.at(-1))).toEqual(["x", "4", "3"]);
  expect(last(1)[0]?.[1].length).toBe(2000);
  expect(passed).toHaveLength(6);
});

test("on a terminal a line of the log is for people", () => {
  const time = new Date(2026, 0, 2, 3, 4, 5).getTime();
  const entry = { level: 40, time, name: "rsdat.write", msg: "interrupted" };
  expect(plainLine(`${JSON.stringify(entry)}\n`)).toBe("03:04:05 WARN rsdat.write: interrupted\n");
  expect(plainLine(JSON.stringify({ ...entry, level: 20, kept: 3 }))).toBe(
    '03:04:05 DEBUG rsdat.write: interrupted {"kept":3}\n',
  );
});

test("templates take what is named, and the environment", () => {
  process.env["RSDAT_TEST_USER"] = "ada";
  const link = "/user/{RSDAT_TEST_USER}/proxy/{port}/status";
  expect(fillTemplate("distributed.dashboard.link", link, { port: "8787" })).toBe("/user/ada/proxy/8787/status");
  delete process.env["RSDAT_TEST_USER"];
  expect(() => fillTemplate("distributed.dashboard.link", link, { port: "8787" })).toThrow(
    expect.objectContaining({ code: "config", message: expect.stringContaining("RSDAT_TEST_USER") }),
  );
});

test.each([-1, 1.5, 0.5])("%d records cannot be kept, and whoever says so hears of it", (length) => {
  using _ = config.set({ "distributed.admin.log-length": length });
  expect(() => keepLogs(silentLogger, { name: "n", clock })).toThrow(
    expect.objectContaining({
      code: "config",
      message: `configuration distributed.admin.log-length is ${length}, expected a whole number of 0 or more`,
    }),
  );
});
