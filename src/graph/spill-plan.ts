/** What a graph writes to disk when its blocks have more bytes than the memory: a run in rank order, simulated. */
import type { Graph, TaskId } from "./graph.ts";
import type { TaskEdges } from "./order.ts";

/** Bytes that go to disk and come back. */
export interface SpillBytes {
  readonly written: number;
  readonly read: number;
  /** Most bytes on disk at once. */
  readonly onDisk: number;
  /** Most bytes beyond the memory because of blocks that may not leave it; 0 where all may. */
  readonly lacking: number;
}

/** An order, and what its tasks need of each other. */
interface Ordered {
  readonly order: Uint32Array;
  readonly edges: TaskEdges;
}

/**
 * One task at a time in rank order within `memoryBytes`; whatever is needed last leaves first (Bélády 1966), and is written
 * only once, since blocks do not change. Blocks of layers that are `inMemory` stay. `need` is each task's result and workspace.
 */
export function simulateSpill(
  graph: Graph,
  { order, edges }: Ordered,
  need: (task: TaskId) => number,
  memoryBytes: number,
): SpillBytes {
  const { start, dependencies } = edges;
  const uses = new NextUses(graph, { order, edges });
  const memory = new Memory(graph, order, memoryBytes);
  for (let now = 0; now < order.length; now++) {
    const t = order[now] as TaskId; // now < length
    const [from, to] = [start[t] as number, start[t + 1] as number]; // a task of the graph
    for (let e = from; e < to; e++) memory.bring(dependencies[e] as TaskId, now); // e < to
    memory.makeRoom(need(t), now);
    memory.expect(need(t));
    memory.put(t, uses.after(t, now));
    for (let e = from; e < to; e++) {
      const input = dependencies[e] as TaskId; // e < to
      memory.next(input, uses.after(input, now));
    }
  }
  const { written, read, onDisk, lacking } = memory;
  return { written, read, onDisk, lacking };
}

/** Rank of the next use of each block. */
class NextUses {
  readonly #rank: Int32Array;
  readonly #edges: TaskEdges;
  readonly #wanted: Uint8Array;
  readonly #end: number;

  constructor(graph: Graph, { order, edges }: Ordered) {
    this.#rank = new Int32Array(graph.taskCount).fill(-1);
    for (let i = 0; i < order.length; i++) this.#rank[order[i] as TaskId] = i; // i < length
    this.#edges = edges;
    this.#wanted = new Uint8Array(graph.taskCount);
    for (const tasks of graph.wanted()) for (const t of tasks) this.#wanted[t] = 1;
    this.#end = order.length;
  }

  /** The first after rank `now`; results are used at the end; -1: none. */
  after(task: TaskId, now: number): number {
    const { dependentsStart, dependents } = this.#edges;
    const end = dependentsStart[task + 1] as number; // a task of the graph
    let next = this.#wanted[task] === 1 ? this.#end : -1;
    for (let e = dependentsStart[task] as number; e < end; e++) {
      const rank = this.#rank[dependents[e] as TaskId] as number; // e < end
      if (rank > now && (next < 0 || rank < next)) next = rank;
    }
    return next;
  }
}

/** By task, 1 where its block stays in memory; null where all may leave. */
function staying(graph: Graph): Uint8Array | null {
  if (!graph.layers.some(({ inMemory }) => inMemory)) return null;
  const stays = new Uint8Array(graph.taskCount);
  graph.layers.forEach(({ inMemory, inline }, layer) => {
    if (inMemory && !inline) stays.fill(1, graph.base(layer), graph.base(layer) + graph.count(layer));
  });
  return stays;
}

/** Blocks in memory and on disk, in columns by task: this runs for each edge of a graph, where memory is what is lacking. */
class Memory {
  readonly #nbytes: Float64Array;
  readonly #limit: number;
  /** Rank of the next use of each block in memory; -1: it is not there. */
  readonly #next: Int32Array;
  readonly #isOnDisk: Uint8Array;
  /** Blocks that stay in memory; null: none. */
  readonly #stays: Uint8Array | null;
  /** Blocks in memory that may leave, as a binary heap, that which is needed last first; the place of each in it. */
  readonly #heap: Uint32Array;
  readonly #at: Uint32Array;
  #size = 0;
  #live = 0;
  #disk = 0;
  written = 0;
  read = 0;
  onDisk = 0;
  lacking = 0;

