/** S-C28: roots are begun from pieces of the order, so that what belongs together is in one place. */
import { expect, test } from "vitest";
import { type Graph, OrderCuts, reduceNode, sourceNode, TaskWalk } from "../../../src/graph/index.ts";
import { Pieces } from "../../../src/scheduler/state/pieces.ts";
import { RankSet } from "../../../src/scheduler/state/rank-set.ts";
import { SimCluster } from "../../../src/testing/index.ts";
import { graphOf, sumCall } from "../../sim/random-graph.ts";
import { Driver, finished } from "./drive.ts";
import { finishAll, release, submit } from "./layers.ts";

const SUM = { op: "sum", from: "float32", dtype: "float32", ddof: 0, minCount: 0, empty: null } as const;

/** Rows of sources of 8 bytes a column, each row summed by fours. */
function rows(count: number, width: number, columns = 1000, name = "s"): Graph {
  const chunks = [new Array<number>(count).fill(2), new Array<number>(width).fill(columns)];
  const source = sourceNode({ source: name, dtype: "float32", chunks, scratchBytes: 0 });
  const row = reduceNode("row", sumCall(1), SUM, [{ layer: source, axes: [0, 1] }], chunks, {
    reduced: [1],
    keepdims: false,
    splitEvery: 4,
  });
  return graphOf([row]);
}

/** Groups of four roots and what reads them; between groups `crossing` bytes cross, within them a hundred times more. */
function fours(groups: number, crossing = 1): { readonly pieces: Pieces; readonly roots: RankSet } {
  const [roots, cuts] = [new RankSet(), new OrderCuts()];
  for (let group = 0; group < groups; group++) {
    for (let i = 0; i < 4; i++) {
      roots.add(group * 5 + i);
      cuts.push(group * 5 + i, i === 0 ? crossing : crossing + 100 * i, group * 5 + i);
    }
  }
  return { pieces: new Pieces(roots, cuts), roots };
}

/** All pieces that nobody has, first to last. */
const freeOf = (pieces: Pieces): number[][] => pieces.free.map(({ from, to }) => [from, to]).reverse();

test("S-C28: an order is cut where fewest bytes cross, near where work is shared evenly", () => {
  const { pieces } = fours(8);
  pieces.cut(40, 3);
  // A third of 40 is 13.3, two thirds 26.7; groups begin at 10, 15, 25, 30.
  expect(freeOf(pieces)).toEqual([
    [0, 15],
    [15, 25],
    [25, 40],
  ]);
  expect(pieces.covered).toBe(40);
});

test("S-C28: a worker goes on behind its last piece, or takes the first that nobody has", () => {
  const { pieces, roots } = fours(8);
  pieces.cut(40, 4);
  expect([pieces.claim(7), pieces.claim(8)]).toEqual([true, true]);
  expect([pieces.next(7), pieces.next(8)]).toEqual([0, 10]);
  for (let rank = 10; rank < 20; rank++) roots.delete(rank);
  expect(pieces.next(8)).toBe(-1);
  expect(pieces.claim(8)).toBe(true);
  expect(pieces.next(8)).toBe(20);
  for (let rank = 0; rank < 10; rank++) roots.delete(rank);
  // Behind its last piece others have been; the next one is as good.
  expect(pieces.next(7)).toBe(-1);
  expect(pieces.claim(7)).toBe(true);
  expect(pieces.next(7)).toBe(30);
  expect(pieces.claim(9)).toBe(false);
  pieces.release(8);
  expect(pieces.claim(9)).toBe(true);
  expect(pieces.next(9)).toBe(20);
  expect([pieces.ownerOf(31), pieces.ownerOf(21), pieces.ownerOf(5)]).toEqual([7, 9, -1]);
});

test("S-C28: who has nothing gets the far half of the largest piece, cut between groups, if that is worth it", () => {
  const { pieces } = fours(8);
  pieces.cut(40, 1);
  pieces.claim(1);
  const asked: number[][] = [];
  expect(pieces.split(2, (...question) => asked.push(question) < 0)).toBe(false);
  expect(asked).toEqual([[1, 20, 1]]);
  expect(pieces.split(2, () => true)).toBe(true);
  expect(pieces.split(3, () => true)).toBe(true);
  expect([1, 2, 3].map((worker) => pieces.claims.get(worker))).toEqual([
    { from: 0, to: 10 },
    { from: 20, to: 40 },
    { from: 10, to: 20 },
  ]);
});

test("S-C28: when workers join, what is left is cut for all of them; who has a piece keeps its start", () => {
  const { pieces, roots } = fours(8);
  pieces.cut(40, 1);
  pieces.claim(1);
  for (let rank = 0; rank < 5; rank++) roots.delete(rank);
  pieces.cutAgain(4);
  expect(pieces.claims.get(1)).toEqual({ from: 5, to: 15 });
  // What is left begins at 5 and its last cut is at 38: quarters end at 13.25, 21.5 and 29.75.
  expect(freeOf(pieces)).toEqual([
    [15, 20],
    [20, 30],
    [30, 40],
  ]);
});

