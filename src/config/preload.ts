/** Modules that a process imports before it works: `distributed.scheduler.preload`, `distributed.worker.preload`. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { ConfigError } from "../base/index.ts";

/** A preloaded module: both functions are called with the scheduler or the worker. Dask: `dask_setup`, `dask_teardown`. */
interface Preloaded {
  readonly setup?: (server: unknown) => unknown;
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
 * Import modules by path, seen from the working directory, or by package name.
 * @throws {ConfigError} one cannot be imported
 */
export async function preload(names: readonly string[]): Promise<Preloads> {
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
      for (const module of modules) await module.setup?.(server);
    },
    teardown: async (server) => {
      for (const module of modules.toReversed()) await module.teardown?.(server);
    },
  };
}
