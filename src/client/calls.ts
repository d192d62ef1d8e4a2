/** Calls of functions on the cluster: what `submit`, `map` and `delayed` send. */
import { randomUUID } from "node:crypto";
import { ArgumentError, type OptionNames, requireKnownOptions, UnsupportedError } from "../base/index.ts";
import {
  type CallTask,
  callTokens,
  checkRunOptions,
  functionText,
  type KernelModule,
  type Key,
  KeyColumn,
  KeyRef,
  type KeyValue,
  kernelOrigin,
  keyOfValue,
  type RunOptions,
  showKey,
  tokenize,
} from "../graph/index.ts";
import { NDArray } from "../ndarray/index.ts";
import type { PyCall } from "../protocol/index.ts";
import { MANY_CALLS, placeCalls, placeMany, placePlain, sendColumns, sendMany, takesColumns } from "./call-columns.ts";
import { fetchValues } from "./fetch.ts";
import {
  argumentToken,
  functionName,
  isPlainObject,
  nativeTask,
  PyFunction,
  pythonTask,
  type Submittable,
} from "./functions.ts";
import { Future } from "./future.ts";
import { futuresOf } from "./futures-of.ts";
import type { Link } from "./link.ts";
import { scatterValues } from "./scatter.ts";
import { nativePlacement, sendTasks, type TaskOptions } from "./submit.ts";

/** Options of `submit`. */
export interface SubmitOptions extends TaskOptions {
  /** Key of the result. Default: the function's name and a hash of function and arguments. */
  readonly key?: KeyValue;
  /** False: run even if the same call has run already. Default true. */
  readonly pure?: boolean;
  /** Named arguments, of Python functions only. */
  readonly kwargs?: Readonly<Record<string, unknown>>;
  /** Cancels what has not ended when it is aborted. */
  readonly signal?: AbortSignal;
}

/** Options of `map`. */
export interface MapOptions extends Omit<SubmitOptions, "key"> {
  /** First part of the keys; or a list, one key for each call. Default: the function's name. */
  readonly key?: string | readonly KeyValue[];
  /** Calls of one message. Default: all in one. */
  readonly batchSize?: number;
}

/** A client, as far as calls need it. */
export interface Caller {
  readonly link: Link;
  /** The cluster's token. */
  readonly token: string | null;
}

const OPTIONS: OptionNames<SubmitOptions> = {
  key: true,
  pure: true,
  kwargs: true,
  signal: true,
  workers: true,
  allowOtherWorkers: true,
  retries: true,
  priority: true,
  resources: true,
};
const MAP_OPTIONS: OptionNames<MapOptions> = { ...OPTIONS, batchSize: true };

/** @throws {ArgumentError} an option that there is not, or no such value  @throws {UnsupportedError} actors */
function checkOptions<T extends TaskOptions>(call: string, options: T, names: OptionNames<T>): void {
  if (typeof options === "object" && options !== null && ("actor" in options || "actors" in options))
    throw new UnsupportedError(
      "actors: this client runs tasks only; keep state in a Variable or Queue, or in one task that listens to them",
    );
  requireKnownOptions(call, options, names);
  checkRunOptions(call, options);
  const { workers, allowOtherWorkers } = options;
  if (allowOtherWorkers === true && workers === undefined)
    throw new ArgumentError("allowOtherWorkers means something only beside workers: give the ones that are preferred");
}

/** Calls of the first message of `map`, and of the largest; Dask's schedulers get one message, as from Dask's clients. */
const FIRST_CALLS = 256;
const MOST_CALLS = 4096;

/** As `Client.submit`. */
export async function submitCall<R>(
  caller: Caller,
  fn: Submittable,
  { args, options }: { readonly args: readonly unknown[]; readonly options: SubmitOptions },
): Promise<Future<R>> {
  if (!Array.isArray(args))
    throw new ArgumentError("submit: give the arguments as one list, submit(fn, [a, b], options)");
  checkOptions("submit", options, OPTIONS);
  const keyFor = (token: string): KeyValue => options.key ?? `${functionName(fn)}-${token}`;
  const [future] = await submitAll<R>(caller, fn, { calls: [args], options, keyFor });
  return future as Future<R>; // one call, one future
}

