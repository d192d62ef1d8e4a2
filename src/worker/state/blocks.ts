/** What is said in columns: tasks of graphs that start, and that have ended. */
import { type ColumnScalar, scalarKind, type TaskId } from "../../graph/index.ts";
import type { Ref, WorkerInstruction } from "./events.ts";
import type { KnownGraph, WorkerTask } from "./task.ts";

/** Tasks to be handed over, collected per graph in the order of their start. */
export class Starts {
  #graph: KnownGraph | null = null;
  #refs: Ref[] = [];
  #tasks: number[] = [];
  #inputStart: number[] = [0];
  #inputs: Ref[] = [];

  /** A task of `known` starts; those of another graph collected so far go first. */
  add(known: KnownGraph, task: WorkerTask, outbox: WorkerInstruction[]): void {
    if (this.#graph !== known) this.flush(outbox);
    this.#graph = known;
    this.#refs.push(task.ref);
    this.#tasks.push(task.taskId);
    for (const input of task.dependencies) this.#inputs.push(input.ref);
    this.#inputStart.push(this.#inputs.length);
  }

  /** The same of a block without inputs that has no task object. */
  addRow(known: KnownGraph, ref: number, taskId: TaskId, outbox: WorkerInstruction[]): void {
    if (this.#graph !== known) this.flush(outbox);
    this.#graph = known;
    this.#refs.push(ref);
    this.#tasks.push(taskId);
    this.#inputStart.push(this.#inputs.length);
  }

  flush(outbox: WorkerInstruction[]): void {
    if (this.#graph === null) return;
    outbox.push({
      type: "execute-blocks",
      submission: this.#graph.submission,
      refs: this.#refs,
      tasks: this.#tasks,
      inputStart: this.#inputStart,
      inputs: this.#inputs,
    });
    this.#graph = null;
    this.#refs = [];
    this.#tasks = [];
    this.#inputStart = [0];
    this.#inputs = [];
  }
}

/** What is told of a task that has ended well. */
interface End {
  readonly taskId: number;
  readonly runId: number;
  readonly nbytes: number;
  readonly seconds: number;
  readonly scalar: ColumnScalar | undefined;
}

/** Tasks to be reported, collected per graph in the order of their ends. */
export class Ends {
  #submission = -1;
  #tasks: number[] = [];
  #runIds: number[] = [];
  #nbytes: number[] = [];
  #seconds: number[] = [];
  #kinds: number[] = [];
  #scalars: number[] = [];
  #hasScalars = false;

  /** A result is here: `taskId` of `known`. Those of another graph collected so far go first. */
  add({ submission }: KnownGraph, told: End, outbox: WorkerInstruction[]): void {
    if (this.#submission !== submission) this.flush(outbox);
    this.#submission = submission;
    this.#tasks.push(told.taskId);
    this.#runIds.push(told.runId);
    this.#nbytes.push(told.nbytes);
    this.#seconds.push(told.seconds);
    const kind = scalarKind(told.scalar);
    if (kind !== 0) this.#hasScalars = true;
    this.#kinds.push(kind);
    this.#scalars.push(kind === 0 ? 0 : Number(told.scalar));
  }

  flush(outbox: WorkerInstruction[]): void {
    if (this.#tasks.length === 0) return;
    outbox.push({
      type: "send-finished",
      message: {
        op: "tasks-finished",
        submission: this.#submission,
        tasks: Uint32Array.from(this.#tasks),
        runIds: Uint32Array.from(this.#runIds),
        nbytes: Float64Array.from(this.#nbytes),
        seconds: Float32Array.from(this.#seconds),
        ...(this.#hasScalars ? { kinds: Uint8Array.from(this.#kinds), scalars: Float64Array.from(this.#scalars) } : {}),
      },
    });
    this.#hasScalars = false;
    this.#kinds = [];
    this.#scalars = [];
    this.#tasks = [];
    this.#runIds = [];
    this.#nbytes = [];
    this.#seconds = [];
  }
}
