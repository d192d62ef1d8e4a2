/** The client: connects to a scheduler, submits, gathers, and is the runner of lazy arrays while it is connected. */

import { setTimeout as sleep } from "node:timers/promises";
import {
  ArgumentError,
  formatDuration,
  NoWorkersError,
  parseTimeoutMs,
  shownValue,
  UnsupportedError,
} from "../base/index.ts";
import {
  commSettings,
  config,
  createLogger,
  memoryLimitBytes,
  packageVersion,
  securityFor,
  speaksDialect,
} from "../config/index.ts";
import {
  type CallTask,
  type Graph,
  type Hold,
  type Key,
  type KeyValue,
  type OutputGroup,
  type Plan,
  pushRunner,
  type Runner,
  type RunnerFigures,
  type RunnerLimits,
  type RunOptions,
  signGraph,
  withRunner,
} from "../graph/index.ts";
import type { NDArray } from "../ndarray/index.ts";
import {
  HAS_WHAT,
  IDENTITY,
  type Identity,
  NBYTES_REQUEST,
  NCORES,
  type ProfileNode,
  WHO_HAS_REQUEST,
} from "../protocol/index.ts";
import { type ClusterAccounting, clusterAccounting } from "./accounting.ts";
import { type MapOptions, mapCalls, runCalls, type SubmitOptions, submitCall } from "./calls.ts";
import type { ClusterHandle } from "./cluster-handle.ts";
import { listPublished, type PublishOptions, publish, readPublished, unpublish } from "./datasets.ts";
import { isPlainObject, type Submittable } from "./functions.ts";
import { type Future, retryKeys } from "./future.ts";
import { futuresOf } from "./futures-of.ts";
import { type Gathered, type GatherOptions, gatherAll } from "./gather.ts";
import { type ComputedOf, each, type Keepable, type LazyOptions, type PersistedOf, type Runnable } from "./lazy.ts";
import { Link } from "./link.ts";
import {
  askScheduler,
  dashboardLinkOf,
  type LogLine,
  type ProfileOptions,
  profile,
  type RestartOptions,
  type RetireOptions,
  rebalance,
  restart,
  retireWorkers,
  schedulerLogs,
  type TaskStreamOptions,
  type TaskStreamRecord,
  taskStream,
  taskStreamIndex,
  uploadFile,
  workerLogs,
} from "./operate.ts";
import { type Plugin, registerPlugin, type UnregisterOptions, unregisterPlugin } from "./plugins.ts";
import { holdGraph, holdGroups, runGraph, runGroups } from "./run-graph.ts";
import { type Scattered, type ScatterOptions, scatterValues } from "./scatter.ts";
import { withText } from "./scheduler-text.ts";
import { type ClientOptions, type ClientTarget, type Located, locate } from "./target.ts";
import { type ClusterVersions, clusterVersions } from "./versions.ts";

const LIMITS_WAIT_MS = 2_000;
const connected: Client[] = [];

/** @throws {ArgumentError} nothing that has items */
function listOf(items: unknown): unknown[] {
  if (typeof items !== "string" && (typeof items !== "object" || items === null || !(Symbol.iterator in items)))
    throw new ArgumentError(`map goes over lists, and ${shownValue(items)} is none`);
  return Array.from(items as Iterable<unknown>); // looked at just now
}

/** A connection to a cluster. While it is open, `compute()` of lazy arrays runs on the cluster. */
export class Client implements Runner, AsyncDisposable {
  readonly name: string;
  readonly #link: Link;
  readonly callsReadHeld = true;
  /** For this room: the cluster's token, which vouches for functions. */
  readonly token: string | null;
  readonly #cluster: ClusterHandle | undefined;
  readonly #ownsCluster: boolean;
  readonly #isDefault: boolean;
  readonly #leave: () => void;

  private constructor(
    link: Link,
    { token, cluster, isOwn, isDefault }: Omit<Located, "address"> & { readonly isDefault: boolean },
  ) {
    this.#link = link;
    this.name = `client of ${link.address}`;
    this.token = token;
    this.#cluster = cluster;
    this.#ownsCluster = isOwn;
    this.#isDefault = isDefault;
    this.#leave = isDefault ? pushRunner(this) : () => undefined;
    connected.push(this);
  }

