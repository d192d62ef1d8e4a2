/** Where configuration comes from: YAML files and `DASK_*` variables, in Dask's order. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { parse, type Tags } from "yaml";
import { ConfigError } from "../base/index.ts";
import { type ConfigValue, interpretValue } from "./literal.ts";
import { asTree, type ConfigTree, mergeTrees, nest } from "./tree.ts";

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

/** Files of configuration in a folder, or the file itself. */
export function filesOf(path: string): string[] {
  try {
    if (!statSync(path).isDirectory()) return [path];
    const names = readdirSync(path).filter((name) => /\.(yaml|yml|json)$/.test(name));
    return names.sort().map((name) => join(path, name));
  } catch {
    return []; // no such folder, or not ours to read: Dask ignores both
  }
}

/** PyYAML's patterns where they differ from YAML 1.1: no `y` and `n`, and a float's exponent needs a point and a sign. */
const PYYAML: Readonly<Record<string, RegExp>> = {
  true: /^(?:[Yy]es|YES|[Tt]rue|TRUE|[Oo]n|ON)$/,
  false: /^(?:[Nn]o|NO|[Ff]alse|FALSE|[Oo]ff|OFF)$/,
  EXP: /^[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)[eE][-+][0-9]+$/,
};

/**
 * YAML 1.1 as Dask's reader, PyYAML, has it. Only times and dates stay text: PyYAML makes a number of seconds of `12:00:00`,
 * which no reader of a walltime expects.
 */
function asPyYaml(tags: Tags): Tags {
  return tags.flatMap((tag): Tags => {
    if (typeof tag === "string" || !("test" in tag)) return [tag];
    if (tag.tag === "tag:yaml.org,2002:timestamp" || tag.format === "TIME") return [];
    const own = tag.tag === "tag:yaml.org,2002:bool" ? String(tag.test?.test("yes")) : (tag.format ?? "");
    const test = PYYAML[own];
    return test ? [Object.assign({}, tag, { test })] : [tag];
  });
}

/** What a file says. @throws {ConfigError} it is no YAML */
export function readTree(file: string): ConfigTree {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    return {}; // unreadable files are somebody else's
  }
  try {
    return asTree(parse(text, { version: "1.1", customTags: asPyYaml }), file);
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
function environmentTree(env: Environment): ConfigTree {
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
    return asTree(parsePythonJson(Buffer.from(text, "base64url").toString("utf8")), "DASK_INTERNAL_INHERIT_CONFIG");
  } catch (cause) {
    throw new ConfigError("DASK_INTERNAL_INHERIT_CONFIG is not URL-safe base64 of JSON", { cause });
  }
}

/** JSON as Python writes it: numbers may be `Infinity`, as Dask's own default of `distributed.adaptive.maximum` is. */
function parsePythonJson(text: string): unknown {
  const plain = text.replace(/"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/g, (token) => {
    if (token.startsWith('"')) return token;
    return token === "NaN" ? "null" : token.replace("Infinity", "1e999"); // which JSON.parse reads as Infinity
  });
  return JSON.parse(plain);
}

/**
 * `tree` in the form of `DASK_INTERNAL_INHERIT_CONFIG`, for another process; Python reads it too. dask.config `serialize`.
 */
export function inheritable(tree: ConfigTree): string {
  const text = JSON.stringify(tree, (_name, value: unknown) =>
    typeof value === "number" && !Number.isFinite(value) ? `\0${String(value)}` : value,
  );
  const python = text.replace(/"\\u0000(-?Infinity|NaN)"/g, (_all, word: string) => word);
  return Buffer.from(python, "utf8").toString("base64").replaceAll("+", "-").replaceAll("/", "_");
}

/**
 * Everything that files and variables say. `$NAME` in texts stays, as in Dask: `$TMPDIR` may be meant for another machine.
 * @throws {ConfigError} a file is no YAML
 */
export function collectTree(env: Environment): ConfigTree {
  const files = configPaths(env).flatMap(filesOf);
  return mergeTrees(files.map(readTree).reduce<ConfigTree>(mergeTrees, {}), environmentTree(env));
}
