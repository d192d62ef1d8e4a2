/** Arrays of what runs later. dask `from_delayed`. */
import { ArgumentError, DTypeMismatchError, ShapeError } from "../../base/index.ts";
import type { DType } from "../../dtype/index.ts";
import type { LayerNode } from "../../graph/index.ts";
import { ChunkedArray } from "../chunked-array.ts";
import { callLayer } from "./call-layer.ts";
import { Delayed } from "./delayed.ts";
import { composeCall, DelayedCall } from "./delayed-call.ts";

/** What the array is. */
export interface FromDelayedOptions {
  readonly shape: readonly number[];
  /** Required for the result of a function; that of a block is known. Checked when the block is made. */
  readonly dtype?: DType;
  /** First word of the key; default `from-delayed`. */
  readonly name?: string;
}

/**
 * An array of one chunk: a block of another array, or the result of a delayed call, which gives an array, a typed array,
 * nested lists or a number. What a call needs is called for each array that is made of it: what is shared by many is
 * better scattered, or computed once.
 * @throws {ShapeError} {DTypeMismatchError} the block is another than said; of a call, when it is made
 * @throws {ArgumentError} a call without a dtype  @throws {UnsupportedError} a Python function
 */
export function fromDelayed(value: Delayed | DelayedCall, options: FromDelayedOptions): ChunkedArray {
  return value instanceof Delayed ? ofBlock(value, options) : ofCall(value, options);
}

function ofBlock(value: Delayed, { shape, dtype = value.dtype }: FromDelayedOptions): ChunkedArray {
  if (shape.length !== value.shape.length || shape.some((n, k) => n !== value.shape[k]))
    throw new ShapeError(`fromDelayed of a block of shape (${value.shape.join(", ")}) as (${shape.join(", ")})`);
  if (dtype !== value.dtype) throw new DTypeMismatchError(`fromDelayed of a block of ${value.dtype} as ${dtype}`);
  return new ChunkedArray(value.outputs[0] as LayerNode); // one output
}

function ofCall(value: DelayedCall, { shape, dtype, name = "from-delayed" }: FromDelayedOptions): ChunkedArray {
  if (!(value instanceof DelayedCall)) throw new ArgumentError("fromDelayed: expected a block or a delayed call");
  if (dtype === undefined) throw new ArgumentError("fromDelayed of a call: say its dtype, { shape, dtype }");
  for (const n of shape)
    if (!Number.isSafeInteger(n) || n < 0) throw new ShapeError(`shape (${shape.join(", ")}): ${n} is not a size`);
  const { text, arrays, args } = composeCall(value);
  const node = callLayer({
    label: name,
    text,
    // Labels that the result lacks: the arrays arrive whole.
    operands: arrays.map((array, i) => ({ array, labels: array.shape.map((_, k) => `of ${i} ${k}`) })),
    out: shape.map((_, k) => k),
    chunks: shape.map((n) => [n]),
    dtype,
    args,
  });
  return new ChunkedArray(node);
}
