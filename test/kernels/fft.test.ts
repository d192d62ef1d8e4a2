/** Transforms in tiles: wherever blocks lie and however, one result, and that of the definition. */
import { describe, expect, test } from "vitest";
import { type DType, dtypeInfo } from "../../src/dtype/index.ts";
import { createSegment, fftTypes, kernelStats, runBlock } from "../../src/kernels/index.ts";
import { contiguousStride, NDArray, sizeOf } from "../../src/ndarray/index.ts";

const { buffer, start } = createSegment(2 ** 24);
let next = start;
const PLACE = { at: [0], position: [0] };

/** A block in the segment whose elements lie in the order of `axes`, the last one running along memory, with gaps. */
function laid(dtype: DType, shape: readonly number[], axes: readonly number[], gap: number): NDArray {
  const order = axes.map((k, i) => (shape[k] as number) + (i === axes.length - 1 ? gap : 0));
  const steps = contiguousStride(order);
  const stride = shape.map((_, k) => steps[axes.indexOf(k)] as number);
  const whole = NDArray.view(dtype, buffer, next, order);
  next += Math.ceil(whole.nbytes / 64) * 64 + 64;
  return new NDArray(dtype, whole.data, shape, stride);
}

function plain(dtype: DType, shape: readonly number[]): NDArray {
  return NDArray.zeros(dtype, shape);
}

/** Entries of every element in C order, one component after the other. */
function places({ dtype, shape, stride, offset }: NDArray): number[] {
  const { components } = dtypeInfo(dtype);
  let list = [offset];
  shape.forEach((n, k) => {
    list = list.flatMap((at) => Array.from({ length: n }, (_, i) => at + i * (stride[k] as number)));
  });
  return list.flatMap((at) => Array.from({ length: components }, (_, c) => at * components + c));
}

function fillWith(block: NDArray, seed: number): void {
  let state = seed;
  for (const at of places(block)) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    block.data[at] = (state / 2 ** 31) as never; // floats
  }
}

function values(block: NDArray): number[] {
  return places(block).map((at) => Number(block.data[at]));
}

interface Params {
  readonly kind: "c2c" | "r2c" | "c2r";
  readonly axis: number;
  readonly n: number;
  readonly inverse: boolean;
  readonly scale: number;
}

/** By the definition, along the last axis of `lanes` lanes of pairs. */
function defined(x: readonly number[], length: number, { kind, n, inverse, scale }: Params): number[] {
  const out: number[] = [];
  const [cos, sin] = [Math.cos, Math.sin].map((f) => Array.from({ length: n }, (_, k) => f((2 * Math.PI * k) / n))) as [
    number[],
    number[],
  ]; // two functions
  for (let lane = 0; lane < x.length / 2; lane += length) {
    const full = Array.from({ length: n }, (_, j): [number, number] => {
      const isMirrored = kind === "c2r" && j > n >> 1;
      const k = isMirrored ? n - j : j;
      if (k >= length) return [0, 0];
      const [re, im] = [x[2 * (lane + k)] as number, x[2 * (lane + k) + 1] as number];
      const isReal = kind === "c2r" && (k === 0 || 2 * k === n);
      return [re, isReal ? 0 : isMirrored ? -im : im];
    });
    const points = kind === "r2c" ? (n >> 1) + 1 : n;
    for (let k = 0; k < points; k++) {
      let [re, im] = [0, 0];
      full.forEach(([a, b], j) => {
        const [c, s] = [cos[(j * k) % n] as number, (inverse ? 1 : -1) * (sin[(j * k) % n] as number)];
        re += a * c - b * s;
        im += a * s + b * c;
      });
      out.push(re * scale, im * scale);
    }
  }
  return out;
}

const LENGTHS = [1, 2, 3, 4, 5, 7, 8, 12, 15, 20, 23, 46, 89, 131, 134];
const KINDS = [
  ["c2c", "complex64"],
  ["c2c", "complex128"],
  ["c2c", "float32"],
  ["c2c", "float64"],
  ["r2c", "float32"],
  ["r2c", "float64"],
  ["c2r", "complex64"],
  ["c2r", "complex128"],
  ["c2r", "float32"],
] as const;

/** Of three axes, as they lie in memory. */
const ORDERS = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
];

