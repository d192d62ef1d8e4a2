/** A stand-in for the shell: holds values, runs and gathers when a test says so, and checks after every event. */
import { expect } from "vitest";
import { type Key, keyOfValue } from "../../../src/graph/index.ts";
import {
  type ComputeTask,
  Serialized,
  type TasksFinished,
  type WireFailure,
  type WorkerToScheduler,
} from "../../../src/protocol/index.ts";
import {
  createWorkerMachine,
  type NeedOf,
  type Ref,
  type SchedulerWord,
  type ValueFacts,
  type WorkerEvent,
  type WorkerInstruction,
  type WorkerLimits,
  type WorkerMachine,
} from "../../../src/worker/state/index.ts";

export const ME = "tcp://10.0.0.1:1";
export const A = "tcp://10.0.0.2:1";
export const B = "tcp://10.0.0.3:1";

export const LIMITS: WorkerLimits = {
  address: ME,
  nthreads: 2,
  budgetBytes: null,
  resources: new Map([["GPU", 1]]),
  incomingBytesMax: 1000,
  messageBytesMax: 100,
  incomingCountMax: 2,
  incomingThrottleBytes: 50,
  busyRetryMs: 150,
  missingRetryMs: 1000,
};

/** A key by its name; keys stay as they are. */
export const k = (name: string): Key => (name.startsWith("\0") ? (name as Key) : keyOfValue(name));
export const value = (nbytes = 8): ValueFacts => ({ nbytes, type: new Uint8Array(0), typename: "test" });
const SPEC = new Serialized(new Uint8Array(0), []);
export const FAILURE: WireFailure = { exception: SPEC, traceback: null, exceptionText: "boom", tracebackText: "" };

export interface OrderOptions {
  readonly runId?: number;
  readonly priority?: readonly number[];
  /** Holders of each input. */
  readonly inputs?: Readonly<Record<string, readonly string[]>>;
  readonly nbytes?: number;
  readonly resources?: Readonly<Record<string, number>>;
}

/** A compute-task message. */
export function order(
  key: string,
  { runId = 1, priority = [0], inputs = {}, nbytes = 8, resources }: OrderOptions = {},
): ComputeTask {
  const entries = Object.entries(inputs).map(([name, holders]) => [k(name), holders] as const);
  return {
    op: "compute-task",
    stimulusId: `order-${key}`,
    key: k(key),
    runId,
    priority,
    whoHas: new Map(entries),
    nbytes: new Map(entries.map(([name]) => [name, nbytes])),
    runSpec: SPEC,
    resourceRestrictions: resources ? new Map(Object.entries(resources)) : null,
    actor: false,
    annotations: null,
    spanId: null,
  };
}

type Fields<T extends WorkerEvent["type"]> = Omit<Extract<WorkerEvent, { type: T }>, "type" | "now" | "stimulusId">;

/** Drives one machine. */
export class Driver {
  readonly machine: WorkerMachine;
  readonly values: Set<Ref> = new Set();
  readonly running: Map<Key, number> = new Map();
  /** Blocks that were handed over in columns: task of the submission. */
  readonly blocks: Map<Ref, { readonly submission: number; readonly task: number }> = new Map();
  readonly finished: TasksFinished[] = [];
  readonly asked: Map<string, readonly Key[]> = new Map();
  readonly sent: WorkerToScheduler[] = [];
  now = 0;

  constructor(limits: Partial<WorkerLimits> = {}, needOf?: NeedOf) {
    this.machine = createWorkerMachine({ ...LIMITS, ...limits }, needOf);
    this.event("status", { status: "running" });
    this.sent.length = 0;
  }

  /** Give an event, follow the instructions as a shell must, check; the instructions. */
  event<T extends WorkerEvent["type"]>(type: T, fields: Fields<T>): WorkerInstruction[] {
    const outbox: WorkerInstruction[] = [];
    // The fields are those of this type of event.
    this.machine.handle(
      { type, now: this.now, stimulusId: `test-${type}`, ...fields } as unknown as WorkerEvent,
      outbox,
    );
    for (const instruction of outbox) this.#follow(instruction);
    this.machine.check();
    expect(this.machine.counts().tasks.get("memory") ?? 0, "values held").toBe(this.values.size);
    return outbox;
  }

  scheduler(...messages: SchedulerWord[]): WorkerInstruction[] {
    return this.event("scheduler-messages", { messages });
  }

  free(...keys: string[]): WorkerInstruction[] {
    return this.scheduler({ op: "free-keys", keys: keys.map(k), stimulusId: "free" });
  }

