/** The client: connects to a scheduler, submits, gathers, and is the runner of lazy arrays while it is connected. */

import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { ArgumentError, type Logger, NoWorkersError, parseDurationMs } from "../base/index.ts";
import {
  config,
  createLogger,
  memoryLimitBytes,
  packageVersion,
  readToken,
  type SecurityOptions,
  securityFor,
  speaksDialect,
} from "../config/index.ts";
import {
  functionText,
  type Graph,
  type Hold,
  type Key,
  type KeyValue,
  keyOfValue,
  type OutputGroup,
  type Plan,
  pushRunner,
  type Runner,
  type RunOptions,
  signGraph,
  tokenize,
} from "../graph/index.ts";
import { NDArray } from "../ndarray/index.ts";
import {
  checkReply,
  HAS_WHAT,
  IDENTITY,
  type Identity,
  NATIVE_RESOURCE,
  NBYTES_REQUEST,
  NCORES,
  normalizeAddress,
  type PyCall,
  RETIRE_WORKERS,
  RETRY,
  SCATTER,
  serialize,
  WHO_HAS_REQUEST,
} from "../protocol/index.ts";
import type { ClusterHandle } from "./cluster-handle.ts";
import { fetchValues } from "./fetch.ts";
import {
  argumentToken,
  type BuiltTask,
  functionName,
  nativeTask,
  PyFunction,
  pythonTask,
  type Submittable,
} from "./functions.ts";
import { Future } from "./future.ts";
import { Link } from "./link.ts";
import { holdGraph, runGraph, runGroups } from "./run-graph.ts";
import { sendTasks, type TaskOptions } from "./submit.ts";

/** Where the scheduler is. */
export type ClientTarget =
  | string
  | ClusterHandle
  | { readonly schedulerFile: string }
  | { readonly cluster: ClusterHandle };

/** How to connect. */
export interface ClientOptions {
  /** Time to connect, e.g. "30s" or seconds. Default `distributed.comm.timeouts.connect`. */
  readonly timeout?: string | number;
  /** File with the cluster's token; default the cluster's own, else `RSDAT_TOKEN_FILE`. */
  readonly tokenFile?: string;
  /** First part of the client's id. */
  readonly name?: string;
  /** False: not the current runner. Default true. */
  readonly setAsDefault?: boolean;
  /** False: pure Dask on the wire. Default: the environment's `RSDAT_DIALECT`. */
  readonly dialect?: boolean;
  /** Certificates for a scheduler at a `tls://` address. Default: those of the configuration, `distributed.comm.tls`. */
  readonly security?: SecurityOptions;
  readonly logger?: Logger;
}

/** Options of `submit` and `map`. */
export interface SubmitOptions extends TaskOptions {
  /** Key of the result (`map`: prefix of the keys). Default: the function's name and a hash. */
  readonly key?: KeyValue;
  /** False: run even if the same call has run already. Default true. */
  readonly pure?: boolean;
  /** Named arguments, of Python functions only. */
  readonly kwargs?: Readonly<Record<string, unknown>>;
}

/** Options of `scatter`. */
export interface ScatterOptions {
  readonly workers?: readonly string[];
  /** True: on every worker. */
  readonly broadcast?: boolean;
}

const LIMITS_WAIT_MS = 2_000;
const connected: Client[] = [];

/** A connection to a cluster. While it is open, `compute()` of lazy arrays runs on the cluster. */
export class Client implements Runner, AsyncDisposable {
  readonly name: string;
  readonly #link: Link;
  readonly #token: string | null;
  readonly #leave: () => void;

  private constructor(
    link: Link,
    { token, isDefault }: { readonly token: string | null; readonly isDefault: boolean },
  ) {
    this.#link = link;
    this.name = `client of ${link.address}`;
    this.#token = token;
    this.#leave = isDefault ? pushRunner(this) : () => undefined;
    connected.push(this);
  }

  /**
   * Connect to a scheduler: an address, a cluster, or a scheduler file; without any, the configuration's
   * `scheduler-address` or `scheduler-file`.
   *
   * @throws {ConnectTimeoutError} nobody answered in time
   * @throws {RemoteProtocolError} what answers is no Dask scheduler
   * @throws {ArgumentError} no address given anywhere, or an unreadable scheduler file
   */
  static async connect(target?: ClientTarget, options: ClientOptions = {}): Promise<Client> {
    const security = securityFor("client", options.security);
    const { address, token, cluster } = locate(target, options, security.requiresEncryption ? "tls" : "tcp");
    const timeoutMs =
      options.timeout === undefined
        ? config.durationMs("distributed.comm.timeouts.connect")
        : parseDurationMs(options.timeout, "timeout");
    const link = await Link.open(address, {
      timeoutMs: timeoutMs ?? 30_000,
      logger: options.logger ?? createLogger("rsdat.client"),
      name: options.name ?? "Client",
      version: packageVersion(),
      dialect: options.dialect ?? speaksDialect(),
      security,
      ...(cluster ? { cluster } : {}),
    });
    return new Client(link, { token, isDefault: options.setAsDefault ?? true });
  }

