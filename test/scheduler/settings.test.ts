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
