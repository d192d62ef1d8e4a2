/** The simulated scheduler: its machine, who is connected to it, and its journal, from which it can be started again. */
import type { Key } from "../graph/index.ts";
import { failureOf, type TasksFinished, type WorkerToScheduler } from "../protocol/index.ts";
import {
  Scheduler,
  type SchedulerConfig,
  type SchedulerEvent,
  type SchedulerInstruction,
  type WorkerFacts,
} from "../scheduler/state/index.ts";
import type { SchedulerWord } from "../worker/state/index.ts";
import type { ClientWord, SimClient } from "./sim-client.ts";
import type { SimConnection, SimNetwork } from "./sim-network.ts";
import type { SimWorker } from "./sim-worker.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** What the scheduler is part of. */
export interface SchedulerSurroundings {
  readonly time: VirtualTime;
  readonly network: SimNetwork;
  readonly config: Omit<SchedulerConfig, "runSpecOf" | "failureOf">;
  readonly check: boolean;
  /** Nothing is under way: no more ticks. */
  readonly isOver: () => boolean;
  /** One line of the trace. */
  readonly note: (text: string) => void;
  readonly worker: (address: string) => SimWorker | undefined;
  readonly client: (id: string) => SimClient | undefined;
  /** A worker was dropped: it will notice. */
  readonly lost: (worker: SimWorker) => void;
}

/** Counters of a scheduler machine, of all its lives. */
export interface SimTotals {
  readonly forced: number;
  readonly recomputed: number;
  readonly stolen: number;
  readonly evicted: number;
  /** Sent before their inputs were there. */
  readonly ahead: number;
}

interface Arrival {
  readonly connection: SimConnection;
  readonly facts: WorkerFacts;
  readonly inventory: ReadonlyMap<Key, number>;
}

type Bare<E> = E extends unknown ? Omit<E, "now" | "stimulusId"> : never;

/** Time that a scheduler that was started again waits for its workers. */
const GATHER_MS = 100;

/** The machine and its connections. */
export class SimScheduler {
  readonly #around: SchedulerSurroundings;
  #machine: Scheduler;
  #connections = new Map<string, SimConnection>();
  #journal: ClientWord[] = [];
  #expected = new Set<string>();
  #arrivals: { readonly worker: SimWorker; readonly arrival: Arrival; readonly started: () => void }[] = [];
  #life = 0;
  #events = 0;
  #retirements = 0;
  #former: SimTotals = { forced: 0, recomputed: 0, stolen: 0, evicted: 0, ahead: 0 };
  isDown = false;
  isGathering = false;

  constructor(around: SchedulerSurroundings) {
    this.#around = around;
    this.#machine = this.#newMachine();
  }

  get machine(): Scheduler {
    return this.#machine;
  }

  /** Counted in all its lives. */
  totals(): SimTotals {
    if (this.isDown) return this.#former;
    const { forced, recomputed, stolen, evicted, ahead } = this.#machine.views.counts();
    return {
      forced: this.#former.forced + forced,
      recomputed: this.#former.recomputed + recomputed,
      stolen: this.#former.stolen + stolen,
      evicted: this.#former.evicted + evicted,
      ahead: this.#former.ahead + ahead,
    };
  }

