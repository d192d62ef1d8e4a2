/** Evenly spaced numbers. */
import { ArgumentError, DTypeError, requireKnownOptions } from "../../base/index.ts";
import { asDType, canHold, castScalar, type DType, dtypeInfo } from "../../dtype/index.ts";
import { arangeNode } from "../../graph/index.ts";
import { ChunkedArray } from "../chunked-array.ts";
import { elementwise } from "../elementwise/layer.ts";
import { binaryTerm, lift, type Term, whereTerm } from "../elementwise/terms.ts";
import { cutChunks, type LazyArray, lazyOf } from "../lazy.ts";
import { CREATE_OPTIONS, type CreateOptions } from "./create-options.ts";

/** `0, 1, …` below `n`. */
export function countUp(n: number, dtype: DType, chunks?: CreateOptions["chunks"]): LazyArray {
  return lazyOf(arangeNode(dtype, cutChunks([n], dtype, chunks), 0, 1));
}

/**
 * `start, start + step, …` below `stop`; one argument is `stop`. dtype int64 for whole numbers, else float64.
 * Floats are `start + i * delta` with `delta` as the first two elements differ by, as NumPy computes them. Matches NumPy `arange`.
 * @throws {ArgumentError} step 0 or not finite  @throws {DTypeError} bools beyond two elements
 */
export function arange(
  startOrStop: number,
  stop?: number | CreateOptions,
  step: number | CreateOptions = 1,
  options: CreateOptions = {},
): ChunkedArray {
  const last = [step, stop].find((v): v is CreateOptions => typeof v === "object") ?? options;
  const [from, to] = typeof stop === "number" ? [startOrStop, stop] : [0, startOrStop];
  requireKnownOptions("arange", last, CREATE_OPTIONS);
  const by = typeof step === "number" ? step : 1;
  if (by === 0 || ![from, to, by].every(Number.isFinite))
    throw new ArgumentError(`arange(${from}, ${to}, ${by}): expected finite numbers and a step that is not 0`);
  const dtype = asDType(last.dtype ?? ([from, to, by].every(Number.isInteger) ? "int64" : "float64"));
  const n = Math.max(0, Math.ceil((to - from) / by));
  const { kind } = dtypeInfo(dtype);
  if (kind === "M" || kind === "m") throw new DTypeError(`arange of ${dtype}: expected a number dtype`);
  if (kind === "b" && n > 2) throw new DTypeError(`arange of ${n} bools: expected at most 2`);
  if (kind === "i" || kind === "u") {
    const first = Math.trunc(from);
    for (const v of [first, Math.trunc(from + by)].slice(0, n))
      if (!canHold(dtype, v)) throw new DTypeError(`arange(${from}, ${to}, ${by}): ${v} does not fit ${dtype}`);
    return new ChunkedArray(
      arangeNode(dtype, cutChunks([n], dtype, last.chunks), first, Math.trunc(from + by) - first),
    );
  }
  const wide = dtype === "float32" || dtype === "float16" || dtype === "complex64" ? "float32" : "float64";
  const rounded = dtype === "float16" ? "float16" : wide;
  const at = (v: number): number => Number(castScalar(v, rounded));
  const delta = Number(castScalar(at(from + by) - at(from), wide));
  if (dtype === "float64") return new ChunkedArray(arangeNode(dtype, cutChunks([n], dtype, last.chunks), from, delta));
  return new ChunkedArray(
    elementwise("arange", [countUp(n, "float64", cutChunks([n], dtype, last.chunks))], (b, [i]) => {
      const steps = b.binary("mul", b.cast(lift(b, i as Term, "float64"), wide), b.param(delta, wide));
      return { node: b.cast(b.binary("add", steps, b.param(at(from), wide)), dtype) };
    }),
  );
}

/** Options of {@link linspace}. */
export interface LinspaceOptions extends CreateOptions {
  /** How many numbers; 50 by default. */
  readonly num?: number;
  /** The last number is `stop`; true by default. */
  readonly endpoint?: boolean;
  /** Give the step too: the result is `[numbers, step]`. */
  readonly retstep?: boolean;
}

/**
 * `num` numbers evenly spaced from `start` to `stop`, float64 unless told; integers are rounded down. Matches NumPy `linspace`.
 * @throws {ArgumentError} a number that is not one, or a negative `num`
 */
export function linspace(
  start: number,
  stop: number,
  num: number | undefined,
  options: LinspaceOptions & { readonly retstep: true },
): [ChunkedArray, number];
export function linspace(
  start: number,
  stop: number,
  options: LinspaceOptions & { readonly retstep: true },
): [ChunkedArray, number];
export function linspace(
  start: number,
  stop: number,
  num?: number | LinspaceOptions,
  options?: LinspaceOptions,
): ChunkedArray;
export function linspace(
  start: number,
  stop: number,
  num?: number | LinspaceOptions,
  more: LinspaceOptions = {},
): ChunkedArray | [ChunkedArray, number] {
  const options = typeof num === "object" ? num : more;
  requireKnownOptions("linspace", options, { ...CREATE_OPTIONS, num: true, endpoint: true, retstep: true });
  const n = typeof num === "number" ? num : (options.num ?? 50);
  if (typeof start !== "number" || typeof stop !== "number")
    throw new ArgumentError(`linspace(${String(start)}, ${String(stop)}): expected numbers`);
  if (!Number.isSafeInteger(n) || n < 0)
    throw new ArgumentError(`linspace of ${n} numbers: expected a count that is not negative`);
  const endpoint = options.endpoint ?? true;
  const parts = endpoint ? n - 1 : n;
  const delta = stop - start;
  const step = parts > 0 ? delta / parts : Number.NaN;
  const dtype = asDType(options.dtype ?? "float64");
  const chunks = cutChunks([n], dtype, options.chunks);
  // Where the last number is `stop` by itself, all are those of a range.
  if (dtype === "float64" && parts > 0 && step !== 0 && (!endpoint || Object.is(start + step * (n - 1), stop))) {
    const range = new ChunkedArray(arangeNode(dtype, chunks, start, step));
    return options.retstep ? [range, step] : range;
  }
  const index = countUp(n, "float64", chunks);
  const node = elementwise("linspace", [index], (b, [i]) => {
    const at = i as Term; // one operand
    const weak = (v: number): Term => ({ node: b.param(v, "float64") });
    const scaled =
      parts > 0 && step !== 0
        ? binaryTerm(b, "mul", at, weak(step))
        : binaryTerm(b, "mul", parts > 0 ? binaryTerm(b, "div", at, weak(parts)) : at, weak(delta));
    const moved = binaryTerm(b, "add", scaled, weak(start));
    const ended = endpoint && n > 1 ? whereTerm(b, binaryTerm(b, "eq", at, weak(n - 1)), weak(stop), moved) : moved;
    const value = lift(b, ended, "float64");
    const { kind } = dtypeInfo(dtype);
    return { node: b.cast(kind === "i" || kind === "u" ? b.unary("floor", value) : value, dtype) };
  });
  const made = new ChunkedArray(node);
  return options.retstep ? [made, step] : made;
}