  succeed(key: string, nbytes = 8): WorkerInstruction[] {
    const runId = this.#end(key);
    this.values.add(this.machine.refOf(k(key)));
    return this.event("execute-success", { key: k(key), runId, value: value(nbytes), thread: 1, startstops: [] });
  }

  fail(key: string): WorkerInstruction[] {
    return this.event("execute-failure", {
      key: k(key),
      runId: this.#end(key),
      failure: FAILURE,
      thread: 1,
      startstops: [],
    });
  }

  /** These blocks, or all that run, are made. */
  succeedBlocks(refs: readonly Ref[] = Array.from(this.blocks.keys()), nbytes = 8): WorkerInstruction[] {
    for (const ref of refs) {
      expect(this.blocks.delete(ref), `${ref} runs`).toBe(true);
      this.values.add(ref);
    }
    const values = refs.map(() => value(nbytes));
    return this.event("blocks-executed", { refs, values, seconds: refs.map(() => 0.001) });
  }

  failBlock(ref: Ref): WorkerInstruction[] {
    expect(this.blocks.delete(ref), `${ref} runs`).toBe(true);
    return this.event("block-failed", { ref, failure: FAILURE, thread: 1, startstops: [] });
  }

  /** Answer the open request to `worker` with these keys of it. */
  deliver(worker: string, keys: readonly Key[] = this.asked.get(worker) ?? [], nbytes = 8): WorkerInstruction[] {
    this.asked.delete(worker);
    for (const key of keys) this.values.add(this.machine.refOf(key));
    return this.event("gather-success", {
      worker,
      received: new Map(keys.map((key) => [key, value(nbytes)])),
      startstop: { action: "transfer", start: 0, stop: 1 },
    });
  }

  /** The open request to `worker` ends another way. */
  refuse(worker: string, how: "gather-busy" | "gather-network-failure" | "gather-failure"): WorkerInstruction[] {
    this.asked.delete(worker);
    return how === "gather-failure" ? this.event(how, { worker, failure: FAILURE }) : this.event(how, { worker });
  }

  put(...keys: string[]): WorkerInstruction[] {
    for (const key of keys) this.values.add(this.machine.refOf(k(key)));
    return this.event("update-data", { values: new Map(keys.map((key) => [k(key), value()])) });
  }

  wake(now: number): WorkerInstruction[] {
    this.now = now;
    return this.event("wake", {});
  }

  /** State by the story's last line; undefined for a task that was never heard of or is forgotten. */
  state(key: string): string | undefined {
    const last = this.machine.story(k(key)).at(-1)?.to;
    return last === "forgotten" ? undefined : last;
  }

  /** Ops sent since the last call. */
  ops(): string[] {
    return this.sent.splice(0).map((message) => message.op);
  }

  #end(key: string): number {
    const runId = this.running.get(k(key));
    if (runId === undefined) throw new Error(`${key} does not run`);
    this.running.delete(k(key));
    return runId;
  }

  #follow(instruction: WorkerInstruction): void {
    if (instruction.type === "send") this.sent.push(instruction.message);
    else if (instruction.type === "execute") {
      expect(this.running.has(instruction.key), "one run per key").toBe(false);
      for (const input of instruction.dependencies)
        expect(this.values.has(this.machine.refOf(input)), `${input} is held for ${instruction.key}`).toBe(true);
      this.running.set(instruction.key, instruction.runId);
    } else if (instruction.type === "gather") {
      expect(this.asked.has(instruction.worker), "one request per peer").toBe(false);
      this.asked.set(instruction.worker, instruction.keys);
    } else if (instruction.type === "execute-blocks") {
      const { refs, tasks, submission, inputs } = instruction;
      for (const input of inputs) expect(this.values.has(input), `${input} is held`).toBe(true);
      for (const [i, ref] of refs.entries()) {
        expect(this.blocks.has(ref), "one run per block").toBe(false);
        this.blocks.set(ref, { submission, task: tasks[i] as number }); // columns of equal length
      }
    } else if (instruction.type === "send-finished") this.finished.push(instruction.message);
    else if (instruction.type === "drop-blocks") {
      for (const ref of instruction.refs) expect(this.values.delete(ref), `${ref} is held when dropped`).toBe(true);
    } else if (instruction.type === "drop") {
      for (const key of instruction.keys) expect(this.values.delete(key), `${key} is held when dropped`).toBe(true);
    }
  }
}
