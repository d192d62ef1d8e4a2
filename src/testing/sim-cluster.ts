/** A cluster in one thread: the scheduler machine, worker machines, a client, a network that delays, time that is virtual. */
import { invariant, type Random, seededRandom } from "../base/index.ts";
import { type Graph, type Key, simulatePeaks, type TaskId, taskEdges, taskOrder } from "../graph/index.ts";
import {
  failureOf,
  type SchedulerToClient,
  type SchedulerToWorker,
  type WorkerToScheduler,
} from "../protocol/index.ts";
import {
  ANYWHERE,
  Scheduler,
  type SchedulerConfig,
  type SchedulerEvent,
  type SchedulerInstruction,
} from "../scheduler/state/index.ts";
import type { SimColumns } from "./sim-columns.ts";
import { type SimValue, SimWorker, simValueOf } from "./sim-worker.ts";
import { VirtualTime } from "./virtual-time.ts";

/** How a simulated cluster is made. */
export interface SimOptions {
  readonly seed: number;
  readonly workers: number;
  readonly threads: number;
  /** Bytes of blocks per worker. */
  readonly budgetBytes: number;
  readonly admission?: boolean;
  /** Mean virtual milliseconds of a task, and of a message. Default 10 and 1. */
  readonly taskMs?: number;
  readonly latencyMs?: number;
  /** Keys that fail when run. */
  readonly fails?: (key: Key) => boolean;
  /** Which workers speak columns, by their number; default every second. */
  readonly columnar?: (worker: number) => boolean;
  /** Look at the invariants after every event. Default true. */
  readonly check?: boolean;
  readonly scheduler?: Partial<SchedulerConfig>;
}

/** One submission under way, or done. */
export interface SimRun {
  readonly client: string;
  readonly graph: Graph;
  /** Values as they were delivered. */
  readonly delivered: Map<Key, number>;
  readonly failed: Set<Key>;
  /** Times a wanted key was delivered after it had been delivered before without a loss in between. */
  duplicates: number;
  isReleased: boolean;
}

/** What happened. */
export interface SimReport {
  readonly virtualMs: number;
  readonly peakBytes: number;
  readonly executed: number;
  readonly events: number;
  /** Digest of every instruction in order. */
  readonly digest: number;
}

const EVENTS_MAX = 2_000_000;

/** The cluster. */
export class SimCluster {
  readonly time: VirtualTime = new VirtualTime();
  readonly scheduler: Scheduler;
  readonly workers: SimWorker[] = [];
  readonly runs: SimRun[] = [];
  readonly #options: SimOptions;
  readonly #random: Random;
  readonly #linkFree = new Map<string, number>();
  readonly #pending = new Map<string, (SchedulerToWorker | WorkerToScheduler | SchedulerToClient)[]>();
  readonly #bytes = new Map<Key, number>();
  #events = 0;
  #digest = 0;

  constructor(options: SimOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
    this.scheduler = new Scheduler({
      // Specs pass between the machines as they are; workers of this cluster know.
      runSpecOf: (spec) => spec as never,
      failureOf,
      workerTtlMs: Number.POSITIVE_INFINITY,
      ...(options.admission === undefined ? {} : { admission: options.admission }),
      ...options.scheduler,
    });
    for (let i = 0; i < options.workers; i++) this.addWorker();
  }

