/** Runs what the machine says: single tasks and tasks of graphs. Tells the machine how they ended, and whoever listens how far they are. */
import { type Clock, errorFromRecord, RemoteProtocolError, TaskError } from "../base/index.ts";
import type { Executor, LaneTask, Programs, TaskInput, TaskOutcome } from "../executor/index.ts";
import { decodeGraph, type Graph, showKey, type TaskId } from "../graph/index.ts";
import type { SchedulerToColumnar, WorkerToScheduler } from "../protocol/index.ts";
import { taskFailure } from "./failure.ts";
import { Progress } from "./progress.ts";
import { type Ended, isTrustedSpec, type Moved, runTask, type Trust } from "./run-task.ts";
import type { Ref, SchedulerWord, ValueFacts, WorkerEvent, WorkerInstruction } from "./state/index.ts";
import type { Stored, Values } from "./values.ts";

type Of<T extends WorkerInstruction["type"]> = Extract<WorkerInstruction, { readonly type: T }>;
type Unstamped<E> = E extends WorkerEvent ? Omit<E, "now" | "stimulusId"> : never;

/** What tasks run with. */
export interface TasksContext {
  readonly executor: Executor;
  readonly values: Values;
  readonly trust: Trust;
  /** Address that errors name. */
  readonly worker: string;
  readonly clock: Clock;
  /** At most one task runs and none is ready to follow it. */
  isDrained(): boolean;
  handle(event: Unstamped<WorkerEvent>): void;
  send(message: WorkerToScheduler): void;
}

/** What a task of a graph that is at the executor is made of. */
interface BlockFields extends Pick<LaneTask, "programs" | "task" | "inputs"> {
  readonly ref: Ref;
  /** Gives back inputs that are no blocks. */
  readonly held: readonly (() => void)[];
  readonly life: number;
}

/** A task of a graph that is at the executor: one object for each. */
class RunningBlock implements LaneTask {
  readonly programs: Programs;
  readonly task: TaskId;
  readonly inputs: readonly TaskInput[];
  readonly ref: Ref;
  readonly held: readonly (() => void)[];
  readonly life: number;
  isCancelled = false;
  readonly #ended: (block: RunningBlock, outcome: TaskOutcome) => void;

  constructor(
    { programs, task, inputs, ref, held, life }: BlockFields,
    ended: (block: RunningBlock, outcome: TaskOutcome) => void,
  ) {
    this.programs = programs;
    this.task = task;
    this.inputs = inputs;
    this.ref = ref;
    this.held = held;
    this.life = life;
    this.#ended = ended;
  }

  get graph(): Graph {
    return this.programs.graph;
  }

  done(outcome: TaskOutcome): void {
    for (const release of this.held) release();
    this.#ended(this, outcome);
  }
}

const NONE: readonly Ref[] = [];
const NO_INPUTS: readonly TaskInput[] = [];
const NO_RELEASES: (() => void)[] = [];

/** Graphs known at once; a scheduler of ours forgets what it needs no more. */
const GRAPHS_MAX = 65_536;

/** Tasks of one worker, until it closes. */
export class Tasks {
  readonly #context: TasksContext;
  readonly #progress = new Progress();
  readonly #graphs = new Map<number, Programs>();
  /** Results of this turn. */
  #refs: Ref[] = [];
  #facts: ValueFacts[] = [];
  #seconds: number[] = [];
  readonly #blockEnded = (block: RunningBlock, outcome: TaskOutcome): void => this.#endedBlock(block, outcome);
  /** Rises when the machine is made anew: what was started before is nobody's any more. */
  #life = 0;

  constructor(context: TasksContext) {
    this.#context = context;
  }

