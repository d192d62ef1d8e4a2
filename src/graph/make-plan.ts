/** Plans: the order of a graph, its peak bytes by simulation, and the choice between holding and computing again. */
import { formatBytes, MemoryBudgetError } from "../base/index.ts";
import { itemsize } from "../dtype/index.ts";
import { largestBlock } from "./chunks.ts";
import { GraphEdges } from "./edges.ts";
import { estimatePeaks, samples, TASKS_EXACT } from "./estimate.ts";
import { buildGraph, type Recompute } from "./fuse.ts";
import type { Graph, TaskId } from "./graph.ts";
import { kernelText } from "./kernel-build.ts";
import { LatePlanned, surelyFits } from "./late-plan.ts";
import { type LayerNode, layerInputs, shapeOfChunks } from "./layer.ts";
import { bytesMoved } from "./move-plan.ts";
import { TaskNeeds } from "./needs.ts";
import { type TaskEdges, taskEdges, taskOrder } from "./order.ts";
import { peaksOf } from "./peaks.ts";
import type { Plan, PlanLayer } from "./plan.ts";
import { stageRechunks } from "./rechunk-stages.ts";
import { withRechunksInMemory } from "./rechunks.ts";
import { sharesRegion } from "./registers.ts";
import { aheadOf, runningPeak } from "./run-plan.ts";
import { simulateSpill } from "./spill-plan.ts";
import type { Interval, Plain, Step } from "./task.ts";
import { TaskWalk } from "./walk.ts";

/** What the caller knows of the place where the graph will run. */
export interface PlanOptions {
  readonly threads: number;
  /** Bytes of blocks that one worker may hold. */
  readonly memoryBytes: number;
  /** Bytes that it may keep on disk beside those; default none. */
  readonly spillBytes?: number;
  /** False: what rechunks cut, tiles among it, is never there. Default true. Dask: `distributed.p2p.storage.disk`. */
  readonly rechunksOnDisk?: boolean;
  /** Workers that share the graph; default 1. */
  readonly workers?: number;
  /** Cost of reading a region of a source: compressed bytes and requests. */
  readonly readCost?: (
    source: Plain,
    region: readonly Interval[],
  ) => { readonly bytes: number; readonly requests: number };
  /** True when sources that one task reads the same region of, one after the other, are fetched and decoded once. */
  readonly readsTogether?: (a: Plain, b: Plain) => boolean;
}

/** Share of the memory that one group of blocks may take in a rechunk by tiles: one is cut while another comes or goes. */
const GROUP_SHARE = 1 / 3;

/** A graph ready to run. */
export interface PlannedGraph {
  readonly graph: Graph;
  readonly plan: Plan;
  readonly edges: TaskEdges;
  /** Tasks in rank order. */
  readonly order: Uint32Array;
}

/**
 * Optimise and plan. Shared inputs are held if that fits the memory, else computed again by each consumer; else rechunks
 * go through tiles; and if that does not do, blocks are spilled, by whichever of these plans writes and reads least.
 * @throws {MemoryBudgetError} one task alone does not fit, or memory and disk together are too small, or what is to stay
 * in memory does not fit it
 */
export function planGraph(outputs: readonly LayerNode[], options: PlanOptions): PlannedGraph {
  return planFrom(stored(buildGraph(outputs), options), outputs, options);
}

/** The graph with its rechunks kept in memory, where they are to be. */
function stored(graph: Graph, { rechunksOnDisk = true }: PlanOptions): Graph {
  return rechunksOnDisk ? graph : withRechunksInMemory(graph);
}

/**
 * As {@link planGraph} for a graph that is run at once: where there is no doubt that it fits, figures, edges and order are
 * worked out when somebody asks for them.
 */
export function planToRun(outputs: readonly LayerNode[], options: PlanOptions): PlannedGraph {
  const graph = stored(buildGraph(outputs), options);
  const bytes = surelyFits(graph, options.memoryBytes);
  return bytes === null
    ? planFrom(graph, outputs, options)
    : new LatePlanned(graph, bytes, () => planOnce(graph, options, 0));
}

