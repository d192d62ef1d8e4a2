/** One simulated worker: the real worker machine, values that are numbers, threads that take virtual time. */
import { invariant, RsdatError } from "../base/index.ts";
import type { Graph, Key, TaskSpec } from "../graph/index.ts";
import { failureOf, type TasksFinished, type WireFailure, type WorkerToScheduler } from "../protocol/index.ts";
import {
  createWorkerMachine,
  type Ref,
  type SchedulerWord,
  type ValueFacts,
  type WorkerEvent,
  type WorkerInstruction,
  type WorkerMachine,
} from "../worker/state/index.ts";
import type { SimConnection } from "./sim-network.ts";
import { simValueOf } from "./sim-oracle.ts";

/** What a simulated task gives: a number that depends on its key and on its inputs. */
export interface SimValue {
  readonly nbytes: number;
  readonly value: number;
}

/** What a worker is part of. */
export interface SimSurroundings {
  now(): number;
  after(ms: number, run: () => void): void;
  fails(key: Key): boolean;
  durationMs(key: Key): number;
  bytesOf(key: Key): number;
  toScheduler(worker: SimWorker, message: WorkerToScheduler | TasksFinished): void;
  workerClosed(worker: SimWorker): void;
  /** What a peer has, after the way there and back; undefined when it cannot be reached, `busy` when it refuses. */
  askPeer(
    from: SimWorker,
    peer: string,
    { keys, done }: { readonly keys: readonly Key[]; readonly done: (found: PeerAnswer) => void },
  ): void;
  /** It has lost its scheduler and is ready to come back. */
  isDrained(worker: SimWorker): void;
}

/** Answer of a peer. */
export type PeerAnswer = ReadonlyMap<Key, SimValue> | "busy" | undefined;

interface Run {
  readonly need: number;
  readonly held: ReadonlyMap<Ref, SimValue>;
}

type Bare<E> = E extends unknown ? Omit<E, "now" | "stimulusId"> : never;

const NO_TYPE = new Uint8Array(0);

/** A worker node. */
export class SimWorker {
  readonly address: string;
  readonly nthreads: number;
  readonly isColumnar: boolean;
  readonly values: Map<Ref, SimValue> = new Map();
  isAlive = true;
  /** It refuses to serve peers while it is full. */
  isFull = false;
  connection: SimConnection = { isOpen: false };
  /** Graphs that it was given in this connection. */
  readonly known: Set<number> = new Set();
  /** Most bytes at once: values, results and workspace of running tasks, inputs they still hold, data on its way in. */
  peakBytes = 0;
  executed = 0;
  /** Bytes that came from peers. */
  fetchedBytes = 0;
  readonly #around: SimSurroundings;
  readonly #budgetBytes: number;
  /** Started by the machine, and held back until something that was called off has ended. */
  readonly #heldBack: { readonly run: Run; readonly start: () => void }[] = [];
  #machine: WorkerMachine;
  readonly #graphs = new Map<number, Graph>();
  readonly #running = new Set<Run>();
  readonly #incoming = new Map<Key, number>();
  #asked = 0;
  #isLost = false;
  #stalledUntil = 0;
  #stalled: Bare<WorkerEvent>[] = [];

  constructor(
    around: SimSurroundings,
    address: string,
    {
      nthreads,
      budgetBytes,
      isColumnar,
    }: { readonly nthreads: number; readonly budgetBytes: number; readonly isColumnar: boolean },
  ) {
    this.#budgetBytes = budgetBytes;
    this.isColumnar = isColumnar;
    this.#around = around;
    this.address = address;
    this.nthreads = nthreads;
    this.#machine = this.#newMachine();
  }