  #newMachine(): Scheduler {
    return new Scheduler({
      // Specs pass between the machines as they are; workers of this cluster know.
      runSpecOf: (spec) => spec as never,
      failureOf,
      ...this.#around.config,
    });
  }

  /** A worker introduces itself; `started` is called when it is taken in. */
  join(worker: SimWorker, arrival: Arrival, started: () => void): void {
    if (this.isGathering) {
      this.#arrivals.push({ worker, arrival, started });
      if (this.#arrivals.length >= this.#expected.size) this.#restore();
      return;
    }
    this.#connect(worker, arrival);
    if (arrival.inventory.size > 0) this.#takeIn(worker, arrival);
    started();
  }

  /** A worker's connection is over. */
  lose(address: string, connection: SimConnection, isExpected: boolean): void {
    if (this.#connections.get(address) !== connection) return;
    this.#connections.delete(address);
    this.#feed({ type: "worker-left", worker: address, isExpected });
  }

  hear(worker: SimWorker, connection: SimConnection, messages: readonly (WorkerToScheduler | TasksFinished)[]): void {
    const { address } = worker;
    for (const message of messages) {
      if (this.#connections.get(address) !== connection) return;
      if (message.op === "tasks-finished") {
        const { op, ...columns } = message;
        this.#feed({ type: op, worker: address, ...columns });
      } else this.#feed({ type: "worker-messages", worker: address, messages: [message] });
    }
  }

  heartbeat(worker: SimWorker): void {
    const { address, connection } = worker;
    if (!connection.isOpen || this.#connections.get(address) !== connection) return;
    this.#feed({ type: "worker-heartbeat", worker: address, memoryBytes: 0 });
  }

  hearClient(words: readonly ClientWord[]): void {
    for (const word of words) {
      if (word.type !== "report-key") this.#journal.push(word);
      this.#feed(word);
    }
  }

  retire(address: string): void {
    if (this.isDown || this.isGathering) return;
    this.#feed({ type: "retire-workers", request: ++this.#retirements, workers: [address], close: true });
  }

  /** It dies: everything is gone but the journal. */
  crash(): void {
    this.#former = this.totals();
    this.isDown = true;
    this.#life++;
    this.#connections.clear();
    this.#arrivals = [];
    this.isGathering = false;
    this.#around.note("crash");
  }

  /** It is started again, and waits for these workers. */
  restart(expected: readonly string[]): void {
    this.isDown = false;
    // What the former life counted is in the totals.
    this.#machine = this.#newMachine();
    this.#expected = new Set(expected);
    this.isGathering = true;
    const life = this.#life;
    this.#around.time.after(GATHER_MS, () => {
      if (life === this.#life && this.isGathering) this.#restore();
    });
  }

  /** As `scheduler/restore.ts`: workers, then what is remembered, then what the workers hold. */
  #restore(): void {
    this.isGathering = false;
    const arrivals = this.#arrivals.splice(0).filter(({ arrival }) => arrival.connection.isOpen);
    for (const { worker, arrival } of arrivals) this.#connect(worker, arrival);
    for (const word of this.#journal) {
      if ("client" in word && word.type !== "client-left") this.#feed({ type: "client-joined", client: word.client });
      this.#feed(word);
    }
    for (const { worker, arrival } of arrivals) this.#takeIn(worker, arrival);
    for (const { started } of arrivals) started();
  }

  #connect(worker: SimWorker, { connection, facts }: Arrival): void {
    const former = this.#connections.get(worker.address);
    if (former) this.lose(worker.address, former, false);
    this.#connections.set(worker.address, connection);
    this.#feed({ type: "worker-joined", worker: facts });
  }

  #takeIn({ address }: SimWorker, { inventory }: Arrival): void {
    const whoHas = new Map(Array.from(inventory.keys(), (key) => [key, [address]]));
    this.#feed({ type: "data-placed", client: null, whoHas, nbytes: inventory });
  }

  #feed(event: Bare<SchedulerEvent>): void {
    if (this.isDown) return;
    const outbox: SchedulerInstruction[] = [];
    const now = this.#around.time.now();
    // The two fields left out are the ones added here.
    this.#machine.handle({ ...event, now, stimulusId: `sim-${++this.#events}` } as SchedulerEvent, outbox);
    if (this.#around.check) this.#machine.check();
    for (const instruction of outbox) this.#obey(instruction);
  }

  #obey(instruction: SchedulerInstruction): void {
    const { note, time } = this.#around;
    switch (instruction.type) {
      case "send-worker": {
        const { message } = instruction;
        note(`${instruction.worker} ${message.op} ${"key" in message ? message.key : ""}`);
        return this.#send(instruction.worker, message);
      }
      case "run-tasks": {
        const { graph, ...run } = instruction.run;
        note(`${instruction.worker} run ${run.submission} ${run.tasks.join()} ${run.runIds.join()}`);
        this.#introduce(instruction.worker, run.submission, graph);
        return this.#send(instruction.worker, { op: "run-tasks", ...run });
      }
      case "free-tasks": {
        const { worker, graph, submission, tasks, stimulusId } = instruction;
        note(`${worker} free ${submission} ${tasks.join()}`);
        if (this.#around.worker(worker)?.known.has(submission))
          return this.#send(worker, { op: "free-tasks", submission, tasks, stimulusId });
        const keys = Array.from(tasks, (task) => graph.key(task));
        return this.#send(worker, { op: "free-keys", keys, isSilent: true, stimulusId });
      }
      case "forget-submission":
        for (const address of this.#connections.keys())
          if (this.#around.worker(address)?.known.delete(instruction.submission))
            this.#send(address, { op: "forget-graph", submission: instruction.submission });
        return;
      case "send-client": {
        const client = this.#around.client(instruction.client);
        const { message } = instruction;
        note(`${instruction.client} ${message.op} ${"key" in message ? message.key : ""}`);
        if (!client) return;
        return this.#around.network.send(`>${client.id}`, message, {
          over: client.connection,
          deliver: (messages: (typeof message)[]) => {
            for (const each of messages) client.hear(each);
          },
        });
      }
      case "wake-at": {
        const life = this.#life;
        return time.at(instruction.at, () => {
          if (life === this.#life && !this.#around.isOver()) this.#feed({ type: "tick" });
        });
      }
      case "drop-worker": {
        const worker = this.#around.worker(instruction.worker);
        const connection = this.#connections.get(instruction.worker);
        this.#connections.delete(instruction.worker);
        note(`${instruction.worker} dropped`);
        if (!worker || !connection) return;
        connection.isOpen = false;
        return this.#around.lost(worker);
      }
      case "retired":
        return;
    }
  }

  /** A worker is given a graph before its first run of it. */
  #introduce(address: string, submission: number, graph: Extract<SchedulerWord, { op: "graph" }>["graph"]): void {
    const worker = this.#around.worker(address);
    if (!worker || worker.known.has(submission)) return;
    worker.known.add(submission);
    this.#send(address, { op: "graph", submission, graph });
  }

  #send(address: string, message: SchedulerWord): void {
    const worker = this.#around.worker(address);
    const connection = this.#connections.get(address);
    if (!worker || !connection) return;
    this.#around.network.send<SchedulerWord>(`>${address}`, message, {
      over: connection,
      deliver: (messages) => worker.receive(messages),
    });
  }
}
