/**
 * The order in which one thread should run a graph's tasks, made piece by piece: depth first, and whatever becomes ready
 * runs at once, so that blocks die young. Before it goes deeper it makes sources that are all that small tasks beside live
 * blocks wait for (docs/decisions/0038). What has been passed and is of no use any more takes no memory.
 */
import { NO_SHAPE, spread } from "./edge-rows.ts";
import { GraphEdges, MANY_LINKS, NO_LINKS, rowOfColumn } from "./edges.ts";
import type { Graph, TaskId } from "./graph.ts";
import type { TaskBytes, TaskNeeds } from "./needs.ts";
import type { OrderCuts } from "./order-cuts.ts";
import type { PlacedRows } from "./placed-rows.ts";
import { LINKS, PAGE_BITS, PAGE_WORDS, type WalkKind, WalkKinds } from "./walk-kinds.ts";

const PAGE = 1 << PAGE_BITS;
const MASK = PAGE - 1;

/**
 * What is known of a task is a word, with its kind behind it. 0: nothing. Negative: it has its place; the complement is the
 * number of dependents that have none. Positive: it has none; one more than its inputs that have none, and whether they are
 * being made.
 */
const OPEN = 1 << 29;
const COUNTED = OPEN - 1;

/** A page of tasks of which nothing is known yet; nobody writes there. */
const NEW_PAGE = new Int32Array(PAGE_WORDS);
/** One of tasks that are done with. */
const DONE_PAGE = new Int32Array(PAGE_WORDS).fill(-1);

/** Some result needs a task; it is one. */
const IS_NEEDED = 1;
const IS_WANTED = 2;

/** Inputs of a task that are looked at again when one has its place, at the most; more are all noted at once. */
const LOOKED_AT_AGAIN = 2;

/** What a task costs beside its bytes, in bytes: about what is made in the time it takes to start one. */
const TASK_BYTES = 65_536;

