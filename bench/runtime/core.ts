/**
 * What does the scheduler's machine cost by itself? Workers answer at once, with results of the bytes that were planned, and
 * cost nothing: microseconds per task inside `handle`, from the submission to the last release, at 16 and at 4096 workers;
 * bytes of state per task while a graph is under way; and the way of a graph of a million tasks from the client's expression
 * to a machine that has sent the first.
 * `node --expose-gc bench/runtime/core.ts` prints all.
 */
import { seededRandom } from "../../src/base/index.ts";
import {
  blockwiseNode,
  CallsBuilder,
  type Chunks,
  decodeGraph,
  encodeGraph,
  Graph,
  type KernelCall,
  type Key,
  keyOfValue,
  type Layer,
  type LayerNode,
  layerInputs,
  mapInputs,
  rechunkNode,
  reduceNode,
  sourceNode,
  type TaskId,
  TaskWalk,
} from "../../src/graph/index.ts";
import { failureOf } from "../../src/protocol/index.ts";
import {
  ANYWHERE,
  Scheduler,
  type SchedulerEvent,
  type SchedulerInstruction,
  type TaskRun,
} from "../../src/scheduler/state/index.ts";
import { median } from "../contract.ts";

/** One measurement. */
export interface CoreFigure {
  readonly id: string;
  readonly tasks: number;
  readonly workers: number;
  /** Microseconds inside `handle` per task. */
  readonly usPerTask: number;
  /** Largest bytes of state per task, looked at a few times during the run; NaN without `--expose-gc`. */
  readonly bytesPerTask: number;
}

/** The way of one graph into the machine. */
export interface SubmitFigure {
  readonly tasks: number;
  readonly wireBytes: number;
  readonly buildMs: number;
  readonly encodeMs: number;
  readonly decodeMs: number;
  readonly machineMs: number;
  /** Bytes of state per task when the first tasks were sent. */
  readonly bytesPerTask: number;
}

type Bare = SchedulerEvent extends infer E ? (E extends SchedulerEvent ? Omit<E, "now" | "stimulusId"> : never) : never;

/** Sum of the inputs. */
function sumCall(count: number): KernelCall {
  const inputs = Array.from({ length: count }, () => "float32" as const);
  const nodes: KernelCall["kernel"]["nodes"] = [
    ...inputs.map((dtype, slot) => ({ op: "in" as const, slot, dtype })),
    ...inputs.slice(1).map((dtype, i) => ({ op: "add" as const, a: i === 0 ? 0 : count + i - 1, b: i + 1, dtype })),
  ];
  return { kernel: { inputs, params: [], sets: [], nodes, outputs: [nodes.length - 1] }, params: [], sets: [] };
}

const SUM = { op: "sum", from: "float32", dtype: "float32", ddof: 0, minCount: 0, empty: null } as const;

function grid(tasks: number): Chunks {
  const side = Math.round(Math.sqrt(tasks));
  return [new Array<number>(side).fill(10), new Array<number>(Math.round(tasks / side)).fill(10)];
}

function source(name: string, chunks: Chunks): LayerNode {
  return sourceNode({ source: name, dtype: "float32", chunks, scratchBytes: 0 });
}

function add(nodes: readonly LayerNode[], chunks: Chunks): LayerNode {
  return blockwiseNode(
    "add",
    sumCall(nodes.length),
    nodes.map((layer) => ({ layer, axes: [0, 1] })),
    chunks,
  );
}

function sum(layer: LayerNode, chunks: Chunks, splitEvery: number): LayerNode {
  return reduceNode("sum", sumCall(1), SUM, [{ layer, axes: chunks.map((_, axis) => axis) }], chunks, {
    reduced: chunks.map((_, axis) => axis),
    keepdims: false,
    splitEvery,
  });
}

/** Tasks without dependencies, all of them wanted. */
function independent(tasks: number): LayerNode {
  return source("independent", grid(tasks));
}

/** Sources, each read by one elementwise task and that by one partial sum, summed by a tree. */
function tree(tasks: number): LayerNode {
  const chunks = grid(tasks / 3.07);
  return sum(add([source("a", chunks)], chunks), chunks, 4);
}

