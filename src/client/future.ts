/** A result that a cluster computes and keeps for this client. */
import { type RsdatError, UsageError } from "../base/index.ts";
import { type Key, showKey } from "../graph/index.ts";
import { fetchValues, settled } from "./fetch.ts";
import type { FutureStatus, Link, Watch } from "./link.ts";

/** What a forgotten future leaves to do. It must not refer to the future. */
interface Claim {
  readonly link: Link;
  readonly key: Key;
  isHeld: boolean;
}

const FORGOTTEN = new FinalizationRegistry<Claim>(drop);

function drop(claim: Claim): void {
  if (!claim.isHeld) return;
  claim.isHeld = false;
  claim.link.release(claim.key);
}

/**
 * A result on the cluster. It is kept there until `release` is called, the future is disposed of, or it is garbage.
 * Not a promise: `await future.result()`.
 */
export class Future<T = unknown> implements AsyncDisposable {
  readonly key: Key;
  readonly #claim: Claim;
  readonly #watch: Watch;

  /** Made by a Client. */
  constructor(link: Link, key: Key) {
    this.key = key;
    this.#watch = link.retain(key);
    this.#claim = { link, key, isHeld: true };
    FORGOTTEN.register(this, this.#claim, this.#claim);
  }

  get status(): FutureStatus {
    return this.#watch.status;
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
   */
  async result(): Promise<T> {
    this.#assertHeld();
    const values = await fetchValues(this.#claim.link, [this.key]);
    // What the submitted function returns is typed by `submit`; the wire cannot check it.
    return values.get(this.key) as T;
  }

  /** Resolves when the task has ended, well or not. */
  async wait(): Promise<void> {
    this.#assertHeld();
    await settled(this.#claim.link, [this.key]).catch(() => undefined); // the status and `exception` tell
  }

  /** The error of a failed task, once it has ended; null when it ended well. */
  async exception(): Promise<RsdatError | null> {
    await this.wait();
    return this.#watch.error ?? null;
  }

  /** Ask the scheduler to give it up. Other clients that want it keep it, unless `force`. */
  cancel({
    force = false,
    reason = "cancelled by the client",
  }: {
    readonly force?: boolean;
    readonly reason?: string;
  } = {}): void {
    const { link, key } = this.#claim;
    link.send({ op: "cancel-keys", keys: [key], force, reason, msg: null });
    link.cancelled([key], reason);
  }

  #assertHeld(): void {
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
}
