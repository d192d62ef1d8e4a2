/** Functions that choose between values, element by element: all choices are evaluated, in one fused pass. */
import { ArgumentError, requireKnownOptions } from "../../base/index.ts";
import type { Scalar } from "../../dtype/index.ts";
import type { NDArray } from "../../ndarray/index.ts";
import { ChunkedArray } from "../chunked-array.ts";
import { assignTerm, type BoundsMode, chooseTerm, selectTerm } from "./composed.ts";
import { elementwise, type Operand } from "./layer.ts";
import { clipTerm, type Term, whereTerm } from "./terms.ts";

/**
 * `cond ? x : y`, element by element; both are evaluated. `cond` may have any dtype: true where it is not 0.
 * Lazy; shapes broadcast; dtype by promotion of `x` and `y`. NumPy `where` with three arguments.
 */
export function where(cond: Operand, x: Operand, y: Operand): ChunkedArray {
  return new ChunkedArray(
    elementwise("where", [cond, x, y], (b, [c, p, q]) => whereTerm(b, c as Term, p as Term, q as Term)),
  );
}

/**
 * Limited to `[min, max]`; NaN stays; `min > max` gives `max`; null is no bound, and neither is an integer that lies
 * beyond the dtype's range on that side. Lazy; dtype by promotion of all. NumPy `clip`.
 * Without bounds the array itself. @throws {DTypeError} a lower bound above the dtype's range, or an upper one below
 */
export function clip(x: Operand, min: Operand | null, max: Operand | null = null): ChunkedArray {
  const given = [min, max].filter((v): v is Operand => v !== null);
  return new ChunkedArray(
    elementwise("clip", [x, ...given], (b, terms) =>
      clipTerm(
        b,
        terms[0] as Term,
        min === null ? null : (terms[1] as Term),
        max === null ? null : (terms.at(-1) as Term),
      ),
    ),
  );
}

/**
 * The first choice whose condition holds, else `otherwise`. Lazy; shapes broadcast; dtype by promotion of all choices
 * and `otherwise`. NumPy `select`.
 * @throws {ArgumentError} no condition, or another number of choices  @throws {DTypeError} a condition that is not bool
 */
export function select(
  conditions: readonly Operand[],
  choices: readonly Operand[],
  otherwise: Operand = 0,
): ChunkedArray {
  const n = conditions.length;
  if (n === 0 || n !== choices.length)
    throw new ArgumentError(`select: ${n} conditions and ${choices.length} choices; expected as many, at least one`);
  return new ChunkedArray(
    elementwise("select", [...conditions, ...choices, otherwise], (b, terms) =>
      selectTerm(b, terms.slice(0, n), terms.slice(n, 2 * n), terms[2 * n] as Term),
    ),
  );
}

/** Options of {@link choose}. */
export interface ChooseOptions {
  /** Indices outside the choices: an error when it runs, modulo the number of choices, or the nearest choice. */
  readonly mode?: BoundsMode;
}

/**
 * `choices[index]`, element by element. Lazy; shapes broadcast; dtype by promotion of the choices. NumPy `choose`.
 * @throws {ArgumentError} no choices  @throws {DTypeError} indices that are no integers
 * @throws {SelectionError} when it runs: an index out of bounds and mode `"raise"` (the default)
 */
export function choose(index: Operand, choices: readonly Operand[], options: ChooseOptions = {}): ChunkedArray {
  requireKnownOptions("choose", options, { mode: true });
  if (choices.length === 0) throw new ArgumentError("choose: expected at least one choice");
  return new ChunkedArray(
    elementwise("choose", [index, ...choices], (b, terms) =>
      chooseTerm(b, terms[0] as Term, terms.slice(1), options.mode ?? "raise"),
    ),
  );
}

/** A value of {@link piecewise}, or a function of the whole array. */
export type Piece = Scalar | ((x: ChunkedArray) => Operand);

/**
 * `pieces[k]` where `conditions[k]` holds (the last that does), else the piece without a condition, else 0. Functions
 * are called once, with the whole lazy array: they build expressions and run nowhere else.
 * Lazy; dtype of `x`, into which pieces are cast. NumPy `piecewise`.
 * @throws {ArgumentError} neither as many pieces as conditions nor one more
 */
export function piecewise(
  x: ChunkedArray | NDArray,
  conditions: readonly Operand[],
  pieces: readonly Piece[],
): ChunkedArray {
  const n = conditions.length;
  if (pieces.length !== n && pieces.length !== n + 1)
    throw new ArgumentError(`piecewise: ${n} conditions and ${pieces.length} pieces; expected ${n} or ${n + 1} pieces`);
  const lazy = x instanceof ChunkedArray ? x : new ChunkedArray(elementwise("array", [x], (_b, [t]) => t as Term));
  const values = pieces.map((p): Operand => (typeof p === "function" ? p(lazy) : p));
  const zero: Operand = 0;
  return new ChunkedArray(
    elementwise("piecewise", [lazy, ...conditions, ...values, zero], (b, terms) => {
      const start = terms[1 + 2 * n] as Term; // the piece without a condition, else the zero
      let value = assignTerm(b, { weak: true }, start, terms[0] as Term);
      for (let k = 0; k < n; k++) value = assignTerm(b, terms[1 + k] as Term, terms[1 + n + k] as Term, value);
      return value;
    }),
  );
}
