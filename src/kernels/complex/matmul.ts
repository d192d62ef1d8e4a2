/**
 * Matrix products of complex blocks by four real ones over the interleaved parts, in place:
 * `re = aᵣbᵣ − aᵢbᵢ`, `im = aᵣbᵢ + aᵢbᵣ`. Each real product has the order and rounding of `matmul`.
 */
import { NDArray } from "../../ndarray/index.ts";
import { CallBuilder } from "../map/ir.ts";
import { runMap } from "../map/map.ts";
import { partView } from "./views.ts";

/** A real product of blocks, as `matmul` has it. */
type RealProduct = (inputs: readonly NDArray[], out: NDArray) => void;

function combine(op: "add" | "sub", to: NDArray, other: NDArray): void {
  const b = new CallBuilder();
  const call = b.build([b.binary(op, b.input(to.dtype), b.input(to.dtype))]);
  runMap(call, [to, other], [to], to.shape);
}

/** Bytes beside the blocks: one real product. */
export function complexMatmulScratch(out: { readonly dtype: string; readonly shape: readonly number[] }): number {
  return out.shape.reduce((n, size) => n * size, out.dtype === "complex64" ? 4 : 8);
}

/** `out = a · b` for complex blocks of one dtype. */
export function complexMatmul([a, b]: readonly NDArray[], out: NDArray, multiply: RealProduct): void {
  const [x, y] = [a as NDArray, b as NDArray]; // two inputs
  const [re, im] = [partView(out, 0), partView(out, 1)];
  const other = NDArray.zeros(re.dtype, re.shape);
  multiply([partView(x, 0), partView(y, 0)], re);
  multiply([partView(x, 1), partView(y, 1)], other);
  combine("sub", re, other);
  multiply([partView(x, 0), partView(y, 1)], im);
  multiply([partView(x, 1), partView(y, 0)], other);
  combine("add", im, other);
}
