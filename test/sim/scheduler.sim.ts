/** The whole cluster in one thread on random graphs: S-P1…S-P6, and every S-I after each event. */
import { describe, expect, test } from "vitest";
import { seededRandom } from "../../src/base/index.ts";
import { blockwiseNode, type Graph, reduceNode, sourceNode } from "../../src/graph/index.ts";
import { leastBytes, SimCluster, type SimOptions, type SimRun, simValue } from "../../src/testing/index.ts";
import { graphOf, randomGraph, sumCall } from "./random-graph.ts";

const BASE = Number(process.env["RSDAT_SIM_SEED"] ?? 1);
const RUNS = Number(process.env["RSDAT_SIM_RUNS"] ?? 100);
const seeds = Array.from({ length: RUNS }, (_, i) => BASE + i);

function cluster(seed: number, options: Partial<SimOptions> = {}): SimCluster {
  const random = seededRandom(seed * 7919);
  return new SimCluster({
    seed,
    workers: 1 + random.below(4),
    threads: 1 + random.below(3),
    budgetBytes: 2_000,
    ...options,
  });
}

/** Prints the command that replays a failing seed. */
function replay(seed: number, body: () => void): void {
  try {
    body();
  } catch (error) {
    throw new Error(
      `seed ${seed} (RSDAT_SIM_SEED=${seed} RSDAT_SIM_RUNS=1 npx vitest run test/sim/scheduler.sim.ts): ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
}

/** Every wanted result of the run has the oracle's value. */
function expectAnswered(run: SimRun): void {
  const oracle = simValue(run.graph);
  const wanted = run.graph
    .wanted()
    .flat()
    .map((task) => run.graph.key(task));
  expect(new Map(wanted.map((key) => [key, run.delivered.get(key)]))).toEqual(
    new Map(wanted.map((key) => [key, oracle.get(key)])),
  );
  expect(run.duplicates).toBe(0);
}

function expectEmpty(sim: SimCluster): void {
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
  expect(sim.workers.filter((worker) => worker.isAlive).every((worker) => worker.isEmpty)).toBe(true);
}

describe("random graphs", () => {
  test("S-P1 S-P4 S-P5: every wanted result is delivered once with the oracle's value, and nothing is left", () => {
    for (const seed of seeds) {
      replay(seed, () => {
        const sim = cluster(seed);
        const run = sim.submit("alice", randomGraph(seededRandom(seed)));
        sim.finish();
        expectAnswered(run);
        expectEmpty(sim);
      });
    }
  });

  test("S-P2: live bytes stay within the budget, down to the least that the graph can run in", () => {
    for (const seed of seeds) {
      replay(seed, () => {
        const graph = randomGraph(seededRandom(seed));
        const budgetBytes = Math.ceil(leastBytes(graph) * [1, 1.2, 2][seed % 3]!);
        const sim = cluster(seed, { budgetBytes });
        const run = sim.submit("alice", graph);
        const { peakBytes } = sim.finish();
        expectAnswered(run);
        expect(peakBytes).toBeLessThanOrEqual(budgetBytes);
        expect(sim.scheduler.views.counts().forced).toBe(0);
        expectEmpty(sim);
      });
    }
  });

  test("S-P6: the same seed gives the same trace, another seed another one", () => {
    const trace = (seed: number) => {
      const sim = cluster(3, { seed });
      sim.submit("alice", randomGraph(seededRandom(5)));
      return sim.finish();
    };
    expect(trace(1)).toEqual(trace(1));
    expect(trace(1).digest).not.toBe(trace(2).digest);
  });

  test("S-P1 S-P3: several clients at once, sharing layers, each get all of theirs", () => {
    for (const seed of seeds) {
      replay(seed, () => {
        const sim = cluster(seed, { budgetBytes: 600 });
        const random = seededRandom(seed);
        const runs = ["alice", "bob", "carol"].map((client, i) =>
          sim.submit(client, randomGraph(seededRandom(seed + (random.below(2) === 0 ? 0 : i))), {
            priority: random.below(3) - 1,
          }),
        );
        sim.finish();
        for (const run of runs) expectAnswered(run);
        expectEmpty(sim);
      });
    }
  });
});

/** Sixteen sources of 192 bytes each, halved pairwise; breadth first holds 3 KiB, depth first about a sixth of it. */
function pyramid(): Graph {
  const chunks = [new Array<number>(16).fill(6), [8]];
  const source = sourceNode({ source: "pyramid", dtype: "float32", chunks, scratchBytes: 0 });
  const spec = { op: "sum", from: "float32", dtype: "float32", ddof: 0, minCount: 0, empty: null } as const;
  const copy = blockwiseNode("add", sumCall(1), [{ layer: source, axes: [0, 1] }], chunks);
  return graphOf([
    reduceNode("sum", sumCall(1), spec, [{ layer: copy, axes: [0, 1] }], chunks, {
      reduced: [0],
      keepdims: false,
      splitEvery: 2,
    }),
  ]);
}

test("S-P2: with admission off the same budget is passed, so that the check can fail", () => {
  const peak = (admission: boolean) => {
    const sim = new SimCluster({ seed: 1, workers: 1, threads: 8, budgetBytes: leastBytes(pyramid()), admission });
    const run = sim.submit("alice", pyramid());
    const { peakBytes } = sim.finish();
    expectAnswered(run);
    return peakBytes;
  };
  expect(peak(true)).toBeLessThanOrEqual(leastBytes(pyramid()));
  expect(peak(false)).toBeGreaterThan(leastBytes(pyramid()) * 1.5);
});

describe("faults", () => {
  test("S-P1 S-P3 S-P5: workers die and others join at random; everything wanted arrives all the same", () => {
    let recomputed = 0;
    for (const seed of seeds) {
      replay(seed, () => {
        const random = seededRandom(seed + 1_000_000);
        const sim = cluster(seed, { workers: 3, budgetBytes: 2_000, scheduler: { allowedFailures: 100 } });
        const run = sim.submit("alice", randomGraph(seededRandom(seed)));
        for (let deaths = 0; deaths < 2; deaths++) {
          sim.time.at(random.below(150), () => {
            const alive = sim.workers.filter((worker) => worker.isAlive);
            const victim = alive[random.below(alive.length)];
            if (victim) sim.kill(victim);
            sim.time.after(random.below(40), () => sim.addWorker());
          });
        }
        sim.finish();
        expectAnswered(run);
        expectEmpty(sim);
        recomputed += sim.scheduler.views.counts().recomputed;
      });
    }
    expect(recomputed).toBeGreaterThan(0);
  });

  /** A graph within one to two times the least it can run in, and a worker dies; gives the blocks that were evicted. */
  function dieWithinBudget(seed: number): number {
    const random = seededRandom(seed + 2_000_000);
    const graph = randomGraph(seededRandom(seed));
    const budgetBytes = Math.ceil(leastBytes(graph) * [1, 1.2, 2][seed % 3]!);
    const sim = cluster(seed, { workers: 3, budgetBytes, scheduler: { allowedFailures: 100 } });
    const run = sim.submit("alice", graph);
    sim.time.at(10 + random.below(100), () => {
      const victim = sim.workers[random.below(3)];
      if (victim) sim.kill(victim);
    });
    const { peakBytes } = sim.finish();
    expectAnswered(run);
    expectEmpty(sim);
    expect(peakBytes).toBeLessThanOrEqual(budgetBytes);
    return sim.scheduler.views.counts().evicted;
  }

  test("S-P2: live bytes stay within the budget when workers die", () => {
    for (const seed of seeds) replay(seed, () => void dieWithinBudget(seed));
  });

  test("S-P2: the same where lost blocks push early ones out", () => {
    // One seed in a hundred evicts: these were found by trying 3000. One that still does is enough.
    const evicted = [39, 325, 865, 1240, 1417, 1459, 2773].map(dieWithinBudget);
    expect(Math.max(...evicted)).toBeGreaterThan(0);
  });
});
