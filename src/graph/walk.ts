/**
 * The order in which one thread should run a graph's tasks, made piece by piece: depth first, and whatever becomes ready
 * runs at once, so that blocks die young. Before it goes deeper it makes sources that are all that small tasks beside live
 * blocks wait for (docs/decisions/0038). What has been passed and is of no use any more takes no memory.
 */
import type { EdgeRows } from "./edge-rows.ts";
import { GraphEdges, MANY_LINKS, NO_LINKS } from "./edges.ts";
import type { Graph, TaskId } from "./graph.ts";
import { type TaskBytes, TaskNeeds } from "./needs.ts";
import type { OrderCuts } from "./order-cuts.ts";
import { NOTHING, type PlacedRows } from "./placed-rows.ts";

const PAGE_BITS = 9;
const PAGE = 1 << PAGE_BITS;
const MASK = PAGE - 1;

/**
 * What is known of a task is a word. 0: nothing. Negative: it has its place; the complement is the number of dependents that
 * have none. Positive: it has none; one more than its inputs that have none, if these were counted, and whether they are
 * being made.
 */
const OPEN = 1 << 29;
const COUNTED = OPEN - 1;

/** A page of tasks of which nothing is known yet; nobody writes there. */
const NEW_PAGE = new Int32Array(PAGE);

/** Inputs of a task that are looked at again when one has its place, at the most; more are all noted at once. */
const LOOKED_AT_AGAIN = 2;

/** What a task costs beside its bytes, in bytes: about what is made in the time it takes to start one. */
const TASK_BYTES = 65_536;

/** A task whose block is so many times smaller than its inputs gathers: the sooner it runs, the less lives. */
const GATHERS = 4;

/** What the tasks of one layer have in common. */
class WalkLayer {
  readonly index: number;
  readonly inputAway: number;
  readonly userAway: number;
  readonly isChain: boolean;
  /** Formulas of its tasks' inputs and dependents where there is one that tells many. */
  readonly inputs: EdgeRows | null;
  readonly users: EdgeRows | null;
  /** Formulas tell inputs in the order of programs. */
  readonly isInOrder: boolean;
  /** All its tasks are results. */
  readonly isWanted: boolean;
  /** Bytes of each; null: they are not all the same; undefined: not asked yet. */
  bytes: TaskBytes | null | undefined = undefined;
  /** Its blocks are much smaller than what they are made of, as its first one tells; undefined: not looked yet. */
  gathers: boolean | undefined = undefined;

  constructor(index: number, edges: GraphEdges, isWanted: boolean) {
    this.index = index;
    this.inputAway = edges.inputAway[index] as number; // one per layer
    this.userAway = edges.userAway[index] as number;
    this.isChain = edges.isChain[index] === 1;
    this.inputs = this.inputAway === MANY_LINKS ? edges.inputRows(index) : null;
    this.isInOrder = this.inputAway !== MANY_LINKS || edges.isInOrder(index);
    this.users = this.userAway === MANY_LINKS ? edges.userRows(index) : null;
    this.isWanted = isWanted;
  }
}

/** A walk over the tasks that some results need. */
export class TaskWalk {
  readonly edges: GraphEdges;
  readonly needs: TaskNeeds;
  /** Tasks that have their place. */
  ranked = 0;
  /** Tasks that the results need. */
  readonly total: number;
  /** True when all have it. */
  isDone = false;
  /** Peak of live bytes while the tasks so far run one at a time, results kept; NaN: the programs cannot be made. */
  leastBytes = 0;
  /** Where the order may be cut; noted from when this is set. */
  cuts: OrderCuts | null = null;
  readonly #wanted: readonly TaskId[];
  /** The results; null: all tasks of layers that are wanted. */
  readonly #wantedTasks: ReadonlySet<TaskId> | null;
  readonly #layers: readonly WalkLayer[];
  /** Tasks that the results need; null: all that depend on one that they need. */
  readonly #needed: Uint8Array | null;
  /** Words of neighbouring tasks. */
  readonly #pages: Int32Array[];
  /** All pages of tasks that are done with. */
  readonly #donePage: Int32Array;
  /** Tasks of each page that have their place, and all of whose dependents have theirs. */
  readonly #done: Uint16Array;
  /** Tasks whose inputs are being made, each before one of its inputs. */
  #stack: Uint32Array;
  #depth = 0;
  readonly #ready: TaskId[] = [];
  /** Tasks that gather, and waited for one input when another one got its place. */
  readonly #almost: TaskId[] = [];
  #nextWanted = 0;
  #liveBytes = 0;
  /** Bytes that tasks without a place will read of those that have one; bytes made by all that have one. */
  #openBytes = 0;
  #madeBytes = 0;
  readonly #inputs: TaskId[] = [];
  readonly #users: TaskId[] = [];