  /**
   * Connect to a scheduler: an address, a cluster, `{ schedulerFile }`; without any, the configuration's
   * `scheduler-address` or `scheduler-file`. With `{ nWorkers, … }`, or where the configuration names none, a cluster of
   * processes of this machine is started, which ends with the client.
   *
   * @throws {ConnectTimeoutError} nobody answered in time
   * @throws {RemoteProtocolError} what answers is no Dask scheduler
   * @throws {ArgumentError} an unreadable scheduler file  @throws {WorkerStartError} the processes do not start
   */
  static async connect(target?: ClientTarget, options: ClientOptions = {}): Promise<Client> {
    const security = securityFor("client", options.security);
    const located = await locate(target, options, security.requiresEncryption ? "tls" : "tcp");
    const { address, cluster, isOwn } = located;
    const timeoutMs =
      options.timeout === undefined
        ? config.durationMs("distributed.comm.timeouts.connect")
        : parseTimeoutMs(options.timeout);
    const opened = Link.open(address, {
      timeoutMs: timeoutMs ?? 30_000,
      logger: options.logger ?? createLogger("rsdat.client"),
      name: options.name ?? "Client",
      version: packageVersion(),
      dialect: options.dialect ?? speaksDialect(),
      security,
      settings: commSettings(),
      ...(cluster ? { cluster } : {}),
    });
    opened.catch(() => (isOwn ? cluster?.close() : undefined));
    return new Client(await opened, { ...located, isDefault: options.setAsDefault ?? true });
  }

