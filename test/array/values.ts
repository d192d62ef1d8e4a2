/** The input values of make_cases.py, and its hash of results. */
import { createHash } from "node:crypto";
import { allocate, type DType, dtypeInfo } from "../../src/dtype/index.ts";
import { NDArray, sizeOf } from "../../src/ndarray/index.ts";

/** `values(dtype, shape, salt)` of make_cases.py. */
export function values(dtype: DType, shape: readonly number[] = [7, 11], salt = 0): NDArray {
  const n = sizeOf(shape);
  const data = allocate(dtype, n);
  const { kind, big } = dtypeInfo(dtype);
  for (let k = 0; k < n; k++) {
    const i = k + salt;
    const mixed = ((i * 7919 + 13) % 257) - 128;
    let v: number;
    if (kind === "b") v = mixed % 3 === 0 ? 1 : 0;
    else if (kind === "u") v = Math.abs(mixed);
    else if (kind === "i") v = Math.min(127, mixed);
    else v = i % 23 === 5 ? Number.POSITIVE_INFINITY : i % 19 === 3 ? Number.NaN : mixed / 8;
    data[k] = (big ? BigInt(v) : v) as never; // the array class of the dtype
  }
  return new NDArray(dtype, data, shape);
}

const EITHER_ZERO: ReadonlySet<string> = new Set(["maximum", "minimum", "min", "max", "nanmin", "nanmax"]);

/** Hash of what `op` gave, in C order, as make_cases.py makes it. */
export function hashOf(block: NDArray, op: string): string {
  const { data } = block;
  if (data instanceof Float32Array || data instanceof Float64Array) {
    for (let i = 0; i < data.length; i++) {
      const v = data[i] as number; // in range
      data[i] = Number.isNaN(v) ? Number.NaN : EITHER_ZERO.has(op) ? v + 0 : v;
    }
  }
  return createHash("sha256")
    .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    .digest("hex")
    .slice(0, 16);
}
