/**
 * The order in which one thread should run a graph's tasks, made piece by piece: depth first, and whatever becomes ready
 * runs at once, so that blocks die young. Before it goes deeper it makes sources that are all that small tasks beside live
 * blocks wait for (docs/decisions/0038). What has been passed and is of no use any more takes no memory.
 */
import { GraphEdges, MANY_LINKS, NO_LINKS } from "./edges.ts";
import type { Graph, TaskId } from "./graph.ts";
import { type TaskBytes, TaskNeeds } from "./needs.ts";
import type { OrderCuts } from "./order-cuts.ts";

const PAGE_BITS = 9;
const PAGE = 1 << PAGE_BITS;
const MASK = PAGE - 1;

/** A task that nobody has come to. */
const NEW = 0;
/** Its inputs are being made first. */
const OPEN = 1;
/** It has its place in the order. */
const RANKED = 2;

/** Inputs of a task that are looked at again when one has its place, at the most; more are all noted at once. */
const LOOKED_AT_AGAIN = 2;

/** What a task costs beside its bytes, in bytes: about what is made in the time it takes to start one. */
const TASK_BYTES = 65_536;

/** A task whose block is so many times smaller than its inputs gathers: the sooner it runs, the less lives. */
const GATHERS = 4;

/** What is known of neighbouring tasks. */
class Page {
  readonly state: Uint8Array;
  /** Before its place is known: inputs that have none, plus one; 0: not counted yet. After: dependents that have none. */
  readonly count: Uint32Array;
  /** Tasks that have their place, and all of whose dependents have theirs. */
  done = 0;

