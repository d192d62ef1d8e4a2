/** Rough bytes of plain values, and what the runtime itself takes. */
import { ConfigError, formatBytes } from "../base/index.ts";
import { budgetWithin } from "./arena.ts";

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
 * Bytes of a process that are no blocks, by threads: Node, the libraries, the machines, each thread's heap. Measured as
 * peak resident memory of a process, from source: 171, 199, 252 and 359 MiB for 1, 2, 4, 8 threads after one small graph,
 * 190 and 260 for 1 and 2 after thousands of tasks.
 */
export function runtimeReserveBytes(threads: number): number {
  return (176 + 32 * threads) * 2 ** 20;
}

/** Least budget with which an executor is of use. */
const BUDGET_BYTES_MIN = 8 * 2 ** 20;

/**
 * Budget of an executor in a process that may take `limitBytes`: less the runtime, less what the arena loses between
 * blocks.
 * @throws {ConfigError} the limit leaves nothing
 */
export function budgetBytesWithin(limitBytes: number, threads: number): number {
  const reserve = runtimeReserveBytes(threads);
  const budget = budgetWithin(limitBytes - reserve);
  if (budget >= BUDGET_BYTES_MIN) return budget;
  throw new ConfigError(
    `memory limit ${formatBytes(limitBytes)} leaves nothing for blocks: the runtime of ${threads} threads takes ${formatBytes(reserve)}; raise it, or give fewer threads`,
    { details: { limitBytes, threads, reserve } },
  );
}