  /**
   * A message in the machine's words.
   * @throws {RemoteProtocolError} columns of a graph that is not known, or of tasks that it does not have
   */
  read(message: SchedulerToColumnar): SchedulerWord {
    if (message.op === "graph") return this.#open(message.submission, message.layers);
    if (message.op === "run-tasks") {
      const { graph } = this.#known(message.submission, message.op);
      checkIds(message.tasks, graph, message.op);
      checkIds(message.fetchTasks, graph, message.op);
    } else if (message.op === "free-tasks")
      checkIds(message.tasks, this.#known(message.submission, message.op).graph, message.op);
    else if (message.op === "forget-graph") this.#known(message.submission, message.op);
    return message;
  }

  /** Run one task. */
  execute(instruction: Of<"execute">): void {
    const life = this.#life;
    runTask(this.#context, instruction, (ended, moved) => this.#ended(ended, moved, life));
  }

  /** Run tasks of a graph. */
  executeBlocks({ submission, refs, tasks, inputStart, inputs }: Of<"execute-blocks">): void {
    const programs = this.#known(submission, "execute");
    for (let k = 0; k < refs.length; k++) {
      const own = inputStart[k] === inputStart[k + 1] ? NONE : inputs.slice(inputStart[k], inputStart[k + 1]);
      // Columns of equal length.
      this.#run(programs, refs[k] as Ref, tasks[k] as TaskId, own);
    }
  }

  /** No task of the graph will be started any more. */
  forget({ submission }: Of<"forget-graph">): void {
    const programs = this.#graphs.get(submission);
    this.#graphs.delete(submission);
    if (programs) this.#context.executor.close(programs);
  }

  /** The machine is made anew: graphs and what runs belonged to the former one. */
  restart(): void {
    this.#life++;
    for (const submission of Array.from(this.#graphs.keys())) this.forget({ type: "forget-graph", submission });
  }

  #open(submission: number, layers: Uint8Array): SchedulerWord {
    if (this.#graphs.size >= GRAPHS_MAX) throw new RemoteProtocolError(`more than ${GRAPHS_MAX} graphs at a worker`);
    if (this.#graphs.has(submission))
      throw new RemoteProtocolError(`graph of submission ${submission}, for a second time`);
    const { executor, trust } = this.#context;
    const graph = decodeGraph(layers);
    this.#graphs.set(
      submission,
      executor.open(graph, (spec, layer) => isTrustedSpec(spec, layer, trust)),
    );
    return { op: "graph", submission, graph };
  }

  #known(submission: number, what: string): Programs {
    const programs = this.#graphs.get(submission);
    if (!programs) throw new RemoteProtocolError(`${what}: the graph of submission ${submission} is not known`);
    return programs;
  }

  #run(programs: Programs, ref: Ref, task: TaskId, inputs: readonly Ref[]): void {
    const { executor, values, worker } = this.#context;
    const life = this.#life;
    const held: (() => void)[] = inputs.length === 0 ? NO_RELEASES : [];
    let given: readonly TaskInput[] = NO_INPUTS;
    try {
      if (inputs.length > 0) given = inputs.map((input) => values.block(input) ?? taken(values, input, held));
    } catch (error) {
      for (const release of held) release();
      const failure = taskFailure(error, worker);
      const event = { type: "block-failed", ref, failure, thread: null, startstops: [] } as const;
      queueMicrotask(() => this.#fail(event, life));
      return;
    }
    executor.submitOf(new RunningBlock({ programs, task, inputs: given, ref, held, life }, this.#blockEnded));
  }

  #ended(ended: Ended, moved: Moved, life: number): void {
    const { values, handle } = this.#context;
    if (life !== this.#life) {
      if (ended.type === "execute-success" && ended.stored.kind === "block")
        this.#context.executor.release(ended.stored.handle);
      return;
    }
    this.#flush();
    this.#progress.add(ended.key, moved);
    this.#tellProgress();
    if (ended.type === "execute-failure") return handle(ended);
    const { stored, ...event } = ended;
    handle({ ...event, value: values.hold(ended.key, stored) });
  }

  /** Results are told together, at the end of the turn. */
  #endedBlock(block: RunningBlock, outcome: TaskOutcome): void {
    const { ref, task, graph, life } = block;
    const { executor, values, worker } = this.#context;
    if (life !== this.#life) {
      if (outcome.status === "ok") executor.release(outcome.output);
      return;
    }
    const layer = graph.layer(graph.locate(task).layer);
    // Of single calls each has its own news.
    if (layer.kind !== "calls") this.#progress.addBlock(layer.name, outcome);
    if (outcome.status === "error" || outcome.status === "cancelled") {
      const key = graph.key(task);
      const error =
        outcome.status === "error"
          ? errorFromRecord(outcome.error)
          : new TaskError("cancelled", `task ${showKey(key)} was cancelled`);
      const startstops = [{ action: "compute", start: outcome.startMs / 1000, stop: outcome.stopMs / 1000 }];
      const failure = taskFailure(error, worker);
      return this.#fail({ type: "block-failed", ref, failure, thread: outcome.thread, startstops }, life);
    }
    const stored: Stored =
      outcome.status === "ok"
        ? { kind: "block", handle: outcome.output }
        : { kind: "plain", value: outcome.value, nbytes: outcome.nbytes };
    this.#refs.push(ref);
    this.#facts.push(values.set(ref, stored, block));
    this.#seconds.push((outcome.stopMs - outcome.startMs) / 1000);
    if (this.#refs.length === 1) queueMicrotask(() => this.#flush());
  }

  #fail(event: Extract<Unstamped<WorkerEvent>, { readonly type: "block-failed" }>, life: number): void {
    if (life !== this.#life) return;
    this.#flush();
    this.#context.handle(event);
    this.#tellProgress();
  }

  #flush(): void {
    if (this.#refs.length === 0) return;
    const [refs, values, seconds] = [this.#refs, this.#facts, this.#seconds];
    this.#refs = [];
    this.#facts = [];
    this.#seconds = [];
    this.#tellProgress();
    this.#context.handle({ type: "blocks-executed", refs, values, seconds });
  }

  /** Before the message that the task has ended, so that whoever waits for that one has heard of all its bytes. */
  #tellProgress(): void {
    const message = this.#progress.take(this.#context.clock.now(), this.#context.isDrained());
    if (message) this.#context.send(message);
  }
}

/** An input that is no block in the arena. */
function taken(values: Values, input: Ref, held: (() => void)[]): TaskInput {
  const found = values.input(input);
  held.push(found.release);
  return found.input;
}

function checkIds(ids: Uint32Array, { taskCount }: Graph, what: string): void {
  for (let k = 0; k < ids.length; k++)
    if ((ids[k] as number) >= taskCount)
      throw new RemoteProtocolError(`${what}: task ${ids[k]} of a graph of ${taskCount}`);
}