/** As `Client.map`. */
export async function mapCalls<R>(
  caller: Caller,
  fn: Submittable,
  { lists, options }: { readonly lists: readonly (readonly unknown[])[]; readonly options: MapOptions },
): Promise<Future<R>[]> {
  checkOptions("map", options, MAP_OPTIONS);
  const { batchSize, key, ...rest } = options;
  const count = Math.min(...lists.map((list) => list.length));
  const keys = typeof key === "string" || key === undefined ? null : key;
  if (keys && keys.length !== count) throw new ArgumentError(`map of ${count} calls with ${keys.length} keys`);
  if (batchSize !== undefined && !(batchSize >= 1))
    throw new ArgumentError(`batchSize ${batchSize}: expected 1 or more`);
  const prefix = typeof key === "string" ? key : functionName(fn);
  const uid = options.pure === false ? randomUUID() : null;
  const futures: Future<R>[] = [];
  const isGrowing = !(fn instanceof PyFunction) && takesColumns(caller.link, placementOf(rest));
  let size = batchSize ?? (isGrowing ? FIRST_CALLS : Math.max(1, count));
  for (let from = 0; from < count; from = futures.length) {
    const calls: unknown[][] = [];
    for (let i = from; i < Math.min(from + size, count); i++) calls.push(lists.map((list) => list[i]));
    const keyFor = (token: string, i: number): KeyValue =>
      keys?.[from + i] ?? (uid === null ? `${prefix}-${token}` : `${prefix}-${uid}-${from + i}`);
    const head = keys === null && uid === null && !prefix.startsWith("\0") ? `${prefix}-` : null;
    try {
      for (const future of await submitAll<R>(caller, fn, { calls, options: rest, keyFor, head })) futures.push(future);
    } catch (error) {
      for (const future of futures) future.release();
      throw error;
    }
    if (futures.length === count) break;
    // Others work on these while the next ones are made.
    caller.link.sayNow();
    size = batchSize ?? Math.min(2 * size, MOST_CALLS);
  }
  return futures;
}

interface Calls {
  readonly calls: readonly (readonly unknown[])[];
  readonly options: SubmitOptions;
  readonly keyFor: (token: string, index: number) => KeyValue;
  /** Where all keys are this and the token: so that none has to be made. */
  readonly head?: string | null;
}

async function submitAll<R>(caller: Caller, fn: Submittable, all: Calls): Promise<Future<R>[]> {
  const { calls, options } = all;
  const { link } = caller;
  link.assertOpen();
  options.signal?.throwIfAborted();
  if (!(fn instanceof PyFunction) && options.kwargs)
    throw new ArgumentError("kwargs are for Python functions; give a JavaScript function an object as its argument");
  if (calls.length === 0) return [];
  checkDepth(options.kwargs, 0);
  for (const args of calls) for (const value of args) checkDepth(value, 0);
  const { keys, send } = fn instanceof PyFunction ? await pythonCalls(link, fn, all) : nativeCalls(caller, fn, all);
  const futures =
    keys instanceof KeyColumn
      ? link.retainAll(keys).map((watch) => new Future<R>(link, watch))
      : keys.map((key) => new Future<R>(link, key));
  send();
  cancelOn(options.signal, futures);
  return futures;
}

/** Lists and objects within each other; whoever walks them needs stack for each. */
const DEPTH_MAX = 1000;

/** @throws {ArgumentError} a value that has itself in it, or lies deeper than {@link DEPTH_MAX} */
function checkDepth(value: unknown, depth: number): void {
  if (typeof value !== "object" || value === null) return;
  if (depth > DEPTH_MAX)
    throw new ArgumentError(`an argument that has itself in it, or more than ${DEPTH_MAX} lists in each other`);
  if (Array.isArray(value) || value instanceof Set) for (const item of value) checkDepth(item, depth + 1);
  else if (value instanceof Map) for (const item of value.values()) checkDepth(item, depth + 1);
  else if (isPlainObject(value)) for (const item of Object.values(value)) checkDepth(item, depth + 1);
}

/**
 * The scheduler would call such a result lost with its worker.
 * @throws {ArgumentError} a future of another scheduler  @throws {CancelledError} a future that was cancelled
 */
function checkInputs(link: Link, args: readonly unknown[]): void {
  for (const { key, link: from, watch } of futuresOf(args)) {
    if (from.address !== link.address)
      throw new ArgumentError(`the future of ${showKey(key)} is of another scheduler, ${from.address}: give its value`);
    if (watch.status === "cancelled" && watch.error) throw watch.error;
  }
}

/** Keys of the calls, in their order, and what sends them. */
interface Built {
  readonly keys: readonly Key[] | KeyColumn;
  send(): void;
}