  constructor(size: number) {
    this.state = new Uint8Array(size);
    this.count = new Uint32Array(size);
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
  /** The results: all tasks of these layers, by a bit for each, or these. */
  readonly #wantedLayers: Uint8Array;
  readonly #wantedTasks: ReadonlySet<TaskId> | null;
  /** Tasks that the results need; null: all that depend on one that they need. */
  readonly #needed: Uint8Array | null;
  /** Null: all its tasks are done with. */
  readonly #pages: (Page | null | undefined)[] = [];
  /** Tasks whose inputs are being made, each before one of its inputs. */
  #stack: Uint32Array;
  #depth = 0;
  readonly #ready: TaskId[] = [];
  /** Tasks that gather, and waited for one input when another one got its place. */
  readonly #almost: TaskId[] = [];
  /** By layer: its tasks gather. */
  readonly #gathers: (boolean | undefined)[] = [];
  #nextWanted = 0;
  #liveBytes = 0;
  /** Bytes that tasks without a place will read of those that have one; bytes made by all that have one. */
  #openBytes = 0;
  #madeBytes = 0;
  readonly #inputs: TaskId[] = [];
  readonly #users: TaskId[] = [];
  /** Bytes of the tasks of a layer; null: they are not all the same. */
  readonly #alike: (TaskBytes | null | undefined)[] = [];

  constructor(graph: Graph, wanted: readonly TaskId[], edges: GraphEdges = new GraphEdges(graph)) {
    this.edges = edges;
    this.needs = new TaskNeeds(graph);
    this.#stack = new Uint32Array(Math.max(1, Math.min(64, graph.taskCount)));
    this.#wanted = wanted;
    const whole = edges.isWhole(wanted);
    this.#wantedLayers = Uint8Array.from(graph.layers, (_, index) => Number(graph.outputs.includes(index)));
    this.#wantedTasks = whole ? null : new Set(wanted);
    const needed = edges.needsAll(wanted) ? null : neededTasks(edges, wanted);
    this.total = needed?.reduce((count, bit) => count + bit, 0) ?? graph.taskCount;
    this.#needed = this.total === graph.taskCount ? null : needed;
  }

  /** True when the task has its place. */
  isRanked(task: TaskId): boolean {
    const page = this.#pages[task >>> PAGE_BITS];
    return page === null || (page !== undefined && (page.state[task & MASK] as number) >= RANKED);
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
   * tasks that are needed need each.
   */
  next(out: Uint32Array, most: number, users?: Uint32Array): number {
    let count = 0;
    while (count < most) {
      const ready = this.#ready.pop();
      if (ready !== undefined) {
        if (this.#stateOf(ready) !== RANKED) {
          const needed = this.#rank(ready);
          if (users) users[count] = needed;
          out[count++] = ready;
        }
      } else if (this.#followed()) {
        // the source is ready
      } else if (this.#depth === 0 && this.#isAlone(this.#wanted[this.#nextWanted])) {
        const ranked = this.#rankAlone(out, { from: count, to: most });
        users?.fill(0, count, ranked);
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
    const { inputAway, userAway } = this.edges;
    const layer = this.edges.layerOf(task);
    return inputAway[layer] === NO_LINKS && userAway[layer] === NO_LINKS && this.bytesOfAll(layer) !== null;
  }

  /** Give such results, of one layer, their places one after the other: what {@link next} does for each; gives their end in `out`. */
  #rankAlone(out: Uint32Array, { from, to }: { readonly from: number; readonly to: number }): number {
    const { graph } = this.edges;
    const layer = this.edges.layerOf(this.#wanted[this.#nextWanted] as TaskId); // callers have looked
    const [start, stop] = [graph.base(layer), graph.base(layer) + graph.count(layer)];
    const { nbytes, need } = this.bytesOfAll(layer) as TaskBytes; // the same
    let count = from;
    for (; count < to && this.#nextWanted < this.#wanted.length; this.#nextWanted++) {
      const task = this.#wanted[this.#nextWanted] as TaskId; // within the list
      if (task < start || task >= stop) break;
      if (this.#stateOf(task) === RANKED) continue;
      this.cuts?.push(this.ranked, this.#openBytes, this.#madeBytes + this.ranked * TASK_BYTES);
      const page = this.#page(task);
      page.state[task & MASK] = RANKED;
      if (++page.done === page.state.length) this.#pages[task >>> PAGE_BITS] = null;
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
      if (this.#stateOf(task) === RANKED || this.#missing(task) !== 1) continue;
      const count = this.edges.inputs(task, this.#inputs);
      for (let i = 0; i < count; i++) {
        const input = this.#inputs[i] as TaskId; // i < count
        if (this.#stateOf(input) === RANKED || this.edges.inputAway[this.edges.layerOf(input)] !== NO_LINKS) continue;
        this.#ready.push(input);
        return true;
      }
    }
    return false;
  }

  /** True when the blocks of a layer are much smaller than what they are made of, as its first one tells. */
  #isGathering(layer: number): boolean {
    let known = this.#gathers[layer];
    if (known === undefined) {
      const first = this.edges.graph.base(layer);
      const inputs: TaskId[] = [];
      const count = this.edges.inputs(first, inputs);
      let read = 0;
      for (let i = 0; i < count; i++) read += this.bytesOf(inputs[i] as TaskId).nbytes; // i < count
      known = count > 1 && GATHERS * this.bytesOf(first).nbytes <= read;
      this.#gathers[layer] = known;
    }
    return known;
  }

  /** Go on to the next task whose inputs all have their place; false at the end. */
  #descend(): boolean {
    for (;;) {
      if (this.#depth === 0) {
        const root = this.#wanted[this.#nextWanted++];
        if (root === undefined) return false;
        if (this.#stateOf(root) !== RANKED) this.#push(root);
        continue;
      }
      const task = this.#stack[this.#depth - 1] as TaskId; // not empty
      const state = this.#stateOf(task);
      if (state === RANKED) this.#depth--;
      else if (!this.#open(task, state === NEW)) {
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
      page.state[task & MASK] = OPEN;
      if (page.count[task & MASK] === 0) page.count[task & MASK] = count + 1;
    }
    // Where anything may need anything, ways are as long as the graph: each of their tasks is noted once.
    const isAlone = columns !== null && count <= LOOKED_AT_AGAIN;
    if (!isNew && !isAlone) return false;
    const before = this.#depth;
    for (let i = isAlone ? 0 : count - 1; i >= 0 && i < count; i += isAlone ? 1 : -1) {
      const input = this.#inputs[i] as TaskId; // i < count
      if (this.#stateOf(input) === RANKED) continue;
      this.#push(input);
      if (isAlone) break;
    }
    return this.#depth > before;
  }

  #dependencies(task: TaskId): number {
    const away = this.edges.inputAway[this.edges.layerOf(task)] as number; // one per layer
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
    const known = page.count[task & MASK] as number; // within the page
    if (known > 0) return known - 1;
    const count = this.#countInputs(task);
    page.count[task & MASK] = count + 1;
    return count;
  }

  /** The task is next: what it releases runs now, before anything new is produced. */
  #rank(task: TaskId): number {
    const page = this.#page(task);
    const layer = this.edges.layerOf(task);
    this.ranked++;
    page.state[task & MASK] = RANKED;
    this.#use(task, layer);
    const away = this.edges.userAway[layer] as number; // one per layer
    let needed = 0;
    if (away === MANY_LINKS) {
      const users = this.edges.dependents(task, this.#users);
      for (let i = users - 1; i >= 0; i--) needed += this.#supply(this.#users[i] as TaskId); // i < users
    } else if (away !== NO_LINKS)
      needed = this.edges.isChain[layer] === 1 ? this.#follow(task - away) : this.#supply(task - away);
    page.count[task & MASK] = needed;
    if (needed === 0) this.#finish(task, layer, page);
    return needed;
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
    const { count } = this.#page(user);
    let missing = (count[user & MASK] as number) - 1; // within the page
    if (missing < 0) missing = this.#countInputs(user);
    count[user & MASK] = missing;
    if (missing === 1) this.#ready.push(user);
    else if (missing === 2 && this.#isGathering(this.edges.layerOf(user))) this.#almost.push(user);
    return 1;
  }

  #countInputs(task: TaskId): number {
    const away = this.edges.inputAway[this.edges.layerOf(task)] as number; // one per layer
    if (away === MANY_LINKS) return this.edges.inputs(task, this.#inputs);
    return away === NO_LINKS ? 0 : 1;
  }

  /** Account for the bytes of a task that has just got its place, and of inputs that nobody else needs. */
  #use(task: TaskId, layer: number): void {
    const { nbytes, need } = this.#bytes(task, layer);
    const most = this.#liveBytes + need;
    if (most > this.leastBytes || Number.isNaN(most)) this.leastBytes = most;
    this.#liveBytes += nbytes;
    this.#openBytes += nbytes;
    this.#madeBytes += nbytes;
    const away = this.edges.inputAway[layer] as number; // one per layer
    if (away === MANY_LINKS) {
      const count = this.edges.inputs(task, this.#inputs);
      for (let i = 0; i < count; i++) this.#spend(this.#inputs[i] as TaskId); // i < count
    } else if (away !== NO_LINKS) this.#spend(task - away);
  }

  /** One of those that need a task has its place. */
  #spend(task: TaskId): void {
    const page = this.#page(task);
    const left = (page.count[task & MASK] as number) - 1; // within the page
    page.count[task & MASK] = left;
    if (left === 0) this.#finish(task, this.edges.layerOf(task), page);
  }

  #finish(task: TaskId, layer: number, page: Page): void {
    const { nbytes } = this.#bytes(task, layer);
    this.#openBytes -= nbytes;
    if (!(this.#wantedTasks ? this.#wantedTasks.has(task) : this.#wantedLayers[layer] === 1)) this.#liveBytes -= nbytes;
    if (++page.done === page.state.length) this.#pages[task >>> PAGE_BITS] = null;
  }

  /** Bytes of a task; none where its program cannot be made. */
  bytesOf(task: TaskId): TaskBytes {
    return this.#bytes(task, this.edges.layerOf(task));
  }

  /** Bytes of each task of a layer where they are the same; else null. */
  bytesOfAll(layer: number): TaskBytes | null {
    let alike = this.#alike[layer];
    if (alike === undefined) {
      alike = this.#readAll(layer);
      this.#alike[layer] = alike;
    }
    return alike;
  }

  #bytes(task: TaskId, layer: number): TaskBytes {
    return this.bytesOfAll(layer) ?? this.#readBytes(task, layer);
  }

  #readAll(layer: number): TaskBytes | null {
    try {
      return this.needs.ofAll(layer);
    } catch {
      return null;
    }
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

  #stateOf(task: TaskId): number {
    const page = this.#pages[task >>> PAGE_BITS];
    return page === null ? RANKED : page === undefined ? NEW : (page.state[task & MASK] as number);
  }

  #page(task: TaskId): Page {
    let page = this.#pages[task >>> PAGE_BITS];
    if (!page) {
      page = new Page(this.#sizeOf(task >>> PAGE_BITS));
      this.#pages[task >>> PAGE_BITS] = page;
    }
    return page;
  }
}

const NOTHING = { nbytes: 0, need: 0 };

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