  /** The client connected last and not closed; undefined when there is none. */
  static current(): Client | undefined {
    return connected.at(-1);
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

  /** What the scheduler says about itself and its workers. */
  async schedulerInfo(): Promise<Identity> {
    this.#link.assertOpen();
    return IDENTITY.parseAnswer(await this.#link.rpc.call(this.#link.address, IDENTITY.ask({ nWorkers: -1 })));
  }

  /**
   * Wait until `count` workers are there.
   * @throws {NoWorkersError} not within `timeout` (default: no limit)
   */
  async waitForWorkers(count = 1, { timeout }: { readonly timeout?: string | number } = {}): Promise<void> {
    const until =
      performance.now() + (timeout === undefined ? Number.POSITIVE_INFINITY : parseDurationMs(timeout, "timeout"));
    for (;;) {
      const found = (await this.schedulerInfo()).workers?.size ?? 0;
      if (found >= count) return;
      if (performance.now() > until)
        throw new NoWorkersError(`${found} of ${count} workers are there after ${timeout}`, {
          details: { found, count },
        });
      await sleep(50);
    }
  }

  async limits(): Promise<{ readonly threads: number; readonly memoryBytes: number; readonly workers: number }> {
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
          workers: workers.length,
        };
      }
      // A plan cannot wait for a batch queue: with no worker yet it assumes one like this machine.
      if (performance.now() > until) return { threads: 1, memoryBytes: memoryLimitBytes(), workers: 0 };
      await sleep(50);
    }
  }

  run(graph: Graph, plan: Plan, options: RunOptions = {}): Promise<readonly (readonly NDArray[])[]> {
    return runGraph(this.#link, this.#token === null ? graph : signGraph(graph, this.#token), plan, options);
  }

  /** As {@link run} for several callers of one graph; each is rejected by what concerns it alone. */
  runGroups(
    graph: Graph,
    plan: Plan,
    groups: readonly OutputGroup[],
    options: RunOptions = {},
  ): Promise<readonly (readonly NDArray[])[]>[] {
    const signed = this.#token === null ? graph : signGraph(graph, this.#token);
    return runGroups(this.#link, signed, plan, { groups, options });
  }

  async hold(graph: Graph, plan: Plan, options: RunOptions = {}): Promise<Hold> {
    return holdGraph(this.#link, this.#token === null ? graph : signGraph(graph, this.#token), plan, options);
  }

  /**
   * Run `fn(...args)` on the cluster. Futures among the arguments become dependencies, at any depth of arrays and objects.
   *
   * A JavaScript function must be self-contained, and runs on rsdat workers that know the cluster's token. A Python
   * function, `py("numpy.sum")`, runs on Python workers.
   *
   * @throws {ArgumentError} a function or an argument that cannot travel
   */
  async submit<A extends readonly unknown[], R>(
    fn: Submittable<A, R> | Submittable,
    args: readonly unknown[] = [],
    options: SubmitOptions = {},
  ): Promise<Future<Awaited<R>>> {
    const [future] = await this.#submitAll<Awaited<R>>(
      fn,
      [args],
      options,
      (token) => options.key ?? `${functionName(fn)}-${token}`,
    );
    return future as Future<Awaited<R>>; // one call, one future
  }

  /** `submit(fn, [item])` for every item, as one message; an item that is an array of several arguments is given as such by `fn(...item)` wrapped around. */
  async map<A extends readonly unknown[], R>(
    fn: Submittable<A, R> | Submittable,
    items: Iterable<unknown>,
    options: SubmitOptions = {},
  ): Promise<Future<Awaited<R>>[]> {
    const calls = Array.from(items, (item) => [item]);
    return this.#submitAll<Awaited<R>>(fn, calls, options, (token, i) =>
      options.key === undefined ? `${functionName(fn)}-${token}` : [options.key, i],
    );
  }

  async #submitAll<R>(
    fn: Submittable,
    calls: readonly (readonly unknown[])[],
    options: SubmitOptions,
    keyFor: (token: string, index: number) => KeyValue,
  ): Promise<Future<R>[]> {
    this.#link.assertOpen();
    const text = fn instanceof PyFunction ? fn.path : functionText(fn);
    if (!(fn instanceof PyFunction) && options.kwargs)
      throw new ArgumentError("kwargs are for Python functions; give a JavaScript function an object as its argument");
    const ready = fn instanceof PyFunction ? await Promise.all(calls.map((args) => this.#placeArrays(args))) : calls;
    const built = ready.map((args, i): [Key, BuiltTask] => {
      const token =
        options.pure === false
          ? randomUUID()
          : tokenize({ text, args: argumentToken(args), kwargs: options.kwargs ?? null });
      const key = keyOfValue(keyFor(token, i));
      return [
        key,
        fn instanceof PyFunction
          ? pythonTask(key, fn, { args, ...(options.kwargs ? { kwargs: options.kwargs } : {}) })
          : nativeTask(key, text, { args, token: this.#token }),
      ];
    });
    const futures = built.map(([key]) => new Future<R>(this.#link, key));
    const tasks = new Map<Key, PyCall>(built.map(([key, { task }]) => [key, task]));
    const resources = fn instanceof PyFunction ? options.resources : { [NATIVE_RESOURCE]: 1, ...options.resources };
    if (tasks.size > 0)
      sendTasks(this.#link, {
        tasks,
        wanted: Array.from(tasks.keys()),
        ranks: new Map(Array.from(tasks.keys(), (key, i) => [key, i])),
        options: { ...options, ...(resources ? { resources } : {}) },
        collection: "Future",
      });
    return futures;
  }

  /** Arrays among a Python function's arguments are placed on the cluster first: a pickle of the graph is no place for them. */
  async #placeArrays(args: readonly unknown[]): Promise<readonly unknown[]> {
    return Promise.all(args.map((arg) => (arg instanceof NDArray ? this.scatter(arg) : arg)));
  }

  /**
   * Values of futures, in their order; fetched together.
   * @throws {RemoteError} the first one that failed
   */
  async gather<T>(futures: readonly Future<T>[]): Promise<T[]> {
    this.#link.assertOpen();
    const values = await fetchValues(this.#link, Array.from(new Set(futures.map((future) => future.key))));
    return futures.map((future) => values.get(future.key) as T); // `fetchValues` has all of them, or throws
  }

  /** Place a value on the cluster. */
  async scatter<T>(value: T, options: ScatterOptions = {}): Promise<Future<T>> {
    this.#link.assertOpen();
    const key = keyOfValue(`${value instanceof NDArray ? "ndarray" : typeof value}-${randomUUID()}`);
    const future = new Future<T>(this.#link, key);
    const request = SCATTER.ask({
      data: new Map([[key, serialize(value)]]),
      workers: options.workers ?? null,
      client: this.#link.id,
      broadcast: options.broadcast ?? false,
      timeout: 30,
    });
    SCATTER.parseAnswer(await this.#link.rpc.call(this.#link.address, request, { timeoutMs: 600_000 }));
    this.#link.send({ op: "client-desires-keys", keys: [key], client: this.#link.id });
    this.#link.scattered(this.#link.watch(key));
    return future;
  }

  /** Addresses of the workers that hold each future's result now. */
  async whoHas(futures: readonly Future[]): Promise<readonly (readonly string[])[]> {
    this.#link.assertOpen();
    const found = WHO_HAS_REQUEST.parseAnswer(
      await this.#link.rpc.call(this.#link.address, WHO_HAS_REQUEST.ask({ keys: futures.map((future) => future.key) })),
    );
    return futures.map((future) => found.get(future.key) ?? []);
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
  async nbytes(futures?: readonly Future[]): Promise<ReadonlyMap<Key, number>> {
    const keys = futures?.map((future) => future.key) ?? null;
    return NBYTES_REQUEST.parseAnswer(await this.#ask(NBYTES_REQUEST.ask({ keys, summary: futures === undefined })));
  }

  /** Run failed tasks again, with what they inherited their failure from. dask `retry`. */
  async retry(futures: readonly Future[]): Promise<void> {
    RETRY.parseAnswer(await this.#ask(RETRY.ask({ keys: futures.map((future) => future.key), client: this.#link.id })));
  }

  /** Ask the scheduler to give futures up; with `force` for all clients. dask `cancel`. */
  cancel(futures: readonly Future[], options: { readonly force?: boolean; readonly reason?: string } = {}): void {
    for (const future of futures) future.cancel(options);
  }

  /** Let workers go once what only they hold is elsewhere. dask `retire_workers`; gives the addresses of those that went. */
  async retireWorkers(workers: readonly string[]): Promise<string[]> {
    const gone = RETIRE_WORKERS.parseAnswer(
      await this.#ask(
        RETIRE_WORKERS.ask({ workers, closeWorkers: true, remove: true, stimulusId: "retire-by-client" }),
      ),
    );
    return Array.from(gone.keys(), String);
  }

  /** Forget all results and tasks of all clients; futures are cancelled. dask `restart`. */
  async restart(): Promise<void> {
    checkReply(
      await this.#ask({ op: "restart", timeout: 30, wait_for_workers: false, stimulus_id: "restart-by-client" }),
    );
  }

  /** Keep a plain value on the scheduler under a path of names. dask `set_metadata`. */
  async setMetadata(path: string | readonly string[], value: unknown): Promise<void> {
    checkReply(await this.#ask({ op: "set_metadata", keys: [path].flat(), value }));
  }

  /** The value under a path. dask `get_metadata`. @throws {RemoteError} none, and no fallback is given */
  async getMetadata(path: string | readonly string[], fallback?: unknown): Promise<unknown> {
    const given = fallback === undefined ? {} : { default: fallback };
    const answer = await this.#ask({ op: "get_metadata", keys: [path].flat(), ...given });
    checkReply(answer);
    return answer;
  }

  #ask(request: Readonly<Record<string, unknown>>): Promise<unknown> {
    this.#link.assertOpen();
    return this.#link.rpc.call(this.#link.address, request, { timeoutMs: 600_000 });
  }

  /** Compute a lazy array on this client's cluster, whichever client is the current one. */
  async compute<T>(lazy: { compute(): Promise<T> }): Promise<T> {
    this.#link.assertOpen();
    const leave = pushRunner(this);
    try {
      return await lazy.compute();
    } finally {
      leave();
    }
  }

  /** Leave the cluster; futures are released. The cluster itself goes on. */
  async close(): Promise<void> {
    this.#leave();
    const at = connected.indexOf(this);
    if (at >= 0) connected.splice(at, 1);
    await this.#link.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Wait until all, futures or persisted arrays, have ended; nothing is fetched, and failures of futures do not throw. */
export async function wait(items: readonly { wait(): Promise<void> }[]): Promise<void> {
  await Promise.all(items.map((item) => item.wait()));
}

/** Futures as they end. */
export async function* asCompleted<T>(futures: Iterable<Future<T>>): AsyncGenerator<Future<T>, void, undefined> {
  const ended: Future<T>[] = [];
  let wake = Promise.withResolvers<void>();
  const all = Array.from(futures);
  for (const future of all) {
    // Never rejects.
    void future.wait().then(() => {
      ended.push(future);
      wake.resolve();
    });
  }
  for (let given = 0; given < all.length; given++) {
    while (ended.length === 0) {
      await wake.promise;
      wake = Promise.withResolvers();
    }
    yield ended.shift() as Future<T>; // not empty
  }
}

function locate(
  target: ClientTarget | undefined,
  options: ClientOptions,
  scheme: "tcp" | "tls",
): { readonly address: string; readonly token: string | null; readonly cluster?: ClusterHandle } {
  const token = (own: string | null): string | null =>
    options.tokenFile === undefined && own !== null ? own : readToken(options.tokenFile);
  if (typeof target === "string") return { address: normalizeAddress(target, scheme), token: token(null) };
  if (target && "schedulerFile" in target) return { address: addressInFile(target.schedulerFile), token: token(null) };
  if (target) {
    const cluster = "cluster" in target ? target.cluster : target;
    return { address: normalizeAddress(cluster.schedulerAddress), token: token(cluster.token), cluster };
  }
  const address = config.get("scheduler-address", null);
  if (typeof address === "string") return { address: normalizeAddress(address, scheme), token: token(null) };
  const file = config.get("scheduler-file", null);
  if (typeof file === "string") return { address: addressInFile(file), token: token(null) };
  throw new ArgumentError(
    "no scheduler: give an address, { schedulerFile } or a cluster, or set DASK_SCHEDULER_ADDRESS",
  );
}

function addressInFile(file: string): string {
  let address: unknown;
  try {
    address = (JSON.parse(readFileSync(file, "utf8")) as { address?: unknown }).address;
  } catch (cause) {
    throw new ArgumentError(
      `scheduler file ${file} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause, details: { file } },
    );
  }
  if (typeof address !== "string")
    throw new ArgumentError(`scheduler file ${file} names no address; expected {"address": "tcp://host:port"}`, {
      details: { file },
    });
  return normalizeAddress(address);
}
