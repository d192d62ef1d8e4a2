/** Random programs over lazy arrays: a few inputs, a few steps of every kind, one reduction or none at the end. */
import fc from "fast-check";
import * as array from "../../src/array/index.ts";
import type { DType } from "../../src/dtype/index.ts";
import type { NDArray } from "../../src/ndarray/index.ts";
import { CUTTINGS, type Cutting, cut, values } from "./grid/values.ts";

/** One step: what to do with which of the values so far. */
export interface ProgramStep {
  readonly op: string;
  readonly left: number;
  readonly right: number;
  readonly amount: number;
}

/** Inputs of one shape, steps, and an end. */
export interface Program {
  readonly dtypes: readonly DType[];
  readonly shape: readonly number[];
  readonly cuttings: readonly Cutting[];
  readonly steps: readonly ProgramStep[];
  readonly end: string;
}

type Lazy = array.ChunkedArray;

/** Steps whose bits do not depend on how arrays are cut. */
const STEPS: Readonly<Record<string, (x: Lazy, y: Lazy, amount: number) => Lazy>> = {
  add: (x, y) => array.add(x, y),
  subtract: (x, y) => array.subtract(array.astype(x, "float64"), y),
  multiply: (x, y) => array.multiply(x, y),
  divide: (x, y) => array.divide(x, y),
  maximum: (x, y) => array.maximum(x, y),
  where: (x, y, amount) => array.where(array.greater(x, amount), x, y),
  clip: (x, _, amount) => array.clip(x, -amount, amount),
  abs: (x) => array.abs(x),
  root: (x) => array.sqrt(array.abs(x)),
  floor: (x) => array.floor(x),
  narrow: (x) => array.astype(array.clip(x, -100, 100), "float32"),
  whole: (x) => array.astype(array.nanToNum(array.clip(x, -100, 100)), "int16"),
  flip: (x) => array.flip(x, 0),
  roll: (x, _, amount) => array.roll(x, amount, -1),
  turned: (x, y) => array.transpose(array.add(array.transpose(x), array.transpose(y))),
  rechunk: (x, _, amount) => array.rechunk(x, 1 + (amount % 4)),
  halves: (x) => array.concatenate([x.slice([0, 2]), x.slice([2, null])], 0),
  shifted: (x) =>
    array.pad(
      x.slice([1, null]),
      [
        [1, 0],
        [0, 0],
      ],
      { mode: "edge" },
    ),
  sort: (x) => array.sort(x, -1),
};

/** Ends; those of `exact` do not depend on how arrays are cut. */
const ENDS: Readonly<Record<string, (x: Lazy) => Lazy>> = {
  none: (x) => x,
  max: (x) => array.max(x),
  min0: (x) => array.min(x, 0),
  argmax: (x) => array.argmax(x, 1),
  median: (x) => array.median(x, 0),
  any: (x) => array.any(x, 1),
  sum: (x) => array.sum(x),
  mean0: (x) => array.mean(x, 0),
  std: (x) => array.std(x, -1),
  cumsum: (x) => array.cumsum(x, 0),
};
export const EXACT_ENDS: ReadonlySet<string> = new Set(["none", "max", "min0", "argmax", "median", "any"]);

const DTYPES: readonly DType[] = ["int16", "uint8", "int64", "float32", "float64", "bool"];

export const programs: fc.Arbitrary<Program> = fc.record({
  dtypes: fc.array(fc.constantFrom(...DTYPES), { minLength: 2, maxLength: 3 }),
  shape: fc.tuple(fc.integer({ min: 3, max: 9 }), fc.integer({ min: 2, max: 11 })),
  cuttings: fc.array(fc.constantFrom(...CUTTINGS), { minLength: 3, maxLength: 3 }),
  steps: fc.array(
    fc.record({
      op: fc.constantFrom(...Object.keys(STEPS)),
      left: fc.nat(20),
      right: fc.nat(20),
      amount: fc.integer({ min: 1, max: 5 }),
    }),
    { minLength: 1, maxLength: 7 },
  ),
  end: fc.constantFrom(...Object.keys(ENDS)),
});

/** How a program is run. */
export interface Mode {
  /** The inputs are one block each. */
  readonly whole?: boolean;
  /** Called on every value between steps; the values themselves by default. */
  readonly between?: (x: Lazy) => Promise<Lazy> | Lazy;
}

/** The program's lazy result. */
export async function build(program: Program, { whole = false, between = (x) => x }: Mode = {}): Promise<Lazy> {
  const { dtypes, shape, cuttings } = program;
  const made: Lazy[] = dtypes.map((dtype, k) => {
    const block = values(dtype, shape, "holes", 3 * k);
    const cutting = whole ? "whole" : (cuttings[k] as Cutting); // three cuttings, at most three inputs
    return array.fromArray(block, { chunks: shape.map((n) => cut(n, cutting)) });
  });
  for (const { op, left, right, amount } of program.steps) {
    const [x, y] = [made[left % made.length], made[right % made.length]] as [Lazy, Lazy];
    made.push(await between((STEPS[op] as (typeof STEPS)["add"])(x, y, amount))); // names come from the record
  }
  return (ENDS[program.end] as (typeof ENDS)["none"])(made.at(-1) as Lazy); // as above
}

/** Bytes of a block, any NaN one NaN. */
export function bytesOf(block: NDArray): string {
  const { data } = block;
  const clean =
    data instanceof Float32Array || data instanceof Float64Array
      ? data.map((v) => (Number.isNaN(v) ? Number.NaN : v))
      : data;
  return `${block.dtype} (${block.shape}) ${Buffer.from(clean.buffer, clean.byteOffset, clean.byteLength).toString("hex")}`;
}
