/** Graphs at workers that take tasks in columns: which worker has which, so that each is sent once, before its first run. */
import type { BatchedStream } from "../comm/index.ts";
import { encodeGraph, type Graph } from "../graph/index.ts";
import type { SchedulerToColumnar } from "../protocol/index.ts";
import type { SchedulerInstruction, WorkerAddress } from "./state/index.ts";

type Of<T extends SchedulerInstruction["type"]> = Extract<SchedulerInstruction, { readonly type: T }>;
type Stream = BatchedStream<SchedulerToColumnar>;

/** A graph that some worker has. */
interface SentGraph {
  readonly graph: Graph;
  readonly layers: Uint8Array;
  readonly streams: Set<Stream>;
}

/** Bytes that graphs came in, until a worker gets them: what one client said need not be said in other words. */
const RECEIVED = new WeakMap<Graph, Uint8Array>();

/** A graph came in these bytes; they are copied unless they have a buffer of their own. */
export function noteReceived(graph: Graph, layers: Uint8Array): void {
  if (layers.byteLength === layers.buffer.byteLength) {
    RECEIVED.set(graph, layers);
    return;
  }
  const copy = new Uint8Array(layers.length);
  copy.set(layers);
  RECEIVED.set(graph, copy);
}

/** Graphs of single calls: a worker is not woken to forget these, it hears of it with what it is given next. Few blocks of arrays may be large. */
const SMALL_TASKS = 16;

function isSmall({ layers, taskCount }: Graph): boolean {
  return taskCount <= SMALL_TASKS && layers.at(-1)?.kind === "calls";
}

/** Graphs by submission. */
export class SentGraphs {
  readonly #streamOf: (worker: WorkerAddress) => Stream | undefined;
  readonly #graphs = new Map<number, SentGraph>();

  constructor(streamOf: (worker: WorkerAddress) => Stream | undefined) {
    this.#streamOf = streamOf;
  }

  /** The graph of a submission, as long as a worker has it. */
  graph(submission: number): Graph | undefined {
    return this.#graphs.get(submission)?.graph;
  }

  /** Send a run, and its graph where the worker has not got it. */
  run({ worker, run: { graph, ...run } }: Of<"run-tasks">): void {
    const stream = this.#streamOf(worker);
    if (!stream) return;
    const { submission } = run;
    let sent = this.#graphs.get(submission);
    if (sent === undefined) {
      sent = { graph, layers: RECEIVED.get(graph) ?? encodeGraph(graph), streams: new Set() };
      RECEIVED.delete(graph);
      this.#graphs.set(submission, sent);
    }
    if (!sent.streams.has(stream)) {
      sent.streams.add(stream);
      stream.send({ op: "graph", submission, layers: sent.layers });
    }
    stream.send({ op: "run-tasks", ...run });
  }

  /** Send frees: by key to a worker that got the results without the graph. */
  free({ worker, submission, graph, tasks, stimulusId }: Of<"free-tasks">): void {
    const stream = this.#streamOf(worker);
    if (!stream) return;
    if (this.#graphs.get(submission)?.streams.has(stream)) {
      const message = { op: "free-tasks", submission, tasks, stimulusId } as const;
      if (isSmall(graph)) stream.sendAlong(message);
      else stream.send(message);
    } else {
      const keys = Array.from(tasks, (task) => graph.key(task));
      stream.send({ op: "free-keys", keys, isSilent: true, stimulusId });
    }
  }

  forget({ submission }: Of<"forget-submission">): void {
    const sent = this.#graphs.get(submission);
    if (!sent) return;
    const message = { op: "forget-graph", submission } as const;
    for (const stream of sent.streams)
      if (isSmall(sent.graph)) stream.sendAlong(message);
      else stream.send(message);
    this.#graphs.delete(submission);
  }

  /** A worker's connection is over. */
  left(stream: Stream): void {
    for (const { streams } of this.#graphs.values()) streams.delete(stream);
  }
}

/** Time and events that one turn of the event loop may take before others get theirs. */
const TURN_MS = 2;
const TURN_EVENTS = 4096;

/** Counts what has been done in this turn of the event loop. */
export class Turn {
  readonly #now: () => number;
  #began: number | null = null;
  #events = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Note events; true when the turn has lasted long enough. */
  spend(events: number): boolean {
    if (this.#began === null) {
      this.#began = this.#now();
      setImmediate(() => {
        this.#began = null;
        this.#events = 0;
      });
    }
    this.#events += events;
    return this.#events >= TURN_EVENTS || this.#now() - this.#began >= TURN_MS;
  }

  /** The next turn. */
  next(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }
}
