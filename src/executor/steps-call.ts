/** The `call` step: a user's JavaScript text, run only where its sender is trusted. */
import { TaskError, UnsupportedError } from "../base/index.ts";
import type { Plain } from "../graph/index.ts";

const FUNCTIONS = new Map<string, (...args: unknown[]) => unknown>();
const FUNCTIONS_MAX = 256;

/** Stands in `args` for an input: `{ input: 2 }` is the third dependency. */
function isPlaceholder(value: unknown): value is { readonly input: number } {
  if (value === null || typeof value !== "object") return false;
  const names = Object.keys(value);
  return names.length === 1 && names[0] === "input" && typeof (value as { input: unknown }).input === "number";
}

/**
 * Positional arguments of a call. With `args` null they are the inputs; else `args` lists them, and `{ input: k }`,
 * at any depth, stands for input `k`.
 */
export function callArguments(args: Plain, inputs: readonly unknown[]): unknown[] {
  if (args === null) return [...inputs];
  const put = (value: unknown): unknown => {
    if (isPlaceholder(value)) return inputs[value.input];
    if (Array.isArray(value)) return value.map(put);
    if (value === null || typeof value !== "object" || value instanceof Uint8Array) return value;
    return Object.fromEntries(Object.entries(value).map(([name, v]) => [name, put(v)]));
  };
  return Array.isArray(args) ? args.map(put) : [put(args)];
}

/**
 * What `text`, a function expression, returns for `args`; a promise where it is async.
 * @throws {TaskError} code `untrusted`: nobody vouches for the text
 * @throws {UnsupportedError} the text is no function expression
 */
export function callText(text: string, args: readonly unknown[], trusted: boolean): unknown {
  if (!trusted) {
    throw new TaskError(
      "untrusted",
      "this worker runs JavaScript only with the cluster's mac; start it with the cluster's token, or with --allow-insecure",
    );
  }
  return compiled(text)(...args);
}

function compiled(text: string): (...args: unknown[]) => unknown {
  const known = FUNCTIONS.get(text);
  if (known) return known;
  let made: unknown;
  try {
    made = new Function(`"use strict"; return (${text}\n);`)();
  } catch (cause) {
    throw new UnsupportedError(`the text of a function does not compile: ${excerpt(text)}`, { cause });
  }
  if (typeof made !== "function") throw new UnsupportedError(`${excerpt(text)} is no function expression`);
  if (FUNCTIONS.size >= FUNCTIONS_MAX) FUNCTIONS.delete(FUNCTIONS.keys().next().value as string); // not empty
  const f = made as (...args: unknown[]) => unknown; // typeof says so
  FUNCTIONS.set(text, f);
  return f;
}

function excerpt(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 77)}...` : text);
}