/** A graph that runs, and which of its tasks are results. */
interface Run {
  readonly graph: Graph;
  readonly wanted: readonly TaskId[];
}

/** Every node a layer with tasks of its own: nothing is fused, so that the machine has work to do. */
function runOf(output: LayerNode): Run {
  const index = new Map<LayerNode, number>();
  const layers: Layer[] = [];
  const visit = (node: LayerNode): number => {
    const known = index.get(node);
    if (known !== undefined) return known;
    for (const input of layerInputs(node.layer)) visit(input);
    layers.push({ ...mapInputs(node.layer, (ref) => index.get(ref) as number), inline: false });
    index.set(node, layers.length - 1);
    return layers.length - 1;
  };
  const graph = new Graph(layers, [visit(output)]);
  return { graph, wanted: graph.wanted().flat() };
}

/** Pairs of neighbours are summed until one is left. */
function binaryTree(tasks: number): LayerNode {
  const chunks = [new Array<number>(Math.round(tasks / 3)).fill(10)];
  return sum(source("leaves", chunks), chunks, 2);
}

/** Cuts, shifted along so many axes, over each other. */
function layered(tasks: number, axes: number): LayerNode {
  const depth = 6;
  const chunks = grid(tasks / depth);
  const shifted = chunks.map((sizes, axis) => (axis < axes ? [5, ...sizes.slice(1), 5] : sizes));
  let node = source("layered", chunks);
  for (let i = 1; i < depth; i++) node = rechunkNode(node, i % 2 === 1 ? shifted : chunks);
  return sum(node, node.layer.chunks, 8);
}

/** Tasks of each rank of {@link calls}. */
const CALLS_WIDE = 1000;
let made = 0;

/** Calls of a function, rank over rank: each over two of the rank before, drawn so that each of those is read twice; the last ones are results. */
function calls(tasks: number): Run {
  const builder = new CallsBuilder();
  const random = seededRandom(1);
  const deep = Math.max(2, Math.round(tasks / CALLS_WIDE));
  for (let rank = 0; rank < deep; rank++) {
    const columns = rank === 0 ? [] : [drawn(CALLS_WIDE, random), drawn(CALLS_WIDE, random)];
    for (let i = 0; i < CALLS_WIDE; i++) {
      const inputs = [...new Set(columns.map((column) => (rank - 1) * CALLS_WIDE + (column[i] as number)))]; // i < CALLS_WIDE
      const args = inputs.map((_, input) => ({ input }));
      builder.add({ key: keyOfValue(""), text: "(...values) => values.length", args, inputs });
    }
  }
  const graph = new Graph([{ ...builder.build(`calls-${++made}`, "token"), keys: null, inline: false }], [0]);
  return { graph, wanted: Array.from({ length: CALLS_WIDE }, (_, i) => (deep - 1) * CALLS_WIDE + i) };
}

/** The numbers below `n`, shuffled (Fisher and Yates). */
function drawn(n: number, random: { next(): number }): number[] {
  const out = Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(random.next() * (i + 1));
    [out[i], out[j]] = [out[j] as number, out[i] as number]; // j <= i < n
  }
  return out;
}

/** The shapes that are measured. "Keys": for a client that takes no columns, as Dask's; it is told, and gives up, key by key. */
export const SHAPES: Readonly<Record<string, (tasks: number) => Run>> = {
  independent: (tasks) => runOf(independent(tasks)),
  tree: (tasks) => runOf(tree(tasks)),
  "binary-tree": (tasks) => runOf(binaryTree(tasks)),
  "layered-2": (tasks) => runOf(layered(tasks, 1)),
  "layered-4": (tasks) => runOf(layered(tasks, 2)),
  calls,
  "independent-keys": (tasks) => runOf(independent(tasks)),
};

/** The kernel counts processor time by ticks of some milliseconds, in which a turn is over: time that passed is finer, and no less. */
function nowUs(): number {
  return performance.now() * 1000;
}

/** How long workers say that any of their tasks took. */
const SECONDS = new Float32Array(1_000_000).fill(1e-5);

/** Bytes of all results of a graph, as its workers will say them. */
function bytesOf({ graph, wanted }: Run): Float64Array {
  const walk = new TaskWalk(graph, wanted);
  return Float64Array.from({ length: graph.taskCount }, (_, task) => walk.bytesOf(task).nbytes);
}

