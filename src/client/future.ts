/** A result that a cluster computes and keeps for this client. */
import {
  ClusterError,
  formatDuration,
  inspectAsText,
  LONGEST_TIMER_MS,
  parseTimeoutMs,
  type RsdatError,
  UsageError,
} from "../base/index.ts";
import { type Key, showKey } from "../graph/index.ts";
import { pickledName, pyTypeName, RETRY } from "../protocol/index.ts";
import { ended, valuesOf } from "./fetch.ts";
import type { FutureStatus, Link, Watch } from "./link.ts";

/** What a forgotten future leaves to do. It must not refer to the future. */
interface Claim {
  readonly link: Link;
  readonly watch: Watch;
  isHeld: boolean;
}

const FORGOTTEN = new FinalizationRegistry<Claim>(drop);

function drop(claim: Claim): void {
  if (!claim.isHeld) return;
  claim.isHeld = false;
  claim.link.release(claim.watch);
}

/** Run failed tasks again; they are pending from here on. */
export async function retryKeys(link: Link, keys: readonly Key[]): Promise<void> {
  const answer = await link.rpc.call(link.address, RETRY.ask({ keys, client: link.id }));
  for (const key of RETRY.parseAnswer(answer)) {
    if (!link.isWatched(key) || link.watch(key).status !== "error") continue;
    link.pend(link.watch(key));
    // It may have ended again by now.
    link.send({ op: "report-key", key });
  }
}

/**
 * A result on the cluster. It is kept there until `release` is called, the future is disposed of, or it is garbage.
 * Not a promise: `await future.result()`.
 */
export class Future<T = unknown> implements AsyncDisposable {
  readonly #claim: Claim;
  readonly #watch: Watch;
  #type: string | null = null;

  /** Made by a Client, of a key or of what `retain` gave for one. */
  constructor(link: Link, of: Key | Watch) {
    this.#watch = typeof of === "string" ? link.retain(of) : of;
    this.#claim = { link, watch: this.#watch, isHeld: true };
    FORGOTTEN.register(this, this.#claim, this.#claim);
  }

  /** Name of the result on the cluster; of a call: the function's name, and a hash of function and arguments. */
  get key(): Key {
    return this.#watch.key;
  }

  /** For this room: what is known of it. */
  get watch(): Watch {
    return this.#watch;
  }

  get status(): FutureStatus {
    return this.#watch.status;
  }

  /** For this room: the connection that it came by. */
  get link(): Link {
    return this.#claim.link;
  }

  /** Class of the result in Python's words, e.g. `numpy.ndarray`, `builtins.int`; null until the scheduler says it, or `result` has fetched it. */
  get type(): string | null {
    const { type } = this.#watch;
    return type === undefined ? this.#type : pickledName(type);
  }

  /** True when it was given up. */
  cancelled(): boolean {
    return this.#watch.status === "cancelled";
  }

  /** True when it is there, failed or cancelled. */
  done(): boolean {
    return this.#watch.status !== "pending";
  }

  /**
   * The value, once it is there.
   *
   * @throws {RemoteError} the task failed; names key and worker, and has the remote error as its cause
   * @throws {CancelledError} it was cancelled
   * @throws {ClusterError} code `timeout`: it was not there within `timeout`; it goes on being computed
   */
  async result({ timeout }: { readonly timeout?: string | number } = {}): Promise<T> {
    this.assertHeld();
    if (this.#watch.status === "cancelled" && this.#watch.error) throw this.#watch.error;
    if (timeout !== undefined) await this.#endsWithin(timeout);
    const [value] = await valuesOf(this.#claim.link, [this.#watch]);
    this.#type = pyTypeName(value);
    // What the submitted function returns is typed by `submit`; the wire cannot check it.
    return value as T;
  }

  /** Resolves when the task has ended, well or not. */
  async wait(): Promise<void> {
    this.assertHeld();
    if (this.#watch.status === "cancelled") return; // the key may be computed anew for another future
    await ended(this.#claim.link, [this.#watch]).catch(() => undefined); // the status and `exception` tell
  }

  /** The error of a failed task, once it has ended; null when it ended well. */
  async exception(): Promise<RsdatError | null> {
    await this.wait();
    return this.#watch.error ?? null;
  }

  /** The stack of a failed task where it ran, as text; null when it ended well, or has none. */
  async traceback(): Promise<string | null> {
    const text = (await this.exception())?.details["traceback"];
    return typeof text === "string" && text !== "" ? text : null;
  }

  /** Run a failed task again, with what it inherited its failure from. */
  async retry(): Promise<void> {
    this.assertHeld();
    await retryKeys(this.#claim.link, [this.key]);
  }

  /** Call `done` once the task has ended, well or not; soon, if it has already. What it throws is an uncaught exception. */
  addDoneCallback(done: (future: this) => unknown): void {
    // Not while the scheduler's message is read: the client would hear nothing any more.
    this.#claim.link.whenSettled(this.#watch, () => queueMicrotask(() => void done(this)));
  }

  /** Have it computed although nobody will ask for it: it may be released at once. */
  fireAndForget(): void {
    this.assertHeld();
    this.#claim.link.send({ op: "client-desires-keys", keys: [this.key], client: "fire-and-forget" });
  }

  /** Ask the scheduler to give it up. Other clients that want it keep it, unless `force`. */
  cancel({
    force = false,
    reason = "cancelled by the client",
  }: {
    readonly force?: boolean;
    readonly reason?: string;
  } = {}): void {
    const { key } = this;
    const { link } = this.#claim;
    link.send({ op: "cancel-keys", keys: [key], force, reason, msg: null });
    link.cancelled([key], reason);
  }

  async #endsWithin(timeout: string | number): Promise<void> {
    const late = Promise.withResolvers<never>();
    const ms = parseTimeoutMs(timeout);
    const timer = setTimeout(
      () => late.reject(new ClusterError("timeout", `${showKey(this.key)} was not there within ${formatDuration(ms)}`)),
      Math.min(ms, LONGEST_TIMER_MS),
    );
    await Promise.race([this.wait(), late.promise]).finally(() => clearTimeout(timer));
  }

  /** For this room. @throws {UsageError} it was released */
  assertHeld(): void {
    if (!this.#claim.isHeld)
      throw new UsageError("released", `the future of ${showKey(this.key)} was released; its result may be gone`);
  }

  /** Let the cluster forget it. */
  release(): void {
    FORGOTTEN.unregister(this.#claim);
    drop(this.#claim);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.release();
  }

  /** As Dask shows it. */
  toString(): string {
    return `<Future: ${this.status}, key: ${showKey(this.key)}>`;
  }
}

inspectAsText(Future.prototype);
