/** A small symbolic graph, and runs of its tasks. */
import { CallsBuilder, Graph, keyOfValue, type Layer } from "../../../src/graph/index.ts";
import type { RunTasks } from "../../../src/protocol/index.ts";

const BYTES = new Uint8Array(Float64Array.of(1).buffer);

/** `n` blocks of one element, and `n` that each copy the block of their number: task `n + i` reads task `i`. */
export function pairs(n: number, name = "p"): Graph {
  const chunks = [new Array<number>(n).fill(1)];
  const base = { dtype: "float64", chunks, inline: false } as const;
  const walk = [{ axis: 0, start: 0, step: 1 }];
  const layers: Layer[] = [
    { ...base, kind: "literal", name: `${name}-a`, bytes: BYTES },
    { ...base, kind: "gather", name: `${name}-b`, parts: [{ layer: 0, lo: [0], hi: [n], walk }] },
  ];
  return new Graph(layers, [1]);
}

/** Blocks of `from` elements, and the same elements in blocks of `to`. */
export function rechunked(from: readonly number[], to: readonly number[]): Graph {
  const base = { dtype: "float64", inline: false } as const;
  const walk = [{ axis: 0, start: 0, step: 1 }];
  const hi = [to.reduce((a, b) => a + b, 0)];
  const layers: Layer[] = [
    { ...base, kind: "literal", name: "r-a", chunks: [from], bytes: BYTES },
    { ...base, kind: "gather", name: "r-b", chunks: [to], parts: [{ layer: 0, lo: [0], hi, walk }] },
  ];
  return new Graph(layers, [1]);
}

/** The same of calls, which have keys of their own. */
export function callPairs(n: number, name = "call"): Graph {
  const builder = new CallsBuilder();
  const add = (number: number, inputs: readonly number[]): void =>
    builder.add({ key: keyOfValue(`${name}-${number}`), text: "(...xs) => xs.length", args: null, inputs });
  for (let i = 0; i < n; i++) add(i, []);
  for (let i = 0; i < n; i++) add(n + i, [i]);
  return new Graph([{ ...builder.build(`calls-${name}`, null), inline: false }], [0]);
}

/** Options of {@link run}. */
export interface RunOptions {
  readonly submission?: number;
  readonly runIds?: readonly number[];
  readonly ranks?: readonly number[];
  /** By place in `tasks`: inputs and the holder of each. */
  readonly fetch?: Readonly<Record<number, readonly (readonly [task: number, holder: string])[]>>;
  readonly priority?: number;
}

/** A `run-tasks` message. */
export function run(
  tasks: readonly number[],
  { submission = 1, runIds, ranks, fetch = {}, priority = 0 }: RunOptions = {},
): RunTasks {
  const addresses = Array.from(new Set(Object.values(fetch).flatMap((rows) => rows.map(([, holder]) => holder))));
  const rows = tasks.map((_, k) => fetch[k] ?? []);
  const fetchStart = [0];
  for (const row of rows) fetchStart.push((fetchStart.at(-1) ?? 0) + row.length);
  return {
    op: "run-tasks",
    submission,
    tasks: Uint32Array.from(tasks),
    runIds: Uint32Array.from(runIds ?? tasks.map((task) => 100 + task)),
    ranks: Uint32Array.from(ranks ?? tasks.map((_, k) => k)),
    priority,
    generation: submission,
    fetchStart: Uint32Array.from(fetchStart),
    fetchTasks: Uint32Array.from(rows.flat().map(([task]) => task)),
    fetchFrom: Uint32Array.from(rows.flat().map(([, holder]) => addresses.indexOf(holder))),
    addresses,
    stimulusId: "run",
  };
}
