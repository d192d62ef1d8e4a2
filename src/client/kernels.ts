/** Functions of a module of one's own, for submit, map, delayed and functions on blocks: the module's text travels. */
import { readFileSync, realpathSync } from "node:fs";
import { createRequire, stripTypeScriptTypes } from "node:module";
import { fileURLToPath } from "node:url";
import { ArgumentError } from "../base/index.ts";
import { declareKernel, type KernelModule, readKernelModule } from "../graph/index.ts";

/** The functions that a module exports, with their types. */
export type Kernels<M> = {
  readonly [N in keyof M as M[N] extends (...args: never[]) => unknown ? N : never]: M[N];
};

const MODULES = new Map<string, object>();

/**
 * The functions of a kernel module: `const { harmonic } = kernels<typeof import("./phenology.js")>(new
 * URL("./phenology.js", import.meta.url))`. They go wherever a function can travel, and may call each other and all that
 * the module declares; its text goes along, to each worker once, known by its hash. Called here, they run here.
 *
 * The module must hold all that it calls, but Node's own modules (`node:…`); types of TypeScript are taken out.
 *
 * @throws {ArgumentError} no readable file, or the pipeline's own: importing that would run the pipeline on the workers
 * @throws {ClosureError} it imports other files or packages
 */
export function kernels<M extends object>(url: URL | string): Kernels<M> {
  const path = pathOf(url);
  const known = MODULES.get(path);
  if (known) return known as Kernels<M>; // of the same file
  if (process.argv[1] !== undefined && sameFile(path, process.argv[1]))
    throw new ArgumentError(
      `${path} is the pipeline itself: the workers would run it; put the functions into a module of their own`,
      { details: { path } },
    );
  const module = readKernelModule(sourceOf(path), path);
  const made = functionsOf(module, path) as Kernels<M>; // M is the module's own type
  MODULES.set(path, made);
  return made;
}

function pathOf(url: URL | string): string {
  try {
    return realpathSync(fileURLToPath(url));
  } catch (cause) {
    throw new ArgumentError(
      `kernel module ${String(url)} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}; expected new URL("./module.js", import.meta.url)`,
      { cause },
    );
  }
}

function sameFile(path: string, script: string): boolean {
  try {
    return realpathSync(script) === path;
  } catch {
    return false; // the process was not started by a file
  }
}

function sourceOf(path: string): string {
  const text = readFileSync(path, "utf8");
  return /\.[cm]?ts$/.test(path) ? stripTypeScriptTypes(text) : text;
}

/** One stand-in per export. It knows its module, and calls the real function where it is called itself. */
function functionsOf(module: KernelModule, path: string): object {
  const require = createRequire(path);
  const made: Record<string, unknown> = {};
  for (const name of module.names) {
    const call = (...args: unknown[]): unknown => {
      const real = (require(path) as Record<string, unknown>)[name]; // what the module exports
      if (typeof real !== "function") throw new ArgumentError(`${name} of ${path} is no function`);
      return (real as (...given: unknown[]) => unknown)(...args);
    };
    Object.defineProperty(call, "name", { value: name });
    declareKernel(call, { module, name });
    made[name] = call;
  }
  return new Proxy(made, {
    get: (target, name) => {
      if (typeof name === "symbol" || name in target) return Reflect.get(target, name);
      throw new ArgumentError(`${path} exports no ${name}; it exports ${module.names.join(", ") || "nothing"}`);
    },
  });
}