/** Machine and workers that answer at once. */
class Loop {
  readonly scheduler: Scheduler;
  handleUs = 0;
  readonly #runs: { readonly worker: string; readonly run: TaskRun }[] = [];
  /** Bytes of results by run of a turn: used again, so that workers cost no collections. */
  readonly #bytes: Float64Array[] = [];
  #now = 0;

  constructor(workers: number, isColumnar: boolean) {
    this.scheduler = new Scheduler({
      runSpecOf: (spec) => spec as never, // nobody reads it
      failureOf,
      workerTtlMs: Number.POSITIVE_INFINITY,
    });
    for (let i = 0; i < workers; i++)
      this.feed({
        type: "worker-joined",
        worker: {
          address: `zero://${i}`,
          name: String(i),
          nthreads: 1,
          budgetBytes: null,
          kind: "rsdat",
          resources: new Map(),
          isColumnar: true,
          status: "running",
        },
      });
    this.feed({ type: "client-joined", client: "bench", isColumnar });
  }

  feed(...events: Bare[]): void {
    const outbox: SchedulerInstruction[] = [];
    const now = this.#now++;
    // The two fields that were left out are added here.
    const whole = events.map((event) => ({ ...event, now, stimulusId: "bench" }) as SchedulerEvent);
    const start = nowUs();
    this.scheduler.handleAll(whole, outbox);
    this.handleUs += nowUs() - start;
    for (const instruction of outbox) if (instruction.type === "run-tasks") this.#runs.push(instruction);
  }

  /** All workers answer what they were sent, in one turn; gives the number of tasks. */
  turn(bytes: Float64Array): number {
    let tasks = 0;
    const events: Bare[] = [];
    for (const [k, { worker, run }] of this.#runs.splice(0).entries()) {
      tasks += run.tasks.length;
      events.push({
        type: "tasks-finished",
        worker,
        submission: run.submission,
        tasks: run.tasks,
        runIds: run.runIds,
        // These may be longer than the others.
        nbytes: this.#bytesOf(k, run.tasks, bytes),
        seconds: SECONDS,
      });
    }
    this.feed(...events);
    return tasks;
  }

  #bytesOf(k: number, tasks: Uint32Array, bytes: Float64Array): Float64Array {
    let column = this.#bytes[k];
    if (!column || column.length < tasks.length) {
      column = new Float64Array(tasks.length);
      this.#bytes[k] = column;
    }
    tasks.forEach((task, i) => {
      column[i] = bytes[task] as number; // a task of the graph
    });
    return column;
  }
}

function submission({ graph, wanted }: Run): Bare {
  return {
    type: "submit-layers",
    client: "bench",
    graph,
    wanted,
    leastBytes: 1,
    placement: ANYWHERE,
    retries: 0,
    priority: 0,
  };
}

/** As our client gives up what it wanted: blocks of a layer. */
function blocksGivenUp({ graph, wanted }: Run): Bare {
  const layer = graph.outputs[0] as number; // each shape has one
  return {
    type: "client-releases-blocks",
    client: "bench",
    layer: graph.layer(layer).name,
    grid: graph.grid(layer),
    blocks: Uint32Array.from(wanted, (task) => task - graph.base(layer)),
  };
}

/** As Dask's does: texts as they come out of a message, in one piece. */
function keysGivenUp({ graph, wanted }: Run): Bare {
  const keys = wanted.map((task) => Buffer.from(graph.key(task)).toString() as Key);
  return { type: "client-releases-keys", client: "bench", keys };
}

