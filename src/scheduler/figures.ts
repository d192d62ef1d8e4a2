/** What a scheduler has counted since its start, besides what its machine knows: connections, and seconds and bytes by kind of key. */
import { type Key, keyPrefix } from "../graph/index.ts";
import type { WorkerToScheduler } from "../protocol/index.ts";
import type { SchedulerEvent, SchedulerViews } from "./state/index.ts";

/** Sums over the tasks of one kind of key. */
export interface PrefixFigures {
  done: number;
  erred: number;
  /** Times that its worker died under such a task. */
  suspicious: number;
  computeSeconds: number;
  transferSeconds: number;
  outputBytes: number;
}

/** Kinds of keys that are told apart; the rest is one kind, so that no user can fill the memory with names. */
const PREFIXES_MAX = 1_000;
const REST = "(others)";

/** The counters. */
export class Figures {
  readonly clients = { added: 0, removed: 0 };
  readonly workers = { added: 0, removed: 0 };
  readonly prefixes: Map<string, PrefixFigures> = new Map();
  /** Of runs of tasks that came in columns. */
  readonly columns: PrefixFigures = nothing();
  readonly #seen = new Set<string>();

  /** Prefixes of tasks in columns whose first end somebody waits for: it takes them out. */
  readonly awaited: Set<string> = new Set();

  /** True when a task with this prefix has ended, as far as is known without a look at every one that came in columns. */
  hasSeen(prefix: string): boolean {
    return this.#seen.has(prefix) || (this.prefixes.get(prefix)?.done ?? 0) > 0;
  }

  /** An event before the machine has it. */
  note(event: SchedulerEvent | Omit<SchedulerEvent, "now" | "stimulusId">, views: SchedulerViews): void {
    switch (event.type) {
      case "worker-messages":
        // The type says which member of the union it is; `Omit` has lost that.
        return this.#hear((event as Extract<SchedulerEvent, { readonly type: "worker-messages" }>).messages);
      case "tasks-finished": {
        const ends = event as Extract<SchedulerEvent, { readonly type: "tasks-finished" }>; // as above
        const { tasks, seconds, nbytes } = ends;
        if (this.awaited.size > 0) this.#meet(ends, views);
        const { columns } = this;
        columns.done += tasks.length;
        let [computeSeconds, outputBytes] = [0, 0];
        for (let i = 0; i < seconds.length; i++) computeSeconds += seconds[i] as number; // i < length
        for (let i = 0; i < nbytes.length; i++) outputBytes += nbytes[i] as number;
        columns.computeSeconds += computeSeconds;
        columns.outputBytes += outputBytes;
        return;
      }
      case "worker-joined":
        this.workers.added++;
        return;
      case "worker-left": {
        this.workers.removed++;
        const { worker, isExpected } = event as Extract<SchedulerEvent, { readonly type: "worker-left" }>; // as above
        if (!isExpected) for (const key of views.processing([worker]).get(worker) ?? []) this.#of(key).suspicious++;
        return;
      }
      case "client-joined":
        this.clients.added++;
        return;
      case "client-left":
        this.clients.removed++;
    }
  }

  #meet(
    { submission, tasks }: { readonly submission: number; readonly tasks: Uint32Array },
    views: SchedulerViews,
  ): void {
    for (const task of tasks) {
      const prefix = views.prefixOf(submission, task);
      if (prefix !== undefined && this.awaited.delete(prefix)) this.#seen.add(prefix);
    }
  }

  #hear(messages: readonly WorkerToScheduler[]): void {
    for (const message of messages) {
      if (message.op === "task-finished") {
        const sums = this.#of(message.key);
        sums.done++;
        sums.outputBytes += message.nbytes;
        addSeconds(sums, message.startstops);
      } else if (message.op === "task-erred") {
        const sums = this.#of(message.key);
        sums.erred++;
        addSeconds(sums, message.startstops);
      }
    }
  }

  /** Sums over everything. */
  total(): Readonly<PrefixFigures> {
    const out = { ...this.columns };
    for (const sums of this.prefixes.values()) {
      out.done += sums.done;
      out.erred += sums.erred;
      out.computeSeconds += sums.computeSeconds;
      out.transferSeconds += sums.transferSeconds;
      out.outputBytes += sums.outputBytes;
    }
    return out;
  }

  #of(key: Key): PrefixFigures {
    const prefix = keyPrefix(key);
    const name = this.prefixes.has(prefix) || this.prefixes.size < PREFIXES_MAX ? prefix : REST;
    let sums = this.prefixes.get(name);
    if (!sums) {
      sums = nothing();
      this.prefixes.set(name, sums);
    }
    return sums;
  }
}

function nothing(): PrefixFigures {
  return { done: 0, erred: 0, suspicious: 0, computeSeconds: 0, transferSeconds: 0, outputBytes: 0 };
}

function addSeconds(
  sums: PrefixFigures,
  startstops: readonly { readonly action: string; readonly start: number; readonly stop: number }[],
): void {
  for (const { action, start, stop } of startstops) {
    const seconds = Math.max(0, stop - start);
    if (action === "compute") sums.computeSeconds += seconds;
    else if (action === "transfer") sums.transferSeconds += seconds;
  }
}