/** A walk over the tasks that some results need. */
export class TaskWalk {
  readonly edges: GraphEdges;
  readonly kinds: WalkKinds;
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
  /** By task, {@link IS_NEEDED} and {@link IS_WANTED}; null: all are needed, and all tasks of the graph's outputs are wanted. */
  readonly #marks: Uint8Array | null;
  /** Words of neighbouring tasks. */
  readonly #pages: Int32Array[];
  /** Pages that were used, and may be again. */
  readonly #spare: Int32Array[] = [];
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
    this.kinds = new WalkKinds(edges);
    this.#stack = new Uint32Array(Math.max(1, Math.min(64, graph.taskCount)));
    this.#pages = new Array<Int32Array>(Math.ceil(graph.taskCount / PAGE)).fill(NEW_PAGE);
    this.#done = new Uint16Array(this.#pages.length);
    this.#wanted = wanted;
    const marks = edges.needsAll(wanted) ? null : marksOf(edges, wanted);
    this.total = marks?.reduce((count, mark) => count + (mark & IS_NEEDED), 0) ?? graph.taskCount;
    this.#marks = this.total === graph.taskCount && edges.isWhole(wanted) ? null : marks;
  }

  /** True when the task has its place. */
  isRanked(task: TaskId): boolean {
    return this.#wordOf(task) < 0;
  }

  /** True when some result needs the task. */
  isNeeded(task: TaskId): boolean {
    return this.#marks === null || this.#marks[task] !== 0;
  }

  /** Nobody will ask for more. */
  stop(): void {
    this.isDone = true;
  }

  get needs(): TaskNeeds {
    return this.kinds.needs;
  }

  /** Bytes of a task; none where its program cannot be made. */
  bytesOf(task: TaskId): TaskBytes {
    return this.kinds.bytesOf(task);
  }

  /**
   * Up to `most` next tasks, into `out` from its start; gives their number, less only at the end. `users`: how many
   * tasks that are needed need each; `rows`: more of each. What is ready comes first, and what it releases next, before
   * anything new is produced.
   */
  // biome-ignore lint/complexity/noExcessiveLinesPerFunction: what it has in its hands stays in registers; in functions a tree's order takes a sixth longer (decision 0062)
  next(out: Uint32Array, most: number, users?: Uint32Array, rows?: PlacedRows): number {
    const { kinds, edges } = this;
    const { kinds: all } = kinds;
    const ready = this.#ready;
    const almost = this.#almost;
    const pages = this.#pages;
    const marks = this.#marks;
    const inputs = this.#inputs;
    const above = this.#users;
    const { columns } = edges;
    let stack = this.#stack;
    let depth = this.#depth;
    let ranked = this.ranked;
    let live = this.#liveBytes;
    let open = this.#openBytes;
    let made = this.#madeBytes;
    let least = this.leastBytes;
    let count = 0;
    while (count < most) {
      if (ready.length > 0) {
        const task = ready.pop() as TaskId; // there is one
        let page = pages[task >>> PAGE_BITS] as Int32Array; // a task of the graph
        if (page === NEW_PAGE) page = this.#newPage(task >>> PAGE_BITS);
        const at = (task & MASK) << 1;
        if ((page[at] as number) < 0) continue;
        const kind = all[page[at + 1] as number] as WalkKind; // a number that was given
        const { nbytes, need, layer } = kind;
        const peak = live + need;
        if (peak > least || Number.isNaN(peak)) least = peak;
        live += nbytes;
        open += nbytes;
        made += nbytes;
        page[at] = -1;
        // Inputs that nobody else needs go.
        const { inputAway, userAway } = layer;
        const links = LINKS + 2 * at;
        let shape = columns === null ? (page[links + 1] as number) : NO_SHAPE; // within the page
        let many: number;
        if (columns !== null) many = rowOfColumn(columns.start, columns.dependencies, task, inputs);
        else if (shape !== NO_SHAPE) many = spread(page[links] as TaskId, shape, layer.inputStrides, inputs);
        else many = edges.inputs(task, inputs);
        for (let i = 0; i < many; i++) {
          const input = inputs[i] as TaskId; // i < many
          const its = pages[input >>> PAGE_BITS] as Int32Array; // a task of the graph
          const where = (input & MASK) << 1;
          const word = (its[where] as number) + 1;
          its[where] = word;
          if (word !== -1) continue;
          const gone = all[its[where + 1] as number] as WalkKind; // a number that was given
          open -= gone.nbytes;
          if (marks === null ? !gone.layer.isWanted : (marks[input] as number) < IS_WANTED) live -= gone.nbytes;
          this.#countDone(input);
        }
        if (rows) {
          if (many > 0 && !layer.isInOrder) many = edges.dependencies(task, inputs);
          rows.nbytes[count] = nbytes;
          rows.need[count] = kind.isNothing ? Number.NaN : need;
          rows.inputs.set(count, inputs, inputAway === MANY_LINKS ? many : 0);
        }
        // What waited for it alone is ready.
        shape = columns === null ? (page[links + 3] as number) : NO_SHAPE; // within the page
        if (columns !== null) many = rowOfColumn(columns.dependentsStart, columns.dependents, task, above);
        else if (shape !== NO_SHAPE) many = spread(page[links + 2] as TaskId, shape, layer.userStrides, above);
        else many = edges.dependents(task, above);
        if (rows) rows.users.set(count, above, userAway === MANY_LINKS ? many : 0);
        let waits = many;
        for (let i = many - 1; i >= 0; i--) {
          const user = above[i] as TaskId; // i < many
          if (marks !== null && marks[user] === 0) {
            waits--;
            continue;
          }
          let its = pages[user >>> PAGE_BITS] as Int32Array; // a task of the graph
          if (its === NEW_PAGE) its = this.#newPage(user >>> PAGE_BITS);
          const where = (user & MASK) << 1;
          const word = (its[where] as number) - 1;
          its[where] = word;
          const missing = (word & COUNTED) - 1;
          if (missing === 0) ready.push(user);
          else if (missing === 1) {
            const { layer: reader } = all[its[where + 1] as number] as WalkKind; // a number that was given
            if (reader.gathers ?? kinds.isGathering(reader)) almost.push(user);
          }
        }
        page[at] = ~waits;
        if (waits === 0) {
          open -= nbytes;
          if (marks === null ? !layer.isWanted : (marks[task] as number) < IS_WANTED) live -= nbytes;
          this.#countDone(task);
        }
        if (users) users[count] = waits;
        out[count++] = task;
        ranked++;
      } else if (almost.length > 0 && this.#followed()) {
        // the source is ready
      } else if (depth > 0) {
        const task = stack[depth - 1] as TaskId; // not empty
        let page = pages[task >>> PAGE_BITS] as Int32Array; // a task of the graph
        if (page === NEW_PAGE) page = this.#newPage(task >>> PAGE_BITS);
        const at = (task & MASK) << 1;
        const word = page[at] as number;
        if (word < 0) {
          depth--;
          continue;
        }
        // Go on to inputs that have no place, the first first.
        page[at] = word | OPEN;
        const isNew = (word & OPEN) === 0;
        const before = depth;
        if (isNew || columns !== null) {
          const { layer } = all[page[at + 1] as number] as WalkKind; // a number that was given
          const links = LINKS + 2 * at;
          const shape = columns === null ? (page[links + 1] as number) : NO_SHAPE; // within the page
          let many: number;
          if (columns !== null) many = rowOfColumn(columns.start, columns.dependencies, task, inputs);
          else if (shape !== NO_SHAPE && layer.isInOrder)
            many = spread(page[links] as TaskId, shape, layer.inputStrides, inputs);
          else many = edges.dependencies(task, inputs);
          // Where anything may need anything, ways are as long as the graph: each of their tasks is noted once.
          const isAlone = columns !== null && many <= LOOKED_AT_AGAIN;
          if (isAlone) {
            for (let i = 0; i < many && depth === before; i++) {
              const input = inputs[i] as TaskId; // i < many
              if (((pages[input >>> PAGE_BITS] as Int32Array)[(input & MASK) << 1] as number) < 0) continue;
              if (depth === stack.length) stack = this.#deeper();
              stack[depth++] = input;
            }
          } else if (isNew) {
            for (let i = many - 1; i >= 0; i--) {
              const input = inputs[i] as TaskId; // i >= 0
              if (((pages[input >>> PAGE_BITS] as Int32Array)[(input & MASK) << 1] as number) < 0) continue;
              if (depth === stack.length) stack = this.#deeper();
              stack[depth++] = input;
            }
          }
        }
        if (depth > before) continue;
        depth--;
        if ((word & COUNTED) !== 1) continue;
        ready.push(task);
        this.cuts?.push(ranked, open, made + ranked * TASK_BYTES);
      } else {
        const root = this.#wanted[this.#nextWanted];
        if (root === undefined) {
          this.isDone = true;
          break;
        }
        if (!this.#isAlone(root)) {
          this.#nextWanted++;
          if (this.#wordOf(root) >= 0) stack[depth++] = root;
          continue;
        }
        this.#keep({ depth, ranked, live, open, made, least });
        const end = this.#rankAlone(out, { from: count, to: most });
        users?.fill(0, count, end);
        if (rows && end > count) rows.setAlone(count, end, this.bytesOf(out[count] as TaskId)); // count < end
        count = end;
        ({ ranked, leastBytes: least } = this);
        live = this.#liveBytes;
        made = this.#madeBytes;
      }
    }
    this.#keep({ depth, ranked, live, open, made, least });
    return count;
  }

  #keep({ depth, ranked, live, open, made, least }: Kept): void {
    this.#depth = depth;
    this.ranked = ranked;
    this.#liveBytes = live;
    this.#openBytes = open;
    this.#madeBytes = made;
    this.leastBytes = least;
  }

  /** True for a result that needs nothing and that nothing needs, of a layer whose tasks take the same bytes. */
  #isAlone(task: TaskId | undefined): boolean {
    if (task === undefined) return false;
    const layer = this.kinds.layerOf(task);
    return layer.inputAway === NO_LINKS && layer.userAway === NO_LINKS && this.kinds.ofAll(layer) !== null;
  }

  /** Give such results, of one layer, their places one after the other: what {@link next} does for each; gives their end in `out`. */
  #rankAlone(out: Uint32Array, { from, to }: { readonly from: number; readonly to: number }): number {
    const { graph } = this.edges;
    const layer = this.edges.layerOf(this.#wanted[this.#nextWanted] as TaskId); // callers have looked
    const [start, stop] = [graph.base(layer), graph.base(layer) + graph.count(layer)];
    const { nbytes, need } = this.bytesOf(start); // the same
    let count = from;
    for (; count < to && this.#nextWanted < this.#wanted.length; this.#nextWanted++) {
      const task = this.#wanted[this.#nextWanted] as TaskId; // within the list
      if (task < start || task >= stop) break;
      if (this.#wordOf(task) < 0) continue;
      this.cuts?.push(this.ranked, this.#openBytes, this.#madeBytes + this.ranked * TASK_BYTES);
      this.#page(task)[(task & MASK) << 1] = -1;
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
      const word = this.#wordOf(task);
      // One input has no place: two stand in the word.
      if (word < 0 || (word & COUNTED) !== 2) continue;
      const count = this.edges.inputs(task, this.#inputs);
      for (let i = 0; i < count; i++) {
        const input = this.#inputs[i] as TaskId; // i < count
        if (this.#wordOf(input) < 0 || this.edges.inputAway[this.edges.layerOf(input)] !== NO_LINKS) continue;
        this.#ready.push(input);
        return true;
      }
    }
    return false;
  }

  /** A longer stack. */
  #deeper(): Uint32Array {
    const larger = new Uint32Array(2 * this.#stack.length);
    larger.set(this.#stack);
    this.#stack = larger;
    return larger;
  }

  /** One more task of its page is done with. */
  #countDone(task: TaskId): void {
    const page = task >>> PAGE_BITS;
    const done = (this.#done[page] as number) + 1; // one per page
    this.#done[page] = done;
    if (done < this.#sizeOf(page)) return;
    const all = this.#pages[page] as Int32Array; // one per page
    if (all !== NEW_PAGE) this.#spare.push(all);
    this.#pages[page] = DONE_PAGE;
  }

  #sizeOf(page: number): number {
    return Math.min(PAGE, this.edges.graph.taskCount - (page << PAGE_BITS));
  }

  #wordOf(task: TaskId): number {
    return (this.#pages[task >>> PAGE_BITS] as Int32Array)[(task & MASK) << 1] as number; // a task of the graph
  }

  /** Words of a page that something is to be noted in. */
  #page(task: TaskId): Int32Array {
    const page = this.#pages[task >>> PAGE_BITS] as Int32Array; // a task of the graph
    return page === NEW_PAGE ? this.#newPage(task >>> PAGE_BITS) : page;
  }

  #newPage(at: number): Int32Array {
    const page = this.#spare.pop() ?? new Int32Array(this.edges.columns === null ? PAGE_WORDS : LINKS);
    this.kinds.fillPage(page, at << PAGE_BITS, this.#sizeOf(at));
    this.#pages[at] = page;
    return page;
  }
}

/** What {@link TaskWalk.next} has in its hands. */
interface Kept {
  readonly depth: number;
  readonly ranked: number;
  readonly live: number;
  readonly open: number;
  readonly made: number;
  readonly least: number;
}

function marksOf(edges: GraphEdges, wanted: readonly TaskId[]): Uint8Array {
  const marks = new Uint8Array(edges.graph.taskCount);
  const stack = [...wanted];
  const inputs: TaskId[] = [];
  for (let task = stack.pop(); task !== undefined; task = stack.pop()) {
    if (marks[task] !== 0) continue;
    marks[task] = IS_NEEDED;
    const count = edges.inputs(task, inputs);
    for (let i = 0; i < count; i++) if (marks[inputs[i] as TaskId] === 0) stack.push(inputs[i] as TaskId); // i < count
  }
  for (const task of wanted) marks[task] = IS_NEEDED | IS_WANTED;
  return marks;
}
