/** A worker's statistical profile: it looks at times at what the compute threads run, and counts. */
import { type Clock, LONGEST_TIMER_MS } from "../base/index.ts";
import { type Config, config } from "../config/index.ts";
import type { Executor } from "../executor/index.ts";
import {
  emptyProfile,
  mergeProfiles,
  type ProfileNode,
  type WorkerProfileCounts,
  type WorkerProfileQuestion,
  type WorkerProfileTimes,
} from "../protocol/index.ts";
import { placesOf, taskPlace } from "./profile-places.ts";
import { CycleTree, StackMatcher } from "./profile-tree.ts";

/** Closed cycles that are kept. Source: the default of Dask's `distributed.admin.low-level-log-length`. */
const CYCLES_MAX = 1_000;
/** Nodes of all of them, some 200 bytes each: they are memory beside the budget. */
const NODES_MAX = 50_000;

/** How a worker's profile is made. */
export interface ProfileSettings {
  readonly isEnabled: boolean;
  readonly intervalMs: number;
  readonly cycleMs: number;
  /** Stacks of users' functions as well, which V8's profiler samples in the threads. */
  readonly lowLevel: boolean;
}

/** Dask's keys `distributed.worker.profile.*`. */
export function profileSettings(from: Config = config): ProfileSettings {
  return {
    isEnabled: from.boolean("distributed.worker.profile.enabled") ?? true,
    intervalMs: milliseconds(from, "distributed.worker.profile.interval", 10),
    cycleMs: milliseconds(from, "distributed.worker.profile.cycle", 1_000),
    lowLevel: from.boolean("distributed.worker.profile.low-level") ?? false,
  };
}

/** Source of the unit: distributed.worker, `parse_timedelta(…, default="ms")`. */
function milliseconds(from: Config, key: string, otherwise: number): number {
  return Math.min(Math.max(1, from.durationMs(key, "ms") ?? otherwise), LONGEST_TIMER_MS);
}

/** What is looked at. */
type Looked = Pick<Executor, "running" | "stats" | "takeStacks">;

/** One cycle: from `begin` to at most `end`, seconds since 1970. */
interface Cycle {
  readonly begin: number;
  readonly end: number;
  readonly tree: CycleTree;
}

/**
 * Looks every `interval` while tasks are at the executor; nothing goes off otherwise. Cycles begin with what is counted first,
 * so that idle times have none, where Dask has empty ones.
 */
export class Profile implements Disposable {
  readonly #executor: Looked;
  readonly #clock: Pick<Clock, "wall">;
  readonly #settings: ProfileSettings;
  readonly #closed: Cycle[] = [];
  /** Nodes of those. */
  #closedNodes = 0;
  #recent: Cycle | null = null;
  readonly #stacks: StackMatcher | null;
  #timer: NodeJS.Timeout | null = null;

  constructor(executor: Looked, clock: Pick<Clock, "wall">, settings: ProfileSettings) {
    this.#executor = executor;
    this.#clock = clock;
    this.#settings = settings;
    this.#stacks = settings.lowLevel ? new StackMatcher(settings.intervalMs) : null;
  }

  /** Tasks go to the executor: look at it from now on. */
  wake(): void {
    if (this.#timer !== null || !this.#settings.isEnabled) return;
    this.#timer = setInterval(() => this.look(), this.#settings.intervalMs).unref();
  }

  /** True while it looks by itself. */
  get isAwake(): boolean {
    return this.#timer !== null;
  }

  /** Count what runs now. */
  look(): void {
    this.#takeStacks();
    const running = this.#executor.running();
    if (running.length === 0) {
      if (this.#executor.stats().inFlight === 0) this[Symbol.dispose]();
      return;
    }
    const cycle = this.#cycleAt(this.#clock.wall() / 1_000);
    const now = this.#stacks === null ? 0 : Number(process.hrtime.bigint() / 1_000n);
    for (const { thread, key, program } of running) {
      const leaf = cycle.tree.count(placesOf(key, program));
      this.#stacks?.note(thread, now, leaf);
    }
  }

  #takeStacks(): void {
    if (this.#stacks === null) return;
    for (const { thread, samples } of this.#executor.takeStacks()) this.#stacks.put(thread, samples);
  }

  [Symbol.dispose](): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** What was counted, as `Worker.get_profile` of Dask: whole cycles that reach into the time that is asked for. */
  tree({ key, start, stop, server = false }: WorkerProfileQuestion): ProfileNode {
    if (server) return emptyProfile(); // the thread that directs is not looked at
    const cycles = this.#cycles().filter(
      ({ begin, end }) => (start === null || end >= start) && (stop === null || begin < stop),
    );
    return mergeProfiles(cycles.map(({ tree: { root } }) => (key === null ? root : ofPrefix(root, key))));
  }

  /** When it was counted, as `Worker.get_profile_metadata` of Dask. */
  counts({ start = 0, stop }: WorkerProfileTimes): WorkerProfileCounts {
    const now = this.#clock.wall() / 1_000;
    const until = stop ?? now;
    const chosen = this.#cycles().flatMap((cycle) => {
      const at = cycle === this.#recent ? now : cycle.end;
      const isAmong = cycle === this.#recent ? stop === null : start < at && at < until;
      return isAmong ? [{ at, tree: cycle.tree.root }] : [];
    });
    return {
      counts: chosen.map(({ at, tree }) => [at, tree.count] as const),
      keys: chosen.map(({ at, tree }) => [at, prefixCounts(tree)] as const),
    };
  }

  /** All cycles, the oldest first. */
  #cycles(): readonly Cycle[] {
    this.#takeStacks();
    this.#closeBefore(this.#clock.wall() / 1_000);
    return this.#recent === null ? this.#closed : [...this.#closed, this.#recent];
  }

  #cycleAt(now: number): Cycle {
    this.#closeBefore(now);
    this.#recent ??= {
      begin: now,
      end: now + this.#settings.cycleMs / 1_000,
      tree: new CycleTree(),
    };
    return this.#recent;
  }

  #closeBefore(now: number): void {
    if (this.#recent === null || now < this.#recent.end) return;
    this.#closed.push(this.#recent);
    this.#closedNodes += this.#recent.tree.nodes;
    while (this.#closed.length > CYCLES_MAX || this.#closedNodes > NODES_MAX)
      this.#closedNodes -= this.#closed.shift()?.tree.nodes ?? 0; // one tree is within the bound
    this.#recent = null;
  }
}

/** The part of a tree that is of one prefix of keys. */
function ofPrefix(tree: ProfileNode, prefix: string): ProfileNode {
  const { identifier } = taskPlace(prefix);
  const found = tree.children.get(identifier);
  return { ...tree, count: found?.count ?? 0, children: new Map(found ? [[identifier, found]] : []) };
}

function prefixCounts({ children }: ProfileNode): ReadonlyMap<string, number> {
  return new Map(Array.from(children.values(), ({ description, count }) => [description.name, count]));
}
