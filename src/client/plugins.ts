/** Plugins that a client registers: of workers, of nannies, and of the scheduler. */
import { ArgumentError, UnsupportedError } from "../base/index.ts";
import { callSpec, encodeTaskSpec, functionText, KeyRef, keyOfValue, signTaskSpec } from "../graph/index.ts";
import { type NannyPlugin, type SchedulerPlugin, writeHookPlugin, writeNativePlugin } from "../protocol/index.ts";
import type { Caller } from "./calls.ts";
import type { Link } from "./link.ts";
import { answersOf, askScheduler } from "./operate.ts";

/** A plugin of rsdat workers: functions that run once on each of them. Matches distributed `WorkerPlugin`, `transition` apart. */
export interface WorkerPlugin<A = unknown> {
  /** Default `"worker"`. */
  readonly kind?: "worker";
  readonly name: string;
  /** Self-contained, or of a kernel module. Runs in a compute thread of every worker there is, and of each that joins. */
  setup(worker: PluginWorker, args: A): unknown;
  /** Runs when the plugin is unregistered. */
  teardown?(worker: PluginWorker, args: A): unknown;
  /** Plain data for both. */
  readonly args?: A;
}

/** What a plugin's functions are told. */
export interface PluginWorker {
  readonly address: string;
  readonly name: string;
  readonly nthreads: number;
  readonly localDirectory: string;
}

export type {
  GraphUpdate,
  NannyPlugin,
  PluginNanny,
  PluginScheduler,
  SchedulerHooks,
  SchedulerPlugin,
  TransitionDetails,
} from "../protocol/index.ts";

/** What `registerPlugin` takes, by its `kind`. */
export type Plugin<A = unknown> = WorkerPlugin<A> | SchedulerPlugin<A> | NannyPlugin<A>;

/** Whose plugin it is that goes; default the workers'. */
export interface UnregisterOptions {
  readonly nanny?: boolean;
  readonly scheduler?: boolean;
}

/** As `Client.registerPlugin`. */
export async function registerPlugin<A>(
  { link, token }: Caller,
  plugin: Plugin<A>,
  { idempotent = false }: { readonly idempotent?: boolean } = {},
): Promise<string[]> {
  const kind = kindOf(plugin);
  if (!link.isNative)
    throw new UnsupportedError(
      `registerPlugin needs a scheduler of rsdat's: a Python scheduler takes ${kind} plugins pickled, from a Python client`,
    );
  const isHooked = plugin.kind === "scheduler" || plugin.kind === "nanny";
  const bytes = isHooked ? writeHookPlugin(plugin, token) : workerPlugin(plugin, token);
  const request = { op: `register_${kind}_plugin`, plugin: bytes, name: plugin.name, idempotent };
  const answer = await askScheduler(link, request);
  return kind === "scheduler" ? [] : answersOf(answer, `plugin ${plugin.name}`);
}

/** @throws {ArgumentError} what is given is no plugin */
function kindOf<A>(plugin: Plugin<A>): "worker" | "scheduler" | "nanny" {
  const kind = typeof plugin === "object" && plugin !== null ? (plugin.kind ?? "worker") : "worker";
  const isKnown = kind === "worker" || kind === "scheduler" || kind === "nanny";
  const isNamed = typeof plugin === "object" && plugin !== null && typeof plugin.name === "string";
  if (isKnown && isNamed && (plugin.kind === "scheduler" || typeof plugin.setup === "function")) return kind;
  throw new ArgumentError(
    'registerPlugin: expected { name, setup(worker, args) } for rsdat workers, or one of kind "nanny" or "scheduler"; plugins that are Python objects are registered by a Python client',
  );
}

function workerPlugin<A>(plugin: WorkerPlugin<A>, token: string | null): Uint8Array {
  const spec = (fn: (worker: PluginWorker, args: A) => unknown): Uint8Array => {
    const key = keyOfValue("worker");
    const made = callSpec(functionText(fn as (...args: never[]) => unknown), [new KeyRef(key), plugin.args], (value) =>
      value instanceof KeyRef ? value.key : null,
    ).spec;
    return encodeTaskSpec(token === null ? made : signTaskSpec(made, token));
  };
  return writeNativePlugin({
    setup: spec(plugin.setup),
    teardown: plugin.teardown ? spec(plugin.teardown) : null,
  });
}

/** As `Client.unregisterPlugin`. */
export async function unregisterPlugin(
  link: Link,
  name: string,
  { nanny = false, scheduler = false }: UnregisterOptions,
): Promise<string[]> {
  if (nanny && scheduler) throw new ArgumentError(`unregisterPlugin ${name}: of nannies or of the scheduler, not both`);
  const kind = scheduler ? "scheduler" : nanny ? "nanny" : "worker";
  const answer = await askScheduler(link, { op: `unregister_${kind}_plugin`, name });
  return kind === "scheduler" ? [] : answersOf(answer, `plugin ${name}`);
}
