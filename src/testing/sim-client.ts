/** One simulated client: it does what `client` does, over a link that delays and breaks. */
import type { Graph, Key } from "../graph/index.ts";
import type { SchedulerToClient } from "../protocol/index.ts";
import type { SchedulerEvent } from "../scheduler/state/index.ts";
import type { SimConnection } from "./sim-network.ts";
import type { SimValue } from "./sim-worker.ts";

/** What clients tell a scheduler. */
export type ClientWord = SchedulerEvent extends infer E
  ? E extends {
      readonly type:
        | "client-joined"
        | "client-left"
        | "submit-layers"
        | "submit-tasks"
        | "client-desires-keys"
        | "client-releases-keys"
        | "report-key"
        | "cancel-keys";
    }
    ? Omit<E, "now" | "stimulusId">
    : never
  : never;

/** One submission under way, or done. */
export interface SimRun {
  readonly client: string;
  readonly graph: Graph;
  /** Values as they were delivered. */
  readonly delivered: Map<Key, number>;
  readonly failed: Set<Key>;
  /** Times a wanted key was announced again without a loss or a question in between. */
  duplicates: number;
  /** It was given up before its end. */
  isCancelled: boolean;
  isReleased: boolean;
}

/** What a client is part of. */
export interface ClientSurroundings {
  after(ms: number, run: () => void): void;
  latency(): number;
  toScheduler(client: SimClient, word: ClientWord): void;
  /** The value that a worker has of a key, after the way there and back. */
  ask(worker: string, key: Key, done: (value: SimValue | undefined) => void): void;
}

/** What the client knows of one key that it wants. */
interface Watch {
  references: number;
  /** Announcements that may come: one for each question, and one after each loss. */
  due: number;
  isFetching: boolean;
}

/** Tries after which a fetch that fails is put off. */
const RETRY_MS = 20;

/** A client with any number of runs. */
export class SimClient {
  readonly id: string;
  readonly runs: SimRun[] = [];
  connection: SimConnection = { isOpen: false };
  /** It has left for good. */
  hasLeft = false;
  readonly #around: ClientSurroundings;
  readonly #watches = new Map<Key, Watch>();
  readonly #submissions = new Map<SimRun, ClientWord>();
  #released: Key[] = [];

  constructor(around: ClientSurroundings, id: string) {
    this.#around = around;
    this.id = id;
  }

  /** Submit; `word` asks for all wanted tasks of the run's graph. */
  submit(run: SimRun, word: ClientWord): void {
    this.runs.push(run);
    this.#submissions.set(run, word);
    for (const key of wantedKeys(run)) {
      const watch = this.#watches.get(key) ?? { references: 0, due: 0, isFetching: false };
      watch.references++;
      watch.due++;
      this.#watches.set(key, watch);
    }
    this.#around.toScheduler(this, word);
  }

