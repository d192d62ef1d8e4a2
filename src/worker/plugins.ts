/** Plugins of an rsdat worker: functions that its cluster's token vouches for, each run once, in a compute thread. */
import { CancelledError, errorFromRecord, errorToRecord, type Logger } from "../base/index.ts";
import type { Executor } from "../executor/index.ts";
import { keyOfValue } from "../graph/index.ts";
import { errorReply, isNativePlugin, readNativePlugin } from "../protocol/index.ts";
import { isTrusted, type Trust } from "./run-task.ts";

/** What plugins run with, and what their functions are told. */
export interface PluginSurroundings {
  readonly executor: Executor;
  readonly trust: Trust;
  readonly logger: Logger;
  readonly facts: {
    readonly address: string;
    readonly name: string;
    readonly nthreads: number;
    readonly localDirectory: string;
  };
}

/** The plugins of one worker, by name. */
export class WorkerPlugins {
  readonly #around: PluginSurroundings;
  readonly #known = new Map<string, { readonly bytes: Uint8Array; readonly teardown: Uint8Array | null }>();

  constructor(around: PluginSurroundings) {
    this.#around = around;
  }

  /**
   * Plugins that the scheduler has for a worker that joins: each for itself; what fails is logged. One that comes back to
   * its scheduler is set up already.
   */
  async addAll(plugins: ReadonlyMap<string, Uint8Array>): Promise<void> {
    for (const [name, plugin] of plugins) {
      const known = this.#known.get(name);
      if (known && Buffer.compare(known.bytes, plugin) === 0) continue;
      try {
        await this.#remove(name);
        await this.#add(name, plugin);
      } catch (error) {
        this.#around.logger.error(`plugin ${name} failed: ${errorToRecord(error).message}`);
      }
    }
  }

  /** Answer to `plugin-add`: `setup` has run, or failed. A plugin of the same name is taken down first. */
  async add(name: string, plugin: unknown): Promise<Record<string, unknown>> {
    // Pickled plugins of Python's mean nothing here.
    if (!(plugin instanceof Uint8Array) || !isNativePlugin(plugin)) return { status: "OK" };
    try {
      await this.#remove(name);
      await this.#add(name, plugin);
      return { status: "OK" };
    } catch (error) {
      return errorReply(error);
    }
  }

  /** Answer to `plugin-remove`: `teardown` has run, or failed. */
  async remove(name: string): Promise<Record<string, unknown>> {
    try {
      await this.#remove(name);
      return { status: "OK" };
    } catch (error) {
      return errorReply(error);
    }
  }

  async #add(name: string, plugin: Uint8Array): Promise<void> {
    const { setup, teardown } = readNativePlugin(plugin);
    await this.#run(name, setup);
    this.#known.set(name, { bytes: plugin, teardown });
  }

  async #remove(name: string): Promise<void> {
    const teardown = this.#known.get(name)?.teardown;
    this.#known.delete(name);
    if (teardown) await this.#run(name, teardown);
  }

  async #run(name: string, spec: Uint8Array): Promise<void> {
    const { executor, trust, facts } = this.#around;
    const outcome = await executor.run({
      key: keyOfValue(`plugin-${name}`),
      spec,
      inputs: [{ value: facts }],
      trusted: isTrusted(spec, trust),
    });
    if (outcome.status === "error") throw errorFromRecord(outcome.error);
    if (outcome.status === "cancelled") throw new CancelledError(`plugin ${name} was given up: the worker closes`);
    if (outcome.status === "ok") executor.release(outcome.output);
  }
}