  #newMachine(): WorkerMachine {
    return createWorkerMachine({
      address: this.address,
      nthreads: this.nthreads,
      budgetBytes: null,
      resources: new Map(),
      incomingBytesMax: Number.MAX_SAFE_INTEGER,
      messageBytesMax: 50_000_000,
      incomingCountMax: 10,
      incomingThrottleBytes: 10_000_000,
      busyRetryMs: 150,
      missingRetryMs: 1000,
    });
  }

  /** A batch of the scheduler's stream. */
  receive(messages: readonly SchedulerWord[]): void {
    for (const message of messages) if (message.op === "graph") this.#graphs.set(message.submission, message.graph);
    this.#event({ type: "scheduler-messages", messages });
  }

  setStatus(status: "running" | "paused" | "closing_gracefully"): void {
    this.#event({ type: "status", status });
  }

  /** Nothing happens here for so long; what comes in waits. */
  stall(ms: number): void {
    this.#stalledUntil = Math.max(this.#stalledUntil, this.#around.now() + ms);
    this.#around.after(ms, () => this.#resume());
  }

  get isStalled(): boolean {
    return this.#around.now() < this.#stalledUntil;
  }

  get isIdle(): boolean {
    return this.#running.size + this.#heldBack.length === 0;
  }

  /** The connection to the scheduler is over, it notices: it starts nothing more, and waits for what is under way to end. */
  lose(): void {
    if (!this.isAlive || this.#isLost) return;
    this.#isLost = true;
    this.#event({ type: "status", status: "paused" });
    this.#drain();
  }

  /** It comes back: a machine that knows nothing but its values. What it holds, by key. */
  comeBack(connection: SimConnection): Map<Key, number> {
    const held = this.#machine.held();
    const values = new Map(Array.from(held, ([ref, key]) => [key, this.values.get(ref) as SimValue] as const)); // held: the machine's word (checked below)
    invariant(values.size === this.values.size, `${this.address} holds values that its machine does not know`);
    this.#machine = this.#newMachine();
    this.#graphs.clear();
    this.known.clear();
    this.values.clear();
    this.#isLost = false;
    this.connection = connection;
    for (const [key, value] of values) this.values.set(this.#machine.refOf(key), value);
    this.#event({ type: "update-data", values: new Map(Array.from(values, ([key, value]) => [key, facts(value)])) });
    return new Map(Array.from(values, ([key, { nbytes }]) => [key, nbytes]));
  }

  /** Values of these keys that are here. */
  serve(keys: readonly Key[]): Map<Key, SimValue> {
    const found = new Map<Key, SimValue>();
    for (const key of keys) {
      const value = this.values.get(this.#machine.refOf(key));
      if (value) found.set(key, value);
    }
    return found;
  }

  /** Every key that the machine or the store knows. */
  get isEmpty(): boolean {
    return this.values.size === 0 && this.#running.size === 0 && this.#machine.counts().tasks.size === 0;
  }

  /** Bytes now. */
  liveBytes(): number {
    const seen = new Set<SimValue>(this.values.values());
    let bytes = 0;
    for (const run of this.#running) {
      bytes += run.need;
      for (const value of run.held.values()) seen.add(value);
    }
    for (const value of seen) bytes += value.nbytes;
    for (const nbytes of this.#incoming.values()) bytes += nbytes;
    return bytes;
  }

  #event(event: Bare<WorkerEvent>): void {
    if (!this.isAlive) return;
    if (this.isStalled || this.#stalled.length > 0) {
      this.#stalled.push(event);
      return;
    }
    this.#handle(event);
  }

  #resume(): void {
    if (this.isStalled) return;
    for (let event = this.#stalled.shift(); event && this.isAlive; event = this.#stalled.shift()) this.#handle(event);
  }

  #handle(event: Bare<WorkerEvent>): void {
    const outbox: WorkerInstruction[] = [];
    // The two fields left out are the ones added here.
    this.#machine.handle({ ...event, now: this.#around.now(), stimulusId: "sim" } as WorkerEvent, outbox);
    for (const instruction of outbox) this.#obey(instruction);
    this.peakBytes = Math.max(this.peakBytes, this.liveBytes());
    this.#machine.check();
    this.#startHeldBack();
    if (this.#isLost) this.#drain();
  }

  #drain(): void {
    if (this.#running.size + this.#heldBack.length + this.#asked + this.#stalled.length === 0)
      this.#around.isDrained(this);
  }

  #obey(instruction: WorkerInstruction): void {
    switch (instruction.type) {
      case "execute":
        return this.#execute(instruction);
      case "execute-blocks":
        return this.#executeBlocks(instruction);
      case "gather":
        return this.#gather(instruction.worker, instruction.keys);
      case "drop":
        for (const key of instruction.keys) this.values.delete(key);
        return;
      case "drop-blocks":
        for (const ref of instruction.refs) this.values.delete(ref);
        return;
      case "abort":
        return; // simulated work goes on to its end, as a kernel's may
      case "send":
      case "send-finished":
        return this.#around.toScheduler(this, instruction.message);
      case "forget-graph":
        this.#graphs.delete(instruction.submission);
        return;
      case "wake-at": {
        const machine = this.#machine;
        return this.#around.after(instruction.at - this.#around.now(), () => {
          if (machine === this.#machine) this.#event({ type: "wake" });
        });
      }
      case "close":
        return this.#around.workerClosed(this);
    }
  }

  #execute({ key, runId, runSpec, dependencies }: Extract<WorkerInstruction, { type: "execute" }>): void {
    // The cluster's `runSpecOf` hands specs over as they are.
    const spec = runSpec as unknown as TaskSpec;
    const inputs = dependencies.map((dependency) => this.#machine.refOf(dependency));
    const ended = { type: "execute-success", key, runId, thread: 0, startstops: [] } as const;
    this.#run(key, spec, {
      inputs,
      ok: (value) => {
        this.values.set(this.#machine.refOf(key), value);
        this.#event({ ...ended, value: facts(value) });
      },
      failed: (failure) => this.#event({ ...ended, type: "execute-failure", failure }),
    });
  }

  #executeBlocks(instruction: Extract<WorkerInstruction, { type: "execute-blocks" }>): void {
    const { refs, tasks, inputStart, inputs, submission } = instruction;
    const graph = this.#graphs.get(submission);
    invariant(graph, `${this.address} runs tasks of a graph that it was not given`);
    tasks.forEach((task, k) => {
      const ref = refs[k] as Ref; // columns of equal length
      this.#run(graph.key(task), graph.expand(task).spec, {
        inputs: inputs.slice(inputStart[k], inputStart[k + 1]),
        ok: (value, ms) => {
          this.values.set(ref, value);
          this.#event({ type: "blocks-executed", refs: [ref], values: [facts(value)], seconds: [ms / 1000] });
        },
        failed: (failure) => this.#event({ type: "block-failed", ref, failure, thread: 0, startstops: [] }),
      });
    });
  }

  #run(
    key: Key,
    spec: TaskSpec,
    {
      inputs,
      ok,
      failed,
    }: {
      readonly inputs: readonly Ref[];
      readonly ok: (value: SimValue, ms: number) => void;
      readonly failed: (failure: WireFailure) => void;
    },
  ): void {
    const held = new Map(
      inputs.map((ref) => {
        const value = this.values.get(ref);
        invariant(value, `${this.address} runs ${key} without its input ${ref}`);
        return [ref, value] as const;
      }),
    );
    const run = { need: spec.out.nbytes + spec.workspace, held };
    const ms = this.#around.durationMs(key);
    const end = (): void => {
      if (!this.isAlive) return;
      if (this.isStalled) return this.#around.after(this.#stalledUntil - this.#around.now(), end);
      this.#running.delete(run);
      this.executed++;
      if (this.#around.fails(key)) return failed(failureOf(new RsdatError("sim", `task ${key} fails`)));
      const values = inputs.map((ref) => (held.get(ref) as SimValue).value); // each is held
      ok({ nbytes: spec.out.nbytes, value: simValueOf(key, values) }, ms);
    };
    const start = (): void => {
      this.#running.add(run);
      this.#around.after(ms, end);
    };
    if (this.#isCrowded(run)) this.#heldBack.push({ run, start });
    else start();
  }

  /**
   * As the executor does: what was called off, and still runs or arrives, takes room that the scheduler counts as free. Nothing
   * else holds a task back, so that a scheduler that counts wrong is seen.
   */
  #isCrowded({ need }: Run): boolean {
    const { tasks } = this.#machine.counts();
    const calledOff = (tasks.get("cancelled") ?? 0) + (tasks.get("resumed") ?? 0);
    const goesOn = this.#running.size > 0 || this.#incoming.size > 0;
    return calledOff > 0 && goesOn && this.liveBytes() + need > this.#budgetBytes;
  }

  #startHeldBack(): void {
    for (let first = this.#heldBack[0]; first && !this.#isCrowded(first.run); first = this.#heldBack[0]) {
      this.#heldBack.shift();
      first.start();
    }
  }

  #gather(peer: string, keys: readonly Key[]): void {
    for (const key of keys) this.#incoming.set(key, this.#around.bytesOf(key));
    this.#asked++;
    const done = (found: PeerAnswer): void => {
      if (!this.isAlive) return;
      if (this.isStalled) return this.#around.after(this.#stalledUntil - this.#around.now(), () => done(found));
      this.#asked--;
      for (const key of keys) this.#incoming.delete(key);
      if (found === "busy") return this.#event({ type: "gather-busy", worker: peer });
      if (!found) return this.#event({ type: "gather-network-failure", worker: peer });
      const received = new Map<Key, ValueFacts>();
      for (const [key, value] of found) {
        this.values.set(this.#machine.refOf(key), { ...value });
        this.fetchedBytes += value.nbytes;
        received.set(key, facts(value));
      }
      const now = this.#around.now() / 1000;
      const startstop = { action: "transfer", start: now, stop: now } as const;
      this.#event({ type: "gather-success", worker: peer, received, startstop });
    };
    this.#around.askPeer(this, peer, { keys, done });
  }
}

function facts(value: SimValue): ValueFacts {
  return { nbytes: value.nbytes, type: NO_TYPE, typename: "sim" };
}
