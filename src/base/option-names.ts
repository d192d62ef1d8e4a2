/** Options by name, as callers give them: a name that is none is a mistake, and is told as one. */
import { ArgumentError } from "./errors.ts";
import { nearestName } from "./nearest.ts";

/** All names of an options type; the compiler says when one is missing or gone. */
export type OptionNames<T> = { readonly [K in keyof T]-?: true };

/**
 * Refuse names of options that `call` does not take.
 *
 * @param call who takes them, for the message: "toZarr"
 * @throws {ArgumentError} `given` is no object, or has a name that is not in `names`: it is told, with the nearest one and all that there are
 */
export function requireKnownOptions<T extends object>(call: string, given: T, names: OptionNames<T>): void {
  if (typeof given !== "object" || given === null)
    throw new ArgumentError(`${call}: options are an object, not ${String(given)}`);
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(names, name)) continue;
    const accepted = Object.keys(names);
    const nearest = nearestName(name, accepted);
    const hint = nearest === null ? "it takes" : `did you mean ${JSON.stringify(nearest)}? It takes`;
    throw new ArgumentError(`${call} has no option ${JSON.stringify(name)}; ${hint} ${accepted.join(", ") || "none"}`, {
      details: { option: name, nearest, accepted },
    });
  }
}
