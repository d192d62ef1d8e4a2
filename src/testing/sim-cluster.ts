/** A cluster in one thread: the scheduler machine, worker machines, clients, a network, time that is virtual; and faults. */
import { InvariantError, type Random, seededRandom } from "../base/index.ts";
import type { Graph, Key } from "../graph/index.ts";
import type { TasksFinished, WorkerToScheduler } from "../protocol/index.ts";
import type { Scheduler, SchedulerConfig } from "../scheduler/state/index.ts";
import { type ClientWord, SimClient, type SimRun } from "./sim-client.ts";
import { type SimConnection, SimNetwork } from "./sim-network.ts";
import { leastBytes, simValueOf } from "./sim-oracle.ts";
import { SimScheduler, type SimTotals } from "./sim-scheduler.ts";
import { submissionOf } from "./sim-submission.ts";
import { type PeerAnswer, SimWorker } from "./sim-worker.ts";
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
  /** Bytes of data per virtual millisecond between workers. Default: no limit. */
  readonly bytesPerMs?: number;
  /** Milliseconds that a task takes, where they are to differ from a spread around `taskMs`. */
  readonly durationMs?: (key: Key) => number;
  /** Keys that fail when run. */
  readonly fails?: (key: Key) => boolean;
  /** Which workers speak columns, by their number; default every second. */
  readonly columnar?: (worker: number) => boolean;
  /** Workers that lose their scheduler come back with what they hold, as with a journal; else they end. Default false. */
  readonly comesBack?: boolean;
  /** Virtual milliseconds between signs of life; then silent workers are dropped after `scheduler.workerTtlMs`. Default: none. */
  readonly heartbeatMs?: number;
  /** Look at the invariants after every event. Default true. */
  readonly check?: boolean;
  readonly scheduler?: Partial<SchedulerConfig>;
}

/** What happened. */
export interface SimReport extends SimTotals {
  readonly virtualMs: number;
  readonly peakBytes: number;
  readonly executed: number;
  /** Bytes that went from worker to worker. */
  readonly movedBytes: number;
  readonly events: number;
  /** Digest of every instruction in order. */
  readonly digest: number;
}

const EVENTS_MAX = 1_000_000;
/** Virtual time after the last fault in which everything must have ended. */
const PATIENCE_MS = 600_000;

/** The cluster. */
export class SimCluster {
  readonly time: VirtualTime = new VirtualTime();
  readonly workers: SimWorker[] = [];
  readonly runs: SimRun[] = [];
  readonly clients: Map<string, SimClient> = new Map();
  /** Chance that a request between two workers breaks off. */
  peerTrouble = 0;
  readonly #options: SimOptions;
  readonly #random: Random;
  readonly #network: SimNetwork;
  readonly #scheduler: SimScheduler;
  readonly #byAddress = new Map<string, SimWorker>();
  readonly #bytes = new Map<Key, number>();
  readonly #joined = new Set<SimWorker>();
  #events = 0;
  #digest = 0;
  #lastFaultMs = 0;

