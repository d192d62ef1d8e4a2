/** `cluster.adapt()`: a cluster follows its work. A thin loop around {@link AdaptivePolicy}. */
import {
  ArgumentError,
  errorToRecord,
  LONGEST_TIMER_MS,
  type OptionNames,
  parseDurationMs,
  requireKnownOptions,
} from "../base/index.ts";
import { Rpc } from "../comm/index.ts";
import { type Config, commSettings, config, createLogger, packageVersion, securityFor } from "../config/index.ts";
import { AdaptivePolicy } from "./adaptive-policy.ts";

/** Options of `adapt`; what is not given is read from `distributed.adaptive`. */
export interface AdaptOptions {
  /** Fewest workers. */
  readonly minimum?: number;
  /** Most workers. */
  readonly maximum?: number;
  /** Time between two looks, e.g. "1s". */
  readonly interval?: string | number;
  /** Time in which the work that is known should be done: the longer, the fewer workers are wanted. */
  readonly targetDuration?: string | number;
  /** Times in a row that a worker is superfluous before it goes. */
  readonly waitCount?: number;
}

const OPTIONS: OptionNames<AdaptOptions> = {
  minimum: true,
  maximum: true,
  interval: true,
  targetDuration: true,
  waitCount: true,
};

/** The same, whole. */
export interface ResolvedAdaptOptions {
  readonly minimum: number;
  readonly maximum: number;
  readonly intervalMs: number;
  readonly targetMs: number;
  readonly waitCount: number;
}

/** A cluster that can grow and shrink; `W` names its workers, or its jobs. */
export interface Scalable<W extends string> {
  readonly schedulerAddress: string;
  /** What is wanted, there or not. */
  planned(): readonly W[];
  /** Of these: not there yet. */
  waiting(): readonly W[];
  /** Of names of workers: what can be let go with them. */
  unitsOf(names: readonly string[]): readonly W[];
  /** Workers in one unit. */
  readonly workersPerUnit: number;
  scaleUp(count: number): Promise<void>;
  scaleDown(units: readonly W[]): Promise<void>;
}

/**
 * Options with the configuration behind them.
 * @throws {ArgumentError} numbers that make no sense
 */
export function adaptiveOptions(given: AdaptOptions = {}, from: Config = config): ResolvedAdaptOptions {
  requireKnownOptions("adapt", given, OPTIONS);
  const read = (value: number | undefined, name: string): number =>
    value ?? from.number(`distributed.adaptive.${name}`, { isInfinite: true }) ?? Number.NaN;
  const duration = (value: string | number | undefined, option: string, name: string): number =>
    value === undefined
      ? (from.durationMs(`distributed.adaptive.${name}`) ?? Number.NaN)
      : parseDurationMs(value, option);
  const out = {
    minimum: read(given.minimum, "minimum"),
    maximum: read(given.maximum, "maximum"),
    waitCount: read(given.waitCount, "wait-count"),
    intervalMs: duration(given.interval, "interval", "interval"),
    targetMs: duration(given.targetDuration, "targetDuration", "target-duration"),
  };
  if (!Number.isInteger(out.minimum) || out.minimum < 0 || !(out.maximum >= Math.max(1, out.minimum)))
    throw new ArgumentError(
      `adapt: minimum ${out.minimum} and maximum ${out.maximum}; expected 0 <= minimum <= maximum, and a maximum above 0`,
    );
  if (!(out.intervalMs > 0) || !(out.targetMs > 0) || !(out.waitCount >= 1))
    throw new ArgumentError("adapt: interval and targetDuration have to be above 0, waitCount at least 1");
  return out;
}

/** Looks, decides and acts until it is stopped. Its timer does not keep a process alive. */
export class Adaptive<W extends string> implements AsyncDisposable {
  readonly options: ResolvedAdaptOptions;
  readonly #cluster: Scalable<W>;
  readonly #policy: AdaptivePolicy<W>;
  readonly #rpc: Rpc;
  readonly #logger = createLogger("rsdat.adaptive");
  readonly #stop = new AbortController();
  #timer: NodeJS.Timeout;
  #isBusy = false;

  constructor(cluster: Scalable<W>, options: AdaptOptions = {}) {
    this.options = adaptiveOptions(options);
    this.#cluster = cluster;
    this.#policy = new AdaptivePolicy(this.options.waitCount);
    this.#rpc = new Rpc({
      version: packageVersion(),
      timeoutMs: 5_000,
      security: securityFor("client"),
      settings: commSettings(),
    });
    this.#timer = setInterval(() => void this.#adapt(), Math.min(this.options.intervalMs, LONGEST_TIMER_MS)).unref();
    void this.#adapt();
  }

  /** Leave the cluster as it is. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#stop.abort();
    await this.#rpc.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #adapt(): Promise<void> {
    if (this.#isBusy || this.#stop.signal.aborted) return;
    this.#isBusy = true;
    try {
      await this.#once();
    } catch (error) {
      // A cluster that cannot be asked or scaled now is asked again.
      if (!this.#stop.signal.aborted) this.#logger.warning(`adapting failed: ${errorToRecord(error).message}`);
    } finally {
      this.#isBusy = false;
    }
  }

  async #once(): Promise<void> {
    const { minimum, maximum, targetMs } = this.options;
    const { workersPerUnit } = this.#cluster;
    const wanted = Number(await this.#ask({ op: "adaptive_target", target_duration: targetMs / 1000 }));
    const workers = Math.min(maximum, Math.max(minimum, Number.isFinite(wanted) ? wanted : minimum));
    const target = Math.ceil(workers / workersPerUnit);
    const planned = this.#cluster.planned();
    const waiting = this.#cluster.waiting();
    const closable =
      target < planned.length - waiting.length
        ? await this.#ask({ op: "workers_to_close", target: target * workersPerUnit, attribute: "name" })
        : [];
    const names = Array.isArray(closable) ? closable.map(String) : [];
    const advice = this.#policy.recommend(target, { planned: planned.length, waiting }, () =>
      this.#cluster.unitsOf(names),
    );
    if (this.#stop.signal.aborted || advice.status === "same") return;
    if (advice.status === "up") await this.#cluster.scaleUp(advice.n);
    else await this.#cluster.scaleDown(advice.workers);
  }

  #ask(request: Readonly<Record<string, unknown>>): Promise<unknown> {
    return this.#rpc.call(this.#cluster.schedulerAddress, request, { signal: this.#stop.signal });
  }
}
