/** Parameters of window kernels, as they arrive in a task. */
import { invariant } from "../../base/index.ts";
import type { Plain } from "../../graph/index.ts";
import type { NDArray } from "../../ndarray/index.ts";
import type { Size } from "./surface.ts";

/** Parameters by name. */
export type Params = Readonly<Record<string, Plain | undefined>>;

/** The record that `params` must be. */
export function record(params: Plain): Params {
  invariant(
    typeof params === "object" && params !== null && !Array.isArray(params) && !(params instanceof Uint8Array),
    "a window kernel takes a record of parameters",
  );
  return params as Params; // all other kinds are excluded
}

/** The window's extent: `size`, two positive integers. */
export function windowSize(params: Params): Size {
  const { size } = params;
  const isPair = Array.isArray(size) && size.length === 2 && size.every((n) => Number.isInteger(n) && Number(n) >= 1);
  invariant(isPair, `a window's size is two positive integers, not ${JSON.stringify(size)}`);
  const [rows, columns] = size as unknown as readonly [number, number]; // checked
  return { rows, columns };
}

/** Asserts that `input` reaches beyond `out` by the window's extent, and that their other axes agree. */
export function checkHalo(input: NDArray, out: NDArray, window: Size): void {
  const lead = out.ndim - 2;
  const want = [
    ...out.shape.slice(0, lead),
    (out.shape[lead] ?? 0) + window.rows - 1,
    (out.shape[lead + 1] ?? 0) + window.columns - 1,
  ];
  invariant(
    out.ndim >= 2 && input.shape.join() === want.join(),
    `a window of ${window.rows} x ${window.columns} into (${out.shape.join(", ")}) needs (${want.join(", ")}), not (${input.shape.join(", ")})`,
  );
}

/** The weights of a correlation: numbers. */
export function weightsOf({ weights }: Params): readonly number[] {
  const isNumbers = Array.isArray(weights) && weights.every((w) => typeof w === "number");
  invariant(isNumbers, "a correlation's weights are numbers");
  return weights as unknown as readonly number[]; // checked
}