  /** Give a run up, as an aborted one is. */
  cancel(run: SimRun): void {
    if (run.isReleased) return;
    run.isCancelled = true;
    const keys = wantedKeys(run).filter((key) => !run.delivered.has(key) && !run.failed.has(key));
    const alone = keys.filter((key) => this.#watches.get(key)?.references === 1);
    this.#around.toScheduler(this, {
      type: "cancel-keys",
      client: this.id,
      keys: alone,
      force: false,
      reason: "sim",
      message: "",
    });
    this.#release(run, keys);
    run.isReleased = true;
  }

  /** Leave without a word about what it wants. */
  leave(): void {
    this.hasLeft = true;
    for (const run of this.runs) if (!run.isReleased) Object.assign(run, { isCancelled: true, isReleased: true });
    this.#watches.clear();
    this.#around.toScheduler(this, { type: "client-left", client: this.id });
  }

  /** There is a (new) connection: say again what is not done. */
  comeBack(connection: SimConnection): void {
    this.connection = connection;
    const say = (word: ClientWord): void => this.#around.toScheduler(this, word);
    say({ type: "client-joined", client: this.id });
    const released = this.#released.filter((key) => !this.#watches.has(key));
    if (released.length > 0) say({ type: "client-releases-keys", client: this.id, keys: released });
    for (const [run, word] of this.#submissions) {
      if (run.isReleased) continue;
      say(this.#leftOf(run, word));
      for (const key of wantedKeys(run)) {
        const watch = this.#watches.get(key);
        if (watch) watch.due++;
      }
    }
    const keys = [...this.#watches.keys()];
    for (const watch of this.#watches.values()) watch.due++;
    if (keys.length > 0) say({ type: "client-desires-keys", client: this.id, keys });
  }

  /** The submission, wanting only what is not here yet. */
  #leftOf({ graph }: SimRun, word: ClientWord): ClientWord {
    if (word.type === "submit-layers")
      return { ...word, wanted: word.wanted.filter((task) => this.#watches.has(graph.key(task))) };
    if (word.type === "submit-tasks") return { ...word, wanted: word.wanted.filter((key) => this.#watches.has(key)) };
    return word;
  }

  hear(message: SchedulerToClient): void {
    const watch = "key" in message ? this.#watches.get(message.key) : undefined;
    if (!watch || !("key" in message)) return;
    if (message.op === "key-in-memory") {
      if (watch.due === 0) for (const run of this.#open(message.key)) run.duplicates++;
      else watch.due--;
      this.#gather(message.key, watch, message.workers ?? []);
    } else if (message.op === "lost-data") watch.due++;
    else if (message.op === "task-erred") {
      for (const run of this.#open(message.key)) {
        run.failed.add(message.key);
        this.#release(run, [message.key]);
        this.#endIfDone(run);
      }
    }
  }

  /** Runs that still want a key. */
  #open(key: Key): SimRun[] {
    return this.runs.filter(
      (run) => !run.isReleased && !run.delivered.has(key) && !run.failed.has(key) && wantedKeys(run).includes(key),
    );
  }

  #gather(key: Key, watch: Watch, holders: readonly string[]): void {
    if (watch.isFetching) return;
    watch.isFetching = true;
    const found = (value: SimValue | undefined): void => {
      watch.isFetching = false;
      if (this.#watches.get(key) !== watch) return; // released meanwhile
      if (value) return this.#take(key, value);
      // Not where it was said to be: ask again, a little later, since the scheduler may not have noticed yet.
      this.#around.after(RETRY_MS, () => {
        if (this.#watches.get(key) !== watch || watch.isFetching) return;
        watch.due++;
        this.#around.toScheduler(this, { type: "report-key", client: this.id, key });
      });
    };
    const [holder] = holders;
    if (holder === undefined) found(undefined);
    else this.#around.ask(holder, key, found);
  }

  #take(key: Key, { value }: SimValue): void {
    for (const run of this.#open(key)) {
      run.delivered.set(key, value);
      this.#release(run, [key]);
      this.#endIfDone(run);
    }
  }

  #endIfDone(run: SimRun): void {
    if (!wantedKeys(run).every((key) => run.delivered.has(key) || run.failed.has(key))) return;
    run.isReleased = true;
    this.#submissions.delete(run);
  }

  /** One reference less to each; the scheduler hears of those that nobody here wants any more. */
  #release(run: SimRun, keys: readonly Key[]): void {
    if (keys.length === 0) return;
    const gone: Key[] = [];
    for (const key of keys) {
      const watch = this.#watches.get(key);
      if (!watch || --watch.references > 0) continue;
      this.#watches.delete(key);
      gone.push(key);
    }
    if (run.isCancelled) this.#submissions.delete(run);
    if (gone.length === 0) return;
    this.#released.push(...gone);
    this.#around.toScheduler(this, { type: "client-releases-keys", client: this.id, keys: gone });
  }
}

const WANTED = new WeakMap<Graph, readonly Key[]>();

/** Keys that a run wants, each once. */
export function wantedKeys({ graph }: Pick<SimRun, "graph">): readonly Key[] {
  let keys = WANTED.get(graph);
  if (!keys) {
    keys = Array.from(new Set(graph.wanted().flatMap((tasks) => tasks.map((task) => graph.key(task)))));
    WANTED.set(graph, keys);
  }
  return keys;
}
