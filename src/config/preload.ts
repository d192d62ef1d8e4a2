/** Modules that a process imports before it works: `distributed.scheduler.preload`, `distributed.worker.preload`. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { ConfigError } from "../base/index.ts";

/** A preloaded module: both functions are called with the scheduler or the worker, `setup` with its arguments too. Dask: `dask_setup`, `dask_teardown`. */
interface Preloaded {
  readonly setup?: (server: unknown, argv: readonly string[]) => unknown;
  readonly teardown?: (server: unknown) => unknown;
}

/** Modules that are loaded. */
export interface Preloads {
  /** Call every module's `setup`, in order. */
  setup(server: unknown): Promise<void>;
  /** Call every module's `teardown`, last one first. */
  teardown(server: unknown): Promise<void>;
}

/**
 * Import modules by path, seen from the working directory, or by package name. `argvs` holds the arguments of each module's
 * `setup`, those of all modules where there is one list only, as Dask's `preload-argv`.
 * @throws {ConfigError} one cannot be imported
 */
export async function preload(
  names: readonly string[],
  argvs: readonly (string | readonly string[])[] = [],
): Promise<Preloads> {
  const argvOf = argumentsOf(names.length, argvs);
  const modules: Preloaded[] = [];
  for (const name of names) {
    try {
      modules.push((await import(existsSync(name) ? pathToFileURL(resolve(name)).href : name)) as Preloaded);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new ConfigError(`preload ${name} cannot be imported: ${why}`, { cause, details: { module: name } });
    }
  }
  return {
    setup: async (server) => {
      for (const [i, module] of modules.entries()) await module.setup?.(server, argvOf(i));
    },
    teardown: async (server) => {
      for (const module of modules.toReversed()) await module.teardown?.(server);
    },
  };
}

/** Arguments of the module of this number. @throws {ConfigError} as many lists as modules, or one for all, are expected */
function argumentsOf(
  count: number,
  argvs: readonly (string | readonly string[])[],
): (module: number) => readonly string[] {
  const forAll = argvs.filter((each) => typeof each === "string");
  if (forAll.length === argvs.length) return () => forAll;
  const lists = argvs.filter((each) => typeof each !== "string");
  if (lists.length !== argvs.length || lists.length !== count)
    throw new ConfigError(
      `preload-argv has ${argvs.length} entries for ${count} modules; expected a list for each, or one`,
    );
  return (module) => lists[module] ?? [];
}