test("the walk tells the bytes that cross a cut: what later tasks read of earlier ones", () => {
  const graph = rows(3, 4);
  const walk = new TaskWalk(graph, graph.wanted().flat());
  walk.cuts = new OrderCuts();
  walk.next(new Uint32Array(graph.taskCount), graph.taskCount);
  // A source of 8000 bytes and its partial sum of two numbers and two counts, four times; then their sum, which nobody reads.
  const partial = graph.nbytes(graph.base(1));
  const crossing = Array.from({ length: walk.cuts.count }, (_, at) => walk.cuts?.bytes(at));
  const row = [0, partial, 2 * partial, 3 * partial];
  expect(crossing).toEqual([...row, ...row, ...row]);
  expect(walk.cuts.from(9)).toBe(4);
  // Cuts are given back once half of them are of no use.
  walk.cuts.drop(9);
  expect(walk.cuts.count).toBe(12);
  walk.cuts.drop(18);
  expect([walk.cuts.count, walk.cuts.rank(0)]).toEqual([4, 18]);
});

test("S-C28 S-I20: groups do not move, however many workers there are and whenever they join", () => {
  for (const [workers, late] of [
    [2, 0],
    [4, 0],
    [1, 3],
  ] as const) {
    const sim = new SimCluster({
      seed: 1,
      workers,
      threads: 2,
      budgetBytes: 2 ** 30,
      bytesPerMs: 1e6,
      columnar: () => true,
    });
    const joined = (): number => sim.scheduler.views.workers().filter(({ status }) => status === "running").length;
    while (joined() < workers) sim.step();
    const run = sim.submit("alice", rows(16, 8, 1e6));
    for (let i = 0; i < late; i++) sim.time.after(20 + i, () => void sim.addWorker());
    const report = sim.finish();
    expect(run.delivered.size).toBe(16);
    // Numbers may go to an idle worker at the end; no source does.
    expect(report.movedBytes, `${workers} workers, ${late} late ones`).toBeLessThan(8e6);
    const shares = sim.workers.map((worker) => worker.executed / report.executed);
    for (const share of shares) expect(share).toBeGreaterThan(0.5 / (workers + late));
  }
});

test("S-C28 S-I20 S-C19: an order longer than its window goes on when the pieces are used up", () => {
  const driver = new Driver({ orderAhead: 1 });
  for (const name of ["u", "v", "w"]) driver.worker(name, { isColumnar: name !== "v" });
  const graph = rows(24, 8);
  submit(driver, graph);
  expect(driver.core.batches[0]?.walk.ranked).toBeLessThan(graph.taskCount / 2);
  expect(finishAll(driver)).toBe(graph.taskCount);
  expect(driver.views.counts()).toMatchObject({ recomputed: 0, evicted: 0, forced: 0 });
  release(driver, graph);
  expect(driver.views.isEmpty()).toBe(true);
});

test("S-C28 S-C19: a turn ends when a worker that had nothing to begin in one graph has got tasks of another", () => {
  const driver = new Driver({ orderAhead: 1 });
  for (const name of ["u", "v"]) driver.worker(name);
  const graphs = ["s", "t"].map((name) => rows(24, 8, 1000, name));
  for (const graph of graphs) submit(driver, graph);
  // The piece of u is used up before that of v, and both of its tasks end in one turn.
  for (let turn = 0; turn < 100; turn++) {
    const mine = driver.orders.filter(({ worker }) => worker === "u");
    for (const order of mine) driver.orders.splice(driver.orders.indexOf(order), 1);
    driver.feedAll(
      mine.map(({ message }) => ({ type: "worker-messages", worker: "u", messages: [finished(message, 8)] })),
    );
  }
  finishAll(driver);
  for (const graph of graphs) release(driver, graph);
  expect(driver.views.isEmpty()).toBe(true);
});

test("S-C28 S-I20: the piece of a worker that pauses or goes is anybody's", () => {
  for (const end of ["paused", "gone"] as const) {
    const driver = new Driver();
    for (const name of ["u", "v"]) driver.worker(name, { isColumnar: true });
    const graph = rows(8, 4);
    submit(driver, graph);
    expect(driver.core.batches[0]?.pieces?.claims.size).toBe(2);
    if (end === "paused") driver.say("v", { op: "worker-status-change", status: "paused", stimulusId: "s" });
    else driver.leave("v");
    expect(driver.core.batches[0]?.pieces?.claims.size).toBe(1);
    finishAll(driver);
    release(driver, graph);
    expect(driver.views.isEmpty()).toBe(true);
  }
});
