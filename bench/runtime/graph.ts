/**
 * What does an arbitrary graph of single tasks cost until the scheduler's machine has it? Calls with two inputs each, one from
 * anywhere before; the last one is wanted, and needs all: from the client's list of calls to bytes, to a graph again, into the machine; and bytes of state per
 * task then. `node --expose-gc bench/runtime/graph.ts [TASKS]` prints it; `peer.py submit-graph` is Dask's side.
 */
import { seededRandom } from "../../src/base/index.ts";
import {
  CallsBuilder as Builder,
  type CallsBuilder,
  decodeGraph,
  encodeGraph,
  Graph,
  type Key,
  keyOfValue,
  type Layer,
} from "../../src/graph/index.ts";
import { failureOf } from "../../src/protocol/index.ts";
import { ANYWHERE, Scheduler, type SchedulerInstruction } from "../../src/scheduler/state/index.ts";
import { median } from "../contract.ts";

/** The way of one graph into the machine; microseconds and bytes per task. */
export interface GraphFigure {
  readonly tasks: number;
  readonly wireBytes: number;
  readonly buildUs: number;
  readonly encodeUs: number;
  readonly decodeUs: number;
  readonly machineUs: number;
  readonly totalUs: number;
  /** NaN without `--expose-gc`. */
  readonly stateBytes: number;
}

/** Calls of one function over the results of two earlier ones. */
function fill(builder: CallsBuilder, tasks: number, keyOf: (i: number) => Key): void {
  const random = seededRandom(1);
  const text = "(...values) => values.length";
  for (let i = 0; i < tasks; i++) {
    const inputs = i === 0 ? [] : i === 1 ? [0] : [i - 1, Math.floor(random.next() * (i - 1))];
    const args = inputs.map((_, k) => ({ input: k }));
    builder.add({ key: keyOf(i), text, args, inputs });
  }
}

function graphOf(tasks: number, isKeyed: boolean): Graph {
  const builder = new Builder();
  // Keys of single calls are their own; those of a layer by name and number are said by a formula.
  const own = isKeyed
    ? (i: number): Key => keyOfValue(`nothing-${i.toString(16).padStart(32, "0")}`)
    : () => keyOfValue("");
  fill(builder, tasks, own);
  const layer = builder.build("nothing-1", "token");
  const calls: Layer = { ...layer, keys: isKeyed ? layer.keys : null, inline: false };
  return new Graph([calls], [0]);
}

function memory(): number {
  if (!globalThis.gc) return Number.NaN;
  // What one collection finds is given back while the process goes on; the next one waits for that.
  for (let k = 0; k < 3; k++) globalThis.gc();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** One sample. */
export function measureGraph(tasks: number, isKeyed: boolean): GraphFigure {
  const began = performance.now();
  const graph = graphOf(tasks, isKeyed);
  const built = performance.now();
  const bytes = encodeGraph(graph);
  const encoded = performance.now();
  const scheduler = new Scheduler({ runSpecOf: () => ({}) as never, failureOf });
  const outbox: SchedulerInstruction[] = [];
  scheduler.handle({ type: "client-joined", client: "c", now: 0, stimulusId: "s" }, outbox);
  const before = memory();
  const decodeFrom = performance.now();
  const read = decodeGraph(bytes);
  const decoded = performance.now();
  scheduler.handle(
    {
      type: "submit-layers",
      client: "c",
      graph: read,
      wanted: [tasks - 1],
      leastBytes: 0,
      placement: ANYWHERE,
      retries: 0,
      priority: 0,
      now: 0,
      stimulusId: "s",
    },
    outbox,
  );
  const done = performance.now();
  const stateBytes = (memory() - before) / tasks;
  // What was there before is there still, and so is what was made.
  const isThere = graph.taskCount === read.taskCount && bytes.byteLength > 0 && !scheduler.views.isEmpty();
  if (!isThere) throw new RangeError("the machine lost the graph");
  const us = (ms: number): number => (ms * 1e3) / tasks;
  return {
    tasks,
    wireBytes: bytes.byteLength / tasks,
    buildUs: us(built - began),
    encodeUs: us(encoded - built),
    decodeUs: us(decoded - decodeFrom),
    machineUs: us(done - decoded),
    totalUs: us(encoded - began + done - decodeFrom),
    stateBytes,
  };
}

/** Median of each column over `samples`. */
export function graphFigures(tasks: number, isKeyed: boolean, samples = 5): GraphFigure {
  const all = Array.from({ length: samples }, () => measureGraph(tasks, isKeyed));
  const of = (field: keyof GraphFigure): number => median(all.map((each) => each[field]));
  return {
    tasks,
    wireBytes: of("wireBytes"),
    buildUs: of("buildUs"),
    encodeUs: of("encodeUs"),
    decodeUs: of("decodeUs"),
    machineUs: of("machineUs"),
    totalUs: of("totalUs"),
    stateBytes: of("stateBytes"),
  };
}

if (import.meta.main) {
  const tasks = Number(process.argv[2] ?? 100_000);
  for (const isKeyed of [false, true]) {
    const figures = Object.entries(graphFigures(tasks, isKeyed)).map(([name, value]) => `${name} ${value.toFixed(2)}`);
    process.stdout.write(`${isKeyed ? "keys of their own" : "keys by number"}: ${figures.join(", ")}\n`);
  }
}
