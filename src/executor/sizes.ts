/** Rough bytes of plain values, and what the runtime itself takes. */

/** Bytes that a value takes, as far as a bounded look tells; arrays are sampled. Purpose of Dask's `sizeof`. */
export function estimateBytes(value: unknown, depth = 4): number {
  if (typeof value === "string") return 24 + 2 * value.length;
  if (value === null || typeof value !== "object") return 16;
  if (ArrayBuffer.isView(value)) return 64 + value.byteLength;
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return 64 + value.byteLength;
  if (depth === 0) return 64;
  const items = Array.isArray(value) ? value : Object.values(value);
  const sample = items.slice(0, 16);
  const each = sample.reduce((sum: number, item: unknown) => sum + estimateBytes(item, depth - 1), 0);
  return 64 + (sample.length === 0 ? 0 : Math.ceil((each / sample.length) * items.length));
}

/**
 * Bytes of a process that are no blocks, by threads: Node, the libraries, the machines, each thread's heap and what its
 * decoders leave to the collector. Measured as peak resident memory of runs, less the arena (test/local/memory).
 */
export function runtimeReserveBytes(threads: number): number {
  return (144 + 28 * threads) * 2 ** 20;
}
