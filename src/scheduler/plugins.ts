/**
 * Plugins and files for workers. A Python worker takes a pickled Python plugin, an rsdat worker functions that its
 * cluster's token vouches for; each gets the kind it can run, those that join later too.
 */
import { ArgumentError, errorToRecord } from "../base/index.ts";
import type { Handler } from "../comm/index.ts";
import { isNativePlugin, PLUGIN_ADD } from "../protocol/index.ts";
import type { ConnectedWorker, Hub } from "./hub.ts";
import { KeptPlugins } from "./kept-plugins.ts";

/** Time that a worker has to set a plugin up. */
const SETUP_MS = 600_000;

/** Plugins by name, for all workers of their kind. */
export class Plugins {
  readonly #hub: Hub;
  readonly #kept: KeptPlugins;

  /** @param bytesMax of all plugins that are kept */
  constructor(hub: Hub, bytesMax?: number) {
    this.#hub = hub;
    this.#kept = new KeptPlugins(bytesMax);
  }

  /** What a worker that joins has to set up. */
  for(isPython: boolean): Map<string, Uint8Array> {
    return new Map(Array.from(this.#kept).filter(([, plugin]) => isNativePlugin(plugin) !== isPython));
  }

  /** Handlers by op. */
  handlers(): Record<string, Handler> {
    return {
      register_worker_plugin: (request) => this.#register(request),
      unregister_worker_plugin: (request) => this.#unregister(String(request.get("name"))),
    };
  }

  async #register(request: ReadonlyMap<unknown, unknown>): Promise<unknown> {
    const kept = this.#kept.keep(request);
    return kept ? this.#tell(!isNativePlugin(kept.plugin), PLUGIN_ADD.ask(kept)) : new Map();
  }

  async #unregister(name: string): Promise<unknown> {
    const plugin = this.#kept.get(name);
    if (!plugin) throw new ArgumentError(`the worker plugin ${name} does not exist`);
    this.#kept.delete(name);
    return this.#tell(!isNativePlugin(plugin), { op: "plugin-remove", name });
  }

  /** One message to all workers of a kind; answers by address, of those that fail too. */
  async #tell(isPython: boolean, message: Record<string, unknown>): Promise<Map<string, unknown>> {
    const targets = Array.from(this.#hub.workers.values()).filter((worker) => worker.isPython === isPython);
    const answer = async ({ address }: ConnectedWorker): Promise<[string, unknown]> => {
      try {
        return [address, await this.#hub.rpc.call(address, message, { timeoutMs: SETUP_MS })];
      } catch (error) {
        // One worker that is gone does not take the others' answers away.
        return [address, { status: "error", message: errorToRecord(error).message }];
      }
    };
    return new Map(await Promise.all(targets.map(answer)));
  }
}