  /** The client connected last, not with `setAsDefault: false`, and not closed; undefined when there is none. */
  static current(): Client | undefined {
    return connected.findLast((client) => client.#isDefault);
  }

  /** For this room: the clients that are not closed, the one connected last first. */
  static open(): Client[] {
    return connected.toReversed();
  }

  /** For this room: the connection. */
  get link(): Link {
    return this.#link;
  }

  /** Address of the scheduler. */
  get scheduler(): string {
    return this.#link.address;
  }

  /** Whether the scheduler is rsdat's and speaks its dialect. */
  get isNative(): boolean {
    return this.#link.isNative;
  }

  /** Link to the scheduler's pages; null when it serves none. Configuration `distributed.dashboard.link`. */
  get dashboardLink(): string | null {
    return dashboardLinkOf(this.#link.address, this.#link.services);
  }

  /** What the scheduler says about itself and its workers; as a text it is a line for each. */
  async schedulerInfo(): Promise<Identity> {
    this.#link.assertOpen();
    const answer = await this.#link.rpc.call(this.#link.address, IDENTITY.ask({ nWorkers: -1 }));
    return withText(IDENTITY.parseAnswer(answer));
  }

  /**
   * Wait until `count` workers run. dask `wait_for_workers`.
   * @throws {NoWorkersError} not within `timeout` (default: no limit)
   */
  async waitForWorkers(count = 1, { timeout }: { readonly timeout?: string | number } = {}): Promise<void> {
    if (!Number.isInteger(count) || count < 0)
      throw new ArgumentError(`waitForWorkers: ${shownValue(count)} is no number of workers; expected a whole number`);
    const ms = timeout === undefined ? Number.POSITIVE_INFINITY : parseTimeoutMs(timeout);
    const until = performance.now() + ms;
    for (;;) {
      const workers = Array.from((await this.schedulerInfo()).workers?.values() ?? []);
      const found = workers.filter(({ status }) => status === "running").length;
      if (found >= count) return;
      if (performance.now() > until)
        throw new NoWorkersError(`${found} of ${count} workers are there after ${formatDuration(ms)}`, {
          details: { found, count },
        });
      await sleep(50);
    }
  }

  /**
   * Where the cluster's time has gone since its start: computing, stores, transfers, kernels, by worker and in all.
   * @throws {UnsupportedError} the scheduler is Dask's
   */
  accounting(): Promise<ClusterAccounting> {
    this.#link.assertOpen();
    return clusterAccounting(this.#link);
  }

  /** For the accounting of runs; null under Dask's scheduler. */
  async figures(): Promise<RunnerFigures | null> {
    return this.#link.isNative ? this.accounting() : null;
  }

  async limits(): Promise<RunnerLimits> {
    const until = performance.now() + LIMITS_WAIT_MS;
    for (;;) {
      const workers = Array.from((await this.schedulerInfo()).workers?.values() ?? []);
      if (workers.length > 0) {
        const least = Math.min(
          ...workers.map((worker) => worker.budgetBytes ?? (worker.memoryLimit || Number.POSITIVE_INFINITY)),
        );
        return {
          threads: workers.reduce((sum, worker) => sum + worker.nthreads, 0),
          memoryBytes: Number.isFinite(least) ? least : memoryLimitBytes(),
          spillBytes: Math.min(...workers.map((worker) => worker.spillBytes ?? 0)),
          workers: workers.length,
        };
      }
      // A plan cannot wait for a batch queue: with no worker yet it assumes one like this machine.
      if (performance.now() > until) return { threads: 1, memoryBytes: memoryLimitBytes(), workers: 0 };
      await sleep(50);
    }
  }

  /** Of lazy arrays; it is not dask `run`. */
  async run(graph: Graph, plan: Plan, options: RunOptions = {}): Promise<readonly (readonly NDArray[])[]> {
    if (typeof graph === "function")
      throw new UnsupportedError(
        "run: functions run as tasks, submit(fn, args, { workers, pure: false }); what each worker should do once is the setup of a plugin, registerPlugin",
      );
    return runGraph(this.#link, this.#signed(graph), plan, options);
  }

  /** As {@link run} for several callers of one graph; each is rejected by what concerns it alone. */
  runGroups(
    graph: Graph,
    plan: Plan,
    groups: readonly OutputGroup[],
    options: RunOptions = {},
  ): Promise<readonly (readonly NDArray[])[]>[] {
    return runGroups(this.#link, this.#signed(graph), plan, { groups, options });
  }

  async hold(graph: Graph, plan: Plan, options: RunOptions = {}): Promise<Hold> {
    return holdGraph(this.#link, this.#signed(graph), plan, options);
  }

  async holdGroups(
    graph: Graph,
    plan: Plan,
    groups: readonly OutputGroup[],
    options: RunOptions = {},
  ): Promise<readonly Hold[]> {
    return holdGroups(this.#link, this.#signed(graph), plan, { groups, options });
  }

  /** Results of `delayed` calls; each runs once its inputs are there. */
  runCalls(calls: readonly CallTask[], wanted: readonly Key[], options: RunOptions = {}): Promise<readonly unknown[]> {
    return runCalls(this, calls, { wanted, options });
  }

  /** Functions of users travel with the cluster's mac. */
  #signed(graph: Graph): Graph {
    return this.token === null ? graph : signGraph(graph, this.token);
  }

  /**
   * Run `fn(...args)` on the cluster. Futures among the arguments become dependencies, at any depth of arrays and objects.
   *
   * A JavaScript function must be self-contained or of a kernel module, and runs on rsdat workers that know the cluster's
   * token. A Python function, `py("numpy.sum")`, runs on Python workers. Equal calls share a key, and so a result, unless
   * `pure` is false. dask `submit`.
   *
   * @throws {ArgumentError} a function, an argument or an option that cannot travel  @throws {ClosureError}
   */
  async submit<A extends readonly unknown[], R>(
    fn: Submittable<A, R> | Submittable,
    args: readonly unknown[] = [],
    options: SubmitOptions = {},
  ): Promise<Future<Awaited<R>>> {
    return submitCall<Awaited<R>>(this, fn, { args, options });
  }

  /**
   * `submit(fn, [item])` for every item, or `submit(fn, [a, b])` for every pair of two lists, in few messages; the
   * shortest list ends it. Options come last. dask `map`.
   */
  async map<A extends readonly unknown[], R>(
    fn: Submittable<A, R> | Submittable,
    items: Iterable<unknown>,
    ...more: readonly (Iterable<unknown> | MapOptions)[]
  ): Promise<Future<Awaited<R>>[]> {
    const last = more.at(-1);
    const isOptions = isPlainObject(last); // options come last
    const lists = [items, ...(isOptions ? more.slice(0, -1) : more)].map(listOf);
    return mapCalls<Awaited<R>>(this, fn, { lists, options: isOptions ? (last as MapOptions) : {} });
  }

  /**
   * Values of futures, fetched together: a list for a list; objects, maps, sets and lists within each other keep their form.
   * With `errors: "skip"` failed ones are left out of lists. dask `gather`.
   * @throws {RemoteError} the first one that failed
   */
  async gather<const T>(items: T, { errors = "raise" }: GatherOptions = {}): Promise<Gathered<T>> {
    this.#link.assertOpen();
    return gatherAll(this.#link, items, errors);
  }

  /**
   * Place values on the cluster: a future for a value, a list of futures for a list, an object of futures, by the same
   * names, for an object. dask `scatter`.
   * @throws {NoWorkersError} no worker within `timeout`
   */
  async scatter<const T>(value: T, options: ScatterOptions = {}): Promise<Scattered<T>> {
    this.#link.assertOpen();
    return scatterValues(this.#link, value, options);
  }

  /** Place a value on every worker. dask `scatter(broadcast=True)`. */
  async broadcast<const T>(value: T, options: Omit<ScatterOptions, "broadcast"> = {}): Promise<Scattered<T>> {
    return this.scatter(value, { ...options, broadcast: true });
  }

  /** Addresses of the workers that hold each result now: of futures, or of anything with futures in it. dask `who_has`. */
  async whoHas(items: unknown): Promise<readonly (readonly string[])[]> {
    this.#link.assertOpen();
    const keys = futuresOf(items, { clients: [this] }).map((future) => future.key);
    const found = WHO_HAS_REQUEST.parseAnswer(await this.#ask(WHO_HAS_REQUEST.ask({ keys })));
    return keys.map((key) => found.get(key) ?? []);
  }

  /** Keys that each worker holds. dask `has_what`. */
  async hasWhat(workers: readonly string[] | null = null): Promise<ReadonlyMap<string, readonly Key[]>> {
    return HAS_WHAT.parseAnswer(await this.#ask(HAS_WHAT.ask({ workers })));
  }

  /** Threads of each worker. dask `ncores`. */
  async ncores(workers: readonly string[] | null = null): Promise<ReadonlyMap<string, number>> {
    return NCORES.parseAnswer(await this.#ask(NCORES.ask({ workers })));
  }

  /** Bytes of each future's result; of all results by kind of key without futures. dask `nbytes`. */
  async nbytes(items?: unknown): Promise<ReadonlyMap<Key, number>> {
    const keys = items === undefined ? null : futuresOf(items, { clients: [this] }).map((future) => future.key);
    return NBYTES_REQUEST.parseAnswer(await this.#ask(NBYTES_REQUEST.ask({ keys, summary: keys === null })));
  }

  /** Run failed tasks again, with what they inherited their failure from. dask `retry`. */
  async retry(items: unknown): Promise<void> {
    const keys = futuresOf(items, { clients: [this] }).map((future) => future.key);
    this.#link.assertOpen();
    await retryKeys(this.#link, keys);
  }

  /** Ask the scheduler to give up futures, or the blocks of persisted arrays; with `force` for all clients. dask `cancel`. */
  cancel(items: unknown, options: { readonly force?: boolean; readonly reason?: string } = {}): void {
    for (const future of futuresOf(items, { clients: [this] })) future.cancel(options);
  }

  /** Have these computed although nobody will ask for them. dask `fire_and_forget`. */
  fireAndForget(items: unknown): void {
    for (const future of futuresOf(items, { clients: [this] })) future.fireAndForget();
  }

  /** Futures in anything, and of the blocks of persisted arrays. dask `futures_of`. */
  futuresOf(items: unknown): Future[] {
    return futuresOf(items, { clients: [this] });
  }

  /**
   * Keep results by name for all clients, beyond the end of this one: futures, persisted arrays, and lists and objects of
   * them. `publishDataset({ ndvi })`, or one value and `name`. Python clients read them as futures and dask arrays.
   * dask `publish_dataset`.
   * @throws {RemoteError} the name is taken, and not `override`
   */
  async publishDataset(data: unknown, options: PublishOptions = {}): Promise<void> {
    this.#link.assertOpen();
    await publish(this.#link, data, options);
  }

  /** What was published under a name, by whatever client. dask `get_dataset`. @throws {NotFoundError} nothing, and no fallback is given */
  async getDataset(name: KeyValue, fallback?: unknown): Promise<unknown> {
    this.#link.assertOpen();
    return readPublished(this.#link, name, fallback);
  }

  /** Names of all that is published. dask `list_datasets`. */
  async listDatasets(): Promise<KeyValue[]> {
    this.#link.assertOpen();
    return listPublished(this.#link);
  }

  /** Forget what was published; results that nobody else wants go. dask `unpublish_dataset`. */
  async unpublishDataset(name: KeyValue | readonly KeyValue[]): Promise<void> {
    this.#link.assertOpen();
    await unpublish(this.#link, [name].flat() as KeyValue[]); // names are no arrays here
  }

  /**
   * Move results between workers (all, or these addresses) until they have about the same memory: those of futures, or
   * all. What tasks are using stays until they end, and no worker gets more than its plan has room for. dask `rebalance`;
   * settings: `distributed.worker.memory.rebalance`, of the scheduler.
   * @throws {NotFoundError} results of `items` that are nowhere, or could not move
   */
  async rebalance(items?: unknown, { workers }: { readonly workers?: readonly string[] } = {}): Promise<void> {
    const futures = items === undefined ? null : futuresOf(items, { clients: [this] });
    for (const future of futures ?? []) await future.wait();
    await rebalance(this.#link, futures?.map((future) => future.key) ?? null, workers ?? null);
  }

  /** Let workers go once what only they hold is elsewhere. dask `retire_workers`; gives the addresses of those that went. */
  async retireWorkers(workers: readonly string[] = [], options: RetireOptions = {}): Promise<string[]> {
    return retireWorkers(this.#link, workers, options);
  }

  /** Forget all results and tasks of all clients; futures are cancelled. Workers of a nanny start anew. dask `restart`. */
  async restart(options: RestartOptions = {}): Promise<void> {
    const before = options.waitForWorkers && this.isNative ? ((await this.schedulerInfo()).workers?.size ?? 0) : 0;
    await restart(this.#link, options);
    if (before > 0) await this.waitForWorkers(before, { timeout: options.timeout ?? 30 });
  }

  /**
   * Give a Python file (`.py`, `.egg`, `.zip`) to all Python workers, and those that join; `load` imports it. Gives the
   * addresses of the workers that have it. dask `upload_file`.
   * @throws {UnsupportedError} JavaScript: that travels by `kernels`
   */
  async uploadFile(path: string, { load = true }: { readonly load?: boolean } = {}): Promise<string[]> {
    return uploadFile(this.#link, path, load);
  }

  /**
   * Register a plugin, by its `kind`. Of workers (the default): functions that run once on every rsdat worker. Of nannies:
   * functions that run in the process of every nanny of an rsdat worker, before it starts its worker. Both reach those that
   * join later too; gives the addresses of workers, or the names of nannies, that have run `setup`: none where none is there.
   * Of the scheduler: hooks that are told what happens there; gives nothing. Functions are self-contained, as submitted ones.
   * dask `register_plugin` has Python objects for Python processes, which a Python client registers.
   * @throws {RemoteError} `setup` or `start` failed; or this scheduler takes no plugins: clusters started by a script do, others
   *   where `rsdat.scheduler.plugins` is set  @throws {ClosureError}  @throws {UnsupportedError} the scheduler is a Python one
   */
  async registerPlugin<A>(plugin: Plugin<A>, options: { readonly idempotent?: boolean } = {}): Promise<string[]> {
    return registerPlugin(this, plugin, options);
  }

  /**
   * Forget a plugin of workers, or of nannies or the scheduler; `teardown` runs where `setup` ran. dask
   * `unregister_worker_plugin`, `unregister_scheduler_plugin`.
   * @throws {RemoteError} there is none of this name
   */
  async unregisterPlugin(name: string, options: UnregisterOptions = {}): Promise<string[]> {
    return unregisterPlugin(this.#link, name, options);
  }

  /** The scheduler's log, newest first. dask `get_scheduler_logs`. */
  async getSchedulerLogs(count?: number): Promise<LogLine[]> {
    return schedulerLogs(this.#link, count);
  }

  /** Logs of workers, newest first, by address. dask `get_worker_logs`. */
  async getWorkerLogs(
    options: { readonly count?: number; readonly workers?: readonly string[] } = {},
  ): Promise<ReadonlyMap<string, LogLine[]>> {
    return workerLogs(this.#link, options);
  }

  /** Tasks that have ended, with worker and times; the scheduler records from the first call on. dask `get_task_stream`. */
  async getTaskStream(options: TaskStreamOptions = {}): Promise<TaskStreamRecord[]> {
    return taskStream(this.#link, options);
  }

  /** Number of tasks that have ended since the scheduler began to record, at the latest with this call: a `startIndex`. */
  async getTaskStreamIndex(): Promise<number> {
    return taskStreamIndex(this.#link);
  }

  /** What scheduler, workers and client run: of rsdat and Node, or of Python and its packages. dask `get_versions`, without its check. */
  async getVersions(): Promise<ClusterVersions> {
    return clusterVersions(this.#link);
  }

  /**
   * What the workers' threads were seen to run, as a tree: prefixes of keys, below them kernels and functions. They are looked
   * at every `distributed.worker.profile.interval`. dask `profile`.
   */
  async profile(options: ProfileOptions = {}): Promise<ProfileNode> {
    return profile(this.#link, options);
  }

  /** Keep a plain value on the scheduler under a path of names. dask `set_metadata`. */
  async setMetadata(path: string | readonly string[], value: unknown): Promise<void> {
    await this.#ask({ op: "set_metadata", keys: [path].flat(), value });
  }

  /** The value under a path, or all that is below it. dask `get_metadata`. @throws {RemoteError} none, and no fallback is given */
  async getMetadata(path: string | readonly string[], fallback?: unknown): Promise<unknown> {
    const given = fallback === undefined ? {} : { default: fallback };
    return this.#ask({ op: "get_metadata", keys: [path].flat(), ...given });
  }

  #ask(request: Readonly<Record<string, unknown>>): Promise<unknown> {
    return askScheduler(this.#link, request);
  }

  /**
   * Compute lazy objects on this client's cluster, whichever client is the current one: the value of one, the values of a
   * list, as one graph. dask `compute` gives futures; here a future of a block is had by `persist` and `futuresOf`.
   */
  async compute<const T extends Runnable | readonly Runnable[]>(
    lazy: T,
    options: LazyOptions = {},
  ): Promise<ComputedOf<T>> {
    return this.#here(() => each(lazy, "compute", (item) => item.compute(options))) as Promise<ComputedOf<T>>; // one result per item
  }

  /** Begin to compute lazy objects and keep their blocks on this client's cluster; gives the same objects over them. dask `persist`. */
  async persist<const T extends Keepable | readonly Keepable[]>(
    lazy: T,
    options: LazyOptions = {},
  ): Promise<PersistedOf<T>> {
    return this.#here(() => each(lazy, "persist", (item) => item.persist(options))) as Promise<PersistedOf<T>>; // one result per item
  }

  async #here<T>(run: () => Promise<T>): Promise<T> {
    this.#link.assertOpen();
    return withRunner(this, run);
  }

  /** End the cluster: its scheduler and all of its workers, for all of its clients; then close. dask `shutdown`. */
  async shutdown(): Promise<void> {
    if (this.#cluster) {
      await this.close();
      await this.#cluster.close();
      return;
    }
    await this.#ask({ op: "terminate" });
    await this.close();
  }

  /** Leave the cluster; futures are released. The cluster itself goes on, unless it was started for this client. */
  async close(): Promise<void> {
    this.#leave();
    const at = connected.indexOf(this);
    if (at >= 0) connected.splice(at, 1);
    await this.#link.close();
    if (this.#ownsCluster) await this.#cluster?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
