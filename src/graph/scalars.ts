/** Results that are scalars, in columns: told with the end of their task, so that who waits for them need not ask. */

/** A result that travels in a column. */
export type ColumnScalar = number | boolean | null;

/** Columns of equal length. */
export interface ScalarColumns {
  readonly kinds?: Uint8Array;
  readonly scalars?: Float64Array;
}

/** Kinds of scalars; 0: the result is something else. */
const KINDS = ["number", "boolean", "null"] as const;

/** Kind of a value among the scalars of a column, and its number; 0: it is none. */
export function scalarParts(value: unknown): readonly [kind: number, number: number] {
  const kind = scalarKind(value);
  return [kind, kind === 0 ? 0 : Number(value)];
}

/** Kind of a value among the scalars of a column, whose number `Number` gives; 0: it is none. */
export function scalarKind(value: unknown): number {
  // The sign of a zero is lost on the way to the client.
  if (typeof value === "number") return Object.is(value, -0) ? 0 : 1;
  if (typeof value === "boolean") return 2;
  return value === null ? 3 : 0;
}

/** The scalar at place `i` of the columns; undefined: the result is none. */
export function scalarIn({ kinds, scalars }: ScalarColumns, i: number): ColumnScalar | undefined {
  const kind = KINDS[(kinds?.[i] ?? 0) - 1];
  if (kind === undefined) return undefined;
  const number = scalars?.[i] ?? 0;
  return kind === "number" ? number : kind === "boolean" ? number === 1 : null;
}
