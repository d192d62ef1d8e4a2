/** Plugins of a scheduler and of nannies, as a client, the scheduler and a nanny see them: Dask's hooks, by our spelling of their names. */
import type { KeyValue } from "../graph/index.ts";

/** What a scheduler's hooks are told of it. */
export interface PluginScheduler {
  readonly address: string;
  /** Addresses of the workers that are connected. */
  readonly workers: readonly string[];
  /** Ids of the clients that are connected. */
  readonly clients: readonly string[];
  /** State of a task by Dask's name; `forgotten` for one that is not known. */
  stateOf(key: KeyValue): string;
  /** Tell all clients that listen to the topic. dask `Scheduler.log_event`. */
  logEvent(topic: string, message: unknown): void;
}

/** A graph that has come in. Keys are made when they are read: a text, or a list where Python has a tuple. */
export interface GraphUpdate {
  readonly client: string;
  /** What the client wants of it. */
  readonly keys: readonly KeyValue[];
  /** All tasks of it. */
  readonly tasks: readonly KeyValue[];
  readonly stimulusId: string;
}

/**
 * What happens in a scheduler, told to functions that run in its process. Each is called as a method of the plugin, so
 * `this.args` is there, and may be changed. What it throws is logged, and hurts nobody. Hooks run between the scheduler's own
 * turns: one that takes long holds everybody up.
 *
 * Matches distributed `SchedulerPlugin`; one that is started while tasks run hears of what happens from then on.
 */
export interface SchedulerHooks<A = unknown> {
  readonly name: string;
  /** Plain data, which travels. */
  args?: A;
  /** Before any other hook, and waited for; what it throws ends the registration. */
  start?(scheduler: PluginScheduler): unknown;
  /** The scheduler is about to end; it waits for these two, for ten seconds each at the most. */
  beforeClose?(): unknown;
  /** It ends: the next thing that it does is to tell its workers. */
  close?(): unknown;
  /** Before the tasks of the graph move. */
  updateGraph?(scheduler: PluginScheduler, update: GraphUpdate): unknown;
  /** All workers and tasks were started anew. */
  restart?(scheduler: PluginScheduler): unknown;
  /**
   * States by Dask's names: released, waiting, no-worker, queued, processing, memory, erred, forgotten. A result that
   * nobody needs is forgotten, where Dask keeps its task, released, for as long as tasks are known that used it.
   */
  transition?(key: KeyValue, start: string, finish: string, details: TransitionDetails): unknown;
  addWorker?(scheduler: PluginScheduler, worker: string): unknown;
  /** After the tasks that it had have moved. */
  removeWorker?(scheduler: PluginScheduler, worker: string, details: { readonly stimulusId: string }): unknown;
  addClient?(scheduler: PluginScheduler, client: string): unknown;
  removeClient?(scheduler: PluginScheduler, client: string): unknown;
  /** Something was published under a topic, by a client, a worker or a plugin. */
  logEvent?(topic: string, message: unknown): unknown;
}

/** What is told of a transition besides. */
export interface TransitionDetails {
  readonly stimulusId: string;
  readonly scheduler: PluginScheduler;
}

/** A plugin of the scheduler, as a client registers it: hooks that are self-contained. */
export type SchedulerPlugin<A = unknown> = SchedulerHooks<A> & {
  readonly kind: "scheduler";
} & ThisType<SchedulerHooks<A> & { args: A }>;

/** What a nanny's functions are told of it. */
export interface PluginNanny {
  /** Name of its worker; empty where that is called by its address. */
  readonly name: string;
  readonly scheduler: string;
  readonly localDirectory: string;
  /** Environment of the worker's process when it is started next. */
  readonly env: Record<string, string | undefined>;
}

/**
 * A plugin of nannies: functions that run in the process of every nanny there is, and of each that joins before it starts its
 * worker. Matches distributed `NannyPlugin`.
 */
export interface NannyPlugin<A = unknown> {
  readonly kind: "nanny";
  readonly name: string;
  /** True: a nanny whose worker runs starts it anew once `setup` has run. Default false. */
  readonly restart?: boolean;
  /** Plain data for both. */
  args?: A;
  setup(nanny: PluginNanny, args: A): unknown;
  /** Runs when the plugin is unregistered, and when the nanny ends. */
  teardown?(nanny: PluginNanny, args: A): unknown;
}
