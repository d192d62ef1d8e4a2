/**
 * Plugins and files for workers. A Python worker takes a pickled Python plugin, an rsdat worker functions that its
 * cluster's token vouches for; each gets the kind it can run, those that join later too.
 */
import { ArgumentError, errorToRecord, UnsupportedError } from "../base/index.ts";
import type { Handler } from "../comm/index.ts";
import { isNativePlugin, nameOf, PLUGIN_ADD, PyCall, type PyValue, readPickle } from "../protocol/index.ts";
import type { ConnectedWorker, Hub } from "./hub.ts";

/** Time that a worker has to set a plugin up. */
const SETUP_MS = 600_000;
/** Plugins and files that one scheduler keeps for later workers, bytes of one, and of all together. */
const PLUGINS_MAX = 1000;
const PLUGIN_BYTES_MAX = 256 * 2 ** 20;
const ALL_BYTES_MAX = 2 ** 30;

/** Scheduler plugins of Python that mean nothing where there is no Python: modules for graphs that only Python reads. */
const NEEDLESS: ReadonlySet<string> = new Set(["distributed.diagnostics.plugin.SchedulerUploadFile"]);

/** Plugins by name, for all workers of their kind. */
export class Plugins {
  readonly #hub: Hub;
  readonly #bytesMax: number;
  readonly #kept = new Map<string, Uint8Array>();

  /** @param bytesMax of all plugins that are kept */
  constructor(hub: Hub, bytesMax: number = ALL_BYTES_MAX) {
    this.#hub = hub;
    this.#bytesMax = bytesMax;
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
      register_nanny_plugin: () => {
        throw new UnsupportedError(
          "nanny plugins are pickled Python code for Python nannies, which this scheduler does not keep; give worker processes their environment where they are started",
        );
      },
      unregister_nanny_plugin: (request) => {
        throw new ArgumentError(`the nanny plugin ${String(request.get("name"))} does not exist`);
      },
      register_scheduler_plugin: (request) => registerOnScheduler(request),
      unregister_scheduler_plugin: () => null,
    };
  }

  async #register(request: ReadonlyMap<unknown, unknown>): Promise<unknown> {
    const plugin = request.get("plugin");
    const name = String(request.get("name"));
    if (!(plugin instanceof Uint8Array)) throw new ArgumentError(`plugin ${name}: expected bytes`);
    if (plugin.byteLength > PLUGIN_BYTES_MAX)
      throw new ArgumentError(`plugin ${name} has ${plugin.byteLength} bytes; at most ${PLUGIN_BYTES_MAX} are kept`);
    if (request.get("idempotent") === true && this.#kept.has(name)) return new Map();
    if (this.#kept.size >= PLUGINS_MAX && !this.#kept.has(name))
      throw new ArgumentError(`plugin ${name}: ${PLUGINS_MAX} are registered already; unregister one`);
    const others = this.#bytes() - (this.#kept.get(name)?.byteLength ?? 0);
    if (others + plugin.byteLength > this.#bytesMax)
      throw new ArgumentError(
        `plugin ${name} has ${plugin.byteLength} bytes, those that are registered ${others}; at most ${this.#bytesMax} are kept: unregister one`,
      );
    this.#kept.set(name, plugin);
    return this.#tell(!isNativePlugin(plugin), PLUGIN_ADD.ask({ plugin, name }));
  }

  #bytes(): number {
    return this.#kept.values().reduce((sum, plugin) => sum + plugin.byteLength, 0);
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

function registerOnScheduler(request: ReadonlyMap<unknown, unknown>): null {
  const plugin = request.get("plugin");
  const name = plugin instanceof Uint8Array ? className(readPickle(plugin)) : "of no class";
  if (NEEDLESS.has(name)) return null;
  throw new UnsupportedError(
    `the scheduler plugin ${name} is pickled Python code, and this scheduler is no Python process; use worker plugins, topics (log_event) or a scheduler of Dask's`,
    { details: { python: name } },
  );
}

/** The class of a pickled object, made by its constructor or without it. */
function className(plugin: PyValue): string {
  const isBare = plugin instanceof PyCall && nameOf(plugin) === "copyreg.__newobj__";
  return nameOf((isBare ? plugin.args[0] : plugin) ?? null);
}
