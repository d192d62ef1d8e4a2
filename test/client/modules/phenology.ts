/** A kernel module of the tests: functions that call each other, and one of Node's own modules. */
import { createHash } from "node:crypto";

const FACTOR = 2.5;

function scaled(value: number): number {
  return value * FACTOR;
}

export function twice(value: number): number {
  return 2 * scaled(value);
}

export const digest = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 8);

export function onBlock(block: { readonly data: ArrayLike<number> }): number[] {
  return Array.from(block.data, (v) => twice(v));
}

export { scaled as named };
