/** The peak of a run on threads: by hand, and against a plain simulation, task by task. */
import { expect, test } from "vitest";
import { type ChunkedArray, random } from "../../src/array/index.ts";
import { seededRandom } from "../../src/base/index.ts";
import { GraphEdges } from "../../src/graph/edges.ts";
import { buildGraph, type Graph, taskEdges, taskOrder } from "../../src/graph/index.ts";
import { peaksOf } from "../../src/graph/peaks.ts";
import { runningPeak } from "../../src/graph/run-plan.ts";
import { TaskWalk } from "../../src/graph/walk.ts";
import { randomGraph } from "../sim/random-graph.ts";

const MIB = 2 ** 20;

function orderedOf(graph: Graph): Parameters<typeof runningPeak>[1] {
  const edges = new GraphEdges(graph);
  const walk = new TaskWalk(graph, graph.wanted().flat(), edges);
  const users = new Uint32Array(graph.taskCount);
  const all = new Uint32Array(graph.taskCount);
  const order = all.subarray(0, walk.next(all, all.length + 1, users));
  return { order, users, edges, needs: walk.needs };
}

/** The same by what is there at each moment, without ranks in columns, heaps or counts. */
function plainPeak(graph: Graph, threads: number, most: number): number {
  const { start, dependencies } = taskEdges(graph);
  const order = Array.from(taskOrder(graph));
  const inputsOf = (t: number): number[] => Array.from(dependencies.subarray(start[t], start[t + 1]));
  const need = (t: number): number => graph.nbytes(t) + graph.expand(t).spec.workspace;
  const wanted = new Set(graph.wanted().flat());
  const made = new Set<number>();
  const left = new Set(order);
  let running: { task: number; until: number }[] = [];
  let ahead: number[] = [];
  let [now, peak] = [0, 0];
  for (;;) {
    const begun = new Set([...running.map(({ task }) => task), ...ahead]);
    const ready = order.filter((t) => left.has(t) && !begun.has(t) && inputsOf(t).every((d) => made.has(d)));
    ahead = [...ahead, ...ready.slice(0, Math.max(0, most - running.length - ahead.length))];
    const unread = [...made].filter((d) => wanted.has(d) || [...left].some((t) => inputsOf(t).includes(d)));
    const live = unread.reduce((sum, t) => sum + graph.nbytes(t), 0);
    peak = Math.max(peak, live + [...running.map(({ task }) => task), ...ahead].reduce((sum, t) => sum + need(t), 0));
    const began = ahead.splice(0, Math.max(0, threads - running.length));
    const span = (t: number): number => 65_536 + need(t) + inputsOf(t).reduce((sum, d) => sum + graph.nbytes(d), 0);
    running = [...running, ...began.map((task) => ({ task, until: now + span(task) }))];
    if (running.length === 0) return peak;
    const first = running.reduce((a, b) => (b.until < a.until ? b : a));
    running = running.filter((each) => each !== first);
    now = first.until;
    made.add(first.task);
    left.delete(first.task);
  }
}

test.each([1, 2, 3, 4, 5, 6, 7, 8])("is that of a plain simulation (seed %i)", (seed) => {
  const graph = randomGraph(seededRandom(seed), { fuse: seed % 2 === 0 });
  const ordered = orderedOf(graph);
  const { least } = peaksOf(graph, ordered);
  for (const [threads, most] of [
    [1, 2],
    [2, 3],
    [3, 4],
    [4, 6],
  ] as const) {
    const peak = runningPeak(graph, ordered, threads);
    expect(peak, `${threads} threads`).toBe(plainPeak(graph, threads, most));
    expect(peak).toBeGreaterThanOrEqual(least);
  }
});

const peakOf = (x: ChunkedArray, threads: number): number => {
  const graph = buildGraph([x.node]);
  return runningPeak(graph, orderedOf(graph), threads);
};

test("sums of blocks take a block for each thread and one for every two beside it, and a few numbers", () => {
  const sum = (): ChunkedArray =>
    random
      .defaultRng(1)
      .random([64, MIB / 8], { chunks: [1, -1] })
      .sum();
  for (const [threads, blocks] of [
    [1, 2],
    [2, 3],
    [3, 4],
    [4, 6],
    [8, 12],
  ] as const) {
    expect(peakOf(sum(), threads), `${threads} threads`).toBeGreaterThanOrEqual(blocks * MIB);
    expect(peakOf(sum(), threads)).toBeLessThan((blocks + 0.1) * MIB);
  }
});
