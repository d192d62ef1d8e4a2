/** Plugins of a nanny: functions that the cluster's token vouches for, run in the nanny's process before its worker starts. */
import { setTimeout as sleep } from "node:timers/promises";
import { errorToRecord, isRsdatError, LONGEST_TIMER_MS, type Logger, type Security } from "../base/index.ts";
import { type Comm, connect, type Handlers, serveRequests } from "../comm/index.ts";
import { errorReply, type HookTrust, makeHookPlugin, type NannyPlugin, type PluginNanny } from "../protocol/index.ts";
import { handshakeOf } from "./reconnect.ts";

/** Pause before a scheduler is called that is gone. */
const RETRY_MS = 1_000;
const DEATH_TIMEOUT_MS = 60_000;
/** Time that a plugin has to be taken down when the nanny ends. */
const TEARDOWN_MS = 10_000;

/** Whose nanny it is. */
export interface NannyPluginsOptions {
  readonly scheduler: string;
  /** Name of the worker; empty where it has none of its own. */
  readonly name: string;
  readonly localDirectory: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly trust: HookTrust;
  readonly security?: Security;
  /** Give up when no scheduler answers for so long. Default 60 s. */
  readonly deathTimeoutMs?: number;
  readonly logger: Logger;
  /** Aborted: the nanny ends. */
  readonly signal: AbortSignal;
}

/** One that a scheduler had, and that was new here. */
interface Added {
  readonly name: string;
  readonly plugin: NannyPlugin;
}

/** The plugins of one nanny, by name, and its connection to the scheduler that has them. */
export class NannyPlugins {
  readonly #options: NannyPluginsOptions;
  readonly #nanny: PluginNanny;
  readonly #plugins = new Map<string, { readonly bytes: Uint8Array; readonly plugin: NannyPlugin }>();
  /** Ends the worker that runs, to start it anew. */
  #restart = new AbortController();
  #started = Promise.withResolvers<void>();
  #comm: Comm | undefined;

  constructor(options: NannyPluginsOptions) {
    this.#options = options;
    const { name, scheduler, localDirectory } = options;
    this.#nanny = { name, scheduler, localDirectory, env: { ...options.env } };
  }

  /** Environment of the worker's process. */
  get env(): Record<string, string | undefined> {
    return this.#nanny.env;
  }

  /** A worker starts; aborted when a plugin wants it to be started anew. */
  workerStarts(): AbortSignal {
    this.#restart = new AbortController();
    return this.#restart.signal;
  }

  /** It is registered. */
  workerStarted(): void {
    this.#started.resolve();
  }

  /**
   * Get the scheduler's plugins and set them up, then do what it says about them until the nanny ends. Resolves when those
   * that there are have run. @throws {CommError} no scheduler answers
   */
  async join(): Promise<void> {
    const isServed = await this.#connect(); // the worker, which starts after this, has what they set
    if (isServed) void this.#stay();
  }

  /** Take everything down: the nanny ends, also where one of them does not. */
  async close(): Promise<void> {
    for (const name of this.#plugins.keys())
      await orAborted(this.#remove(name), AbortSignal.timeout(TEARDOWN_MS)).catch((error: unknown) =>
        this.#failed(name, error),
      );
    await this.#comm?.close();
  }

  /** What the scheduler's plugins add to those that are here; null: it has none for nannies of ours. */
  async #connect(): Promise<readonly Added[] | null> {
    const { scheduler, name, security, deathTimeoutMs: timeoutMs = DEATH_TIMEOUT_MS, signal, logger } = this.#options;
    const comm = await connect(scheduler, { ...handshakeOf(security ? { security } : {}), timeoutMs, signal, logger });
    let plugins: unknown;
    if (comm.handshake.rsdat !== undefined) {
      comm.send({ op: "register_nanny", address: `${name || "nanny"}@${comm.local}` });
      const given = comm.next(AbortSignal.any([signal, AbortSignal.timeout(Math.min(timeoutMs, LONGEST_TIMER_MS))]));
      const answer = await given.catch(async (error: unknown) => {
        await comm.close();
        throw error;
      });
      plugins = answer instanceof Map ? answer.get("nanny-plugins") : undefined;
    }
    if (!(plugins instanceof Map)) {
      await comm.close(); // Dask's keep no nanny's connection
      return null;
    }
    this.#comm = comm;
    const added = await this.#addAll(plugins);
    comm.hold(false); // the nanny lives as long as its worker
    return added;
  }

