/** Where configuration comes from: YAML files and `DASK_*` variables, in Dask's order. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { ConfigError } from "../base/index.ts";
import { type ConfigValue, interpretValue } from "./literal.ts";
import { asTree, type ConfigTree, expandVariables, mergeTrees, nest } from "./tree.ts";

/** The environment that is read. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Folders and files that may hold configuration, weakest first. */
export function configPaths(env: Environment): string[] {
  const prefixes = [env["CONDA_PREFIX"], env["VIRTUAL_ENV"]].filter((p): p is string => p !== undefined && p !== "");
  const paths = [
    env["DASK_ROOT_CONFIG"] ?? "/etc/dask",
    ...prefixes.map((p) => join(p, "etc", "dask")),
    join(env["HOME"] ?? homedir(), ".config", "dask"),
  ];
  if (env["DASK_CONFIG"]) paths.push(env["DASK_CONFIG"]);
  return [...new Set(paths)];
}

function filesOf(path: string): string[] {
  try {
    if (!statSync(path).isDirectory()) return [path];
    const names = readdirSync(path).filter((name) => /\.(yaml|yml|json)$/.test(name));
    return names.sort().map((name) => join(path, name));
  } catch {
    return []; // no such folder, or not ours to read: Dask ignores both
  }
}

function readTree(file: string): ConfigTree {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    return {}; // unreadable files are somebody else's
  }
  try {
    return asTree(parse(text), file);
  } catch (cause) {
    throw new ConfigError(`${file} is not valid YAML: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
      details: { file },
    });
  }
}

/**
 * Configuration of `DASK_*` variables: an inherited one first (URL-safe base64 of JSON), then `DASK_A__B_C` as `a.b_c`.
 * @throws {ConfigError} the inherited one cannot be read
 */
export function environmentTree(env: Environment): ConfigTree {
  const flat: Record<string, ConfigValue> = {};
  for (const name of Object.keys(env).sort()) {
    if (!name.startsWith("DASK_") || name === "DASK_INTERNAL_INHERIT_CONFIG") continue;
    flat[name.slice(5).toLowerCase().replaceAll("__", ".")] = interpretValue(env[name] ?? "");
  }
  return mergeTrees(inheritedTree(env), nest(flat));
}

function inheritedTree(env: Environment): ConfigTree {
  const text = env["DASK_INTERNAL_INHERIT_CONFIG"];
  if (text === undefined) return {};
  try {
    return asTree(JSON.parse(Buffer.from(text, "base64url").toString("utf8")), "DASK_INTERNAL_INHERIT_CONFIG");
  } catch (cause) {
    throw new ConfigError("DASK_INTERNAL_INHERIT_CONFIG is not URL-safe base64 of JSON", { cause });
  }
}

/**
 * Everything that files and variables say, variables in texts expanded.
 * @throws {ConfigError} a file is no YAML
 */
export function collectTree(env: Environment): ConfigTree {
  const files = configPaths(env).flatMap(filesOf);
  const tree = mergeTrees(files.map(readTree).reduce<ConfigTree>(mergeTrees, {}), environmentTree(env));
  return expandVariables(tree, env) as ConfigTree; // a level stays one
}
