/** Tasks that are moved in loops over columns live as those that the table moves one by one: same instructions, in the same order. */
import { expect, test } from "vitest";
import { seededRandom } from "../../../src/base/index.ts";
import { leastBytes, SimCluster, type SimReport } from "../../../src/testing/index.ts";
import { randomGraph } from "../../sim/random-graph.ts";

interface Life {
  readonly report: SimReport;
  /** Moves that only loops over columns make. */
  readonly fused: number;
}

function live(seed: number, fused: boolean): Life {
  const random = seededRandom(seed);
  const graphs = Array.from({ length: 1 + random.below(2) }, (_, i) => randomGraph(random, { label: `g${i}` }));
  const budgetBytes = Math.max(...graphs.map((graph) => leastBytes(graph))) * (1 + random.below(4));
  const sim = new SimCluster({
    seed,
    workers: 1 + random.below(4),
    threads: 1 + random.below(2),
    budgetBytes,
    columnar: () => true,
    taskMs: [0.1, 10][random.below(2)]!,
    scheduler: { fused, orderAhead: [1, 64][random.below(2)]! },
  });
  for (const [i, graph] of graphs.entries()) sim.submit(["alice", "bob"][i]!, graph);
  if (random.below(3) === 0) sim.time.at(random.below(30), () => sim.kill(sim.workers[0]!));
  sim.time.at(30, () => void sim.addWorker());
  const report = sim.finish();
  const keys = graphs.flatMap((graph) => Array.from({ length: graph.taskCount }, (_, task) => graph.key(task)));
  const moves = sim.scheduler.story(...keys).filter(({ from, to }) => from === "memory" && to === "forgotten");
  return { report, fused: moves.length };
}

test("S-C26: the same events have the same instructions whether tasks are moved in loops or one by one", () => {
  let fused = 0;
  for (let seed = 1; seed <= 8; seed++) {
    const [inLoops, oneByOne] = [live(seed, true), live(seed, false)];
    expect(inLoops.report, `seed ${seed}`).toEqual(oneByOne.report);
    expect(oneByOne.fused).toBe(0);
    fused += inLoops.fused;
  }
  expect(fused).toBeGreaterThan(200);
});
