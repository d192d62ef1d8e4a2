/** Calls of functions that run later: a graph of plain values, beside and between lazy arrays. dask `delayed`. */
import { randomUUID } from "node:crypto";
import { UnsupportedError } from "../../base/index.ts";
import {
  argumentIdentity,
  blockKey,
  type CallTask,
  currentRunner,
  functionText,
  type Key,
  KeyRef,
  keyOfValue,
  PyFunction,
  type Runner,
  tokenize,
} from "../../graph/index.ts";
import type { NDArray } from "../../ndarray/index.ts";
import { ChunkedArray } from "../chunked-array.ts";
import { type ComputeOptions, computeAll } from "../compute.ts";
import { persistAll } from "../persist.ts";
import { Delayed } from "./delayed.ts";

/** How a function is made to run later. */
export interface DelayedOptions {
  /** True: equal calls are one task. Default false: each call is a task of its own, as in Dask. */
  readonly pure?: boolean;
  /** First part of the keys; default the function's name. */
  readonly name?: string;
}

/** What a delayed call takes where its function takes `A`: the same, or something lazy that gives it, at any depth. */
export type LaterArguments<A extends readonly unknown[]> = { readonly [K in keyof A]: Later<A[K]> };

/** A value, or something that gives it later, at any depth of lists and objects. */
export type Later<T> =
  | T
  | Lazily<unknown>
  | NDArray
  | (T extends readonly (infer E)[]
      ? readonly Later<E>[]
      : T extends Readonly<Record<string, unknown>>
        ? { readonly [N in keyof T]: Later<T[N]> }
        : never);

/** Anything lazy that a call may take. */
export type Lazily<T> = DelayedCall<T> | Delayed | ChunkedArray;

/** What a call is made of. */
interface CallParts {
  readonly key: Key;
  readonly fn: string | PyFunction;
  readonly args: readonly unknown[];
  readonly kwargs?: Readonly<Record<string, unknown>>;
}

/** The result of a call that has not been made; it may be an argument of others. */
export class DelayedCall<R = unknown> {
  readonly key: Key;
  /** For this room: what it calls. */
  readonly parts: CallParts;

  constructor(parts: CallParts) {
    this.key = parts.key;
    this.parts = parts;
  }

  /**
   * Make the call, and those it needs: on threads of this process, or on the cluster of the current client.
   * @throws {RemoteError} {TaskError} what the function threw  @throws {CancelledError} the signal was aborted
   */
  async compute(options: ComputeOptions = {}): Promise<R> {
    return (await computeCalls([this], options))[0] as R; // what the function returns
  }
}

/** A function whose calls run later. */
export type DelayedFunction<A extends readonly unknown[], R> = (...args: LaterArguments<A>) => DelayedCall<Awaited<R>>;

/**
 * A function whose calls are made later, where and when their results are wanted: `const load = delayed(fn);
 * await delayed(sum)(load(a), load(b)).compute()`. Calls that others need are arguments like any value, at any depth of
 * lists and objects; lazy arrays arrive as blocks in memory. The function must be self-contained or of a kernel module, or
 * a Python function on a cluster that has Python workers. dask `delayed`.
 *
 * @throws {ClosureError} it uses outer names
 * @example
 * ```ts
 * const add = delayed((a: number, b: number) => a + b);
 * await add(add(1, 2), 3).compute(); // => 6
 * ```
 */
export function delayed<A extends readonly unknown[], R>(
  fn: ((...args: A) => R) | PyFunction,
  { pure = false, name }: DelayedOptions = {},
): DelayedFunction<A, R> {
  const isPython = fn instanceof PyFunction;
  const called = isPython ? fn : functionText(fn as (...args: never[]) => unknown); // a function, whatever it takes
  const label = name ?? (isPython ? fn.path.split(".").at(-1) : fn.name) ?? "";
  return (...args) => {
    const identity = (): unknown => ({ fn: isPython ? fn.path : called, args: argumentIdentity(args, keyOfLazy) });
    const token = pure ? tokenize(identity()) : randomUUID();
    return new DelayedCall({ key: keyOfValue(`${label || "lambda"}-${token}`), fn: called, args });
  };
}

function keyOfLazy(value: unknown): Key | null {
  if (value instanceof DelayedCall || value instanceof Delayed) return value.key;
  return value instanceof ChunkedArray ? keyOfValue(`array ${value.name}`) : null;
}

/** Results of several calls, made as one graph. */
async function computeCalls(calls: readonly DelayedCall[], options: ComputeOptions): Promise<unknown[]> {
  const runner = await currentRunner();
  if (!runner.runCalls) throw new UnsupportedError(`delayed: runner ${runner.name} makes no calls of functions`);
  const order = inputsFirst(calls);
  // Where the calls run is said of them alone: arrays run where their kind of task can.
  const { workers: _w, allowOtherWorkers: _a, resources: _r, ...anywhere } = options;
  const arrays = await readyArrays(runner, arraysIn(order), anywhere);
  const tasks = order.map(
    ({ parts }): CallTask => ({
      ...parts,
      args: parts.args.map((arg) => replaced(arg, arrays)),
    }),
  );
  const { memory: _, merge: __, ...run } = options;
  return [
    ...(await runner.runCalls(
      tasks,
      calls.map(({ key }) => key),
      run,
    )),
  ]; // one per call
}

