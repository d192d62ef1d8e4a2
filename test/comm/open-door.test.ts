/** Whoever listens without encryption where others reach it says so, in one line. */
import { afterEach, expect, test } from "vitest";
import { type Logger, silentLogger } from "../../src/base/index.ts";
import { warnOfOpenDoor } from "../../src/comm/index.ts";
import { type SchedulerServer, startScheduler } from "../../src/scheduler/index.ts";
import { Worker } from "../../src/worker/index.ts";

const ends: AsyncDisposable[] = [];
afterEach(async () => {
  for (const each of ends.splice(0).reverse()) await each[Symbol.asyncDispose]();
});

/** Warnings that a logger was given. */
function book(): { readonly logger: Logger; readonly warnings: string[] } {
  const warnings: string[] = [];
  return { logger: { ...silentLogger, warning: (message) => void warnings.push(message) }, warnings };
}

test.each([
  ["127.0.0.1", "tcp://127.0.0.1:1", 0],
  ["localhost", "tcp://127.0.0.1:1", 0],
  ["::1", "tcp://[::1]:1", 0],
  ["0.0.0.0", "tcp://10.0.0.7:1", 1],
  ["10.0.0.7", "tcp://10.0.0.7:1", 1],
  ["10.0.0.7", "tls://10.0.0.7:1", 0],
])("listening on %s as %s: %d warnings", (host, address, count) => {
  const { logger, warnings } = book();
  warnOfOpenDoor(logger, { host, address, allows: "see" });
  expect(warnings).toHaveLength(count);
});

test("a scheduler and a worker on all interfaces: one line each, and what runs code is named", async () => {
  const { logger, warnings } = book();
  const scheduler: SchedulerServer = await startScheduler({
    port: 0,
    host: "0.0.0.0",
    contactHost: "127.0.0.1",
    logger,
  });
  ends.push(scheduler);
  expect(warnings).toEqual([expect.stringMatching(/is not encrypted: anybody .* submit tasks/)]);
  const start = async (allowInsecure: boolean): Promise<string[]> => {
    const own = book();
    ends.push(
      await Worker.start({
        scheduler: scheduler.address,
        host: "0.0.0.0",
        nthreads: 1,
        allowInsecure,
        logger: own.logger,
      }),
    );
    return own.warnings;
  };
  expect(await start(false)).toEqual([expect.stringMatching(/is not encrypted: anybody .* read and change the data/)]);
  expect(await start(true)).toEqual([expect.stringMatching(/is not encrypted: anybody .* run code here/)]);
});