function planFrom(first: Graph, outputs: readonly LayerNode[], options: PlanOptions): PlannedGraph {
  const tried: TriedGraph[] = [];
  for (const { graph, recompute } of candidates(first, outputs, options)) {
    const planned = planOnce(graph, options, recompute);
    if (planned.plan.leastBytes <= options.memoryBytes) return planned;
    tried.push(planned);
  }
  const spilling = tried.filter(
    ({ plan }) =>
      plan.largestTaskBytes <= options.memoryBytes &&
      plan.leastBytes <= options.memoryBytes + (options.spillBytes ?? 0),
  );
  const spilled = spilling.map((p) => withSpill(p, options));
  const [cheapest] = spilled.filter(({ lacking }) => lacking <= 0).sort((a, b) => a.traffic - b.traffic);
  if (cheapest) return cheapest.planned;
  throw spilled.length > 0
    ? storageError(Math.min(...spilled.map((p) => p.lacking)), options)
    : budgetError(tried, options);
}

interface Candidate {
  readonly graph: Graph;
  readonly recompute: Recompute;
}

/** Graphs of the same values, from what computes least to what holds least. Those that come out the same come once. */
function* candidates(
  first: Graph,
  outputs: readonly LayerNode[],
  options: PlanOptions,
): Generator<Candidate, void, undefined> {
  const seen = new Set<string>();
  const isNew = (graph: Graph): boolean => {
    const { size } = seen;
    seen.add(graph.layers.map(({ name, inline }) => `${name}${inline ? "-" : "+"}`).join());
    return seen.size > size;
  };
  const graphs: Candidate[] = [];
  for (const recompute of [0, 1, 2] as const) {
    for (const smallTasks of [false, true]) {
      const graph =
        recompute === 0 && !smallTasks ? first : stored(buildGraph(outputs, recompute, { smallTasks }), options);
      if (!isNew(graph)) continue;
      graphs.push({ graph, recompute });
      yield { graph, recompute };
    }
  }
  for (const { graph, recompute } of graphs) {
    const staged = stageRechunks(graph, options.memoryBytes * GROUP_SHARE);
    if (staged && isNew(staged)) yield { graph: stored(staged, options), recompute };
  }
}

/**
 * The plan of a graph whose blocks go to disk where memory ends; `traffic`: bytes written and read for it; `lacking`: bytes
 * of memory that those lack which may not go there.
 */
function withSpill(
  { graph, plan, edges, order, workspace }: TriedGraph,
  options: PlanOptions,
): { readonly planned: PlannedGraph; readonly traffic: number; readonly lacking: number } {
  // What stays may all come to be at one worker.
  const workers = graph.layers.some(({ inMemory }) => inMemory) ? 1 : Math.max(1, options.workers ?? 1);
  const need = (task: TaskId): number => graph.nbytes(task) + (workspace[task] as number); // one per task
  const { written, read, lacking } = simulateSpill(graph, { order, edges }, need, options.memoryBytes * workers);
  const warning = `blocks do not fit ${formatBytes(options.memoryBytes)} at once: ${formatBytes(written)} are written to disk and ${formatBytes(read)} read back`;
  const spilled: Plan = {
    ...plan,
    bytesSpilled: written,
    peakWorkerBytes: Math.min(plan.peakWorkerBytes, options.memoryBytes),
    warnings: [...plan.warnings, ...(written > 0 ? [warning] : [])],
    toString: () => planText(spilled),
  };
  return { planned: { graph, plan: spilled, edges, order }, traffic: written + read, lacking };
}

/** A plan with what it takes to look at it again. */
interface TriedGraph extends PlannedGraph {
  readonly workspace: Float64Array;
  /** The task that needs most; null where it is only known how much. */
  readonly largest: TaskId | null;
}