describe("transforms in tiles", () => {
  test.each(KINDS)("%s of %s: any length, given length and layout", (kind, dtype) => {
    const { real, complex } = fftTypes(dtype);
    for (const n of LENGTHS) {
      for (const [given, lanes, inverse] of [
        [n, 5, kind === "c2r"],
        [Math.max(1, n - 3), 18, true],
        [n + 2, 2, kind === "c2r"],
      ] as const) {
        const count = kind === "c2r" ? (given >> 1) + 1 : given;
        const points = kind === "r2c" ? (n >> 1) + 1 : n;
        const out = kind === "c2r" ? real : complex;
        const x = plain(dtype, [lanes, count]);
        fillWith(x, n + given);
        const params = { kind, axis: 1, n, inverse, scale: 1 / 3 };
        const y = plain(out, [lanes, points]);
        runBlock("fft", [x], y, params, PLACE);
        const pairs = dtypeInfo(dtype).components === 2 ? values(x) : values(x).flatMap((v) => [v, 0]);
        const want = defined(pairs, count, params).filter((_, k) => out === complex || k % 2 === 0);
        const size = Math.sqrt(want.reduce((sum, v) => sum + v * v, 0) / want.length);
        const bound = (dtypeInfo(out).itemsize / dtypeInfo(out).components === 4 ? 1.2e-6 : 1.2e-13) * size;
        const got = values(y);
        const worst = got.reduce((most, v, k) => Math.max(most, Math.abs(v - (want[k] as number))), 0);
        expect([kind, dtype, n, given, worst <= bound]).toEqual([kind, dtype, n, given, true]);
        // The same bits from and to a segment, along memory and across it, with gaps.
        for (const [axes, gap] of [
          [[0, 1], 0],
          [[1, 0], 0],
          [[0, 1], 3],
          [[1, 0], 1],
        ] as const) {
          next = start;
          const [a, b] = [laid(dtype, [lanes, count], axes, gap), laid(out, [lanes, points], axes, gap)];
          const from = places(x);
          places(a).forEach((at, k) => {
            a.data[at] = x.data[from[k] as number] as never; // the same class
          });
          runBlock("fft", [a], b, params, PLACE);
          expect([kind, dtype, n, given, axes, values(b)]).toEqual([kind, dtype, n, given, axes, got]);
        }
      }
    }
  });

  test("outer axes may lie in memory in another order: lanes whose first and last seem side by side need not be", () => {
    for (const shape of [
      [2, 8, 2],
      [2, 8, 4],
      [4, 8, 2],
      [4, 8, 4],
      [4, 8, 8],
      [8, 8, 8],
      [8, 8, 16],
    ]) {
      const x = plain("complex64", shape);
      fillWith(x, 5);
      const params = { kind: "c2c", axis: 1, n: 8, inverse: false, scale: 1 };
      const y = plain("complex64", shape);
      runBlock("fft", [x], y, params, PLACE);
      for (const [from, to] of ORDERS.flatMap((one) => ORDERS.map((other) => [one, other] as const))) {
        next = start;
        const [a, b] = [laid("complex64", shape, from, 0), laid("complex64", shape, to, 0)];
        places(a).forEach((at, k) => {
          a.data[at] = x.data[k] as never; // the same class
        });
        runBlock("fft", [a], b, params, PLACE);
        expect([shape, from, to, values(b)]).toEqual([shape, from, to, values(y)]);
      }
    }
  });

  test("lanes along the middle of three axes lie side by side run by run", () => {
    const shape = [3, 12, 22];
    const x = plain("complex64", shape);
    fillWith(x, 7);
    const params = { kind: "c2c", axis: 1, n: 12, inverse: false, scale: 1 };
    const y = plain("complex64", shape);
    runBlock("fft", [x], y, params, PLACE);
    next = start;
    const [a, b] = [laid("complex64", shape, [0, 1, 2], 0), laid("complex64", shape, [0, 1, 2], 0)];
    (a.data as Float32Array).set(x.data as Float32Array);
    const before = kernelStats().wasm;
    runBlock("fft", [a], b, params, PLACE);
    expect(kernelStats().wasm).toBeGreaterThan(before);
    expect(values(b)).toEqual(values(y));
    // and each is the transform of its own lane
    const lane = values(x).filter((_, k) => Math.floor(k / 2) % 22 === 21 && k >= 2 * 12 * 22 * 2);
    const want = defined(lane, 12, { kind: "c2c", axis: 1, n: 12, inverse: false, scale: 1 });
    const got = values(y).filter((_, k) => Math.floor(k / 2) % 22 === 21 && k >= 2 * 12 * 22 * 2);
    got.forEach((v, k) => {
      expect(v).toBeCloseTo(want[k] as number, 5);
    });
  });

  test("lengths whose tiles do not fit are transformed in ordinary memory", () => {
    const n = 2 ** 17;
    const x = plain("complex128", [1, n]);
    x.data[2] = 1 as never; // a delta at 1: the transform is exp(−2πi k/n)
    const y = plain("complex128", [1, n]);
    runBlock("fft", [x], y, { kind: "c2c", axis: 1, n, inverse: false, scale: 1 }, PLACE);
    expect(sizeOf(y.shape)).toBe(n);
    for (const k of [0, 1, 5, n / 4, n / 2 + 1, n - 1]) {
      expect(y.data[2 * k]).toBeCloseTo(Math.cos((2 * Math.PI * k) / n), 14);
      expect(y.data[2 * k + 1]).toBeCloseTo(-Math.sin((2 * Math.PI * k) / n), 14);
    }
  });
});