  /** A worker joins. */
  addWorker(): SimWorker {
    const index = this.workers.length;
    const isColumnar = this.#options.columnar?.(index) ?? index % 2 === 1;
    const worker = new SimWorker(this, `sim://${index}`, { nthreads: this.#options.threads, isColumnar });
    this.workers.push(worker);
    const { address, nthreads } = worker;
    const facts = {
      address,
      name: address,
      nthreads,
      budgetBytes: this.#options.budgetBytes,
      kind: "rsdat" as const,
      resources: new Map(),
      isColumnar: worker.isColumnar,
      status: "init" as const,
    };
    this.#feed({ type: "worker-joined", worker: facts });
    worker.run();
    return worker;
  }

  /** A worker dies without a word; its peers and the scheduler notice after a while. */
  kill(worker: SimWorker): void {
    if (!worker.isAlive) return;
    worker.isAlive = false;
    this.time.after(this.#latency(), () =>
      this.#feed({ type: "worker-left", worker: worker.address, isExpected: false }),
    );
  }

  /** A client that submits a graph, takes every wanted result once, and releases all. */
  submit(client: string, graph: Graph, options: { readonly priority?: number; readonly keep?: boolean } = {}): SimRun {
    const edges = taskEdges(graph);
    const order = taskOrder(graph);
    for (let task = 0; task < graph.taskCount; task++) this.#bytes.set(graph.key(task), graph.nbytes(task));
    const least = leastBytes(graph);
    const run: SimRun = { client, graph, delivered: new Map(), failed: new Set(), duplicates: 0, isReleased: false };
    this.runs.push(run);
    this.time.after(this.#latency(), () => {
      this.#feed({ type: "client-joined", client });
      const wanted: TaskId[] = graph.wanted().flat();
      this.#feed({
        type: "submit-layers",
        client,
        graph,
        wanted,
        leastBytes: least,
        placement: ANYWHERE,
        retries: 0,
        priority: options.priority ?? 0,
        edges,
        order,
      });
    });
    return run;
  }

  /** Let time pass until nothing is due. @throws {InvariantError} something never ends */
  finish(): SimReport {
    while (this.time.step()) invariant(++this.#events < EVENTS_MAX, "the simulation does not end");
    return {
      virtualMs: this.time.now(),
      peakBytes: Math.max(0, ...this.workers.map((worker) => worker.peakBytes)),
      executed: this.workers.reduce((sum, worker) => sum + worker.executed, 0),
      events: this.#events,
      digest: this.#digest >>> 0,
    };
  }

  /** One step of time; false when nothing is due. */
  step(): boolean {
    this.#events++;
    return this.time.step();
  }

  fails(key: Key): boolean {
    return this.#options.fails?.(key) ?? false;
  }

  durationMs(key: Key): number {
    return (this.#options.taskMs ?? 10) * (0.5 + (simValueOf(key, []) % 1000) / 1000);
  }

  bytesOf(key: Key): number {
    return this.#bytes.get(key) ?? 0;
  }

  toScheduler(worker: SimWorker, message: WorkerToScheduler): void {
    this.#link(`${worker.address}>`, message, (messages) => {
      // A link carries messages of one direction.
      if (worker.isAlive)
        for (const event of worker.columns.toEvents(messages as WorkerToScheduler[], worker.address)) this.#feed(event);
    });
  }

  workerClosed(worker: SimWorker): void {
    worker.isAlive = false;
    this.time.after(this.#latency(), () =>
      this.#feed({ type: "worker-left", worker: worker.address, isExpected: true }),
    );
  }

  /** What a peer has, after the way there and back; undefined when it is gone. */
  askPeer(from: SimWorker, peer: string, done: (found: ReadonlyMap<Key, SimValue> | undefined) => void): void {
    const target = this.workers.find((worker) => worker.address === peer);
    this.time.after(this.#latency(), () => {
      const found = target?.isAlive ? new Map(target.values) : undefined;
      this.time.after(this.#latency(), () => {
        if (from.isAlive) done(found);
      });
    });
  }

  #latency(): number {
    return (this.#options.latencyMs ?? 1) * (0.2 + 2 * this.#random.next());
  }

  /** Send over a link that delays, keeps order, and carries what is sent within one moment as one batch. */
  #link<M extends SchedulerToWorker | WorkerToScheduler | SchedulerToClient>(
    link: string,
    message: M,
    deliver: (messages: M[]) => void,
  ): void {
    const waiting = this.#pending.get(link);
    if (waiting) {
      waiting.push(message);
      return;
    }
    this.#pending.set(link, [message]);
    const at = Math.max(this.#linkFree.get(link) ?? 0, this.time.now() + this.#latency());
    this.#linkFree.set(link, at);
    this.time.after(0, () => {
      const messages = this.#pending.get(link) ?? [];
      this.#pending.delete(link);
      // A link carries messages of one direction.
      this.time.at(at, () => deliver(messages as M[]));
    });
  }

  #feed(event: DistributiveOmit<SchedulerEvent, "now" | "stimulusId">): void {
    const outbox: SchedulerInstruction[] = [];
    // The two fields left out are the ones added here.
    this.scheduler.handle(
      { ...event, now: this.time.now(), stimulusId: `sim-${this.#events}` } as SchedulerEvent,
      outbox,
    );
    if (this.#options.check !== false) this.scheduler.check();
    for (const instruction of outbox) this.#obey(instruction);
  }

  #obey(instruction: SchedulerInstruction): void {
    switch (instruction.type) {
      case "send-worker": {
        const worker = this.workers.find((each) => each.address === instruction.worker);
        const key = "key" in instruction.message ? instruction.message.key : "";
        this.#note(`${instruction.worker} ${instruction.message.op} ${key}`);
        if (worker) this.#link(`>${worker.address}`, instruction.message, (messages) => worker.receive(messages));
        return;
      }
      case "run-tasks":
        return this.#toColumnar(instruction.worker, (columns, address) =>
          columns.computeTasks(instruction.run, address),
        );
      case "free-tasks":
        return this.#toColumnar(instruction.worker, (columns) => [columns.freeKeys(instruction)]);
      case "forget-submission":
        for (const worker of this.workers) worker.columns.forget(instruction.submission);
        return;
      case "send-client":
        return this.#link(`>${instruction.client}`, instruction.message, (messages) => {
          for (const message of messages) this.#hear(instruction.client, message);
        });
      case "wake-at":
        return this.time.at(instruction.at, () => this.#feed({ type: "tick" }));
      case "drop-worker":
      case "retired":
        return;
    }
  }

  /** A column, as the messages that the worker's machine knows. */
  #toColumnar(
    address: string,
    messagesOf: (columns: SimColumns, address: string) => readonly SchedulerToWorker[],
  ): void {
    const worker = this.workers.find((each) => each.address === address);
    if (!worker) return;
    for (const message of messagesOf(worker.columns, address)) {
      this.#note(`${address} column ${message.op} ${"key" in message ? message.key : ""}`);
      this.#link(`>${address}`, message, (messages) => worker.receive(messages));
    }
  }

  #note(text: string): void {
    this.#digest = Math.imul(this.#digest ^ simValueOf(text as Key, []), 0x01000193);
  }

  #hear(client: string, message: SchedulerToClient): void {
    for (const run of this.runs.filter((each) => each.client === client && !each.isReleased)) {
      if (message.op === "key-in-memory") this.#take(run, message.key, message.workers ?? []);
      else if (message.op === "task-erred") run.failed.add(message.key);
      else if (message.op === "lost-data") run.delivered.delete(message.key);
      this.#releaseIfDone(run);
    }
  }

  /** Gather one result; a holder that died meanwhile is not asked, the scheduler will say so. */
  #take(run: SimRun, key: Key, holders: readonly string[]): void {
    if (run.delivered.has(key)) run.duplicates++;
    for (const address of holders) {
      const value = this.workers.find((worker) => worker.address === address && worker.isAlive)?.values.get(key);
      if (value) run.delivered.set(key, value.value);
    }
  }

  #releaseIfDone(run: SimRun): void {
    const wanted = run.graph.wanted().flat();
    if (
      run.isReleased ||
      !wanted.every((task) => run.delivered.has(run.graph.key(task)) || run.failed.has(run.graph.key(task)))
    )
      return;
    run.isReleased = true;
    const keys = wanted.map((task) => run.graph.key(task));
    this.time.after(this.#latency(), () => this.#feed({ type: "client-releases-keys", client: run.client, keys }));
  }
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

/** Least bytes that a graph can run in: one task at a time in rank order. */
export function leastBytes(graph: Graph): number {
  const edges = taskEdges(graph);
  const workspace = Float64Array.from({ length: graph.taskCount }, (_, task) => graph.expand(task).spec.workspace);
  return simulatePeaks(graph, taskOrder(graph), edges, 1, workspace).least;
}

/** The values that one task after another in rank order would give: the oracle. */
export function simValue(graph: Graph): Map<Key, number> {
  const values = new Map<Key, number>();
  for (const task of taskOrder(graph)) {
    const inputs = graph.expand(task).dependencies.map((dependency) => values.get(graph.key(dependency)) as number); // ranked before
    values.set(graph.key(task), simValueOf(graph.key(task), inputs));
  }
  return values;
}