  /** Serve the connection, and another one when it has ended. */
  async #stay(): Promise<void> {
    const { signal, logger } = this.#options;
    const handlers: Handlers = {
      plugin_add: (request) => this.#answer(() => this.#added(String(request.get("name")), request.get("plugin"))),
      plugin_remove: (request) => this.#answer(() => this.#remove(String(request.get("name")))),
    };
    const failed = (error: unknown): void => {
      if (isRsdatError(error, "invariant")) throw error;
      // Without a scheduler there is nothing to set up; the worker sees to it that both end.
      if (!signal.aborted) logger.debug(`no scheduler for the nanny: ${errorToRecord(error).message}`);
    };
    while (!signal.aborted && this.#comm) {
      await serveRequests(this.#comm, handlers, logger).catch(failed);
      try {
        await sleep(RETRY_MS, undefined, { signal, ref: false });
        const added = await this.#connect();
        if (added === null) return;
        const last = added.findLast(({ plugin }) => plugin.restart);
        if (last) this.#startAnew(last.name);
      } catch (error) {
        failed(error);
      }
    }
  }

  async #answer(act: () => Promise<void>): Promise<unknown> {
    try {
      await act();
      return { status: "OK" };
    } catch (error) {
      return errorReply(error);
    }
  }

  /** Those of a scheduler that was joined, each for itself; what fails is logged. */
  async #addAll(plugins: ReadonlyMap<unknown, unknown>): Promise<readonly Added[]> {
    const added: Added[] = [];
    for (const [key, bytes] of plugins) {
      const name = String(key);
      const known = this.#plugins.get(name)?.bytes;
      if (known && bytes instanceof Uint8Array && Buffer.compare(known, bytes) === 0) continue;
      try {
        added.push({ name, plugin: await this.#set(name, bytes) });
      } catch (error) {
        this.#failed(name, error);
      }
    }
    return added;
  }

  async #added(name: string, bytes: unknown): Promise<void> {
    const plugin = await this.#set(name, bytes);
    if (!plugin.restart) return;
    this.#startAnew(name);
    await orAborted(this.#started.promise, this.#options.signal);
  }

  #startAnew(name: string): void {
    this.#options.logger.info(`nanny plugin ${name} has the worker started anew`);
    this.#started = Promise.withResolvers();
    this.#restart.abort();
  }

  /** One of the same name is taken down first. */
  async #set(name: string, bytes: unknown): Promise<NannyPlugin> {
    const given = bytes instanceof Uint8Array ? bytes : new Uint8Array(0);
    const plugin = makeHookPlugin(given, "nanny", this.#options.trust);
    if (this.#plugins.has(name)) await this.#remove(name);
    await orAborted(plugin.setup(this.#nanny, plugin.args), this.#options.signal);
    this.#plugins.set(name, { bytes: given, plugin });
    return plugin;
  }

  async #remove(name: string): Promise<void> {
    const known = this.#plugins.get(name);
    this.#plugins.delete(name);
    await known?.plugin.teardown?.(this.#nanny, known.plugin.args);
  }

  #failed(name: string, error: unknown): void {
    this.#options.logger.error(`nanny plugin ${name} failed: ${errorToRecord(error).message}`);
  }
}

/** What comes first: the end of something, or of the time that there is for it. @throws the signal's reason */
async function orAborted(work: unknown, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort);
  try {
    await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
