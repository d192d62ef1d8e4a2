/** Live bytes of a graph on some threads, by simulation: a task that waits for an input lets later ones go first. */
import type { GraphEdges } from "./edges.ts";
import type { Graph, TaskId } from "./graph.ts";
import type { OrderedTasks } from "./peaks.ts";

/** What a task takes beside its bytes, in bytes: about what is made in the time it takes to start one. */
const TASK_BYTES = 65_536;

/** Tasks that have their memory beside those that run, so that a thread finds its next one without asking. */
export function aheadOf(threads: number): number {
  return Math.max(1, threads >> 1);
}

/**
 * Peak of live bytes on so many threads: of the tasks that are ready the first of the order gets its memory while fewer than
 * the threads and {@link aheadOf} have theirs, threads run them one after the other, and each takes as long as it makes and
 * reads bytes. Wanted results stay.
 */
export function runningPeak(graph: Graph, ordered: OrderedTasks, threads: number): number {
  const { order } = ordered;
  const live = new LiveBytes(graph, ordered);
  const ready = new ReadyRanks(ordered);
  const most = threads + aheadOf(threads);
  const ahead: number[] = [];
  const running: { readonly rank: number; readonly until: number }[] = [];
  let [now, peak] = [0, 0];
  for (;;) {
    while (running.length + ahead.length < most) {
      const rank = ready.take();
      if (rank < 0) break;
      live.start(rank);
      ahead.push(rank);
    }
    peak = Math.max(peak, live.bytes);
    while (running.length < threads && ahead.length > 0) {
      const rank = ahead.shift() as number; // not empty
      running.push({ rank, until: now + live.span(rank) });
    }
    let first = running[0];
    if (first === undefined) return peak;
    for (const each of running) if (each.until < first.until) first = each;
    running.splice(running.indexOf(first), 1);
    now = first.until;
    live.end(first.rank);
    ready.supply(order[first.rank] as TaskId);
  }
}

/** Bytes of blocks, and of what is under way, in columns by rank. */
class LiveBytes {
  bytes = 0;
  readonly #order: Uint32Array;
  readonly #edges: GraphEdges;
  readonly #rank: Int32Array;
  readonly #nbytes: Float64Array;
  readonly #need: Float64Array;
  /** Tasks that read each block and have not run; one more for a result. */
  readonly #uses: Uint32Array;
  readonly #inputs: TaskId[] = [];

  constructor(graph: Graph, { order, users, edges, needs }: OrderedTasks) {
    const n = order.length;
    this.#order = order;
    this.#edges = edges;
    this.#rank = new Int32Array(graph.taskCount).fill(-1);
    this.#nbytes = new Float64Array(n);
    this.#need = new Float64Array(n);
    this.#uses = users.slice(0, n);
    for (let rank = 0; rank < n; rank++) {
      const task = order[rank] as TaskId; // rank < n
      const { nbytes, need } = needs.of(edges.layerOf(task), task);
      this.#rank[task] = rank;
      this.#nbytes[rank] = nbytes;
      this.#need[rank] = need;
    }
    for (const output of new Set(graph.outputs)) {
      const base = graph.base(output);
      for (let task = base; task < base + graph.count(output); task++) this.#use(this.#rank[task] as number, 1);
    }
  }

  /** Time of a task, in bytes. */
  span(rank: number): number {
    let bytes = TASK_BYTES + (this.#need[rank] as number); // a rank of the order
    const count = this.#edges.inputs(this.#order[rank] as TaskId, this.#inputs);
    for (let k = 0; k < count; k++) bytes += this.#nbytes[this.#rank[this.#inputs[k] as TaskId] as number] as number; // ranked
    return bytes;
  }

  start(rank: number): void {
    this.bytes += this.#need[rank] as number; // a rank of the order
  }

  end(rank: number): void {
    this.bytes -= (this.#need[rank] as number) - (this.#nbytes[rank] as number); // a rank of the order
    const count = this.#edges.inputs(this.#order[rank] as TaskId, this.#inputs);
    for (let k = 0; k < count; k++) this.#use(this.#rank[this.#inputs[k] as TaskId] as number, -1); // k < count
  }

  #use(rank: number, by: 1 | -1): void {
    const uses = (this.#uses[rank] as number) + by; // an input has a rank, and a result
    this.#uses[rank] = uses;
    if (uses === 0) this.bytes -= this.#nbytes[rank] as number;
  }
}

/** Ranks of tasks whose inputs are there, the first first: sources as the order comes to them, others in a heap. */
class ReadyRanks {
  readonly #edges: GraphEdges;
  readonly #rank: Int32Array;
  readonly #missing: Uint32Array;
  #nextSource = 0;
  readonly #heap: Uint32Array;
  #size = 0;
  readonly #users: TaskId[] = [];

  constructor({ order, edges }: Pick<OrderedTasks, "order" | "edges">) {
    this.#edges = edges;
    this.#rank = new Int32Array(edges.graph.taskCount).fill(-1);
    this.#missing = new Uint32Array(order.length);
    this.#heap = new Uint32Array(order.length);
    for (let rank = 0; rank < order.length; rank++) {
      const task = order[rank] as TaskId; // rank < length
      this.#rank[task] = rank;
      this.#missing[rank] = edges.inputs(task, this.#users);
    }
    this.#findSource();
  }

  #findSource(): void {
    const n = this.#missing.length;
    while (this.#nextSource < n && (this.#missing[this.#nextSource] as number) > 0) this.#nextSource++; // < n
  }

  /** -1: none is ready now. */
  take(): number {
    const source = this.#nextSource;
    const first = this.#size > 0 ? (this.#heap[0] as number) : this.#missing.length; // not empty
    if (source < first) {
      this.#nextSource++;
      this.#findSource();
      return source;
    }
    if (this.#size === 0) return -1;
    this.#pop();
    return first;
  }

  /** A task's block is there. */
  supply(task: TaskId): void {
    const count = this.#edges.dependents(task, this.#users);
    for (let k = 0; k < count; k++) {
      const rank = this.#rank[this.#users[k] as TaskId] as number; // k < count
      if (rank < 0) continue; // nobody needs it
      const left = (this.#missing[rank] as number) - 1;
      this.#missing[rank] = left;
      if (left === 0) this.#push(rank);
    }
  }

  #push(rank: number): void {
    const heap = this.#heap;
    let at = this.#size++;
    for (; at > 0; at = (at - 1) >> 1) {
      const above = heap[(at - 1) >> 1] as number; // at > 0
      if (above <= rank) break;
      heap[at] = above;
    }
    heap[at] = rank;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap[--this.#size] as number; // not empty
    let at = 0;
    for (let child = 1; child < this.#size; child = 2 * at + 1) {
      if (child + 1 < this.#size && (heap[child + 1] as number) < (heap[child] as number)) child++;
      if ((heap[child] as number) >= last) break;
      heap[at] = heap[child] as number; // child < size
      at = child;
    }
    heap[at] = last;
  }
}
