/** One simulated worker: the real worker machine, values that are numbers, threads that take virtual time. */
import { invariant, RsdatError } from "../base/index.ts";
import type { Key, TaskSpec } from "../graph/index.ts";
import { failureOf, type SchedulerToWorker } from "../protocol/index.ts";
import {
  createWorkerMachine,
  type ValueFacts,
  type WorkerEvent,
  type WorkerInstruction,
  type WorkerMachine,
} from "../worker/state/index.ts";
import type { SimCluster } from "./sim-cluster.ts";
import { SimColumns } from "./sim-columns.ts";

/** What a simulated task gives: a number that depends on its key and on its inputs. */
export interface SimValue {
  readonly nbytes: number;
  readonly value: number;
}

const NO_TYPE = new Uint8Array(0);

/** A worker node. */
export class SimWorker {
  readonly address: string;
  readonly nthreads: number;
  readonly isColumnar: boolean;
  readonly columns: SimColumns = new SimColumns();
  readonly values: Map<Key, SimValue> = new Map();
  isAlive = true;
  /** Most bytes at once: values, results and workspace of running tasks, inputs they still hold, data on its way in. */
  peakBytes = 0;
  executed = 0;
  readonly #cluster: SimCluster;
  readonly #machine: WorkerMachine;
  readonly #running = new Map<
    number,
    { readonly key: Key; readonly need: number; readonly held: ReadonlyMap<Key, SimValue> }
  >();
  readonly #incoming = new Map<Key, number>();

  constructor(
    cluster: SimCluster,
    address: string,
    { nthreads, isColumnar }: { readonly nthreads: number; readonly isColumnar: boolean },
  ) {
    this.isColumnar = isColumnar;
    this.#cluster = cluster;
    this.address = address;
    this.nthreads = nthreads;
    this.#machine = createWorkerMachine({
      address,
      nthreads,
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
  receive(messages: readonly SchedulerToWorker[]): void {
    this.#event({ type: "scheduler-messages", messages });
  }

  run(): void {
    this.#event({ type: "status", status: "running" });
  }

  /** Every key that the machine or the store knows. */
  get isEmpty(): boolean {
    return this.values.size === 0 && this.#running.size === 0 && this.#machine.counts().tasks.size === 0;
  }

  /** Bytes now. */
  liveBytes(): number {
    const seen = new Set<SimValue>(this.values.values());
    let bytes = 0;
    for (const run of this.#running.values()) {
      bytes += run.need;
      for (const value of run.held.values()) seen.add(value);
    }
    for (const value of seen) bytes += value.nbytes;
    for (const nbytes of this.#incoming.values()) bytes += nbytes;
    return bytes;
  }

  #event(event: DistributiveOmit<WorkerEvent, "now" | "stimulusId">): void {
    if (!this.isAlive) return;
    const outbox: WorkerInstruction[] = [];
    // The two fields left out are the ones added here.
    this.#machine.handle({ ...event, now: this.#cluster.time.now(), stimulusId: "sim" } as WorkerEvent, outbox);
    for (const instruction of outbox) this.#obey(instruction);
    this.peakBytes = Math.max(this.peakBytes, this.liveBytes());
    this.#machine.check();
  }

  #obey(instruction: WorkerInstruction): void {
    switch (instruction.type) {
      case "execute":
        return this.#execute(instruction);
      case "gather":
        return this.#gather(instruction.worker, instruction.keys);
      case "drop":
        for (const key of instruction.keys) this.values.delete(key);
        return;
      case "send":
        return this.#cluster.toScheduler(this, instruction.message);
      case "wake-at":
        return this.#cluster.time.at(instruction.at, () => this.#event({ type: "wake" }));
      case "close":
        return this.#cluster.workerClosed(this);
    }
  }

  #execute({ key, runId, runSpec, dependencies }: Extract<WorkerInstruction, { type: "execute" }>): void {
    // The cluster's `runSpecOf` hands specs over as they are.
    const spec = runSpec as unknown as TaskSpec;
    const held = new Map(
      dependencies.map((dependency) => {
        const value = this.values.get(dependency);
        invariant(value, `${this.address} runs ${key} without its input ${dependency}`);
        return [dependency, value] as const;
      }),
    );
    this.#running.set(runId, { key, need: spec.out.nbytes + spec.workspace, held });
    this.#cluster.time.after(this.#cluster.durationMs(key), () => this.#finish(runId, key, spec));
  }

  #finish(runId: number, key: Key, spec: TaskSpec): void {
    const run = this.#running.get(runId);
    if (!this.isAlive || !run) return;
    this.#running.delete(runId);
    this.executed++;
    if (this.#cluster.fails(key)) {
      const failure = failureOf(new RsdatError("sim", `task ${key} fails`));
      return this.#event({ type: "execute-failure", key, runId, failure, thread: 0, startstops: [] });
    }
    const value = {
      nbytes: spec.out.nbytes,
      value: simValueOf(
        key,
        Array.from(run.held.values(), (input) => input.value),
      ),
    };
    this.values.set(key, value);
    this.#event({ type: "execute-success", key, runId, value: facts(value), thread: 0, startstops: [] });
    // A result that nobody wants any more is dropped by the machine, which then says so.
  }

  #gather(peer: string, keys: readonly Key[]): void {
    for (const key of keys) this.#incoming.set(key, this.#cluster.bytesOf(key));
    this.#cluster.askPeer(this, peer, (found) => {
      for (const key of keys) this.#incoming.delete(key);
      if (!found) return this.#event({ type: "gather-network-failure", worker: peer });
      const received = new Map<Key, ValueFacts>();
      for (const key of keys) {
        const value = found.get(key);
        if (!value) continue;
        this.values.set(key, { ...value });
        received.set(key, facts(value));
      }
      const now = this.#cluster.time.now();
      this.#event({
        type: "gather-success",
        worker: peer,
        received,
        startstop: { action: "transfer", start: now, stop: now },
      });
    });
  }
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

function facts(value: SimValue): ValueFacts {
  return { nbytes: value.nbytes, type: NO_TYPE, typename: "sim" };
}

/** Value of a task from its key and its inputs' values: a 32-bit hash. */
export function simValueOf(key: Key, inputs: readonly number[]): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  for (const input of inputs) hash = Math.imul(hash ^ input, 0x01000193) ^ (hash >>> 15);
  return hash >>> 0;
}
