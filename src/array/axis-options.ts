/** An axis and options as callers may write them: `(x, 0, { … })`, `(x, { axis: 0, … })`. */

/** Options that may name the axis too. */
export interface WithAxis<A> {
  readonly axis?: A;
}

/** The axis and the options, from wherever they were given. */
export function axisAnd<A extends number | readonly number[] | null, O extends object>(
  axis: A | (O & WithAxis<A>) | undefined,
  options: (O & WithAxis<A>) | undefined,
): { readonly axis: A | undefined; readonly options: O & WithAxis<A> } {
  const isOptions = typeof axis === "object" && axis !== null && !Array.isArray(axis);
  // What is no list, no number and not null is the options object.
  const given = (isOptions ? axis : (options ?? {})) as O & WithAxis<A>;
  return { axis: isOptions ? given.axis : axis === undefined ? given.axis : (axis as A), options: given };
}
