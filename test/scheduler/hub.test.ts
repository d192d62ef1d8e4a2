/** The shell's own waiting: what it leaves behind, and what ends it. */
import { getEventListeners } from "node:events";
import { afterEach, beforeEach, expect, test } from "vitest";
import { silentLogger } from "../../src/base/index.ts";
import { Rpc } from "../../src/comm/index.ts";
import { systemClock } from "../../src/config/index.ts";
import { Hub } from "../../src/scheduler/hub.ts";

let hub: Hub;

beforeEach(() => {
  hub = new Hub({ clock: systemClock, logger: silentLogger, rpc: new Rpc(), machine: {}, onFatal: () => undefined });
});

afterEach(() => hub.dispose());

test("whoever waits for workers listens to a signal once, however often workers come, and no longer than it waits", async () => {
  const { signal } = new AbortController();
  const waiting = hub.waitForWorkers(() => true, 60_000, signal);
  for (let i = 0; i < 3; i++) {
    expect(getEventListeners(signal, "abort")).toHaveLength(1);
    hub.workerChanged();
    await new Promise(setImmediate); // it has looked again
  }
  hub.dispose();
  expect(await waiting).toEqual([]);
  expect(getEventListeners(signal, "abort")).toEqual([]);
});

test("a time that is none ends the wait for workers", async () => {
  expect(await hub.waitForWorkers(() => true, Number.NaN)).toEqual([]);
});
