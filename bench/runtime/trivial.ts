/**
 * What does a trivial task cost from end to end? A graph of tiny blocks, `ones(n) + 1` with one element in each: all of its
 * tasks kept on a cluster of two one-thread worker processes, or on threads of this process. By itself it also says how
 * much processor time each process takes for a task: `node bench/runtime/trivial.ts [TASKS] [ROUNDS]`.
 */
import { readFileSync } from "node:fs";
import { holdsUnder } from "../../src/array/holds.ts";
import { pushRunner } from "../../src/graph/index.ts";
import { array } from "../../src/index.ts";
import { localRunner } from "../../src/local/index.ts";
import { median, OutputsDifferError } from "../contract.ts";
import { OurSide, type RuntimeRow } from "./sides.ts";

/** Clock ticks of /proc per second. */
const TICKS = 100;

/** us a task: `n` tasks kept, and the last block looked at. */
async function kept(n: number, fresh: number): Promise<number> {
  const blocks = array.ones(n, { chunks: 1 }).add(fresh);
  const began = performance.now();
  const held = await blocks.persist();
  const [hold] = holdsUnder(held.outputs);
  await hold?.wait();
  const us = ((performance.now() - began) * 1e3) / n;
  const last = await held.slice(-1).compute();
  hold?.release();
  if (last.item() !== 1 + fresh) throw new OutputsDifferError(`the last block is ${last}`);
  return us;
}

/** us a task: the sum of `n` blocks, by the number of tasks that this takes. */
async function summed(n: number, fresh: number): Promise<number> {
  const sum = array.ones(n, { chunks: 1 }).add(fresh).sum();
  const { tasks } = await sum.explain();
  const began = performance.now();
  const value = await sum.compute();
  const us = ((performance.now() - began) * 1e3) / tasks;
  if (value.item() !== n * (1 + fresh)) throw new OutputsDifferError(`the sum is ${value}`);
  return us;
}

/** Processor seconds of each child of this process, by what it is. */
function childSeconds(): Map<string, number> {
  const seconds = new Map<string, number>();
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").trim().split(" ").filter(Boolean);
  for (const pid of children) {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    seconds.set(pid, (Number(fields[11]) + Number(fields[12])) / TICKS); // user and system
  }
  return seconds;
}

async function alone(n: number, rounds: number): Promise<void> {
  await using side = await OurSide.start();
  const measures = { kept, summed };
  for (const [name, measure] of Object.entries(measures)) {
    await measure(1000, 1);
    for (let round = 0; round < rounds; round++) {
      const [before, own] = [childSeconds(), process.cpuUsage()];
      const us = await measure(n, 2 + round);
      const used = process.cpuUsage(own);
      const children = Array.from(childSeconds(), ([pid, s]) => ((s - (before.get(pid) ?? 0)) * 1e6) / n);
      const text = children.map((each) => each.toFixed(1)).join(", ");
      console.log(
        `${name} ${n}: ${us.toFixed(1)} us a task; processor us per block: client ${((used.user + used.system) / n).toFixed(1)}, others ${text}`,
      );
    }
  }
  void side;
}

async function onThreads(n: number, rounds: number): Promise<void> {
  await using runner = localRunner();
  const pop = pushRunner(runner);
  for (const [name, measure] of Object.entries({ kept, summed })) {
    await measure(1000, 1);
    for (let round = 0; round < rounds; round++) {
      const own = process.cpuUsage();
      const us = await measure(n, 2 + round);
      const used = process.cpuUsage(own);
      console.log(
        `threads, ${name} ${n}: ${us.toFixed(1)} us a task; processor us per block ${((used.user + used.system) / n).toFixed(1)}`,
      );
    }
  }
  pop();
}

if (import.meta.main) {
  const [n, rounds] = [Number(process.argv[2] ?? 10_000), Number(process.argv[3] ?? 5)];
  await alone(n, rounds);
  await onThreads(n, rounds);
}

/** Rows of trivial tasks. */
export const TRIVIAL_ROWS: readonly RuntimeRow[] = [10_000, 100_000, 1_000_000].map((n) => ({
  id: n === 10_000 ? "trivial-array" : `trivial-array-${n / 1000}k`,
  metric: `${n} trivial tasks of an array, us a task`,
  n,
  quick: 500,
  must: n === 10_000 ? 20 : 12,
  aim: n === 10_000 ? 8 : 5,
  saturations: n === 10_000 ? (["default", "inf"] as const) : [],
  ours: (side: OurSide, count: number) => kept(count, side.fresh()),
}));

/** Rounds before those that count. */
const WARM_ROUNDS = 5;

/** Threads of this process: median us a task of `rounds`, for each kept block and for each fused task of a sum. */
export async function threadsFigures(n: number, rounds: number): Promise<Record<"kept" | "summed", number>> {
  await using runner = localRunner();
  const pop = pushRunner(runner);
  const of = async (measure: (n: number, fresh: number) => Promise<number>): Promise<number> => {
    const samples: number[] = [];
    for (let round = 0; round < WARM_ROUNDS + rounds; round++) samples.push(await measure(n, 1 + round));
    return median(samples.slice(WARM_ROUNDS));
  };
  const figures = { kept: await of(kept), summed: await of(summed) };
  pop();
  return figures;
}
