/** An axis and options as callers may write them: `(x, 0, { … })`, `(x, { axis: 0, … })`. */
import { type OptionNames, requireKnownOptions } from "../base/index.ts";

/** Options that may name the axis too. */
export interface WithAxis<A> {
  readonly axis?: A;
}

/** Who takes the options, and which there are beside the axis; null: the caller checks them. */
export type TakenOptions<O> = readonly [call: string, names: OptionNames<Omit<O, "axis">>] | null;

/**
 * The axis and the options, from wherever they were given.
 * @throws {ArgumentError} an option that is none
 */
export function axisAnd<A extends number | readonly number[] | null, O extends object>(
  axis: A | (O & WithAxis<A>) | undefined,
  options: (O & WithAxis<A>) | undefined,
  taken: TakenOptions<O>,
): { readonly axis: A | undefined; readonly options: O & WithAxis<A> } {
  const isOptions = typeof axis === "object" && axis !== null && !Array.isArray(axis);
  // What is no list, no number and not null is the options object.
  const given = (isOptions ? axis : (options ?? {})) as O & WithAxis<A>;
  if (taken !== null) requireKnownOptions(taken[0], given, { axis: true, ...taken[1] } as OptionNames<typeof given>); // the axis is one of them
  return { axis: isOptions ? given.axis : axis === undefined ? given.axis : (axis as A), options: given };
}