  constructor(graph: Graph, order: Uint32Array, limit: number) {
    this.#nbytes = new Float64Array(graph.taskCount);
    for (const task of order) this.#nbytes[task] = graph.nbytes(task);
    this.#limit = limit;
    this.#next = new Int32Array(graph.taskCount).fill(-1);
    this.#isOnDisk = new Uint8Array(graph.taskCount);
    this.#stays = staying(graph);
    this.#heap = new Uint32Array(graph.taskCount);
    this.#at = new Uint32Array(graph.taskCount);
  }

  /** An input is to be in memory at rank `now`. */
  bring(task: TaskId, now: number): void {
    if ((this.#next[task] as number) >= 0) return;
    const nbytes = this.#nbytes[task] as number; // a task of the graph
    this.makeRoom(nbytes, now);
    this.read += this.#isOnDisk[task] === 1 ? nbytes : 0;
    this.put(task, now);
  }

  /** A block is in memory. */
  put(task: TaskId, next: number): void {
    this.#live += this.#nbytes[task] as number; // a task of the graph
    this.#next[task] = Math.max(next, 0);
    if (this.#stays?.[task] === 1) return;
    this.#move(task, this.#size++);
    this.#up(task);
  }

  /** A block is needed next at that rank; -1: never again. */
  next(task: TaskId, next: number): void {
    if ((this.#next[task] as number) < 0) return; // an input that stands there twice
    const stays = this.#stays?.[task] === 1;
    if (next >= 0) {
      this.#next[task] = next;
      if (stays) return;
      this.#up(task);
      this.#down(task);
      return;
    }
    const nbytes = this.#nbytes[task] as number; // a task of the graph
    if (stays) this.#next[task] = -1;
    else this.#remove(task);
    this.#live -= nbytes;
    if (this.#isOnDisk[task] === 1) this.#disk -= nbytes;
    this.#isOnDisk[task] = 0;
  }

  /** A task needs so many bytes beside what is in memory now. */
  expect(bytes: number): void {
    if (this.#stays !== null) this.lacking = Math.max(this.lacking, this.#live + bytes - this.#limit);
  }

  /** Send to disk what is needed last, up to the inputs of the task at rank `now`: no other is needed then. */
  makeRoom(bytes: number, now: number): void {
    while (this.#size > 0 && this.#live + bytes > this.#limit) {
      const last = this.#heap[0] as TaskId; // not empty
      if (this.#next[last] === now) return;
      const nbytes = this.#nbytes[last] as number; // a task of the graph
      this.#remove(last);
      this.#live -= nbytes;
      if (this.#isOnDisk[last] === 1) continue;
      this.#isOnDisk[last] = 1;
      this.written += nbytes;
      this.#disk += nbytes;
      this.onDisk = Math.max(this.onDisk, this.#disk);
    }
  }

  #remove(task: TaskId): void {
    const at = this.#at[task] as number; // in the heap
    const last = this.#heap[--this.#size] as TaskId; // not empty
    this.#next[task] = -1;
    if (last === task) return;
    this.#move(last, at);
    this.#up(last);
    this.#down(last);
  }

  #move(task: TaskId, at: number): void {
    this.#heap[at] = task;
    this.#at[task] = at;
  }

  #up(task: TaskId): void {
    const next = this.#next[task] as number; // in the heap
    let at = this.#at[task] as number;
    while (at > 0) {
      const above = this.#heap[(at - 1) >> 1] as TaskId; // at > 0
      if ((this.#next[above] as number) >= next) break;
      this.#move(above, at);
      at = (at - 1) >> 1;
    }
    this.#move(task, at);
  }

  #down(task: TaskId): void {
    const next = this.#next[task] as number; // in the heap
    let at = this.#at[task] as number;
    for (let child = 2 * at + 1; child < this.#size; child = 2 * at + 1) {
      const [left, right] = [this.#heap[child] as TaskId, this.#heap[child + 1] as TaskId]; // right: used only if it is there
      const isRight = child + 1 < this.#size && (this.#next[right] as number) > (this.#next[left] as number);
      const below = isRight ? right : left;
      if ((this.#next[below] as number) <= next) break;
      this.#move(below, at);
      at = isRight ? child + 1 : child;
    }
    this.#move(task, at);
  }
}
