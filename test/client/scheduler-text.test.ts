/** What people see of a scheduler. */
import { expect, test } from "vitest";
import { withText } from "../../src/client/scheduler-text.ts";
import type { Identity, WorkerIdentity } from "../../src/protocol/index.ts";

const worker = (name: string, more: Partial<WorkerIdentity> = {}): WorkerIdentity => ({
  type: "Worker",
  id: name,
  name,
  host: "10.0.0.2",
  resources: new Map(),
  localDirectory: "",
  nthreads: 4,
  memoryLimit: 2 ** 32,
  lastSeen: 0,
  services: new Map(),
  metrics: new Map([["memory", 2 ** 30]]),
  status: "running",
  nanny: null,
  ...more,
});

test("a line for the scheduler and each worker, at most twenty", () => {
  const workers = new Map([
    ["tcp://10.0.0.2:1", worker("w0", { language: "rsdat" })],
    ["tcp://10.0.0.2:2", worker("tcp://10.0.0.2:2", { status: "paused", memoryLimit: null })],
  ]);
  const identity: Identity = {
    type: "Scheduler",
    id: "s",
    address: "tcp://10.0.0.1:8786",
    totalThreads: 8,
    totalMemory: 2 ** 33,
    workers,
  };
  expect(String(withText(identity))).toBe(
    [
      "Scheduler tcp://10.0.0.1:8786: 2 workers, 8 threads, 8.00 GiB",
      "  w0 tcp://10.0.0.2:1: running, rsdat, 4 threads, 1.00 GiB of 4.00 GiB",
      "  tcp://10.0.0.2:2: paused, python, 4 threads, 1.00 GiB",
    ].join("\n"),
  );
  const many = new Map(Array.from({ length: 25 }, (_, i) => [`tcp://h:${i}`, worker(`w${i}`)] as const));
  const lines = String(withText({ ...identity, workers: many })).split("\n");
  expect([lines.length, lines.at(-1)]).toEqual([22, "  and 5 more"]);
});
