/** The compute threads behind a ring: started, told of shared memory, replaced when they die. */
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from "node:worker_threads";
import { type ErrorRecord, errorToRecord, invariant } from "../base/index.ts";
import { createIoShare } from "./io-share.ts";
import type { KernelShare } from "./kernel-share.ts";
import type { Ring } from "./ring.ts";
import type { StackOptions, StackSamples } from "./stacks.ts";
import type { FromThread, ModulePost, TaskPost, ThreadData, ToThread } from "./thread.ts";

// Sources run as they are, and so do built files: the entry has the ending of this file.
const ENTRY = new URL(`./thread${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);

/** Deaths outside tasks, none ended in between, after which a thread is not replaced any more: it cannot even start. */
const DEATHS_MAX = 5;

/**
 * Young heap of a thread. Its objects are small and short-lived, but each may hold a buffer outside the heap until the next
 * collection: V8's own 48 MiB let 30 MiB a thread pile up under deflate, for no gain in speed.
 */
const YOUNG_MIB = 6;

/** Posts of stacks that wait to be taken; the oldest go. */
const STACKS_MAX = 256;

interface PoolThread {
  readonly worker: Worker;
  readonly port: MessagePort;
}

/** Options of a {@link ThreadPool}. */
export interface PoolOptions {
  readonly threads: number;
  readonly ring: Ring;
  readonly kernels: KernelShare;
  readonly registers: ThreadData["registers"];
  /** Bound of one thread's JavaScript heap; what lies in shared memory does not count. */
  readonly heapBytes: number;
  /** Stacks of the threads are sampled. */
  readonly stacks: StackOptions | undefined;
  /** What a new thread has to know first. */
  readonly introduction: () => readonly ToThread[];
  /** A thread died while `slot` was its task (-1: none). It has been replaced, unless `isLast`: no thread is left. */
  readonly onDeath: (slot: number, error: ErrorRecord, isLast: boolean) => void;
}

/** Threads that run tasks until the pool is closed. */
export class ThreadPool {
  readonly #options: PoolOptions;
  readonly #threads: (PoolThread | null)[] = [];
  /** Kernels compiled so far, for threads that start later. */
  readonly #modules: ModulePost[] = [];
  /** What the threads have read. */
  readonly io: SharedArrayBuffer;
  /** What was posted about slots whose end has not been seen yet. */
  readonly #posts = new Map<number, TaskPost>();
  /** Why the last message could not be read that could not: a thread's stack is larger, and writes what this one cannot read. */
  #unread: ErrorRecord | null = null;
  #isClosed = false;
  #stacks: { readonly thread: number; readonly samples: StackSamples }[] = [];
  #deaths = 0;
  /** Threads that died and were replaced. */
  lost = 0;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.io = createIoShare(options.threads);
    for (let k = 0; k < options.threads; k++) this.#threads.push(this.#start(k));
  }

  /** Tell all threads. */
  broadcast(message: ToThread): void {
    for (const thread of this.#threads) thread?.port.postMessage(message);
  }

  /** Give a thread the values that it waits for, or why they cannot be copied. */
  postValues(k: number, slot: number, values: readonly unknown[]): void {
    const port = this.#threads[k]?.port;
    try {
      port?.postMessage({ type: "values", slot, values } satisfies ToThread);
    } catch (error) {
      port?.postMessage({ type: "no-values", slot, error: errorToRecord(error) } satisfies ToThread);
    }
    this.#options.ring.posted(k);
  }

  /** What a thread has posted about a slot. */
  postOf(slot: number, k: number): TaskPost {
    this.#receive(k);
    const post = this.#posts.get(slot);
    this.#posts.delete(slot);
    if (post !== undefined) return post;
    invariant(this.#unread !== null, `thread ${k} posted nothing about slot ${slot}`);
    return { type: "error", slot, error: this.#unread };
  }

  #receive(k: number): void {
    const port = this.#threads[k]?.port;
    if (port === undefined) return;
    for (;;) {
      let post: FromThread | undefined;
      try {
        post = receiveMessageOnPort(port)?.message as FromThread | undefined; // only threads post here
      } catch (error) {
        this.#unread = errorToRecord(error); // that message is gone, and there may be more
        continue;
      }
      if (post === undefined) return;
      if (post.type === "module") this.#modules.push(post);
      else if (post.type === "stacks") {
        if (this.#stacks.push({ thread: k, samples: post.samples }) > STACKS_MAX) this.#stacks.shift();
      } else this.#posts.set(post.slot, post);
    }
  }

  /** Stacks that threads have handed over since the last time. */
  takeStacks(): readonly { readonly thread: number; readonly samples: StackSamples }[] {
    for (let k = 0; k < this.#threads.length; k++) this.#receive(k);
    const taken = this.#stacks;
    this.#stacks = [];
    return taken;
  }

  /** End a thread in the middle of its task; another takes its place. */
  kill(k: number): void {
    void this.#threads[k]?.worker.terminate();
  }

  /** A task ended: the threads are well. */
  noteEnd(): void {
    this.#deaths = 0;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#threads.map((thread) => thread?.worker.terminate()));
    for (const thread of this.#threads) thread?.port.close();
  }

  #start(k: number): PoolThread {
    const { port1, port2 } = new MessageChannel();
    const data: ThreadData = {
      ring: this.#options.ring.memory,
      thread: k,
      port: port2,
      kernels: this.#options.kernels,
      io: this.io,
      registers: this.#options.registers,
      stacks: this.#options.stacks ?? null,
    };
    const worker = new Worker(ENTRY, {
      name: `rsdat-compute-${k}`,
      workerData: data,
      transferList: [port2],
      resourceLimits: {
        maxOldGenerationSizeMb: Math.ceil(this.#options.heapBytes / 2 ** 20),
        maxYoungGenerationSizeMb: YOUNG_MIB,
      },
    });
    worker.unref();
    port1.unref();
    for (const message of [...this.#options.introduction(), ...this.#modules]) port1.postMessage(message);
    let cause: ErrorRecord | null = null;
    worker.on("error", (error) => {
      cause = errorToRecord(error); // whatever was thrown
    });
    worker.on("exit", (code) => this.#died(k, cause, code));
    return { worker, port: port1 };
  }

  #died(k: number, cause: ErrorRecord | null, code: number): void {
    if (this.#isClosed) return;
    const slot = this.#options.ring.current(k);
    this.#options.ring.forget(k);
    this.#receive(k); // about tasks that ended before
    this.#threads[k]?.port.close();
    if (slot < 0) this.#deaths++;
    const replaces = this.#deaths <= DEATHS_MAX;
    this.#threads[k] = replaces ? this.#start(k) : null;
    if (replaces) this.lost++;
    const why = cause === null ? exitOf(code) : cause.message;
    const error: ErrorRecord = {
      name: "TaskError",
      code: "thread-died",
      message: `the compute thread died: ${why}`,
      details: { exitCode: code },
      ...(cause === null ? {} : { cause }),
    };
    this.#options.onDeath(
      slot,
      error,
      this.#threads.every((thread) => thread === null),
    );
  }
}

/** Node's code of a thread that waits for what nothing will ever do. */
const UNSETTLED = 13;

function exitOf(code: number): string {
  if (code === UNSETTLED) return "its function awaits a promise that nothing can settle any more";
  return `it ended with exit code ${code} (process.exit?)`;
}