/** Every call once, after those that it needs. */
function inputsFirst(calls: readonly DelayedCall[]): DelayedCall[] {
  const order = new Map<Key, DelayedCall>();
  const open = [...calls].reverse();
  const begun = new Set<Key>();
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (order.has(next.key)) continue;
    if (begun.has(next.key)) {
      order.set(next.key, next);
      continue;
    }
    begun.add(next.key);
    open.push(next);
    for (const input of lazyIn(next.parts.args))
      if (input instanceof DelayedCall && !begun.has(input.key)) open.push(input);
  }
  return Array.from(order.values());
}

/** What is lazy among arguments, at any depth of lists and objects. */
function lazyIn(value: unknown): Lazily<unknown>[] {
  if (value === null || typeof value !== "object") return [];
  if (value instanceof DelayedCall || value instanceof Delayed || value instanceof ChunkedArray) return [value];
  if (Array.isArray(value)) return value.flatMap(lazyIn);
  return Object.getPrototypeOf(value) === Object.prototype ? Object.values(value).flatMap(lazyIn) : [];
}

function arraysIn(calls: readonly DelayedCall[]): (Delayed | ChunkedArray)[] {
  const found = calls.flatMap(({ parts }) => lazyIn(parts.args));
  return Array.from(new Set(found.filter((each) => !(each instanceof DelayedCall)))) as (Delayed | ChunkedArray)[]; // the rest
}

/** What calls get in the places of arrays: the key of the one block that the cluster holds, or the block itself. */
async function readyArrays(
  runner: Runner,
  arrays: readonly (Delayed | ChunkedArray)[],
  options: ComputeOptions,
): Promise<ReadonlyMap<unknown, KeyRef | NDArray>> {
  if (arrays.length === 0) return new Map();
  if (!runner.callsReadHeld) {
    const blocks = await computeAll(arrays, options);
    return new Map(arrays.map((each, i) => [each, blocks[i] as NDArray])); // one per array
  }
  const whole = arrays.map((each) => (each instanceof Delayed ? each.array : each).rechunk(-1));
  const held = await persistAll(whole, options);
  const ready = new Map<unknown, KeyRef | NDArray>();
  held.forEach((each, i) => {
    const ref = new KeyRef(
      blockKey(
        each.name,
        each.shape.map(() => 0),
      ),
    );
    KEPT.set(ref, each);
    ready.set(arrays[i], ref);
  });
  return ready;
}

/** Persisted arrays live as long as the reference to their block. */
const KEPT = new WeakMap<KeyRef, ChunkedArray>();

function replaced(value: unknown, arrays: ReadonlyMap<unknown, KeyRef | NDArray>): unknown {
  if (value === null || typeof value !== "object") return value;
  if (value instanceof DelayedCall) return new KeyRef(value.key);
  const array = arrays.get(value);
  if (array) return array;
  if (Array.isArray(value)) return value.map((item) => replaced(item, arrays));
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, replaced(item, arrays)]));
}

/** A call and all that it needs as one function of arrays, for a layer: its text, its arrays and its arguments. */
export interface ComposedCall {
  readonly text: string;
  readonly arrays: readonly ChunkedArray[];
  /** Arguments of every call, with `{ $call: k }` for the result of another, `{ $array: k }` for an array. */
  readonly args: readonly (readonly unknown[])[];
}

/** @throws {UnsupportedError} a Python function */
export function composeCall(call: DelayedCall): ComposedCall {
  const order = inputsFirst([call]);
  const places = new Map<unknown, object>(order.map((each, k) => [each.key, { $call: k }]));
  const lazies = arraysIn(order);
  for (const [k, each] of lazies.entries()) places.set(each, { $array: k });
  const place = (value: unknown): unknown => {
    if (value === null || typeof value !== "object") return value;
    const at = value instanceof DelayedCall ? places.get(value.key) : places.get(value);
    if (at) return at;
    if (Array.isArray(value)) return value.map(place);
    if (Object.getPrototypeOf(value) !== Object.prototype) return value;
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, place(item)]));
  };
  const texts = order.map(({ parts: { fn } }) => {
    if (fn instanceof PyFunction)
      throw new UnsupportedError(
        `fromDelayed of the Python function ${fn.path}: blocks of arrays are made by rsdat workers; compute it, and give its array to array.fromArray`,
      );
    return fn;
  });
  return {
    text: `(${functionText(composed)})([${texts.map((text) => `(${text})`).join(", ")}], ${lazies.length})`,
    arrays: lazies.map((each) => (each instanceof Delayed ? each.array : each)),
    args: order.map(({ parts }) => parts.args.map(place)),
  };
}

/** Self-contained: it travels. Calls every function once, in order, and gives the last one's result. */
function composed(fns: readonly ((...args: unknown[]) => unknown)[], arrays: number): (...given: unknown[]) => unknown {
  return async (...given) => {
    const calls = given.at(-1) as readonly (readonly unknown[])[];
    const blocks = given.slice(0, arrays);
    const results: unknown[] = [];
    const put = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(put);
      if (value === null || typeof value !== "object" || Object.getPrototypeOf(value) !== Object.prototype)
        return value;
      const { $call, $array } = value as { $call?: number; $array?: number };
      if ($call !== undefined) return results[$call];
      if ($array !== undefined) return blocks[$array];
      return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, put(item)]));
    };
    for (const [k, fn] of fns.entries()) results.push(await fn(...(calls[k] ?? []).map(put)));
    return results.at(-1);
  };
}