function planOnce(graph: Graph, options: PlanOptions, recompute: Recompute): TriedGraph {
  const again =
    recompute === 0
      ? []
      : [
          `shared inputs are ${recompute === 1 ? "read" : "read and computed"} again by each consumer, because holding them does not fit ${formatBytes(options.memoryBytes)}`,
        ];
  if (graph.taskCount > TASKS_EXACT) return estimated(graph, options, again);
  const edges = new GraphEdges(graph);
  const walk = new TaskWalk(graph, graph.wanted().flat(), edges);
  const all = new Uint32Array(graph.taskCount);
  const users = new Uint32Array(graph.taskCount);
  const order = all.subarray(0, walk.next(all, all.length + 1, users));
  const ordered = { order, users, edges, needs: walk.needs };
  const peaks = peaksOf(graph, ordered);
  const workers = options.workers ?? 1;
  const columns = lazily(() => edges.toColumns());
  const plan = planOf(graph, {
    tasks: order.length - heldIn(graph, order),
    ...costOf(graph, order, options),
    bytesMoved: workers > 1 ? bytesMoved(graph, { order, edges: columns() }, workers) : 0,
    peakWorkerBytes: Math.max(peaks.least, Math.min(runningPeak(graph, ordered, options.threads), options.memoryBytes)),
    leastBytes: peaks.least,
    largestTaskBytes: peaks.largestTask,
    warnings: again,
  });
  const workspace = lazily(() => workspaces(graph, order));
  return {
    graph,
    plan,
    order,
    largest: peaks.largest,
    get edges() {
      return columns();
    },
    get workspace() {
      return workspace();
    },
  };
}

function lazily<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

/** Tasks of an order that are no tasks, as their blocks exist already: whoever holds them counts their bytes. */
function heldIn(graph: Graph, order: Uint32Array): number {
  const isHeld = graph.layers.map(({ kind }) => kind === "held");
  return isHeld.includes(true) ? order.reduce((n, t) => n + (isHeld[graph.locate(t).layer] ? 1 : 0), 0) : 0;
}

/** A plan from samples; what takes a look at every task is made when somebody asks for it. */
function estimated(graph: Graph, options: PlanOptions, warnings: readonly string[]): TriedGraph {
  const { tasks, seen, leastBytes, largestNeed, largestTask } = estimatePeaks(graph);
  const cost = samples(graph).map((some, index) => {
    const { bytesRead, requests } = costOf(graph, some, options);
    const scale = some.length === 0 ? 0 : graph.count(index) / some.length;
    return { bytesRead: Math.round(bytesRead * scale), requests: Math.round(requests * scale) };
  });
  const plan = planOf(graph, {
    tasks,
    bytesRead: cost.reduce((sum, each) => sum + each.bytesRead, 0),
    requests: cost.reduce((sum, each) => sum + each.requests, 0),
    bytesMoved: 0,
    peakWorkerBytes: leastBytes + (options.threads + aheadOf(options.threads) - 1) * largestNeed,
    leastBytes,
    largestTaskBytes: largestTask,
    warnings: [
      ...warnings,
      `estimated: peaks from the first ${seen} of ${tasks} tasks, reads from samples; moves between workers are not foreseen`,
    ],
  });
  const edges = lazily(() => taskEdges(graph));
  const order = lazily(() => taskOrder(graph));
  const workspace = lazily(() => workspaces(graph, order()));
  return {
    graph,
    plan,
    largest: null,
    get edges() {
      return edges();
    },
    get order() {
      return order();
    },
    get workspace() {
      return workspace();
    },
  };
}

function planOf(graph: Graph, figures: Omit<Plan, "bytesSpilled" | "kernels" | "layers" | "toString">): Plan {
  const layers = lazily(() => describe(graph));
  const plan: Plan = {
    ...figures,
    bytesSpilled: 0,
    get kernels() {
      return new Set(graph.layers.flatMap((l) => ("call" in l ? [JSON.stringify(l.call.kernel)] : []))).size;
    },
    get layers() {
      return layers();
    },
    toString: () => planText(plan),
  };
  return plan;
}

