/** How fast do results go from one worker process to another: large blocks, and many of 1 KB? As in `peer.py`. */
import { full } from "../../src/array/index.ts";
import { Future } from "../../src/client/index.ts";
import { blockKey } from "../../src/graph/index.ts";
import { OutputsDifferError } from "../contract.ts";
import type { OurSide, RuntimeRow } from "./sides.ts";

const FRAME_BYTES = 64_000_000;

/** Futures of `n` blocks of `nbytes` each that lie at `worker`. */
async function blocksAt(side: OurSide, worker: string, n: number, nbytes: number): Promise<Future[]> {
  const lazy = full([n, nbytes / 8], side.fresh(), { dtype: "float64", chunks: [1, nbytes / 8] });
  const held = await lazy.persist({ workers: [worker] });
  await held.wait();
  const { name } = held.node.layer;
  // Each of the blocks outlives `held` by its future.
  return Array.from({ length: n }, (_, i) => new Future(side.client.link, blockKey(name, [i, 0])));
}

function nothing(...values: unknown[]): number {
  return values.length;
}

/** Four arrays of 64 MB from one worker to the other, GB/s. */
async function transfer(side: OurSide, n: number): Promise<number> {
  const [first, second] = await side.workers();
  const arrays = await blocksAt(side, first, n, FRAME_BYTES);
  const began = performance.now();
  const done = await side.client.submit(nothing, arrays, { workers: [second], pure: false });
  const got = await done.result();
  const seconds = (performance.now() - began) / 1e3;
  if (got !== n) throw new OutputsDifferError(`${got} of ${n} arrays arrived`);
  for (const future of [done, ...arrays]) future.release();
  return (n * FRAME_BYTES) / seconds / 1e9;
}

/** Tasks that depend on 1 KB each at the other worker; us a task. */
async function smallInputs(side: OurSide, n: number): Promise<number> {
  const [first, second] = await side.workers();
  const arrays = await blocksAt(side, first, n, 1024);
  const began = performance.now();
  const results = await side.client.map(nothing, arrays, { workers: [second], pure: false });
  const values = await side.client.gather(results);
  const ms = performance.now() - began;
  if (values.some((value) => value !== 1)) throw new OutputsDifferError("an input did not arrive");
  for (const future of [...results, ...arrays]) future.release();
  return (ms / n) * 1e3;
}

/** Rows of transfers. */
export const TRANSFER_ROWS: readonly RuntimeRow[] = [
  {
    id: "transfer",
    metric: "64 MB blocks between workers, GB/s",
    n: 4,
    quick: 1,
    must: 1.5,
    aim: 2,
    isRate: true,
    saturations: ["default"],
    ours: transfer,
  },
  {
    id: "small-inputs",
    metric: "1 KB inputs from another worker, us a task",
    n: 1000,
    quick: 100,
    must: 80,
    aim: 25,
    saturations: ["default"],
    ours: smallInputs,
  },
];
