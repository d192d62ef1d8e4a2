/** W-I1…W-I10, W-C1, W-C5…W-C7 under random events, sensible or not: `check()` runs after each, see drive.ts. */
import { expect, test } from "vitest";
import { type Random, seededRandom } from "../../../src/base/index.ts";
import type { Graph } from "../../../src/graph/index.ts";
import { A, B, Driver, k, ME, order } from "./drive.ts";
import { callPairs, pairs, rechunked, run } from "./graphs.ts";

const NAMES = ["a", "b", "c", "d", "e", "f"];

/** Two submissions that share all tasks: the first half are inputs of the second. Calls are so many that they are known by number. */
const GRAPHS = [pairs(3), callPairs(8), rechunked([1, 1, 2], [2, 1, 1])] as const;

/** One random event about blocks: ordered, freed, ended in columns, or named by their keys. */
function actOnBlocks(driver: Driver, random: Random, { graph, runId }: { graph: Graph; runId: number }): void {
  const submission = 1 + random.below(2);
  const n = graph.taskCount / 2;
  const task = (): number => random.below(2 * n);
  const key = graph.key(task());
  const blocks = Array.from(driver.blocks.keys());
  const block = blocks[random.below(Math.max(1, blocks.length))];
  switch (random.below(8)) {
    case 0:
      return void driver.scheduler({ op: "graph", submission, graph });
    case 1:
    case 2: {
      const tasks = Array.from(new Set([task(), task(), task()]));
      const holders = tasks.map((id, i) => [
        i,
        id >= n && random.below(2) === 0 ? [[id - n, random.below(2) === 0 ? A : B]] : [],
      ]);
      return void driver.scheduler(
        run(tasks, { submission, runIds: tasks.map((_, i) => 10 * runId + i), fetch: Object.fromEntries(holders) }),
      );
    }
    case 3:
      return void driver.scheduler({
        op: "free-tasks",
        submission,
        tasks: Uint32Array.of(task(), task()),
        stimulusId: "s",
      });
    case 4:
      return void driver.scheduler({ op: "free-keys", keys: [key], stimulusId: "s" });
    case 5:
      if (block !== undefined && random.below(3) === 0) return void driver.failBlock(block);
      return void driver.succeedBlocks(blocks.filter(() => random.below(2) === 0));
    case 6:
      return void driver.scheduler(
        { op: "steal-request", key, stimulusId: "s" },
        { ...order("x", { runId, inputs: random.below(2) === 0 ? {} : { a: [A] } }), key },
      );
    default:
      return void (random.below(4) === 0
        ? driver.scheduler({ op: "forget-graph", submission })
        : driver.scheduler({ op: "remove-replicas", keys: [key], stimulusId: "s" }));
  }
}

