/** Exact figures of placement and order, in simulated time: three workloads of the field, beside a queue of roots. */
import { ChunkedArray, concatenate, diff, square } from "../../src/array/index.ts";
import { Heap } from "../../src/base/index.ts";
import {
  buildGraph,
  type Graph,
  type Key,
  type LayerNode,
  sourceNode,
  taskEdges,
  taskOrder,
} from "../../src/graph/index.ts";
import { SimCluster } from "../../src/testing/index.ts";
import { graphOf } from "./random-graph.ts";

const MIB = 2 ** 20;
/** Bytes per millisecond: of one thread reading, of one computing, of one link. */
const READ = 1000 * MIB * 1e-3;
const COMPUTE = 4 * READ;
const LINK = 1.25 * READ;
const THREADS = 2;
const BUDGET = 16_384 * MIB;

/** What the gates hold. Times in virtual milliseconds. */
export interface PolicyFigures {
  readonly tasks: number;
  /** Critical path or all work over all threads, whichever is longer. */
  readonly boundMs: number;
  readonly makespanMs: number;
  readonly movedMiB: number;
  /** Of what a queue of roots moves, which knows nothing of siblings. */
  readonly movedOfRootQueue: number;
  /** Most on one worker. */
  readonly peakMiB: number;
  readonly steals: number;
}

function field(name: string, shape: readonly number[], chunks: readonly number[]): ChunkedArray {
  const cuts = shape.map((size, axis) =>
    new Array<number>(size / (chunks[axis] as number)).fill(chunks[axis] as number),
  );
  return new ChunkedArray(sourceNode({ source: name, dtype: "float32", chunks: cuts, scratchBytes: 0 }));
}

function wrapped(x: ChunkedArray, axis: 1 | 2): ChunkedArray {
  return diff(concatenate([x, x.slice(axis === 1 ? ":, :1" : ":, :, :1")], axis), 1, axis);
}

/** Sizes grow with the cluster. */
export const WORKLOADS: Readonly<Record<string, (workers: number) => LayerNode>> = {
  "tree sum": (workers) => {
    // 100 MiB each.
    const x = field("x", [workers * 40, 5120 * 5120], [1, 5120 * 5120]);
    return x.sum().node;
  },
  "anomaly mean": (workers) => {
    // 10 MiB each, used twice: for the climatology of 16 years, and for what differs from it.
    const x = field("x", [16, workers * 3, 2_621_440], [1, 1, 2_621_440]);
    return x.sub(x.mean(0)).mean([0, 1]).node;
  },
  vorticity: (workers) => {
    // 190 MiB each, four to a level.
    const [u, v] = ["u", "v"].map((name) => field(name, [workers * 2, 14_000, 14_000], [1, 7_000, 7_000])) as [
      ChunkedArray,
      ChunkedArray,
    ];
    return square(wrapped(v, 2).sub(wrapped(u, 1))).mean().node;
  },
};

/** Milliseconds of each task, by what it reads and makes. */
function durations(graph: Graph): Float64Array {
  return Float64Array.from({ length: graph.taskCount }, (_, task) => {
    const { dependencies } = graph.expand(task);
    if (dependencies.length === 0) return 1 + graph.nbytes(task) / READ;
    return 1 + dependencies.reduce((sum, input) => sum + graph.nbytes(input), 0) / COMPUTE;
  });
}

/** Longest chain, or all work over all threads. */
function bound(graph: Graph, ms: Float64Array, threads: number): number {
  const ends = new Float64Array(graph.taskCount);
  let work = 0;
  for (const task of taskOrder(graph)) {
    const begins = Math.max(0, ...graph.expand(task).dependencies.map((input) => ends[input] as number));
    ends[task] = begins + (ms[task] as number);
    work += ms[task] as number;
  }
  return Math.max(
    work / threads,
    ends.reduce((most, end) => Math.max(most, end), 0),
  );
}

/** One row of the table. */
export interface PolicyCase {
  readonly workload: string;
  readonly workers: number;
  /** As users' graphs are; else every step is a task of its own, so that every block is there to be placed. */
  readonly isFused: boolean;
}

/** All rows, those of small clusters first. */
export const CASES: readonly PolicyCase[] = [10, 100].flatMap((workers) =>
  [false, true].flatMap((isFused) => Object.keys(WORKLOADS).map((workload) => ({ workload, workers, isFused }))),
);