  constructor(graph: Graph, wanted: readonly TaskId[], edges: GraphEdges = new GraphEdges(graph)) {
    this.edges = edges;
    this.needs = new TaskNeeds(graph);
    this.#stack = new Uint32Array(Math.max(1, Math.min(64, graph.taskCount)));
    this.#pages = new Array<Int32Array>(Math.ceil(graph.taskCount / PAGE)).fill(NEW_PAGE);
    this.#done = new Uint16Array(this.#pages.length);
    this.#donePage = new Int32Array(Math.min(PAGE, graph.taskCount)).fill(-1);
    this.#wanted = wanted;
    const whole = edges.isWhole(wanted);
    const outputs = new Set(graph.outputs);
    this.#layers = graph.layers.map((_, index) => new WalkLayer(index, edges, outputs.has(index)));
    this.#wantedTasks = whole ? null : new Set(wanted);
    const needed = edges.needsAll(wanted) ? null : neededTasks(edges, wanted);
    this.total = needed?.reduce((count, bit) => count + bit, 0) ?? graph.taskCount;
    this.#needed = this.total === graph.taskCount ? null : needed;
  }

  /** True when the task has its place. */
  isRanked(task: TaskId): boolean {
    return this.#wordOf(task) < 0;
  }

  /** True when some result needs the task. */
  isNeeded(task: TaskId): boolean {
    return this.#needed === null || this.#needed[task] === 1;
  }

  /** Nobody will ask for more. */
  stop(): void {
    this.isDone = true;
  }

  /**
   * Up to `most` next tasks, into `out` from its start; gives their number, less only at the end. `users`: how many
   * tasks that are needed need each; `rows`: more of each.
   */
  next(out: Uint32Array, most: number, users?: Uint32Array, rows?: PlacedRows): number {
    let count = 0;
    while (count < most) {
      const ready = this.#ready.pop();
      if (ready !== undefined) {
        if (this.#wordOf(ready) >= 0) {
          const needed = this.#rank(ready, count, rows);
          if (users) users[count] = needed;
          out[count++] = ready;
        }
      } else if (this.#followed()) {
        // the source is ready
      } else if (this.#depth === 0 && this.#isAlone(this.#wanted[this.#nextWanted])) {
        const ranked = this.#rankAlone(out, { from: count, to: most });
        users?.fill(0, count, ranked);
        if (rows && ranked > count) rows.setAlone(count, ranked, this.bytesOf(out[count] as TaskId)); // count < ranked
        count = ranked;
      } else if (!this.#descend()) {
        this.isDone = true;
        break;
      } else this.cuts?.push(this.ranked, this.#openBytes, this.#madeBytes + this.ranked * TASK_BYTES);
    }
    return count;
  }

  /** True for a result that needs nothing and that nothing needs, of a layer whose tasks take the same bytes. */
  #isAlone(task: TaskId | undefined): boolean {
    if (task === undefined) return false;
    const layer = this.#layerOf(task);
    return layer.inputAway === NO_LINKS && layer.userAway === NO_LINKS && this.#bytesOfAll(layer) !== null;
  }