/** One random event; whatever runs or flies can end at any time in any way. */
function act(driver: Driver, random: Random, runId: number): void {
  const name = (): string => NAMES[random.below(NAMES.length)] as string;
  const holders = (): string[] => [A, B, ME].filter(() => random.below(3) === 0);
  const whoHas = (): [string, string[]][] => NAMES.filter(() => random.below(4) === 0).map((n) => [n, holders()]);
  const running = Array.from(driver.running.keys());
  const asked = Array.from(driver.asked.keys());
  driver.now += random.below(200);
  switch (random.below(13)) {
    case 0:
    case 1:
    case 2:
      return void driver.scheduler(
        order(name(), {
          runId: random.below(8) === 0 ? runId - 1 : runId,
          priority: [random.below(3)],
          inputs: Object.fromEntries(whoHas()),
          nbytes: random.below(90),
          ...(random.below(4) === 0 ? { resources: { GPU: 1 } } : {}),
        }),
      );
    case 3:
      return void driver.free(name(), name());
    case 4: {
      const message = { keys: [k(name())], stimulusId: "s", op: "remove-replicas" } as const;
      return void driver.scheduler(message, { op: "steal-request", key: k(name()), stimulusId: "s" });
    }
    case 5: {
      const map = new Map(whoHas().map(([n, h]) => [k(n), h] as const));
      return void driver.scheduler({
        op: random.below(2) === 0 ? "refresh-who-has" : "acquire-replicas",
        whoHas: map,
        nbytes: new Map(),
        stimulusId: "s",
      });
    }
    case 6:
    case 7: {
      const key = running[random.below(Math.max(1, running.length))];
      if (key === undefined) return;
      return void (random.below(3) === 0 ? driver.fail(key) : driver.succeed(key, random.below(90)));
    }
    case 8:
    case 9: {
      const worker = asked[random.below(Math.max(1, asked.length))];
      if (worker === undefined) return;
      if (random.below(2) === 0)
        return void driver.deliver(
          worker,
          driver.asked.get(worker)?.filter(() => random.below(4) > 0),
        );
      return void driver.refuse(
        worker,
        (["gather-busy", "gather-network-failure", "gather-failure"] as const)[random.below(3)] as "gather-busy",
      );
    }
    case 10: {
      const fresh = NAMES.filter((n) => !driver.values.has(k(n)) && random.below(4) === 0);
      return void (fresh.length > 0 && driver.put(...fresh));
    }
    case 11:
      return void driver.event("status", { status: random.below(3) === 0 ? "paused" : "running" });
    default: {
      const key = running[random.below(Math.max(1, running.length))];
      if (key !== undefined && random.below(4) === 0)
        return void driver.event("execute-secede", { key, computeSeconds: null });
      return void (random.below(2) === 0
        ? driver.wake(driver.now + 1000)
        : driver.scheduler({ op: "remove-worker", worker: random.below(2) === 0 ? A : B, stimulusId: "s" }));
    }
  }
}

/** Seeds from 1; the long run has more. */
const SEEDS = Number(process.env["RSDAT_EVENT_SEEDS"] ?? 150);

test("W-I1 W-I2 W-I3 W-I4 W-I5 W-I6 W-I7 W-I8 W-I9 W-I10: random events leave no invariant broken, and an emptied worker holds nothing", {
  timeout: 240_000 + SEEDS * 1_000,
}, () => {
  const reached = new Set<string>();
  for (let seed = 1; seed <= SEEDS; seed++) {
    const random = seededRandom(seed);
    const budgetBytes = seed % 2 === 0 ? 200 : null;
    const graph = GRAPHS[seed % 8 > 5 ? 1 : seed % 8 === 3 ? 2 : 0];
    const ahead = seed % 3 === 0 ? { aheadMs: 3, aheadMax: 2 } : {};
    const rechunks = { bytesMax: 20, messageBytesMax: 10, countMax: 1 };
    const driver = new Driver({ budgetBytes, ...ahead, ...(seed % 8 === 3 ? { rechunks } : {}) }, () => 64);
    try {
      for (let step = 1; step <= 200; step++) {
        if (seed % 4 > 1 && random.below(2) === 0) actOnBlocks(driver, random, { graph, runId: step });
        else act(driver, random, step);
        for (const state of driver.machine.counts().tasks.keys()) reached.add(state);
      }
      driver.event("status", { status: "running" });
      driver.scheduler({ op: "graph", submission: 3, graph });
      const freeAll = (): void => {
        driver.free(...NAMES);
        const tasks = Uint32Array.from({ length: graph.taskCount }, (_, i) => i);
        driver.scheduler({ op: "free-tasks", submission: 3, tasks, stimulusId: "s" });
      };
      freeAll();
      for (let rounds = 0; driver.running.size + driver.asked.size + driver.blocks.size > 0 && rounds < 50; rounds++) {
        for (const key of driver.running.keys()) driver.succeed(key);
        for (const worker of driver.asked.keys()) driver.deliver(worker);
        driver.succeedBlocks();
        freeAll();
      }
      expect(driver.machine.counts()).toMatchObject({
        managedBytes: 0,
        incomingBytes: 0,
        incomingCount: 0,
        executing: [],
      });
      expect(Array.from(driver.machine.counts().tasks)).toEqual([]);
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }
  expect(Array.from(reached).sort()).toEqual([
    "cancelled",
    "constrained",
    "error",
    "executing",
    "fetch",
    "flight",
    "long-running",
    "memory",
    "missing",
    "ready",
    "resumed",
    "waiting",
  ]);
});
