/** One life of a whole cluster, all of it drawn from a seed: graphs, clients, workers, and everything that goes wrong. */
import { expect } from "vitest";
import { type Random, seededRandom } from "../../src/base/index.ts";
import type { Key } from "../../src/graph/index.ts";
import { leastBytes, SimCluster, type SimReport, type SimRun, simDoomed, simValue } from "../../src/testing/index.ts";
import { randomChains, randomGraph } from "./random-graph.ts";

/** What happened in a life. */
export interface Life extends SimReport {
  readonly faults: Readonly<Record<Fault, number>>;
  /** Runs whose results were all taken, in spite of it all. */
  readonly delivered: number;
}

/** What goes wrong. */
export const FAULTS = ["kill", "cut", "stall", "fill", "retire", "join", "peers", "crash", "cancel", "leave"] as const;
export type Fault = (typeof FAULTS)[number];

/** Virtual time in which things go wrong. */
const TROUBLE_MS = 200;

interface Plan {
  readonly sim: SimCluster;
  readonly random: Random;
  readonly faults: Record<Fault, number>;
  readonly runs: SimRun[];
}

/**
 * Live it, and look at every promise; with `chains`, of short calls that read each other on workers that take columns.
 * `fused` says whether tasks are moved in loops; all workers take columns then.
 * @throws what is broken
 */
export function live(
  seed: number,
  { chains = false, fused }: { readonly chains?: boolean; readonly fused?: boolean } = {},
): Life {
  const random = seededRandom(seed * 2_654_435_761);
  // All alike: a simulated value depends on what a task reads, and fused tasks read something else.
  const fuse = random.below(2) === 0;
  const graphs = Array.from({ length: 1 + random.below(3) }, (_, i) => {
    const isPlain = random.below(5) === 0;
    // Several clients share layers, also where one sends them task by task.
    const own = random.below(3) === 0 ? 0 : i;
    if (chains) return { isPlain: false, graph: randomChains(seededRandom(seed + i), `${seed}-${i}`) };
    return { isPlain, graph: randomGraph(seededRandom(seed + own), { fuse }) };
  });
  // Down to what all together need at the least; mostly the clients compete for it.
  const budgetBytes = Math.ceil(
    Math.max(...graphs.map(({ graph }) => leastBytes(graph))) * [1, 1.2, 2, 4][random.below(4)]!,
  );
  const failing =
    random.below(6) === 0
      ? pick(
          random,
          graphs.map(({ graph }) => graph.key(random.below(graph.taskCount))),
        )
      : null;
  const sim = new SimCluster({
    seed,
    workers: 1 + random.below(5),
    threads: 1 + random.below(3),
    budgetBytes,
    comesBack: true,
    heartbeatMs: 20,
    taskMs: chains ? 0.4 : [1, 10, 40][random.below(3)]!,
    ...(chains || fused !== undefined ? { columnar: () => true } : {}),
    ...(random.below(3) === 0 ? { bytesPerMs: 40 } : {}),
    ...(failing === null ? {} : { fails: (key: Key) => key === failing }),
    scheduler: { allowedFailures: 1000, workerTtlMs: 100, ...(fused === undefined ? {} : { fused }) },
  });
  const faults = Object.fromEntries(FAULTS.map((fault) => [fault, 0])) as Record<Fault, number>; // one entry each
  const plan: Plan = { sim, random, faults, runs: [] };
  graphs.forEach(({ graph, isPlain }, i) => {
    sim.time.at(random.below(40), () =>
      plan.runs.push(sim.submit(["alice", "bob"][i % 2]!, graph, { priority: random.below(3) - 1, isPlain })),
    );
  });
  sim.expectFaultsUntil(TROUBLE_MS);
  const count = random.below(7);
  for (let i = 0; i < count; i++) sim.time.at(random.below(TROUBLE_MS), () => misfortune(plan));
  // When the trouble is over there are workers.
  sim.time.at(TROUBLE_MS, () => {
    sim.peerTrouble = 0;
    if (!sim.workers.some((worker) => worker.isAlive)) sim.addWorker();
  });
  const report = sim.finish();
  for (const run of plan.runs) expectAnswered(run, failing);
  expectEmpty(sim);
  const { forced } = report;
  // Where all that runs would stand still, one task is sent all the same, and counted: materialised tasks come without a
  // plan, and results of one graph that its client has not taken yet can be in the way of another.
  const together = graphs.reduce((sum, { graph }) => sum + leastBytes(graph), 0);
  const fits = graphs.length === 1 || together <= budgetBytes;
  if (chains) return { ...report, faults, delivered: plan.runs.filter((run) => !run.isCancelled).length };
  if (fits && !graphs.some(({ isPlain }) => isPlain)) expect(forced, "tasks sent beyond the budget").toBe(0);
  if (forced === 0) expect(report.peakBytes, "live bytes").toBeLessThanOrEqual(budgetBytes);
  return { ...report, faults, delivered: plan.runs.filter((run) => !run.isCancelled).length };
}

function pick<T>(random: Random, items: readonly T[]): T {
  return items[random.below(items.length)] as T; // not empty
}

/** One thing that goes wrong, now. */
function misfortune({ sim, random, faults, runs }: Plan): void {
  const alive = sim.workers.filter((worker) => worker.isAlive);
  const fault = pick(random, FAULTS);
  const worker = alive[random.below(Math.max(1, alive.length))];
  if (!worker) return void sim.addWorker();
  faults[fault]++;
  switch (fault) {
    case "kill":
      sim.kill(worker);
      return sim.time.after(random.below(60), () => void sim.addWorker());
    case "cut":
      return sim.cut(worker);
    case "stall":
      return sim.stall(worker, 20 + random.below(250)); // longer than it may be silent, or not
    case "fill":
      return sim.fill(worker, 10 + random.below(100));
    case "retire":
      sim.retire(worker);
      return void sim.addWorker();
    case "join":
      return void sim.addWorker();
    case "peers":
      sim.peerTrouble = 0.3;
      return;
    case "crash":
      return sim.crashScheduler(5 + random.below(60));
    case "cancel": {
      const run = runs[random.below(Math.max(1, runs.length))];
      if (run) sim.cancel(run);
      return;
    }
    case "leave":
      if (random.below(4) === 0) sim.leave("bob");
  }
}

/** S-P1: every wanted result of the run was delivered, once, and has the oracle's value; or failed because it had to. */
export function expectAnswered(run: SimRun, failing: Key | null = null): void {
  if (run.isCancelled) return;
  const oracle = simValue(run.graph);
  const doomed = simDoomed(run.graph, (key) => key === failing);
  const wanted = Array.from(new Set(run.graph.wanted().flat()), (task) => run.graph.key(task));
  expect(new Map(wanted.map((key) => [key, run.failed.has(key) ? "failed" : run.delivered.get(key)]))).toEqual(
    new Map(wanted.map((key) => [key, doomed.has(key) ? "failed" : oracle.get(key)])),
  );
  expect(run.duplicates, "announced again").toBe(0);
}

/** S-P4 S-P5: nothing is left anywhere. */
export function expectEmpty(sim: SimCluster): void {
  expect(sim.scheduler.views.counts().tasks).toEqual({
    released: 0,
    waiting: 0,
    "no-worker": 0,
    queued: 0,
    processing: 0,
    memory: 0,
    erred: 0,
  });
  expect(sim.scheduler.views.isEmpty()).toBe(true);
  expect(sim.workers.filter((worker) => worker.isAlive && !worker.isEmpty).map(({ address }) => address)).toEqual([]);
}
