/** Calls of functions on threads of this process, each once its inputs are there: what `delayed` runs without a cluster. */
import { CancelledError, errorFromRecord, invariant, UnsupportedError } from "../base/index.ts";
import type { BlockHandle, Executor, TaskInput, TaskOutcome } from "../executor/index.ts";
import { type CallTask, callSpec, type Key, KeyRef, PyFunction, type RunOptions } from "../graph/index.ts";
import { NDArray } from "../ndarray/index.ts";

/** A result: a block in the executor's memory, or a plain value. */
type Held = { readonly block: BlockHandle } | { readonly value: unknown };

/**
 * Results of `wanted`; `calls` stand inputs first. The first failure ends the run.
 * @throws {TaskError} what a function threw  @throws {CancelledError} the signal was aborted
 * @throws {UnsupportedError} a Python function, for which there is no worker here
 */
export async function runCallsOn(
  executor: Executor,
  calls: readonly CallTask[],
  { wanted, options }: { readonly wanted: readonly Key[]; readonly options: RunOptions },
): Promise<readonly unknown[]> {
  const stop = new AbortController();
  const { signal } = options;
  if (signal?.aborted) throw cancelled(signal);
  const onAbort = (): void => stop.abort(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  const results = new Map<Key, Promise<Held>>();
  try {
    for (const call of calls) {
      const result = runCall(executor, call, { results, signal: stop.signal, retries: options.retries ?? 0 });
      result.catch(() => stop.abort()); // told by whoever waits for it
      results.set(call.key, result);
    }
    const held = await Promise.all(wanted.map((key) => resultOf(results, key)));
    return held.map((each) => ("block" in each ? copyOf(executor, each.block) : each.value));
  } catch (error) {
    throw signal?.aborted ? cancelled(signal) : error;
  } finally {
    signal?.removeEventListener("abort", onAbort);
    void releaseAll(executor, Array.from(results.values()));
  }
}

function resultOf(results: ReadonlyMap<Key, Promise<Held>>, key: Key): Promise<Held> {
  const result = results.get(key);
  invariant(result, "a call stands after those that it needs");
  return result;
}

interface Surroundings {
  readonly results: ReadonlyMap<Key, Promise<Held>>;
  readonly signal: AbortSignal;
  readonly retries: number;
}

async function runCall(
  executor: Executor,
  { key, fn, args }: CallTask,
  { results, signal, retries }: Surroundings,
): Promise<Held> {
  if (fn instanceof PyFunction)
    throw new UnsupportedError(
      `the Python function ${fn.path} needs a Python worker: connect a Client to a cluster that has some`,
    );
  const { spec, dependencies } = callSpec(fn, args, (value) => (value instanceof KeyRef ? value.key : null));
  const held = await Promise.all(dependencies.map((each) => resultOf(results, each)));
  const inputs = held.map((each): TaskInput => ("block" in each ? each.block : { value: each.value }));
  for (let left = retries; ; left--) {
    if (signal.aborted) throw new CancelledError("a call of the same graph failed");
    const outcome = await executor.run({ key, spec, inputs, trusted: true, signal });
    if (outcome.status !== "error" || left === 0) return heldOf(outcome);
  }
}

function heldOf(outcome: TaskOutcome): Held {
  if (outcome.status === "ok") return { block: outcome.output };
  if (outcome.status === "value") return { value: outcome.value };
  throw outcome.status === "error" ? errorFromRecord(outcome.error) : new CancelledError("the call was cancelled");
}

function copyOf(executor: Executor, block: BlockHandle): NDArray {
  const { dtype, data, shape } = executor.view(block);
  return new NDArray(dtype, data.slice(), shape);
}

/** Blocks go once nothing runs that could read them. */
async function releaseAll(executor: Executor, results: readonly Promise<Held>[]): Promise<void> {
  for (const end of await Promise.allSettled(results))
    if (end.status === "fulfilled" && "block" in end.value) executor.release(end.value.block);
}

function cancelled({ reason }: AbortSignal): Error {
  const why = Error.isError(reason) && reason.name !== "AbortError" ? `: ${reason.message}` : "";
  return new CancelledError(`the run was cancelled${why}`, { cause: reason });
}
