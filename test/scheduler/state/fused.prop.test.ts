/** Tasks that are moved in loops over columns live as those that the table moves one by one: same instructions, in the same order. */
import { expect, test } from "vitest";
import { type Random, seededRandom } from "../../../src/base/index.ts";
import { type Graph, rechunkNode, sourceNode } from "../../../src/graph/index.ts";
import { leastBytes, SimCluster, type SimReport } from "../../../src/testing/index.ts";
import { live as liveInTrouble } from "../../sim/life.ts";
import { graphOf, randomCalls, randomChains, randomGraph } from "../../sim/random-graph.ts";

interface Life {
  readonly report: SimReport;
  /** Moves that only loops over columns make. */
  readonly fused: number;
}

type MakeGraph = (random: Random, label: string) => Graph;

/** Blocks without extent need nothing, in a layer whose other blocks do. */
function withEmptyBlocks(random: Random, label: string): Graph {
  const chunks = [
    [4, 4, 4],
    [4, 4],
  ];
  const cut = (sizes: readonly number[]): number[] =>
    sizes.flatMap((size) => (random.below(2) === 0 ? [size, 0] : [2, size - 2]));
  const source = sourceNode({ source: label, dtype: "float32", chunks, scratchBytes: 0 });
  const cuts = rechunkNode(source, chunks.map(cut));
  return graphOf([cuts, rechunkNode(cuts, chunks)]);
}

function live(seed: number, fused: boolean, make: MakeGraph): Life {
  const random = seededRandom(seed);
  const graphs = Array.from({ length: 1 + random.below(2) }, (_, i) => make(random, `g${i}`));
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

test.each([
  { of: "graphs", seeds: 8, make: (random: Random, label: string) => randomGraph(random, { label }) },
  { of: "graphs with empty blocks", seeds: 25, make: withEmptyBlocks },
  { of: "chains of users' calls", seeds: 8, make: randomChains },
  { of: "users' calls with several inputs", seeds: 15, make: randomCalls },
])(
  "S-C26: events of $of have the same instructions whether tasks are moved in loops or one by one",
  ({ seeds, make }) => {
    let fused = 0;
    for (let seed = 1; seed <= seeds; seed++) {
      const [inLoops, oneByOne] = [live(seed, true, make), live(seed, false, make)];
      expect(inLoops.report, `seed ${seed}`).toEqual(oneByOne.report);
      expect(oneByOne.fused).toBe(0);
      fused += inLoops.fused;
    }
    expect(fused).toBeGreaterThan(200);
  },
);

test("S-C26: lives in which workers, clients and the scheduler itself fail are the same either way", () => {
  for (let seed = 1; seed <= 6; seed++)
    expect(liveInTrouble(seed, { fused: true }), `seed ${seed}`).toEqual(liveInTrouble(seed, { fused: false }));
});