/** Workspace of each task of the order. */
function workspaces(graph: Graph, order: Uint32Array): Float64Array {
  const workspace = new Float64Array(graph.taskCount);
  const needs = new TaskNeeds(graph);
  for (const t of order) {
    const { nbytes, need } = needs.of(graph.locate(t).layer, t);
    workspace[t] = need - nbytes;
  }
  return workspace;
}

/** Compressed bytes and requests of some tasks. */
function costOf(
  graph: Graph,
  tasks: Iterable<TaskId>,
  options: PlanOptions,
): { readonly bytesRead: number; readonly requests: number } {
  let [bytesRead, requests] = [0, 0];
  const { readCost } = options;
  if (!readCost) return { bytesRead, requests };
  const reads = graph.layers.map((layer, index) => !layer.inline && layer.kind !== "held" && hasReads(graph, index));
  if (!reads.includes(true)) return { bytesRead, requests };
  for (const t of tasks) {
    if (!reads[graph.locate(t).layer]) continue;
    let first: Step | null = null; // of the reads that are done at once
    for (const step of graph.expand(t).spec.steps) {
      if (step.do !== "read") {
        first = null;
        continue;
      }
      if (first?.do === "read" && sharesRegion(first, step) && options.readsTogether?.(first.source, step.source))
        continue;
      first = step;
      const cost = readCost(step.source, step.region);
      bytesRead += cost.bytes;
      requests += cost.requests;
    }
  }
  return { bytesRead, requests };
}

/** True when tasks of the layer may read from stores: itself, or an inline layer below it. */
function hasReads(graph: Graph, index: number): boolean {
  const layer = graph.layer(index);
  return (
    layer.kind === "source" || layerInputs(layer).some((input) => graph.layer(input).inline && hasReads(graph, input))
  );
}

/** What rechunks cut has no room in memory beside what is computed from it. */
function storageError(lacking: number, { memoryBytes }: PlanOptions): Error {
  const needed = memoryBytes + lacking;
  return new MemoryBudgetError(
    `the plan needs at least ${formatBytes(needed)} of memory but ${formatBytes(memoryBytes)} are allowed: what its rechunks cut stays in memory, because distributed.p2p.storage.disk is false; true lets it go to disk, and so does more memory`,
    { details: { needed, allowed: memoryBytes, key: "distributed.p2p.storage.disk" } },
  );
}

/** What is too large, and how it would fit: of all that was tried, the plan that comes closest. */
function budgetError(tried: readonly TriedGraph[], options: PlanOptions): Error {
  const { memoryBytes, spillBytes = 0 } = options;
  const lacking = ({ plan }: TriedGraph): number =>
    spillBytes > 0
      ? Math.max(plan.largestTaskBytes / memoryBytes, plan.leastBytes / (memoryBytes + spillBytes))
      : plan.leastBytes / memoryBytes;
  const closest = tried.reduce((a, b) => (lacking(b) < lacking(a) ? b : a));
  const { graph, plan, largest } = closest;
  const isTask = spillBytes > 0 && plan.largestTaskBytes > memoryBytes;
  const cut = isTask && largest !== null ? cutLayer(graph, graph.locate(largest).layer) : widestLayer(graph);
  const layer = graph.layer(cut);
  const chunk = layer.chunks.map((c) => c.reduce((a, b) => Math.max(a, b), 0));
  const axis = chunk.indexOf(Math.max(...chunk));
  const fits = chunk.map((n, k) => (k === axis ? Math.max(1, Math.floor((n * 0.8) / lacking(closest))) : n));
  const needed = isTask ? plan.largestTaskBytes : plan.leastBytes;
  const what = isTask ? "one of its tasks" : "the plan";
  const allowed =
    spillBytes > 0 && !isTask
      ? `${formatBytes(memoryBytes + spillBytes)} of memory and disk`
      : formatBytes(memoryBytes);
  return new MemoryBudgetError(
    `${what} needs at least ${formatBytes(needed)} but ${allowed} are allowed: ${layer.name} (${shapeOfChunks(layer.chunks).join(" × ")}, ${layer.dtype}) has chunks of ${chunk.join(" × ")}; smaller ones such as rechunk([${fits.join(", ")}]) fit, or more memory`,
    { details: { needed, allowed: memoryBytes, layer: layer.name, chunk, fits } },
  );
}