  constructor(options: SimOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
    this.#network = new SimNetwork(this.time, this.#random, {
      latencyMs: options.latencyMs ?? 1,
      bytesPerMs: options.bytesPerMs ?? Number.POSITIVE_INFINITY,
    });
    this.#scheduler = new SimScheduler({
      time: this.time,
      network: this.#network,
      config: {
        workerTtlMs: Number.POSITIVE_INFINITY,
        ...(options.admission === undefined ? {} : { admission: options.admission }),
        ...options.scheduler,
      },
      check: options.check !== false,
      isOver: () => this.isOver,
      note: (text) => this.#note(text),
      worker: (address) => this.#byAddress.get(address),
      client: (id) => this.clients.get(id),
      lost: (worker) => this.time.after(this.#network.latency(), () => this.#lost(worker)),
    });
    for (let i = 0; i < options.workers; i++) this.addWorker();
  }

  /** The scheduler's machine; another one after each crash. */
  get scheduler(): Scheduler {
    return this.#scheduler.machine;
  }

  /** True when no run is under way. */
  get isOver(): boolean {
    return this.runs.every((run) => run.isReleased) && this.time.now() >= this.#lastFaultMs;
  }

  /** A worker joins. */
  addWorker(): SimWorker {
    const index = this.workers.length;
    const isColumnar = this.#options.columnar?.(index) ?? index % 2 === 1;
    const worker = new SimWorker(this.#around(), `sim://${index}`, {
      nthreads: this.#options.threads,
      budgetBytes: this.#options.budgetBytes,
      isColumnar,
    });
    this.workers.push(worker);
    this.#byAddress.set(worker.address, worker);
    this.#firstConnect(worker);
    const { heartbeatMs } = this.#options;
    if (heartbeatMs !== undefined) this.#beat(worker, heartbeatMs);
    return worker;
  }

  /** A worker dies without a word; its peers and the scheduler notice after a while. */
  kill(worker: SimWorker): void {
    if (!worker.isAlive) return;
    this.#fault();
    worker.isAlive = false;
    this.#breakOff(worker);
  }

  /** The connection between a worker and the scheduler breaks; each notices in its own time. */
  cut(worker: SimWorker): void {
    if (!worker.isAlive || !worker.connection.isOpen) return;
    this.#fault();
    this.#breakOff(worker);
    this.time.after(this.#network.latency() * 3, () => this.#lost(worker));
  }

  /** A worker stands still for so long. */
  stall(worker: SimWorker, ms: number): void {
    if (!worker.isAlive) return;
    this.#fault(ms);
    worker.stall(ms);
  }

  /** A worker is full for so long: it starts nothing, fetches nothing, and serves nobody. */
  fill(worker: SimWorker, ms: number): void {
    if (!worker.isAlive || worker.isFull) return;
    this.#fault(ms);
    worker.isFull = true;
    worker.setStatus("paused");
    this.time.after(ms, () => {
      worker.isFull = false;
      if (worker.connection.isOpen) worker.setStatus("running");
    });
  }

  /** A worker is asked to go: what is only there moves away first. */
  retire(worker: SimWorker): void {
    if (!worker.isAlive || !worker.connection.isOpen) return;
    this.#fault();
    this.#scheduler.retire(worker.address);
  }

  /** The scheduler dies, and is started again from its journal after so long. Workers must come back (`comesBack`). */
  crashScheduler(downMs: number): void {
    if (this.#scheduler.isDown) return;
    this.#fault(downMs);
    this.#scheduler.crash();
    for (const worker of this.workers) {
      if (!worker.isAlive) continue;
      worker.connection.isOpen = false;
      this.time.after(this.#network.latency(), () => this.#lost(worker));
    }
    for (const client of this.clients.values()) client.connection.isOpen = false;
    this.time.after(downMs, () => {
      this.#scheduler.restart(this.workers.filter(({ isAlive }) => isAlive).map(({ address }) => address));
      for (const client of this.clients.values())
        this.time.after(this.#network.latency(), () => this.#clientBack(client));
    });
  }

  /** Until now and so long after, things go wrong on purpose. */
  #fault(ms = 0): void {
    this.#lastFaultMs = Math.max(this.#lastFaultMs, this.time.now() + ms);
  }

  /** Say that faults are planned until then: signs of life go on, and the patience begins after it. */
  expectFaultsUntil(ms: number): void {
    this.#lastFaultMs = Math.max(this.#lastFaultMs, ms);
  }

  /** A client that submits a graph, takes every wanted result once, and releases it then. */
  submit(
    client: string,
    graph: Graph,
    options: { readonly priority?: number; readonly retries?: number; readonly isPlain?: boolean } = {},
  ): SimRun {
    for (let task = 0; task < graph.taskCount; task++) this.#bytes.set(graph.key(task), graph.nbytes(task));
    const run: SimRun = {
      client,
      graph,
      delivered: new Map(),
      failed: new Set(),
      duplicates: 0,
      isCancelled: false,
      isReleased: false,
    };
    this.runs.push(run);
    const word = submissionOf(client, graph, { ...options, leastBytes: leastBytes(graph) });
    this.#client(client).submit(run, word);
    return run;
  }

  /** The client of a run gives it up. */
  cancel(run: SimRun): void {
    this.clients.get(run.client)?.cancel(run);
  }

  /** A client goes, with whatever it wants. */
  leave(client: string): void {
    this.clients.get(client)?.leave();
  }

  /** Let time pass until nothing is due. @throws {InvariantError} something never ends */
  finish(): SimReport {
    while (this.step()) {
      if (this.#events > EVENTS_MAX) throw new InvariantError("the simulation does not end");
      if (this.time.now() > this.#lastFaultMs + PATIENCE_MS && !this.isOver)
        throw new InvariantError(`S-P3: ${PATIENCE_MS} ms after the last fault ${this.#open()} are not there`);
    }
    if (!this.isOver) throw new InvariantError(`S-P3: nothing is due any more, and ${this.#open()} are not there`);
    return {
      virtualMs: this.time.now(),
      peakBytes: Math.max(0, ...this.workers.map((worker) => worker.peakBytes)),
      executed: this.workers.reduce((sum, worker) => sum + worker.executed, 0),
      ...this.#scheduler.totals(),
      movedBytes: this.workers.reduce((sum, worker) => sum + worker.fetchedBytes, 0),
      events: this.#events,
      digest: this.#digest >>> 0,
    };
  }

  /** One step of time; false when nothing is due. */
  step(): boolean {
    this.#events++;
    return this.time.step();
  }

  #open(): string {
    const open = this.runs.filter((run) => !run.isReleased);
    return `results of ${open.map(({ client }) => client).join(", ")}`;
  }

  #around(): ConstructorParameters<typeof SimWorker>[0] {
    const { taskMs = 10, durationMs, fails } = this.#options;
    return {
      now: () => this.time.now(),
      after: (ms, run) => this.time.after(ms, run),
      fails: (key) => fails?.(key) ?? false,
      durationMs: (key) => durationMs?.(key) ?? taskMs * (0.5 + (simValueOf(key, []) % 1000) / 1000),
      bytesOf: (key) => this.#bytes.get(key) ?? 0,
      toScheduler: (worker, message) => this.#toScheduler(worker, message),
      workerClosed: (worker) => this.#closed(worker),
      askPeer: (from, peer, { keys, done }) => this.#askPeer(from, this.#byAddress.get(peer), keys, done),
      isDrained: (worker) => this.#comeBack(worker),
    };
  }

  #toScheduler(worker: SimWorker, message: WorkerToScheduler | TasksFinished): void {
    const { connection } = worker;
    this.#network.send<WorkerToScheduler | TasksFinished>(`${worker.address}>`, message, {
      over: connection,
      deliver: (messages) => this.#scheduler.hear(worker, connection, messages),
    });
  }

  #closed(worker: SimWorker): void {
    worker.isAlive = false;
    const { connection } = worker;
    connection.isOpen = false;
    this.time.after(this.#network.latency(), () => this.#scheduler.lose(worker.address, connection, true));
  }

  /** The connection is over; the scheduler notices. */
  #breakOff(worker: SimWorker): void {
    const { connection } = worker;
    if (!connection.isOpen) return;
    connection.isOpen = false;
    this.time.after(this.#network.latency(), () => this.#scheduler.lose(worker.address, connection, false));
  }

  /** The worker notices that it has no scheduler any more. */
  #lost(worker: SimWorker): void {
    if (!worker.isAlive || worker.connection.isOpen || !this.#joined.has(worker)) return;
    if (this.#options.comesBack) worker.lose();
    else worker.isAlive = false;
  }

  /** It has ended what it was at; it tries to reach the scheduler until it is there. */
  #comeBack(worker: SimWorker): void {
    const { connection } = worker;
    const again = (): void => {
      if (!worker.isAlive || worker.connection !== connection) return;
      if (this.#scheduler.isDown || worker.isStalled) return this.time.after(20, again);
      const next: SimConnection = { isOpen: true };
      this.#connect(worker, worker.comeBack(next), next);
    };
    this.time.after(this.#network.latency(), again);
  }

  /** A new worker waits for a scheduler that is down. */
  #firstConnect(worker: SimWorker): void {
    if (!this.#scheduler.isDown) return this.#connect(worker, new Map());
    const { connection } = worker;
    this.time.after(20, () => {
      if (worker.isAlive && worker.connection === connection) this.#firstConnect(worker);
    });
  }

  #connect(worker: SimWorker, inventory: ReadonlyMap<Key, number>, connection: SimConnection = { isOpen: true }): void {
    worker.connection = connection;
    this.#joined.add(worker);
    const facts = {
      address: worker.address,
      name: worker.address,
      nthreads: worker.nthreads,
      budgetBytes: this.#options.budgetBytes,
      kind: "rsdat" as const,
      resources: new Map(),
      isColumnar: worker.isColumnar,
      status: "init" as const,
    };
    this.#scheduler.join(worker, { connection, facts, inventory }, () => {
      if (worker.isAlive && worker.connection === connection) worker.setStatus(worker.isFull ? "paused" : "running");
    });
  }

  #beat(worker: SimWorker, heartbeatMs: number): void {
    this.time.after(heartbeatMs, () => {
      if (!worker.isAlive || this.isOver) return;
      if (!worker.isStalled) this.#scheduler.heartbeat(worker);
      this.#beat(worker, heartbeatMs);
    });
  }

  /** What a peer has of some keys, after the way there and back. */
  #askPeer(
    from: SimWorker,
    peer: SimWorker | undefined,
    keys: readonly Key[],
    done: (found: PeerAnswer) => void,
  ): void {
    const isBroken = this.#random.next() < this.peerTrouble;
    this.time.after(this.#network.latency(), () => {
      if (!peer?.isAlive || isBroken) return this.time.after(this.#network.latency(), () => done(undefined));
      if (peer.isStalled) return this.time.after(50, () => this.#askPeer(from, peer, keys, done));
      if (peer.isFull) return this.time.after(this.#network.latency(), () => done("busy"));
      const found = peer.serve(keys);
      let nbytes = 0;
      for (const value of found.values()) nbytes += value.nbytes;
      this.time.at(this.#network.arrival(peer.address, from.address, nbytes), () => done(found));
    });
  }

  #client(id: string): SimClient {
    const known = this.clients.get(id);
    if (known) return known;
    const client = new SimClient(
      {
        after: (ms, run) => this.time.after(ms, run),
        latency: () => this.#network.latency(),
        toScheduler: (from, word) => this.#fromClient(from, word),
        ask: (address, key, done) => {
          const worker = this.#byAddress.get(address);
          this.time.after(this.#network.latency() * 2, () =>
            done(worker?.isAlive && !worker.isStalled ? worker.serve([key]).get(key) : undefined),
          );
        },
      },
      id,
    );
    this.clients.set(id, client);
    client.comeBack({ isOpen: true });
    return client;
  }

  #fromClient(client: SimClient, word: ClientWord): void {
    this.#network.send<ClientWord>(`${client.id}>`, word, {
      over: client.connection,
      deliver: (words) => this.#scheduler.hearClient(words),
    });
  }

  #clientBack(client: SimClient): void {
    if (client.connection.isOpen) return;
    if (this.#scheduler.isDown || this.#scheduler.isGathering)
      return this.time.after(20, () => this.#clientBack(client));
    // A goodbye may have been lost; whoever does not come back is given up.
    if (client.hasLeft) this.#scheduler.hearClient([{ type: "client-left", client: client.id }]);
    else client.comeBack({ isOpen: true });
  }

  #note(text: string): void {
    this.#digest = Math.imul(this.#digest ^ simValueOf(text as Key, []), 0x01000193); // a hash of text, whatever it is
  }
}
