/** Plugins of a scheduler and of nannies on the wire: one function whose value is the plugin, and the cluster's mac of all of it. */
import { ArgumentError, RemoteProtocolError, TaskError, UnsupportedError } from "../base/index.ts";
import {
  callSpec,
  decodeTaskSpec,
  encodeTaskSpec,
  functionText,
  signTaskSpec,
  verifyTaskSpec,
} from "../graph/index.ts";
import { pack, unpack } from "./msgpack.ts";
import { pluginBody, pluginBytes } from "./native-plugin.ts";
import type { NannyPlugin, SchedulerPlugin } from "./plugin-types.ts";

/** Whose plugin it is. */
export type HookKind = "scheduler" | "nanny";

/** Functions that a plugin of a kind may have, and Dask's names of them. */
const HOOKS: Readonly<Record<HookKind, Readonly<Record<string, string>>>> = {
  scheduler: {
    start: "start",
    beforeClose: "before_close",
    close: "close",
    updateGraph: "update_graph",
    restart: "restart",
    transition: "transition",
    addWorker: "add_worker",
    removeWorker: "remove_worker",
    addClient: "add_client",
    removeClient: "remove_client",
    logEvent: "log_event",
  },
  nanny: { setup: "setup", teardown: "teardown" },
};

/** Who vouches for a plugin's code. */
export interface HookTrust {
  /** The cluster's token; null: none is known. */
  readonly token: string | null;
  /** Code runs that nobody vouches for. */
  readonly allowInsecure: boolean;
}

/** Fields and functions of a plugin, apart. @throws {ArgumentError} a function that is no hook, or no hook at all */
function partsOf(plugin: SchedulerPlugin<unknown> | NannyPlugin<unknown>): {
  readonly fields: Readonly<Record<string, unknown>>;
  readonly hooks: readonly (readonly [name: string, text: string])[];
} {
  const { kind, name } = plugin;
  const known = HOOKS[kind];
  const restart = kind === "nanny" ? { restart: plugin.restart === true } : {};
  const fields = { kind, name, args: plugin.args ?? null, ...restart };
  const hooks: [string, string][] = [];
  for (const [field, value] of Object.entries(plugin)) {
    if (typeof value !== "function") continue;
    if (!Object.hasOwn(known, field)) {
      const ours = Object.keys(known).find((hook) => known[hook] === field);
      throw new ArgumentError(
        `plugin ${name}: a ${kind} has no hook ${field}; ${ours ? `it is called ${ours} here` : `there are ${Object.keys(known).join(", ")}`}`,
      );
    }
    hooks.push([field, functionText(value as (...args: never[]) => unknown)]); // typeof says so
  }
  if (hooks.length === 0)
    throw new ArgumentError(`plugin ${name} has no hooks; there are ${Object.keys(known).join(", ")}`);
  return { fields, hooks };
}

/**
 * A plugin as it is registered.
 * @throws {ArgumentError} a function that is no hook, or data that is not plain  @throws {ClosureError} a hook uses outer names
 */
export function writeHookPlugin(
  plugin: SchedulerPlugin<unknown> | NannyPlugin<unknown>,
  token: string | null,
): Uint8Array {
  const { fields, hooks } = partsOf(plugin);
  const methods = hooks.map(([name, text]) => `${JSON.stringify(name)}: (${text}\n)`);
  const { spec } = callSpec(`function (plugin) { return { ...plugin, ${methods.join(", ")} }; }`, [fields], () => null);
  if (spec.steps.length > 1) throw new ArgumentError(`plugin ${plugin.name}: args are plain data, without arrays`);
  return pluginBytes(pack({ make: encodeTaskSpec(token === null ? spec : signTaskSpec(spec, token)) }));
}

/**
 * The plugin in these bytes, as an object with its hooks. Nothing of it is run before somebody vouches for it.
 * @throws {RemoteProtocolError} no plugin of this kind
 * @throws {TaskError} code `untrusted`: nobody vouches for its code
 * @throws {UnsupportedError} its text does not compile
 */
export function makeHookPlugin<K extends HookKind>(
  bytes: Uint8Array,
  kind: K,
  { token, allowInsecure }: HookTrust,
): K extends "scheduler" ? SchedulerPlugin : NannyPlugin {
  const spec = decodeTaskSpec(makerIn(bytes));
  const [step] = spec.steps;
  const plain = step?.do === "call" && Array.isArray(step.args) ? step.args[0] : undefined;
  // A block's function has a mac that leaves out what it is called with: none of those here.
  const isOne = spec.steps.length === 1 && spec.inputs === 0 && step?.do === "call" && step.block !== true;
  if (!isOne || !isOfKind(plain, kind)) throw new RemoteProtocolError(`a plugin that is none of a ${kind}`);
  if (!allowInsecure && !(token !== null && verifyTaskSpec(spec, token)))
    throw new TaskError(
      "untrusted",
      `this ${kind} runs JavaScript of clients only with the cluster's mac; ${
        token === null
          ? "it was started without the cluster's token"
          : "this client has another token than it, or none: connect it with the cluster's"
      }`,
    );
  try {
    // Its writer composed it of the kind's hooks and these fields.
    return new Function(`"use strict"; return (${step.text}\n);`)()(plain);
  } catch (cause) {
    throw new UnsupportedError(`the functions of plugin ${plain.name} do not compile`, { cause });
  }
}

function makerIn(bytes: Uint8Array): Uint8Array {
  const body = unpack(pluginBody(bytes));
  const make = body instanceof Map ? body.get("make") : undefined;
  if (!(make instanceof Uint8Array)) throw new RemoteProtocolError("a plugin without hooks");
  return make;
}

function isOfKind(plain: unknown, kind: HookKind): plain is { readonly name: string } {
  const fields = plain as { readonly kind?: unknown; readonly name?: unknown } | null | undefined; // looked at here
  return typeof fields === "object" && fields?.kind === kind && typeof fields.name === "string";
}
