/** The warnings of api.md §§2, 15 that elementwise operations tell when they are built. */
import { warnOnce } from "../../base/index.ts";
import { castScalar, type DType, dtypeInfo } from "../../dtype/index.ts";
import type { ChunkedArray } from "../chunked-array.ts";

/** Gives `result`; tells once per place when an unsigned difference or negation was not promoted and so wraps. */
export function warnOfWrap(op: "sub" | "neg", result: ChunkedArray): ChunkedArray {
  const { dtype } = result;
  if (dtypeInfo(dtype).kind === "u")
    warnOnce(
      "UnsignedWrapWarning",
      `${op} of ${dtype} wraps below 0 (1 - 2 = ${castScalar(-1, dtype)}); cast to a signed or float dtype with astype first`,
    );
  return result;
}

/** Tells once per place that floats become integers, among which NaN is 0. */
export function warnOfCast(from: DType, to: DType): void {
  const [a, b] = [dtypeInfo(from).kind, dtypeInfo(to).kind];
  if (a === "c" && b !== "c" && b !== "b")
    warnOnce(
      "CastWarning",
      `astype from ${from} to ${to} discards the imaginary part; take .real, .imag or abs() first`,
    );
  if ((a === "f" || a === "c") && (b === "i" || b === "u"))
    warnOnce("CastWarning", `astype from ${from} to ${to}: NaN becomes 0; fill it first, e.g. with nanToNum or where`);
}
