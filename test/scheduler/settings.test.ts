/** Values of `distributed.scheduler` that are none, or that say "never". */
import { expect, test } from "vitest";
import { Config, type ConfigValue } from "../../src/config/index.ts";
import { machineSettings } from "../../src/scheduler/settings.ts";

function settings(key: string, value: ConfigValue): ReturnType<typeof machineSettings> {
  const config = new Config({});
  config.set({ [key]: value });
  return machineSettings(config);
}

test("without a time to live, or with one of 0, no worker is dropped for its silence", () => {
  for (const never of [null, 0, "0s"])
    expect(settings("distributed.scheduler.worker-ttl", never).workerTtlMs).toBe(Number.POSITIVE_INFINITY);
});

test.each([
  ["distributed.scheduler.bandwidth", 0],
  ["distributed.scheduler.worker-saturation", 0],
  ["distributed.scheduler.worker-saturation", -1],
] as const)("%s of %d is refused by its name and value, with what was expected", (key, value) => {
  expect(() => settings(key, value)).toThrow(
    expect.objectContaining({
      code: "config",
      message: expect.stringContaining(`configuration ${key} is ${value}, expected`),
    }),
  );
});
