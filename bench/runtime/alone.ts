/** Rows without workers: the machine alone, the way of graphs into it, and threads of one process. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { type BenchRow, median, row } from "../contract.ts";
import { coreFigures, measureSubmit } from "./core.ts";
import { graphFigures } from "./graph.ts";
import type { DaskSide } from "./sides.ts";
import { threadsFigures } from "./trivial.ts";
import { zeroFigure } from "./zero-worker.ts";

/** A process of its own, whose memory holds nothing else, and which can collect before state is counted. */
const MEASURES = {
  core: (tasks: number, rounds: number) => coreFigures(rounds, tasks),
  submit: (tasks: number, rounds: number) => {
    measureSubmit(tasks); // functions are compiled
    return Array.from({ length: rounds }, () => measureSubmit(tasks));
  },
  graph: (tasks: number, rounds: number) => [false, true].map((isKeyed) => graphFigures(tasks, isKeyed, rounds + 1)),
};
type Measures = typeof MEASURES;

const run = promisify(execFile);

/** This file as JavaScript, as the package carries it: TypeScript that Node itself reads runs a tenth slower. */
async function compiled(): Promise<string> {
  const root = join(import.meta.dirname, "../..");
  await run(join(root, "node_modules/.bin/tsc"), ["-p", join(root, "bench")]);
  return join(root, "node_modules/.cache/rsdat-bench/bench/runtime/alone.js");
}

/** It is compiled once. */
let script: Promise<string> | undefined;

async function inChild<M extends keyof Measures>(
  name: M,
  tasks: number,
  rounds: number,
): Promise<ReturnType<Measures[M]>> {
  script ??= compiled();
  const args = ["--expose-gc", await script, name, String(tasks), String(rounds)];
  const { stdout } = await run(process.execPath, args);
  return JSON.parse(stdout); // printed below
}

function one(id: string, metric: string, value: number, goals?: readonly [must: number, aim: number]): BenchRow {
  return row({ id, metric, ours: [value], ...(goals ? { target: goals[0], aim: goals[1] } : {}) });
}

async function core(quick: boolean): Promise<BenchRow[]> {
  const figures = await inChild("core", quick ? 5_000 : 100_000, quick ? 1 : 5);
  return figures.map(({ id, workers, usPerTask }) =>
    id.startsWith("first-")
      ? one(`core-${id}-${workers}`, `its first graph, ${workers} workers, us a task`, usPerTask)
      : one(`core-${id}-${workers}`, `the machine alone, ${workers} workers, us a task`, usPerTask, [0.6, 0.3]),
  );
}

/** A graph of an array: Dask's side is measured on a tenth of it, and counts per task. */
async function submitArray(dask: DaskSide, quick: boolean): Promise<BenchRow[]> {
  const tasks = quick ? 20_000 : 1_000_000;
  const figures = await inChild("submit", tasks, quick ? 1 : 5);
  const ms = figures.map((f) => f.buildMs + f.encodeMs + f.decodeMs + f.machineMs);
  const theirs = await dask.sample("submit-array", quick ? 200 : tasks / 10, "default");
  const perTask = { name: "dask", samples: ms.map(() => (theirs * 1e3) / (quick ? 200 : tasks / 10)) };
  const id = "submit-array";
  return [
    row({
      id,
      metric: `an array's graph of ${tasks} tasks until the scheduler is ready, ms`,
      ours: ms,
      target: 50,
      aim: 10,
    }),
    row({ id, metric: "the same, us a task", ours: ms.map((each) => (each * 1e3) / tasks), peer: perTask }),
    row({ id, metric: "its bytes on the wire", ours: figures.map((f) => f.wireBytes), target: 4096 }),
    one(id, "its bytes of state per task", median(figures.map((f) => f.bytesPerTask)), [2, 1]),
  ];
}

/** A graph of single tasks. */
async function submitGraph(dask: DaskSide, quick: boolean): Promise<BenchRow[]> {
  const tasks = quick ? 2_000 : 100_000;
  const figures = await inChild("graph", tasks, quick ? 1 : 5);
  const theirs = await dask.sample("submit-graph", quick ? 200 : 10_000, "default");
  const peer = { name: "dask", samples: [theirs] };
  return figures.flatMap(({ totalUs, stateBytes }, k) => {
    const id = k === 0 ? "submit-graph" : "submit-graph-keys";
    const keys = k === 0 ? "keys by number" : "keys of their own";
    const metric = `an arbitrary graph (${keys}) until the scheduler has it, us a task`;
    return [
      one(id, metric, totalUs, [3, 1]),
      row({ id, metric, ours: [totalUs], peer }),
      one(id, "its bytes of state per task", stateBytes, [64, 40]),
    ];
  });
}

async function threads(quick: boolean): Promise<BenchRow[]> {
  const n = quick ? 2_000 : 100_000;
  const { kept, summed } = await threadsFigures(n, quick ? 1 : 5);
  const where = "on threads of this process, planning included, us";
  return [
    one("threads", `the sum of ${n} trivial blocks ${where} a fused task`, summed, [3, 1]),
    one("threads-kept", `${n} trivial blocks kept ${where} a block`, kept, [3, 1]),
  ];
}

/** The scheduler's process under workers that answer at once. */
async function zero(quick: boolean): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const [tasks, connections] of quick ? QUICK_ZERO : ZERO) {
    const { schedulerUs, firstUs } = await zeroFigure({ tasks, connections, kind: "columns", rounds: quick ? 1 : 5 });
    const metric = `${tasks} tasks, ${connections} workers that answer at once: scheduler's processor us a task`;
    const id = `zero-${tasks / 1000}k-${connections}`;
    rows.push(one(id, metric, schedulerUs, [8, 2]), one(`${id}-first`, `the first round: ${metric}`, firstUs));
  }
  return rows;
}

const QUICK_ZERO = [[5_000, 2]] as const;
const ZERO = [
  [10_000, 16],
  [100_000, 1],
  [100_000, 16],
  [100_000, 256],
  [1_000_000, 16],
] as const;

/** By beginning of their names. */
export const ALONE: Readonly<Record<string, (dask: DaskSide, quick: boolean) => Promise<BenchRow[]> | BenchRow[]>> = {
  zero: (_, quick) => zero(quick),
  core: (_, quick) => core(quick),
  "submit-array": submitArray,
  "submit-graph": submitGraph,
  threads: (_, quick) => threads(quick),
};

if (import.meta.main) {
  const [name = "", tasks = "", rounds = ""] = process.argv.slice(2);
  const measure = MEASURES[name as keyof Measures]; // inChild names one
  process.stdout.write(JSON.stringify(measure(Number(tasks), Number(rounds))));
}
