/** One of two one-thread worker processes is killed half-way. As in `peer.py`. */
import { OutputsDifferError } from "../contract.ts";
import type { OurSide, RuntimeRow } from "./sides.ts";

/** Length of one nap; the function that travels names it itself. */
const NAP_MS = 20;

function nap(i: number): number {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
  return i;
}

/**
 * Seconds of `n` naps. Both workers nap for a quarter of all naps' time; then half is done, and of that half is lost with
 * the victim. The survivor needs three quarters of all naps' time for the rest: all naps' time together is the ideal.
 */
async function killed(side: OurSide, n: number): Promise<number> {
  const start = side.fresh();
  const [victim] = side.cluster.pids.workers;
  if (victim === undefined) throw new RangeError("two workers are wanted");
  const began = performance.now();
  const futures = await side.client.map(
    nap,
    Array.from({ length: n }, (_, i) => start + i),
  );
  await new Promise((resolve) => setTimeout(resolve, (n * NAP_MS) / 4));
  process.kill(victim, "SIGKILL");
  const values = await side.client.gather(futures);
  const seconds = (performance.now() - began) / 1e3;
  if (values.some((value, i) => value !== start + i)) throw new OutputsDifferError("naps give other numbers");
  return seconds;
}

/** Its cluster cannot be used again. */
export const KILLED_ROW: RuntimeRow = {
  id: "killed",
  metric: "400 naps of 20 ms, a worker killed half-way, s",
  n: 400,
  quick: 40,
  must: 1.15 * 8 + 0.3,
  aim: 1.05 * 8,
  saturations: ["default"],
  ours: killed,
};