  /** Give such results, of one layer, their places one after the other: what {@link next} does for each; gives their end in `out`. */
  #rankAlone(out: Uint32Array, { from, to }: { readonly from: number; readonly to: number }): number {
    const { graph } = this.edges;
    const layer = this.#layerOf(this.#wanted[this.#nextWanted] as TaskId); // callers have looked
    const [start, stop] = [graph.base(layer.index), graph.base(layer.index) + graph.count(layer.index)];
    const { nbytes, need } = this.#bytesOfAll(layer) as TaskBytes; // the same
    let count = from;
    for (; count < to && this.#nextWanted < this.#wanted.length; this.#nextWanted++) {
      const task = this.#wanted[this.#nextWanted] as TaskId; // within the list
      if (task < start || task >= stop) break;
      if (this.#wordOf(task) < 0) continue;
      this.cuts?.push(this.ranked, this.#openBytes, this.#madeBytes + this.ranked * TASK_BYTES);
      this.#page(task)[task & MASK] = -1;
      this.#countDone(task);
      this.leastBytes = Math.max(this.leastBytes, this.#liveBytes + need);
      this.#liveBytes += nbytes;
      this.#madeBytes += nbytes;
      this.ranked++;
      out[count++] = task;
    }
    return count;
  }

  /** Make a source ready that is the last input of a task that gathers; false when there is none. */
  #followed(): boolean {
    for (let task = this.#almost.pop(); task !== undefined; task = this.#almost.pop()) {
      if (this.#wordOf(task) < 0 || this.#missing(task) !== 1) continue;
      const count = this.edges.inputs(task, this.#inputs);
      for (let i = 0; i < count; i++) {
        const input = this.#inputs[i] as TaskId; // i < count
        if (this.#wordOf(input) < 0 || this.#layerOf(input).inputAway !== NO_LINKS) continue;
        this.#ready.push(input);
        return true;
      }
    }
    return false;
  }

  #isGathering(layer: WalkLayer): boolean {
    layer.gathers ??= this.#looksGathering(layer);
    return layer.gathers;
  }

  #looksGathering({ index }: WalkLayer): boolean {
    const first = this.edges.graph.base(index);
    const inputs: TaskId[] = [];
    const count = this.edges.inputs(first, inputs);
    let read = 0;
    for (let i = 0; i < count; i++) read += this.bytesOf(inputs[i] as TaskId).nbytes; // i < count
    return count > 1 && GATHERS * this.bytesOf(first).nbytes <= read;
  }

  /** Go on to the next task whose inputs all have their place; false at the end. */
  #descend(): boolean {
    for (;;) {
      if (this.#depth === 0) {
        const root = this.#wanted[this.#nextWanted++];
        if (root === undefined) return false;
        if (this.#wordOf(root) >= 0) this.#push(root);
        continue;
      }
      const task = this.#stack[this.#depth - 1] as TaskId; // not empty
      const word = this.#wordOf(task);
      if (word < 0) this.#depth--;
      else if (!this.#open(task, (word & OPEN) === 0)) {
        this.#depth--;
        if (this.#missing(task) === 0) {
          this.#ready.push(task);
          return true;
        }
      }
    }
  }

  /** Go on to inputs of a task that have no place, the first first; false when there is none (any more). */
  #open(task: TaskId, isNew: boolean): boolean {
    const page = this.#page(task);
    const { columns } = this.edges;
    if (!isNew && columns === null) return false; // all were noted
    const count = this.#dependencies(task);
    if (isNew) {
      const counted = page[task & MASK] as number; // within the page
      page[task & MASK] = OPEN | (counted === 0 ? count + 1 : counted);
    }
    // Where anything may need anything, ways are as long as the graph: each of their tasks is noted once.
    const isAlone = columns !== null && count <= LOOKED_AT_AGAIN;
    if (!isNew && !isAlone) return false;
    const before = this.#depth;
    for (let i = isAlone ? 0 : count - 1; i >= 0 && i < count; i += isAlone ? 1 : -1) {
      const input = this.#inputs[i] as TaskId; // i < count
      if (this.#wordOf(input) < 0) continue;
      this.#push(input);
      if (isAlone) break;
    }
    return this.#depth > before;
  }

  #dependencies(task: TaskId): number {
    const { inputAway: away, inputs, isInOrder } = this.#layerOf(task);
    if (inputs !== null && isInOrder) return inputs.append(task, this.#inputs, 0);
    if (away === MANY_LINKS) return this.edges.dependencies(task, this.#inputs);
    if (away === NO_LINKS) return 0;
    this.#inputs[0] = task - away;
    return 1;
  }

  #push(task: TaskId): void {
    if (this.#depth === this.#stack.length) {
      const larger = new Uint32Array(2 * this.#depth);
      larger.set(this.#stack);
      this.#stack = larger;
    }
    this.#stack[this.#depth++] = task;
  }

  /** Inputs of a task that have no place yet. */
  #missing(task: TaskId): number {
    const page = this.#page(task);
    const word = page[task & MASK] as number; // within the page
    if (word !== 0) return (word & COUNTED) - 1; // opened ones were counted
    const count = this.#countInputs(task);
    page[task & MASK] = count + 1;
    return count;
  }

  /** The task is next: what it releases runs now, before anything new is produced. */
  #rank(task: TaskId, row: number, rows: PlacedRows | undefined): number {
    const page = this.#page(task);
    const layer = this.#layerOf(task);
    this.ranked++;
    page[task & MASK] = -1;
    const bytes = this.#bytes(task, layer);
    let inputs = this.#use(task, layer, bytes);
    if (rows) {
      if (inputs > 0 && !layer.isInOrder) inputs = this.edges.dependencies(task, this.#inputs);
      rows.setBytes(row, bytes);
      rows.inputs.set(row, this.#inputs, inputs);
    }
    const away = layer.userAway;
    let needed = 0;
    const users = away === MANY_LINKS ? this.#dependents(task, layer) : 0;
    if (rows) rows.users.set(row, this.#users, users);
    if (away === MANY_LINKS) {
      for (let i = users - 1; i >= 0; i--) needed += this.#supply(this.#users[i] as TaskId); // i < users
    } else if (away !== NO_LINKS) needed = layer.isChain ? this.#follow(task - away) : this.#supply(task - away);
    page[task & MASK] = ~needed;
    if (needed === 0) this.#finish(task, layer, bytes);
    return needed;
  }

  #dependents(task: TaskId, { users }: WalkLayer): number {
    return users !== null ? users.append(task, this.#users, 0) : this.edges.dependents(task, this.#users);
  }

  /** The only input of a task has its place. */
  #follow(user: TaskId): number {
    if (this.#needed !== null && this.#needed[user] !== 1) return 0;
    this.#ready.push(user);
    return 1;
  }

  /** An input of the task has its place; 0 when the task is not needed. */
  #supply(user: TaskId): number {
    if (this.#needed !== null && this.#needed[user] !== 1) return 0;
    const page = this.#page(user);
    const word = page[user & MASK] as number; // within the page
    const missing = word === 0 ? this.#countInputs(user) : (word & COUNTED) - 1;
    page[user & MASK] = (word & OPEN) | missing;
    if (missing === 1) this.#ready.push(user);
    else if (missing === 2 && this.#isGathering(this.#layerOf(user))) this.#almost.push(user);
    return 1;
  }

  #countInputs(task: TaskId): number {
    const { inputAway: away, inputs } = this.#layerOf(task);
    if (inputs !== null) return inputs.count(task);
    if (away === MANY_LINKS) return this.edges.countInputs(task);
    return away === NO_LINKS ? 0 : 1;
  }

  /**
   * Account for the bytes of a task that has just got its place, and of inputs that nobody else needs; gives how many inputs
   * there are in the scratch list, none of a task that has at most one.
   */
  #use(task: TaskId, layer: WalkLayer, { nbytes, need }: TaskBytes): number {
    const most = this.#liveBytes + need;
    if (most > this.leastBytes || Number.isNaN(most)) this.leastBytes = most;
    this.#liveBytes += nbytes;
    this.#openBytes += nbytes;
    this.#madeBytes += nbytes;
    const away = layer.inputAway;
    if (away === MANY_LINKS) {
      const { inputs } = layer;
      const count = inputs !== null ? inputs.append(task, this.#inputs, 0) : this.edges.inputs(task, this.#inputs);
      for (let i = 0; i < count; i++) this.#spend(this.#inputs[i] as TaskId); // i < count
      return count;
    }
    if (away !== NO_LINKS) this.#spend(task - away);
    return 0;
  }

  /** One of those that need a task has its place. */
  #spend(task: TaskId): void {
    const page = this.#page(task);
    const word = (page[task & MASK] as number) + 1; // within the page
    page[task & MASK] = word;
    if (word === -1) {
      const layer = this.#layerOf(task);
      this.#finish(task, layer, this.#bytes(task, layer));
    }
  }

  #finish(task: TaskId, layer: WalkLayer, { nbytes }: TaskBytes): void {
    this.#openBytes -= nbytes;
    if (!(this.#wantedTasks ? this.#wantedTasks.has(task) : layer.isWanted)) this.#liveBytes -= nbytes;
    this.#countDone(task);
  }

  /** One more task of its page is done with. */
  #countDone(task: TaskId): void {
    const page = task >>> PAGE_BITS;
    const done = (this.#done[page] as number) + 1; // one per page
    this.#done[page] = done;
    if (done === this.#sizeOf(page)) this.#pages[page] = this.#donePage;
  }

  /** Bytes of a task; none where its program cannot be made. */
  bytesOf(task: TaskId): TaskBytes {
    return this.#bytes(task, this.#layerOf(task));
  }

  #layerOf(task: TaskId): WalkLayer {
    return this.#layers[this.edges.layerOf(task)] as WalkLayer; // one per layer
  }

  #bytesOfAll(layer: WalkLayer): TaskBytes | null {
    const { bytes } = layer;
    return bytes === undefined ? this.#readAll(layer) : bytes;
  }

  #bytes(task: TaskId, layer: WalkLayer): TaskBytes {
    return this.#bytesOfAll(layer) ?? this.#readBytes(task, layer.index);
  }

  #readAll(layer: WalkLayer): TaskBytes | null {
    try {
      layer.bytes = this.needs.ofAll(layer.index);
    } catch {
      layer.bytes = null;
    }
    return layer.bytes;
  }

  #readBytes(task: TaskId, layer: number): TaskBytes {
    try {
      return this.needs.of(layer, task);
    } catch {
      // Graphs come from peers: the task will fail when it is to be sent, and says why then.
      return NOTHING;
    }
  }

  #sizeOf(page: number): number {
    return Math.min(PAGE, this.edges.graph.taskCount - (page << PAGE_BITS));
  }

  #wordOf(task: TaskId): number {
    return (this.#pages[task >>> PAGE_BITS] as Int32Array)[task & MASK] as number; // a task of the graph
  }

  /** Words of a page that something is to be noted in. */
  #page(task: TaskId): Int32Array {
    const page = this.#pages[task >>> PAGE_BITS] as Int32Array; // a task of the graph
    return page === NEW_PAGE ? this.#newPage(task >>> PAGE_BITS) : page;
  }

  #newPage(at: number): Int32Array {
    const page = new Int32Array(this.#sizeOf(at));
    this.#pages[at] = page;
    return page;
  }
}

function neededTasks(edges: GraphEdges, wanted: readonly TaskId[]): Uint8Array {
  const needed = new Uint8Array(edges.graph.taskCount);
  const stack = [...wanted];
  const inputs: TaskId[] = [];
  for (let task = stack.pop(); task !== undefined; task = stack.pop()) {
    if (needed[task] === 1) continue;
    needed[task] = 1;
    const count = edges.inputs(task, inputs);
    for (let i = 0; i < count; i++) if (needed[inputs[i] as TaskId] === 0) stack.push(inputs[i] as TaskId); // i < count
  }
  return needed;
}