function stateBytes(): number {
  if (!globalThis.gc) return Number.NaN;
  globalThis.gc();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** Run graphs of one shape, one after the other, through one machine; gives the figure of each. */
export function measureCores(id: string, tasks: number, workers: number, rounds: number): CoreFigure[] {
  const loop = new Loop(workers, !id.endsWith("-keys"));
  return Array.from({ length: rounds }, () => measureCore(id, tasks, workers, { loop }));
}

/** Where to run a shape, and how often to count bytes of state meanwhile. */
interface CoreOptions {
  readonly loop: Loop;
  readonly looks?: number;
}

/** Run one shape; `looks` times during the run, bytes of state are counted. */
function measureCore(id: string, tasks: number, workers: number, { loop, looks = 0 }: CoreOptions): CoreFigure {
  const make = SHAPES[id];
  if (!make) throw new Error(`no shape ${id}; there are ${Object.keys(SHAPES).join(", ")}`);
  const run = make(tasks);
  const { graph } = run;
  const isColumnar = !id.endsWith("-keys");
  const sentBefore = loop.scheduler.views.counts().sent;
  const before = looks > 0 ? stateBytes() : Number.NaN;
  const bytes = bytesOf(run);
  let most = Number.NaN;
  loop.handleUs = 0;
  loop.feed(submission(run));
  const step = graph.taskCount / (looks + 1);
  let done = 0;
  for (let ended = loop.turn(bytes), next = step; ended > 0; ended = loop.turn(bytes)) {
    done += ended;
    if (looks === 0 || done < next || done >= graph.taskCount) continue;
    most = Math.max(Number.isNaN(most) ? 0 : most, stateBytes() - before);
    next += step;
  }
  loop.feed(isColumnar ? blocksGivenUp(run) : keysGivenUp(run));
  if (!loop.scheduler.views.isEmpty()) throw new Error(`${id}: state is left`);
  const { sent } = loop.scheduler.views.counts();
  if (sent - sentBefore !== graph.taskCount)
    throw new Error(`${id}: ${sent - sentBefore} of ${graph.taskCount} tasks were sent`);
  return {
    id,
    tasks: graph.taskCount,
    workers,
    usPerTask: loop.handleUs / graph.taskCount,
    bytesPerTask: most / graph.taskCount,
  };
}

/** Client's graph, wire, and machine, until the first tasks are sent. */
export function measureSubmit(tasks = 1_000_000, workers = 16): SubmitFigure {
  const loop = new Loop(workers, true);
  const before = stateBytes();
  const times = [nowUs()];
  const lap = (): void => void times.push(nowUs());
  const { graph } = runOf(tree(tasks));
  lap();
  const bytes = encodeGraph(graph);
  lap();
  const read = decodeGraph(bytes);
  lap();
  const wanted = read.wanted().flat();
  const event = { ...submission({ graph: read, wanted }), walk: new TaskWalk(read, wanted) } as Bare;
  loop.feed(event);
  lap();
  const [buildMs, encodeMs, decodeMs, machineMs] = times
    .slice(1)
    .map((time, i) => (time - (times[i] as number)) / 1000);
  return {
    tasks: graph.taskCount,
    wireBytes: bytes.byteLength,
    buildMs: buildMs as number,
    encodeMs: encodeMs as number,
    decodeMs: decodeMs as number,
    machineMs: machineMs as number,
    bytesPerTask: (stateBytes() - before) / graph.taskCount,
  };
}

/** Graphs that a machine has run before those that count: its columns have their size then, and V8 has compiled. */
const WARM_ROUNDS = 5;
/** Graphs of one sample. */
const GRAPHS = 4;

/** All figures: medians of `rounds`, and of each shape the first graph of a machine that has just started. */
export function coreFigures(rounds = 3, tasks = 100_000): CoreFigure[] {
  return Object.keys(SHAPES).flatMap((id) =>
    [16, 4096].flatMap((workers) => {
      const loop = new Loop(workers, !id.endsWith("-keys"));
      const { bytesPerTask } = measureCore(id, tasks, workers, { loop, looks: 5 });
      const runs = measureCores(id, tasks, workers, WARM_ROUNDS + rounds * GRAPHS);
      const first = runs[0] as CoreFigure; // there are rounds
      const samples = Array.from({ length: rounds }, (_, k) => {
        const from = WARM_ROUNDS + k * GRAPHS;
        return runs.slice(from, from + GRAPHS).reduce((sum, run) => sum + run.usPerTask / GRAPHS, 0);
      });
      const usPerTask = median(samples);
      return [
        { ...first, usPerTask, bytesPerTask },
        { ...first, id: `first-${id}` },
      ];
    }),
  );
}

if (import.meta.main) {
  const tasks = Number(process.argv[2] ?? 100_000);
  console.table(coreFigures(3, tasks));
  measureSubmit();
  console.table([measureSubmit()]);
}
