import { expect, test } from "vitest";
import { seededRandom } from "../../src/base/index.ts";
import type { DType } from "../../src/dtype/index.ts";
import { countTrueBytes, keepMasked, numbersMasked } from "../../src/kernels/pick/mask-module.ts";
import { elementsAt, resetSegments } from "./layouts.ts";

const WIDTHS: readonly (readonly [1 | 2 | 4 | 8, DType])[] = [
  [1, "uint8"],
  [2, "uint16"],
  [4, "uint32"],
  [8, "float64"],
];

function maskOf(length: number, share: number, seed: number): Uint8Array {
  const random = seededRandom(seed);
  const mask = elementsAt(0, "bool", length) as Uint8Array;
  for (let i = 0; i < length; i++) mask[i] = random.next() < share ? 1 : 0;
  // Runs of equal bytes have ways of their own.
  mask.fill(1, 100, 180);
  mask.fill(0, 300, 390);
  return mask;
}

const sizes = [512, 513, 527, 1000, 4099];
const shares = [0, 0.02, 0.5, 0.98, 1];

test("true bytes are counted", () => {
  for (const n of sizes) {
    for (const share of shares) {
      resetSegments();
      const mask = maskOf(n, share, n);
      expect(countTrueBytes(mask)).toBe(mask.reduce((sum, v) => sum + v, 0));
    }
  }
  expect(countTrueBytes(new Uint8Array(4096))).toBeNull();
});

test.each(WIDTHS)("elements of %i bytes are kept, and nothing is written past the last", (width, dtype) => {
  for (const n of sizes) {
    for (const share of shares) {
      for (const place of [0, 1] as const) {
        resetSegments();
        const mask = maskOf(n, share, n + width);
        const x = elementsAt(0, dtype, n);
        for (let i = 0; i < n; i++) x[i] = (i * 7) % 251;
        const want = [...(x as Float64Array)].filter((_, i) => mask[i] === 1);
        const out = elementsAt(place, dtype, want.length + 2).fill(77 as never);
        const [from, to] = [x, out].map(({ buffer, byteOffset }) => ({ buffer, byteOffset }));
        if (from === undefined || to === undefined) throw new Error("two stretches");
        expect(keepMasked(mask, width, from, { ...to, bytes: want.length * width })).toBe(true);
        expect([...(out as Float64Array)]).toEqual([...want, 77, 77]);
      }
    }
  }
});

test("numbers of true bytes, growing and not, beyond 32 bits", () => {
  for (const n of sizes) {
    for (const share of shares) {
      for (const step of [0, 1] as const) {
        for (const value of [0, 5, 2 ** 32 - 3, 2 ** 45 + 1]) {
          resetSegments();
          const mask = maskOf(n, share, n);
          const want = [...mask].flatMap((v, i) => (v === 1 ? [BigInt(value + step * i)] : []));
          const out = elementsAt(0, "int64", want.length + 1);
          out[want.length] = -1n as never;
          const to = { buffer: out.buffer, byteOffset: out.byteOffset, bytes: 8 * want.length };
          expect(numbersMasked(mask, { value, step, runs: { first: n, length: n, wrap: 0 } }, to)).toBe(want.length);
          expect([...(out as BigInt64Array)]).toEqual([...want, -1n]);
        }
      }
    }
  }
});

test("numbers of true bytes in runs: each run has the next number, or counts from 0", () => {
  for (const n of sizes.filter((size) => size >= 512)) {
    for (const share of shares) {
      for (const [first, length, wrap] of [
        [1, 1, 3],
        [7, 19, 4],
        [100, 64, 2 ** 33],
        [n, 5, 2],
      ] as const) {
        for (const step of [0, 1] as const) {
          resetSegments();
          const mask = maskOf(n, share, n);
          const value = step === 0 ? wrap - 1 : 2 ** 32 - 5;
          const numberAt = (i: number): number => {
            const run = i < first ? 0 : 1 + Math.floor((i - first) / length);
            if (step === 0) return (value + run) % wrap;
            return i < first ? value + i : (i - first) % length;
          };
          const want = [...mask].flatMap((v, i) => (v === 1 ? [BigInt(numberAt(i))] : []));
          const out = elementsAt(0, "int64", want.length + 1);
          out[want.length] = -1n as never;
          const to = { buffer: out.buffer, byteOffset: out.byteOffset, bytes: 8 * want.length };
          expect(numbersMasked(mask, { value, step, runs: { first, length, wrap } }, to)).toBe(want.length);
          expect([...(out as BigInt64Array)]).toEqual([...want, -1n]);
        }
      }
    }
  }
});
