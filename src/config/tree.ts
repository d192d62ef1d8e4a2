/** Configuration as a tree: names equal up to `-` and `_`, dotted paths, merging. Semantics of `dask.config`. */
import { ConfigError } from "../base/index.ts";
import type { ConfigValue } from "./literal.ts";

/** A level of configuration. */
export type ConfigTree = { [name: string]: ConfigValue };

/** True for a level, false for a value. */
export function isTree(value: ConfigValue | undefined): value is { readonly [name: string]: ConfigValue } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The name under which `name` is stored in `tree`: itself, or the same with `-` and `_` exchanged. */
export function canonicalName(name: string, tree: { readonly [name: string]: ConfigValue }): string {
  if (Object.hasOwn(tree, name)) return name;
  for (const other of [name.replaceAll("_", "-"), name.replaceAll("-", "_")])
    if (Object.hasOwn(tree, other)) return other;
  return name;
}

/** The value at a dotted path, or undefined. */
export function lookUp(tree: ConfigTree, path: string): ConfigValue | undefined {
  let at: ConfigValue | undefined = tree;
  for (const part of path.split(".")) {
    if (!isTree(at)) return undefined;
    at = at[canonicalName(part, at)];
  }
  return at;
}

/** `base` with `over` laid over it: levels are merged, everything else is replaced. New objects; the inputs stay. */
export function mergeTrees(base: ConfigTree, over: { readonly [name: string]: ConfigValue }): ConfigTree {
  const out: ConfigTree = { ...base };
  for (const [given, value] of Object.entries(over)) {
    const name = canonicalName(given, out);
    const old = out[name];
    out[name] = isTree(value) ? mergeTrees(isTree(old) ? { ...old } : {}, value) : value;
  }
  return out;
}

/** `{ "a.b": 1 }` as `{ a: { b: 1 } }`; `__` counts as a dot, as in `DASK_A__B`. */
export function nest(flat: { readonly [path: string]: ConfigValue }): ConfigTree {
  return Object.entries(flat).reduce<ConfigTree>((tree, [path, value]) => {
    const parts = path.replaceAll("__", ".").split(".");
    const nested = parts.reduceRight<ConfigValue>((inner, part) => ({ [part]: inner }), value);
    return mergeTrees(tree, nested as ConfigTree); // a path has at least one part
  }, {});
}

/** `$NAME` and `${NAME}` in texts replaced from the environment; unknown names stay, as `os.path.expandvars` does. */
export function expandVariables(value: ConfigValue, env: Readonly<Record<string, string | undefined>>): ConfigValue {
  if (typeof value === "string")
    return value.replace(/\$(?:(\w+)|\{([^}]*)\})/g, (all, a?: string, b?: string) => env[a ?? b ?? ""] ?? all);
  if (Array.isArray(value)) return value.map((v: ConfigValue) => expandVariables(v, env));
  if (!isTree(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, v]) => [name, expandVariables(v, env)]));
}

/**
 * `value` as a level, for what a file or variable holds at its top.
 * @throws {ConfigError} it is none
 */
export function asTree(value: unknown, where: string): ConfigTree {
  if (value === null || value === undefined) return {}; // an empty file
  if (typeof value !== "object" || Array.isArray(value))
    throw new ConfigError(`${where} must hold a mapping at its top level, got ${JSON.stringify(value)}`);
  return value as ConfigTree; // YAML and JSON give nothing else
}