/** Run a workload on simulated workers. */
export function figuresOf({ workload, workers, isFused }: PolicyCase): PolicyFigures {
  const node = (WORKLOADS[workload] as (workers: number) => LayerNode)(workers); // one of the names
  const graph = isFused ? buildGraph([node]) : graphOf([node]);
  const ms = durations(graph);
  const byKey = new Map<Key, number>(Array.from(ms, (each, task) => [graph.key(task), each]));
  const sim = new SimCluster({
    seed: 1,
    workers,
    threads: THREADS,
    budgetBytes: BUDGET,
    latencyMs: 1,
    bytesPerMs: LINK,
    durationMs: (key) => byKey.get(key) as number, // of the graph
    columnar: () => true,
    check: false,
  });
  // The queue of roots has all its workers from the start.
  while (sim.scheduler.views.workers().filter(({ status }) => status === "running").length < workers) sim.step();
  sim.submit("alice", graph);
  const report = sim.finish();
  const queued = rootQueue(graph, ms, workers);
  const round = (value: number, digits = 0): number => Number(value.toFixed(digits));
  return {
    tasks: taskOrder(graph).length,
    boundMs: round(bound(graph, ms, workers * THREADS)),
    makespanMs: round(report.virtualMs),
    movedMiB: round(report.movedBytes / MIB),
    movedOfRootQueue: round(report.movedBytes / queued, 3),
    peakMiB: round(report.peakBytes / MIB),
    steals: report.stolen,
  };
}

interface Worker {
  free: number;
  readonly has: Set<number>;
  readonly queue: Heap<number>;
}

/**
 * Bytes that move when ready roots wait in one queue by rank and each free thread takes the next, while other tasks go to
 * the worker that holds most of their inputs: what Dask does by default, without its guesses.
 */
function rootQueue(graph: Graph, ms: Float64Array, count: number): number {
  const order = taskOrder(graph);
  const rank = new Uint32Array(graph.taskCount);
  order.forEach((task, at) => {
    rank[task] = at;
  });
  const byRank = (a: number, b: number): boolean => (rank[a] as number) < (rank[b] as number);
  const edges = taskEdges(graph);
  const inputs = (task: number): Uint32Array => edges.dependencies.subarray(edges.start[task], edges.start[task + 1]);
  const users = (task: number): Uint32Array =>
    edges.dependents.subarray(edges.dependentsStart[task], edges.dependentsStart[task + 1]);
  const missing = Uint32Array.from({ length: graph.taskCount }, (_, task) => inputs(task).length);
  const uses = Uint32Array.from({ length: graph.taskCount }, (_, task) => users(task).length);
  const workers = Array.from(
    { length: count },
    (): Worker => ({ free: THREADS, has: new Set(), queue: new Heap(byRank) }),
  );
  const roots = new Heap<number>(byRank);
  for (const task of order) if (inputs(task).length === 0) roots.push(task);
  const agenda = new Heap<{ readonly at: number; readonly task: number; readonly worker: Worker }>(
    (a, b) => a.at < b.at || (a.at === b.at && byRank(a.task, b.task)),
  );
  let now = 0;
  let moved = 0;
  const begin = (task: number, worker: Worker): void => {
    worker.free--;
    let fetched = 0;
    for (const input of inputs(task)) {
      if (worker.has.has(input)) continue;
      worker.has.add(input);
      fetched += graph.nbytes(input);
    }
    moved += fetched;
    agenda.push({ at: now + fetched / LINK + (ms[task] as number), task, worker });
  };
  const fill = (): void => {
    for (const worker of workers)
      while (worker.free > 0) {
        const task = worker.queue.pop() ?? roots.pop();
        if (task === undefined) break;
        begin(task, worker);
      }
  };
  const nearest = (task: number): Worker => {
    const bytes = (worker: Worker): number =>
      inputs(task).reduce((sum, input) => sum + (worker.has.has(input) ? graph.nbytes(input) : 0), 0);
    return workers.reduce((best, each) => (bytes(each) > bytes(best) ? each : best));
  };
  fill();
  for (let next = agenda.pop(); next; next = agenda.pop()) {
    now = next.at;
    const { task, worker } = next;
    worker.free++;
    worker.has.add(task);
    for (const input of inputs(task)) {
      uses[input] = (uses[input] as number) - 1;
      if (uses[input] === 0) for (const each of workers) each.has.delete(input);
    }
    for (const user of users(task)) {
      missing[user] = (missing[user] as number) - 1;
      if (missing[user] === 0) nearest(user).queue.push(user);
    }
    fill();
  }
  return moved;
}
