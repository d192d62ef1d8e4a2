/** What the sweep measures: the first call of every row of the grid that takes a plane of the dtype, and why others are left out. */
import type { DType } from "../../src/dtype/index.ts";
import { ELEMENTWISE } from "../../test/array/grid/elementwise.ts";
import { REDUCTIONS } from "../../test/array/grid/reductions.ts";
import { type Call, REAL, type Row } from "../../test/array/grid/row.ts";
import type { Profile } from "../../test/array/grid/values.ts";

/** dtypes of the inputs, each of 16 MB. */
export const DTYPES_SWEPT: readonly DType[] = ["float32", "uint16"];

/** Functions whose first call on 16 MB measures nothing, takes minutes on either side, or has no array of that size. */
export const LEFT_OUT: Readonly<Record<string, string>> = {
  cov: "takes a variable per row: 2048 variables",
  corrcoef: "takes a variable per row: 2048 variables",
};

/** Why a T1 function takes more than 1.5 of NumPy's time. */
export const REASONS: Readonly<Record<string, string>> = {};

/** One measurement. */
export interface Sweep {
  readonly name: string;
  readonly dtype: DType;
  readonly call: Call;
}

const PLANE: Profile = { name: "bench", shape: [2048, 2048], pattern: "plain" };

/** The rows of all families. */
export const ROWS: readonly Row[] = [...ELEMENTWISE, ...REDUCTIONS];

/** All measurements of the functions that `has` knows. */
export function sweeps(has: (name: string) => boolean): Sweep[] {
  return ROWS.filter(({ name }) => has(name) && !(name in LEFT_OUT)).flatMap(({ name, calls }) =>
    DTYPES_SWEPT.flatMap((dtype) => {
      const call = calls.find((c) => (c.dtypes ?? REAL).includes(dtype) && (c.profiles?.(PLANE) ?? true));
      return call ? [{ name, dtype, call }] : [];
    }),
  );
}
