/**
 * URL of a module that begins a thread or a process: `.ts` where sources run as they are, `.js` in the package.
 *
 * @param module relative, without ending: `./thread`
 * @param from the caller's `import.meta.url`
 * @example
 * ```ts
 * new Worker(moduleUrl("./thread", import.meta.url));
 * ```
 */
export function moduleUrl(module: string, from: string): URL {
  return new URL(`${module}${from.endsWith(".ts") ? ".ts" : ".js"}`, from);
}