async function pythonCalls(link: Link, fn: PyFunction, { calls, options, keyFor }: Calls): Promise<Built> {
  const kwargs = options.kwargs ?? null;
  for (const args of calls) checkInputs(link, [args, kwargs]);
  const ready = await Promise.all(calls.map((args) => placeArrays(link, args)));
  const tasks = new Map<Key, PyCall>();
  const keys = ready.map((args, i) => {
    const token = tokenFor(options, () => ({ text: fn.path, args: argumentToken(args), kwargs }));
    const key = keyOfValue(keyFor(token, i));
    tasks.set(key, pythonTask(key, fn, { args, ...(kwargs ? { kwargs } : {}) }).task);
    return key;
  });
  const wanted = Array.from(new Set(keys));
  const placement = placementOf(options);
  return {
    keys,
    send: () => sendTasks(link, { tasks, wanted, ranks: ranksOf(tasks), options: placement, collection: "Future" }),
  };
}

function ranksOf(tasks: ReadonlyMap<Key, PyCall>): Map<Key, number> {
  return new Map(Array.from(tasks.keys(), (key, i) => [key, i]));
}

/** Arrays among a Python function's arguments are placed on the cluster first: a pickle of the graph is no place for them. */
async function placeArrays(link: Link, args: readonly unknown[]): Promise<readonly unknown[]> {
  if (!args.some((arg) => arg instanceof NDArray)) return args;
  return Promise.all(args.map((arg) => (arg instanceof NDArray ? scatterValues(link, arg) : arg)));
}

function nativeCalls(caller: Caller, fn: Exclude<Submittable, PyFunction>, given: Calls): Built {
  const { calls, options, keyFor, head = null } = given;
  const text = functionText(fn);
  const origin = kernelOrigin(fn);
  // The text of a module goes along once, as a task of its own that every call reads.
  const module = origin ? moduleCall(origin.module) : null;
  const calling = origin ? callOf(origin.module.hash, origin.name) : text;
  const placement = placementOf(options);
  if (!module && takesColumns(caller.link, placement)) {
    const many = head === null || calls.length < MANY_CALLS ? null : placeMany(text, calls, head);
    if (many) return { keys: many.keys, send: () => sendMany(caller, many, placement) };
    const tokenOf = options.pure === false ? () => randomUUID() : callTokens(text);
    const placed = placePlain({ text, calls, keyOf: (args, i) => keyOfValue(keyFor(tokenOf(args), i)) });
    if (placed) return { keys: placed.map(({ key }) => key), send: () => sendColumns(caller, placed, placement) };
  }
  for (const args of calls) checkInputs(caller.link, args);
  const built = calls.map((args, i): CallTask => {
    const token = tokenFor(options, () => ({ text, args: argumentToken(args), kwargs: null }));
    const key = keyOfValue(keyFor(token, i));
    return { key, fn: calling, args: module ? [new KeyRef(module.key), ...args] : args };
  });
  const keys = built.map(({ key }) => key);
  const all = module ? [module, ...built] : built;
  return { keys, send: readyNative(caller, all, { wanted: new Set(keys), options, collection: "Future" }) };
}

/** What sends calls of JavaScript texts: as columns where they can travel so. */
function readyNative(
  caller: Caller,
  calls: readonly CallTask[],
  {
    wanted,
    options,
    collection,
  }: { readonly wanted: ReadonlySet<Key>; readonly options: TaskOptions; readonly collection: string },
): () => void {
  const { link } = caller;
  const placement = placementOf(options);
  const placed = takesColumns(link, placement) ? placeCalls(calls, wanted) : null;
  if (placed) return () => sendColumns(caller, placed, placement);
  const tasks = new Map(calls.map((call) => [call.key, taskOfCall(call, caller)]));
  const own = Array.from(tasks.keys()).filter((key) => wanted.has(key));
  const ranks = ranksOf(tasks);
  return () => sendTasks(link, { tasks, wanted: own, ranks, options: nativePlacement(link, placement), collection });
}

function tokenFor({ pure }: SubmitOptions, identity: () => unknown): string {
  return pure === false ? randomUUID() : tokenize(identity());
}

function moduleCall(module: KernelModule): CallTask {
  return { key: keyOfValue(`kernel-module-${module.hash}`), fn: `() => ${JSON.stringify(module.text)}`, args: [] };
}

