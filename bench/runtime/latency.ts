/**
 * How long does one task take, and one link of a chain, when nothing else is to be done? And many trivial functions?
 * The same calls as in `peer.py`, on a cluster of two one-thread worker processes.
 */
import type { Future } from "../../src/client/index.ts";
import { median, OutputsDifferError } from "../contract.ts";
import type { OurSide, RuntimeRow } from "./sides.ts";

const CHAIN = 100;

function inc(x: number): number {
  return x + 1;
}

/** p50 from submit to result, ms. */
async function submit(side: OurSide, n: number): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < n; i++) {
    const start = side.fresh();
    const began = performance.now();
    const future = await side.client.submit(inc, [start]);
    const value = await future.result();
    times.push(performance.now() - began);
    if (value !== start + 1) throw new OutputsDifferError(`inc(${start}) is ${value}`);
    future.release();
  }
  return median(times);
}

/** `width` chains of `length` links, built up front; ms a task. */
async function chains(side: OurSide, width: number, length: number): Promise<number> {
  const starts = Array.from({ length: width }, () => side.fresh());
  const keep: Future<number>[] = [];
  const lasts: Future<number>[] = [];
  const began = performance.now();
  for (const start of starts) {
    let x = await side.client.submit(inc, [start]);
    keep.push(x);
    for (let k = 1; k < length; k++) {
      x = await side.client.submit(inc, [x]);
      keep.push(x);
    }
    lasts.push(x);
  }
  const values = await side.client.gather(lasts);
  const ms = performance.now() - began;
  if (values.some((value, i) => value !== (starts[i] ?? 0) + length))
    throw new OutputsDifferError(`chains give ${values.join(", ")}`);
  for (const future of keep) future.release();
  return ms / (width * length);
}

/** `client.map` of a trivial function, results gathered; us a task. */
async function trivialMap(side: OurSide, n: number): Promise<number> {
  const start = side.fresh();
  const began = performance.now();
  const futures = await side.client.map(
    inc,
    Array.from({ length: n }, (_, i) => start + i),
  );
  const values = await side.client.gather(futures);
  const ms = performance.now() - began;
  if (values.at(-1) !== start + n) throw new OutputsDifferError(`the last of ${n} results is ${values.at(-1)}`);
  for (const future of futures) future.release();
  return (ms / n) * 1e3;
}

/** Rows of latency. */
export const LATENCY_ROWS: readonly RuntimeRow[] = [
  {
    id: "submit",
    metric: "submit to result, p50, ms",
    n: 200,
    quick: 20,
    must: 1.5,
    aim: 0.6,
    saturations: ["default"],
    ours: submit,
  },
  {
    id: "chain",
    metric: "one chain, ms a link",
    n: CHAIN,
    quick: 20,
    must: 0.4,
    aim: 0.2,
    saturations: ["default"],
    ours: (side, n) => chains(side, 1, n),
  },
  {
    id: "ten-chains",
    metric: "ten chains, ms a task",
    n: CHAIN,
    quick: 20,
    must: 0.15,
    aim: 0.06,
    saturations: ["default"],
    ours: (side, n) => chains(side, 10, n),
  },
  {
    id: "trivial-map",
    metric: "client.map of a trivial function, us a task",
    n: 10_000,
    quick: 500,
    must: 20,
    aim: 8,
    saturations: ["default", "inf"],
    ours: trivialMap,
  },
];
