/** Fingerprints of blocks, as the Python scripts beside the tests make them. */
import { createHash } from "node:crypto";
import { ascontiguous, type NDArray } from "../../src/ndarray/index.ts";

/** sha256 of the values in C order, every float32 NaN as the quiet NaN 0x7fc00000. */
export function sha256(block: NDArray): string {
  const data = ascontiguous(block).data.slice();
  if (data instanceof Float32Array) {
    const bits = new Uint32Array(data.buffer);
    for (let i = 0; i < data.length; i++) if (Number.isNaN(data[i])) bits[i] = 0x7fc00000;
  }
  return createHash("sha256").update(new Uint8Array(data.buffer)).digest("hex");
}