/** Layers whose chunks follow from those of others. */
const FOLLOWS: ReadonlySet<string> = new Set(["reduce", "combine", "gather", "window"]);

/** The layer with the largest block, of those that a user cuts; any other only where it is much larger. */
function widestLayer(graph: Graph): number {
  let widest = 0;
  const weight = (l: number): number => {
    const { kind, chunks, dtype } = graph.layer(l);
    return largestBlock(chunks) * itemsize(dtype) * (FOLLOWS.has(kind) ? 1 / 8 : 1);
  };
  graph.layers.forEach((_, l) => {
    if (weight(l) > weight(widest)) widest = l;
  });
  return widest;
}

/** The layer whose chunks make a task of this one large: itself, or what it is made from as far as its chunks follow. */
function cutLayer(graph: Graph, layer: number): number {
  const at = graph.layer(layer);
  const [input] = layerInputs(at);
  return input !== undefined && (at.kind === "reduce" || at.kind === "combine") ? cutLayer(graph, input) : layer;
}

function describe(graph: Graph): PlanLayer[] {
  return graph.layers.map((l, i) => ({
    name: l.name,
    kind: l.kind,
    tasks: l.inline || l.kind === "held" ? 0 : graph.count(i),
    dtype: l.dtype,
    shape: shapeOfChunks(l.chunks),
    chunk: l.chunks.map((c) => c.reduce((a, b) => Math.max(a, b), 0)),
    note: "call" in l ? kernelText(l.call) : l.inline ? "inside its consumers" : "",
    fused: graph.fusion.get(l.name)?.fused ?? [],
    apart: graph.fusion.get(l.name)?.apart ?? "",
  }));
}

function planText(plan: Plan): string {
  const head = [
    `plan: ${plan.tasks} tasks`,
    `  read     ${formatBytes(plan.bytesRead)} in ${plan.requests} requests`,
    `  memory   ${formatBytes(plan.peakWorkerBytes)} at the peak, ${formatBytes(plan.leastBytes)} at the least`,
    ...(plan.bytesMoved > 0 ? [`  moved    ${formatBytes(plan.bytesMoved)} between workers`] : []),
    ...(plan.bytesSpilled > 0 ? [`  spilled  ${formatBytes(plan.bytesSpilled)} to disk`] : []),
    `  kernels  ${plan.kernels} to compile, each once per process`,
  ];
  const rows = plan.layers.flatMap((l) => {
    const note = l.note.length > 100 ? `${l.note.slice(0, 97)}...` : l.note;
    const row = `  ${shortToken(l.name).padEnd(24)} ${String(l.tasks).padStart(7)} tasks  ${l.dtype.padEnd(8)} ${l.shape.join("×") || "()"} in ${l.chunk.join("×") || "()"}${note ? `  ${note}` : ""}`;
    const fused = l.fused.length > 0 ? [`fuses ${l.fused.map(shortToken).join(", ")}`] : [];
    const apart = l.apart ? [`stays apart: ${l.apart}`] : [];
    return fused.length + apart.length > 0 ? [row, `      ${[...fused, ...apart].join("; ")}`] : [row];
  });
  return [...head, ...rows, ...plan.warnings.map((w) => `  warning: ${w}`)].join("\n");
}

/** A layer's name with six digits of its token. */
function shortToken(name: string): string {
  return name.replace(/-([0-9a-f]{6})[0-9a-f]{26}$/, "-$1");
}
