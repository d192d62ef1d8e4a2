/** Configuration files as `dask config` treats them: which one says a key, and changing it there. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { isMap, parseDocument } from "yaml";
import { WriteError } from "../base/index.ts";
import type { ConfigValue } from "./literal.ts";
import { configPaths, type Environment, filesOf, readTree } from "./sources.ts";
import { canonicalName, isTree, lookUp } from "./tree.ts";

/** Files that say `key`, weakest first, with what they say. */
export function filesWith(
  key: string,
  env: Environment = process.env,
): readonly { readonly file: string; readonly value: ConfigValue }[] {
  return configPaths(env)
    .flatMap(filesOf)
    .flatMap((file) => {
      const value = lookUp(readTree(file), key);
      return value === undefined ? [] : [{ file, value }];
    });
}

/** Folders and files that are looked at, weakest first. */
export function searchedPaths(env: Environment = process.env): readonly string[] {
  return configPaths(env);
}

/**
 * Write a setting into a file, whose comments stay: the one given, else the first that says the key, else `dask.yaml` in
 * `DASK_CONFIG` or the user's own folder. Gives the file.
 * @throws {WriteError} it cannot be written
 */
export function saveSetting(
  key: string,
  value: ConfigValue,
  { file, env = process.env }: { readonly file?: string | undefined; readonly env?: Environment } = {},
): string {
  const own = env["DASK_CONFIG"] ?? join(env["HOME"] ?? homedir(), ".config", "dask");
  const target = file ?? filesWith(key, env)[0]?.file ?? (/\.(ya?ml|json)$/.test(own) ? own : join(own, "dask.yaml"));
  try {
    const document = parseDocument(textOf(target), { version: "1.1" });
    const path: string[] = [];
    // As Dask, whatever of the path is there keeps its spelling, `-` or `_`.
    let level: unknown = document.toJS() ?? {};
    for (const part of key.split(".")) {
      const known = isTree(level as ConfigValue) ? (level as Record<string, ConfigValue>) : {};
      const name = canonicalName(part, known);
      path.push(name);
      level = known[name];
    }
    // Missing levels as plain objects: the library would make ordered maps of them, which PyYAML reads as lists.
    let depth = 1;
    while (depth < path.length && isMap(document.getIn(path.slice(0, depth)))) depth++;
    const nested = path.slice(depth).reduceRight<ConfigValue>((inner, name) => ({ [name]: inner }), value);
    document.setIn(path.slice(0, depth), document.createNode(nested));
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, document.toString());
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new WriteError(
      `configuration cannot be saved in ${target}: ${why}; give another --file, or set DASK_CONFIG`,
      {
        cause,
        details: { file: target },
      },
    );
  }
  return target;
}

/** What is there; an empty mapping where there is nothing, so that there is something to set a key in. */
function textOf(file: string): string {
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  return /^\s*[^\s#]/m.test(text) ? text : `${text}{}\n`;
}
