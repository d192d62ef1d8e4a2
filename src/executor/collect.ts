/**
 * Collecting garbage when memory is short. V8 does so when it allocates, and a thread that waits allocates next to nothing:
 * what blocks on their way, or the making of a plan, have left would stay for minutes. distributed's memory monitor calls
 * Python's collector for the same reason.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { giveBackAsFreed, giveBackFreeMemory } from "../kernels/index.ts";

/** Between two collections at least; and so many times as long as the last one took, so that they stay below 2 % of the time. */
const LEAST_MS = 1_000;
const REST = 50;
/** Where nothing much was freed, the next one is further away, up to this. */
const LONGEST_MS = 60_000;
/** Share of the memory that nobody planned; a collection that frees less was not worth it. */
const WORTH = 0.05;

/**
 * How far V8 lets a heap grow over what lives before it collects by itself, in per cent. It takes up to 300: a heap of 36 MiB
 * that makes garbage reached 229 MiB, and 95 with this, for three times the collections.
 */
const GROWTH_PERCENT = 50;

/** Below this limit of a process's memory it is worth what new pages cost that large memory goes back as it is freed. */
const SCARCE_BYTES = 2 * 2 ** 30;

/** For a process that may take so much: where that is little, what it frees goes back to the system. */
export function prepareFor(limitBytes: number): void {
  if (limitBytes < SCARCE_BYTES) giveBackAsFreed();
}

/** What gives back all that V8 can do without, also the halves of its young generation. Takes twice the time of a plain one. */
const ALL = { type: "major", execution: "sync", flavor: "last-resort" };

let collector: ((how: typeof ALL) => void) | undefined;

/**
 * Collect all garbage of this thread now, and give what is free back to the system. Memory is short: no heap of this process
 * grows as far as before from now on.
 */
export function collectGarbage(): void {
  if (!collector) {
    setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`);
    setFlagsFromString("--expose-gc");
    collector = runInNewContext("gc") as (how: typeof ALL) => void; // what that flag adds to a new context
  }
  collector(ALL);
  giveBackFreeMemory();
}

/** What a collection did. */
export interface Collected {
  readonly freedBytes: number;
  /** What there was before it, without blocks. */
  readonly unplannedBytes: number;
  /** What it left of the thread's heap. */
  readonly heapBytes: number;
}

/** When a collection is worth its time. */
export class CollectionTimes {
  #restMs = Number.NEGATIVE_INFINITY;
  #nextMs = Number.NEGATIVE_INFINITY;
  #waitMs = LEAST_MS;
  /** Of the heap: with so much in it there may be garbage again. */
  #againBytes = Number.POSITIVE_INFINITY;

  /** True when it is time for another one, with so much in the thread's heap. */
  isTime(nowMs: number, heapBytes: number): boolean {
    return nowMs >= this.#nextMs || (nowMs >= this.#restMs && heapBytes >= this.#againBytes);
  }

  /** One has been made, and ended at `nowMs`. */
  made(nowMs: number, tookMs: number, { freedBytes, unplannedBytes, heapBytes }: Collected): void {
    const isWorth = freedBytes >= WORTH * unplannedBytes;
    const rest = Math.max(LEAST_MS, REST * tookMs);
    this.#waitMs = isWorth ? rest : Math.min(LONGEST_MS, 2 * this.#waitMs);
    this.#restMs = nowMs + rest;
    this.#nextMs = nowMs + this.#waitMs;
    this.#againBytes = heapBytes + WORTH * unplannedBytes;
  }
}

/** Share of the memory for blocks that a run must need before the garbage of its plan is collected first. */
const LARGE = 1 / 2;

/** A thread of a process with a memory limit, which only waits while its process works. */
export class Relief {
  readonly #limits: { readonly limitBytes: number; readonly budgetBytes: number };
  readonly #times = new CollectionTimes();
  readonly #sweep: () => void;
  readonly #timer: NodeJS.Timeout;

  /**
   * Every second in which `isBusy` and the process takes more than its limit, this thread's garbage is collected. Keeps no
   * process alive.
   */
  constructor(
    limits: { readonly limitBytes: number; readonly budgetBytes: number },
    isBusy: () => boolean,
    collect: () => void = collectGarbage,
  ) {
    this.#limits = limits;
    this.#sweep = collect;
    this.#timer = setInterval(() => {
      if (isBusy() && process.memoryUsage.rss() > limits.limitBytes) this.#collect();
    }, LEAST_MS).unref();
  }

  /** Blocks of so many bytes are about to come: where memory is little, what would be in their way is collected soon. */
  expect(bytes: number): void {
    const { limitBytes, budgetBytes } = this.#limits;
    if (limitBytes < SCARCE_BYTES && bytes >= LARGE * budgetBytes) setImmediate(() => this.#collect()).unref();
  }

  #collect(): void {
    const started = performance.now();
    const { rss: before, heapUsed } = process.memoryUsage();
    if (!this.#times.isTime(started, heapUsed)) return;
    this.#sweep();
    const ended = performance.now();
    const after = process.memoryUsage();
    const freedBytes = before - after.rss;
    this.#times.made(ended, ended - started, { freedBytes, unplannedBytes: before, heapBytes: after.heapUsed });
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