/** Text of a call of a module's function: the module comes as the first argument, and is run once per thread. */
function callOf(hash: string, name: string): string {
  return `(text, ...args) => (${functionText(moduleFunction)})(text, ${JSON.stringify(hash)}, ${JSON.stringify(name)})(...args)`;
}

/** Self-contained: it travels. What arrives as a module must be the one whose hash the caller's mac vouches for. */
function moduleFunction(text: string, hash: string, name: string): (...args: unknown[]) => unknown {
  const shared = globalThis as { rsdatModules?: Map<string, Record<string, (...args: unknown[]) => unknown>> };
  shared.rsdatModules ??= new Map();
  let module = shared.rsdatModules.get(hash);
  if (!module) {
    const { createHash } = process.getBuiltinModule("node:crypto");
    if (createHash("sha256").update(text).digest("hex") !== hash)
      throw new Error(`kernel module ${hash} arrived as another text`);
    module = new Function(`return (${text}\n);`)() as Record<string, (...args: unknown[]) => unknown>;
    shared.rsdatModules.set(hash, module);
  }
  return module[name] as (...args: unknown[]) => unknown;
}

/** Where and how calls run. */
export function placementOf(options: TaskOptions): TaskOptions {
  const { workers, allowOtherWorkers, retries, priority, resources } = options;
  return {
    ...(workers === undefined ? {} : { workers: [workers].flat() }),
    ...(allowOtherWorkers === undefined ? {} : { allowOtherWorkers }),
    ...(retries === undefined ? {} : { retries }),
    ...(priority === undefined ? {} : { priority }),
    ...(resources ? { resources } : {}),
  };
}

/** What has not ended when the signal is aborted is cancelled. */
function cancelOn(signal: AbortSignal | undefined, futures: readonly Future[]): void {
  if (!signal || futures.length === 0) return;
  let left = futures.length;
  const onAbort = (): void => {
    const why = Error.isError(signal.reason) ? signal.reason.message : String(signal.reason);
    for (const future of futures) if (!future.done()) future.cancel({ reason: `aborted: ${why}` });
  };
  signal.addEventListener("abort", onAbort, { once: true });
  for (const future of futures)
    future.addDoneCallback(() => {
      if (--left === 0) signal.removeEventListener("abort", onAbort);
    });
}

/**
 * As `Client.runCalls`; `calls` stand inputs first. Calls of one language travel as one message; where languages
 * alternate, what one makes for the other is kept until the end.
 */
export async function runCalls(
  caller: Caller,
  calls: readonly CallTask[],
  { wanted, options }: { readonly wanted: readonly Key[]; readonly options: RunOptions },
): Promise<readonly unknown[]> {
  const { link } = caller;
  link.assertOpen();
  options.signal?.throwIfAborted();
  const batches = byLanguage(calls);
  const kept = batches.length === 1 ? wanted : [...calls.map(({ key }) => key), ...wanted];
  const futures = Array.from(new Set(kept), (key) => new Future(link, key));
  const held = new Set(kept);
  for (const batch of batches) {
    if (!(batch[0]?.fn instanceof PyFunction)) {
      readyNative(caller, batch, { wanted: held, options, collection: "Delayed" })();
      continue;
    }
    const tasks = new Map(batch.map((call) => [call.key, taskOfCall(call, caller)]));
    sendTasks(link, {
      tasks,
      wanted: Array.from(tasks.keys()).filter((key) => held.has(key)),
      ranks: ranksOf(tasks),
      options: placementOf(options),
      collection: "Delayed",
    });
  }
  cancelOn(options.signal, futures);
  try {
    const values = await fetchValues(link, Array.from(new Set(wanted)));
    return wanted.map((key) => values.get(key));
  } finally {
    for (const future of futures) future.release();
  }
}

/** Runs of calls of one language, in order. */
function byLanguage(calls: readonly CallTask[]): CallTask[][] {
  const batches: CallTask[][] = [];
  for (const call of calls) {
    const last = batches.at(-1);
    const isSame = last?.[0] !== undefined && last[0].fn instanceof PyFunction === call.fn instanceof PyFunction;
    if (last && isSame) last.push(call);
    else batches.push([call]);
  }
  return batches;
}

function taskOfCall({ key, fn, args, kwargs }: CallTask, { token }: Caller): PyCall {
  if (fn instanceof PyFunction) return pythonTask(key, fn, { args, ...(kwargs ? { kwargs } : {}) }).task;
  return nativeTask(key, fn, { args, token }).task;
}
