/**
 * Plugins of this scheduler: hooks that are told what happens, by Dask's names and in Dask's order. Those of clients come as
 * text, and run where the operator, or the cluster's token, lets them; those of modules that the operator had imported are
 * objects of this process. Without a plugin nothing of this is looked at.
 */
import { ArgumentError, ConfigError, errorToRecord, UnsupportedError } from "../base/index.ts";
import type { Handler } from "../comm/index.ts";
import { type Key, type KeyValue, keyOfValue, valueOfKey } from "../graph/index.ts";
import {
  type GraphUpdate,
  type HookTrust,
  isNativePlugin,
  makeHookPlugin,
  nameOf,
  type PluginScheduler,
  PyCall,
  type PyValue,
  readPickle,
  type SchedulerHooks,
} from "../protocol/index.ts";
import type { Hub, HubWatcher } from "./hub.ts";
import { FIRE_AND_FORGET } from "./own-clients.ts";
import type { SchedulerEvent, SchedulerInstruction, StoryEntry } from "./state/index.ts";
import { daskTransitions } from "./transition-names.ts";

/** Scheduler plugins of Python that mean nothing where there is no Python: modules for graphs that only Python reads. */
const NEEDLESS: ReadonlySet<string> = new Set(["distributed.diagnostics.plugin.SchedulerUploadFile"]);

/** Plugins that clients may register, and bytes of one. */
const PLUGINS_MAX = 1000;
const PLUGIN_BYTES_MAX = 16 * 2 ** 20;
/** Time that a hook has which the scheduler waits for. */
const WAIT_MS = 10_000;

/** Whether code of clients runs here. */
export interface SchedulerPluginOptions extends HookTrust {
  /** False: none does. Setting `rsdat.scheduler.plugins`. */
  readonly isOn: boolean;
  readonly address: () => string;
}

type HookName = Exclude<keyof SchedulerHooks, "name" | "args">;

/** The plugins of one scheduler, by name. */
export class SchedulerPlugins implements HubWatcher {
  readonly #hub: Hub;
  readonly #options: SchedulerPluginOptions;
  readonly #plugins = new Map<string, SchedulerHooks>();
  /** Names of those that clients registered: they have no say about the others. */
  readonly #ofClients = new Set<string>();
  /** Hooks that have failed: each is an error once, and for those who debug from then on. */
  readonly #failed = new WeakMap<SchedulerHooks, Set<HookName>>();
  readonly #scheduler: PluginScheduler;
  #isPublishing = false;

  constructor(hub: Hub, options: SchedulerPluginOptions) {
    this.#hub = hub;
    this.#options = options;
    this.#scheduler = facade(hub, options.address);
  }

  /** Handlers by op. */
  handlers(): Record<string, Handler> {
    return {
      register_scheduler_plugin: (request) => this.#register(request),
      unregister_scheduler_plugin: (request) => this.#unregister(String(request.get("name"))),
    };
  }

