/** The whole cluster in one thread on random graphs: S-P1…S-P6, and every S-I after each event. */
import { describe, expect, test } from "vitest";
import { seededRandom } from "../../src/base/index.ts";
import { type SimOptions, SimCluster, simValue } from "../../src/testing/index.ts";
import { randomGraph } from "./random-graph.ts";

const BASE = Number(process.env["RSDAT_SIM_SEED"] ?? 1);
const RUNS = Number(process.env["RSDAT_SIM_RUNS"] ?? 100);
const seeds = Array.from({ length: RUNS }, (_, i) => BASE + i);

function cluster(seed: number, options: Partial<SimOptions> = {}): SimCluster {
  const random = seededRandom(seed * 7919);
  return new SimCluster({ seed, workers: 1 + random.below(4), threads: 1 + random.below(3), budgetBytes: 2_000, ...options });
}

/** Prints the command that replays a failing seed. */
function replay(seed: number, body: () => void): void {
  try {
    body();
  } catch (error) {
    throw new Error(`seed ${seed} (RSDAT_SIM_SEED=${seed} RSDAT_SIM_RUNS=1 npx vitest run test/sim/scheduler.sim.ts): ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

describe("random graphs", () => {
  test("S-P1 S-P4 S-P5: every wanted result is delivered once with the oracle's value, and nothing is left", () => {
    for (const seed of seeds) {
      replay(seed, () => {
        const sim = cluster(seed);
        const graph = randomGraph(seededRandom(seed));
        const run = sim.submit("alice", graph);
        sim.finish();
        const oracle = simValue(graph);
        const wanted = graph.wanted().flat().map((task) => graph.key(task));
        expect(new Map(wanted.map((key) => [key, run.delivered.get(key)]))).toEqual(new Map(wanted.map((key) => [key, oracle.get(key)])));
        expect(run.duplicates).toBe(0);
        expect(sim.scheduler.views.isEmpty()).toBe(true);
        expect(sim.workers.every((worker) => worker.isEmpty)).toBe(true);
      });
    }
  });
});