  /** Start a plugin and tell it everything from now on; one of the same name goes. @throws what `start` throws */
  async add(plugin: SchedulerHooks): Promise<void> {
    if (typeof plugin !== "object" || plugin === null || typeof plugin.name !== "string")
      throw new ArgumentError("a scheduler plugin: expected an object with a name and hooks");
    await plugin.start?.(this.#scheduler);
    this.#plugins.set(plugin.name, plugin);
    this.#ofClients.delete(plugin.name);
    this.#changed();
  }

  /** @throws {ArgumentError} there is none of this name */
  remove(name: string): void {
    if (!this.#plugins.delete(name)) throw new ArgumentError(`the scheduler plugin ${name} does not exist`);
    this.#changed();
  }

  /** Call a hook of all plugins and wait for them, for a while: the scheduler ends. */
  async end(hook: "beforeClose" | "close"): Promise<void> {
    await Promise.all(
      Array.from(this.#plugins.values(), async (plugin) => {
        const given = this.#call(plugin, hook, (of) => of[hook]?.());
        const late = Promise.withResolvers<void>();
        const timer = setTimeout(late.resolve, WAIT_MS);
        await Promise.race([given, late.promise]);
        clearTimeout(timer);
      }),
    );
  }

  handled(events: readonly SchedulerEvent[], instructions: readonly SchedulerInstruction[]): void {
    const moves = daskTransitions(this.#hub.machine.takeTransitions());
    let at = 0;
    for (const [k, event] of events.entries()) {
      this.#before(event);
      const isLast = k === events.length - 1;
      for (; at < moves.length && (isLast || moves[at]?.stimulusId === event.stimulusId); at++)
        this.#moved(moves[at] as StoryEntry); // at < length
      this.#after(event);
    }
    for (const each of instructions) if (each.type === "drop-worker") this.#left(each.worker, each.reason);
  }

  /** What a hook itself publishes is told to clients only: two that answer each other would never end. */
  published(topic: string, message: unknown): void {
    if (this.#isPublishing) return;
    this.#isPublishing = true;
    this.#each("logEvent", (plugin) => plugin.logEvent?.(topic, message));
    this.#isPublishing = false;
  }

  /** What Dask tells before the tasks move. */
  #before(event: SchedulerEvent): void {
    const scheduler = this.#scheduler;
    switch (event.type) {
      case "worker-joined":
        return this.#each("addWorker", (plugin) => plugin.addWorker?.(scheduler, event.worker.address));
      case "client-joined":
        if (event.client === FIRE_AND_FORGET) return;
        return this.#each("addClient", (plugin) => plugin.addClient?.(scheduler, event.client));
      case "submit-layers":
      case "submit-tasks": {
        const update = updateOf(event);
        return this.#each("updateGraph", (plugin) => plugin.updateGraph?.(scheduler, update));
      }
    }
  }

  /** What Dask tells once they have moved. */
  #after(event: SchedulerEvent): void {
    const scheduler = this.#scheduler;
    switch (event.type) {
      case "worker-left":
        return this.#left(event.worker, event.stimulusId);
      case "client-left":
        return this.#each("removeClient", (plugin) => plugin.removeClient?.(scheduler, event.client));
      case "restart":
        return this.#each("restart", (plugin) => plugin.restart?.(scheduler));
    }
  }

  #left(worker: string, stimulusId: string): void {
    this.#each("removeWorker", (plugin) => plugin.removeWorker?.(this.#scheduler, worker, { stimulusId }));
  }

  #moved({ key, from, to, stimulusId }: StoryEntry): void {
    const value = valueOfKey(key);
    const details = { stimulusId, scheduler: this.#scheduler };
    this.#each("transition", (plugin) => plugin.transition?.(value, from, to, details));
  }

  #each(hook: HookName, call: (plugin: SchedulerHooks) => unknown): void {
    for (const plugin of this.#plugins.values()) void this.#call(plugin, hook, call);
  }

  /** One hook; what it throws, or its promise, goes to the log and no further. */
  #call(plugin: SchedulerHooks, hook: HookName, call: (plugin: SchedulerHooks) => unknown): Promise<void> | undefined {
    try {
      const given = call(plugin);
      if (!(given instanceof Promise)) return undefined;
      return given.then(
        () => undefined,
        (error: unknown) => this.#log(plugin, hook, error),
      );
    } catch (error) {
      this.#log(plugin, hook, error);
      return undefined;
    }
  }

  #log(plugin: SchedulerHooks, hook: HookName, error: unknown): void {
    const failed = this.#failed.get(plugin) ?? new Set();
    const level = failed.has(hook) ? "debug" : "error";
    this.#failed.set(plugin, failed.add(hook));
    this.#hub.logger[level](`scheduler plugin ${plugin.name}: ${hook} failed: ${errorToRecord(error).message}`);
  }

  #changed(): void {
    const plugins = Array.from(this.#plugins.values());
    this.#hub.watcher = plugins.length === 0 ? null : this;
    this.#hub.machine.watchTransitions(plugins.some(({ transition }) => transition !== undefined));
  }

  async #register(request: ReadonlyMap<unknown, unknown>): Promise<null> {
    const bytes = request.get("plugin");
    const name = String(request.get("name"));
    if (!(bytes instanceof Uint8Array)) throw new ArgumentError(`plugin ${name}: expected bytes`);
    if (bytes.byteLength > PLUGIN_BYTES_MAX)
      throw new ArgumentError(`plugin ${name} has ${bytes.byteLength} bytes; at most ${PLUGIN_BYTES_MAX} are taken`);
    if (!isNativePlugin(bytes)) return refusePython(name, bytes);
    if (!this.#options.isOn)
      throw new ConfigError(
        `the scheduler plugin ${name} is refused: rsdat.scheduler.plugins is false, so this scheduler runs no code of clients; its operator may set it to true, or add the plugin in a module of distributed.scheduler.preload`,
        { details: { key: "rsdat.scheduler.plugins" } },
      );
    if (request.get("idempotent") === true && this.#plugins.has(name)) return null;
    this.#assertOfClients(name);
    if (this.#plugins.size >= PLUGINS_MAX && !this.#plugins.has(name))
      throw new ArgumentError(`plugin ${name}: ${PLUGINS_MAX} are registered already; unregister one`);
    const plugin = makeHookPlugin(bytes, "scheduler", this.#options);
    if (plugin.name !== name) throw new ArgumentError(`plugin ${name}: its own name is ${plugin.name}`);
    await this.add(plugin);
    this.#ofClients.add(name);
    return null;
  }

  #unregister(name: string): null {
    this.#assertOfClients(name);
    this.remove(name);
    this.#ofClients.delete(name);
    return null;
  }

  /** @throws {ArgumentError} it is the operator's */
  #assertOfClients(name: string): void {
    if (this.#plugins.has(name) && !this.#ofClients.has(name))
      throw new ArgumentError(`the scheduler plugin ${name} is the operator's, and no client's`);
  }
}

/** What hooks see of the scheduler, as it is when they look. */
function facade(hub: Hub, address: () => string): PluginScheduler {
  return {
    get address(): string {
      return address();
    },
    get workers(): string[] {
      return [...hub.workers.keys()];
    },
    get clients(): string[] {
      return [...hub.clients.keys()];
    },
    stateOf: (key) => hub.machine.views.stateOf(keyOfValue(key)),
    logEvent: (topic, message) => hub.publish(topic, message),
  };
}

/** Keys are made when a hook reads them: of a large graph they are many. */
function updateOf(event: Extract<SchedulerEvent, { readonly type: "submit-layers" | "submit-tasks" }>): GraphUpdate {
  const { client, stimulusId } = event;
  if (event.type === "submit-tasks") {
    const { wanted, tasks } = event;
    return lazily(
      { client, stimulusId },
      () => wanted,
      () => tasks.map(({ key }) => key),
    );
  }
  const { graph, wanted } = event;
  return lazily(
    { client, stimulusId },
    () => wanted.map((task) => graph.key(task)),
    () => Array.from({ length: graph.taskCount }, (_, task) => graph.key(task)),
  );
}

function lazily(
  facts: Pick<GraphUpdate, "client" | "stimulusId">,
  keys: () => readonly Key[],
  tasks: () => readonly Key[],
): GraphUpdate {
  return {
    ...facts,
    get keys(): KeyValue[] {
      return keys().map(valueOfKey);
    },
    get tasks(): KeyValue[] {
      return tasks().map(valueOfKey);
    },
  };
}

function refusePython(name: string, plugin: Uint8Array): null {
  const python = className(readPickle(plugin));
  if (NEEDLESS.has(python)) return null;
  throw new UnsupportedError(
    `the scheduler plugin ${name} is pickled Python code, and this scheduler is no Python process; use worker plugins, topics (log_event) or a scheduler of Dask's`,
    { details: { python } },
  );
}

/** The class of a pickled object, made by its constructor or without it. */
function className(plugin: PyValue): string {
  const isBare = plugin instanceof PyCall && nameOf(plugin) === "copyreg.__newobj__";
  return nameOf((isBare ? plugin.args[0] : plugin) ?? null);
}
