/** Elementary functions against extended precision: the bounds of kernels.md §10, for vector code and interpreter. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type TypedArray, viewOf } from "../../src/dtype/index.ts";
import type { BinaryOp, KernelCall, UnaryOp } from "../../src/graph/index.ts";
import { interpretMap, runMap, supports } from "../../src/kernels/index.ts";
import { CallBuilder } from "../../src/kernels/map/ir.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { describePeer, runPython } from "../peers.ts";
import { blockOf, emptyBlock, resetSegments, valuesOf } from "./layouts.ts";

type Float = "float32" | "float64";

/** Largest error allowed in ulp: float32, float64. */
const BOUNDS: Readonly<Record<string, readonly [number, number]>> = {
  exp: [2, 1.5],
  exp2: [2, 2],
  expm1: [2, 2],
  log: [2, 1.5],
  log2: [2, 2],
  log10: [2, 2],
  log1p: [2, 2],
  sin: [2, 1.5],
  cos: [2, 1.5],
  tan: [4, 2],
  asin: [4, 2],
  acos: [4, 2],
  atan: [2, 2],
  atan2: [2, 2],
  sinh: [4, 2],
  cosh: [4, 2],
  tanh: [2, 2],
  cbrt: [2, 2],
  pow: [4, 2],
  hypot: [2, 2],
  asinh: [4, 2.5],
  acosh: [4, 2.5],
  atanh: [4, 2.5],
};
const TWO = new Set(["atan2", "pow", "hypot"]);

function callOf(op: string, dtype: Float): KernelCall {
  const k = new CallBuilder();
  const a = k.input(dtype);
  return k.build([TWO.has(op) ? k.binary(op as BinaryOp, a, k.input(dtype)) : k.unary(op as UnaryOp, a)]);
}

describePeer("elementary functions", ["numpy"], () => {
  const folder = mkdtempSync(join(tmpdir(), "math-"));
  const read = (name: string, dtype: Float): TypedArray => {
    const bytes = new Uint8Array(readFileSync(join(folder, `${name}.${dtype}`)));
    return viewOf(dtype, bytes.buffer, 0, bytes.length / (dtype === "float32" ? 4 : 8));
  };
  beforeAll(() => runPython(["test/kernels/math_oracle.py", "points", folder]));
  afterAll(() => rmSync(folder, { recursive: true }));

  test.each(["vectors", "interpreter"] as const)("%s stay within their bounds", { timeout: 240_000 }, async (way) => {
    for (const dtype of ["float32", "float64"] as const) {
      const [a, b] = [read("a", dtype), read("b", dtype)];
      for (const op of Object.keys(BOUNDS)) {
        resetSegments();
        const call = callOf(op, dtype);
        expect(supports(call).way).toBe("wasm");
        const inputs = [a, ...(TWO.has(op) ? [b] : [])].map((x) => blockOf(dtype, x, [x.length], "contiguous", 0));
        const out = emptyBlock(dtype, [a.length], "contiguous", 0);
        (way === "vectors" ? runMap : interpretMap)(call, inputs, [out], [a.length]);
        const { buffer, byteOffset, byteLength } = valuesOf(out);
        writeFileSync(join(folder, `${op}.${dtype}`), new Uint8Array(buffer, byteOffset, byteLength));
      }
    }
    const errors = JSON.parse(await runPython(["test/kernels/math_oracle.py", "check", folder])) as Record<
      string,
      { ulp: number; at: number[]; wrong: number; points: number; first: string[] }
    >;
    const failures = Object.entries(errors).flatMap(([name, { ulp, at, wrong, points, first }]) => {
      const [op, dtype] = name.split(".") as [string, Float];
      const bound = BOUNDS[op]?.[dtype === "float32" ? 0 : 1] as number;
      return ulp <= bound && wrong === 0 && points >= 100_000
        ? []
        : [`${name}: ${ulp.toFixed(3)} ulp at ${at}, allowed ${bound}; ${wrong} of the wrong class (${first})`];
    });
    expect(failures).toEqual([]);
    expect(Object.keys(errors)).toHaveLength(2 * Object.keys(BOUNDS).length);
  });
});

/** One value through vector code. */
function one(op: UnaryOp, dtype: Float, x: number): number {
  resetSegments();
  const values = dtype === "float32" ? Float32Array.of(x) : Float64Array.of(x);
  const out = emptyBlock(dtype, [1], "contiguous", 0);
  runMap(callOf(op, dtype), [blockOf(dtype, values, [1], "contiguous", 0)], [out], [1]);
  return Number(out.data[0]);
}

test("logarithms of powers of ten and powers of two are exact", () => {
  for (const dtype of ["float32", "float64"] as const) {
    const single = dtype === "float32";
    for (let k = 0; k <= (single ? 10 : 22); k++) expect(one("log10", dtype, 10 ** k), `log10 of 10^${k}`).toBe(k);
    for (let k = single ? -149 : -1074; k <= (single ? 127 : 1023); k++) {
      expect(one("exp2", dtype, k), `exp2 of ${k}`).toBe(2 ** k);
      expect(one("log2", dtype, 2 ** k), `log2 of 2^${k}`).toBe(k);
    }
  }
});

test("a value's bits do not depend on its neighbours, nor on where a block is cut", () => {
  const values = [0.3, 1e-310, Number.NaN, 700.5, -0.3, 1e300, 2.5, 0, Number.POSITIVE_INFINITY, 1e6, -745, 3];
  for (const dtype of ["float32", "float64"] as const) {
    for (const op of Object.keys(BOUNDS).filter((name) => !TWO.has(name)) as UnaryOp[]) {
      const alone = values.map((x) => one(op, dtype, x));
      resetSegments();
      const all = dtype === "float32" ? Float32Array.from(values) : Float64Array.from(values);
      const out = NDArray.zeros(dtype, [values.length]);
      runMap(callOf(op, dtype), [blockOf(dtype, all, [values.length], "reversed", 0)], [out], [values.length]);
      expect(Array.from(out.data as Float64Array), `${op} ${dtype}`).toEqual(alone);
    }
  }
});

test("log1p of float32 has the bits that it has alone, whatever its neighbours are", () => {
  const call = callOf("log1p", "float32");
  const of = (values: readonly number[]): TypedArray => {
    resetSegments();
    const shape = [values.length];
    const x = blockOf("float32", Float32Array.from(values), shape, "contiguous", 0);
    const y = emptyBlock("float32", shape, "contiguous", 0);
    runMap(call, [x], [y], shape);
    return valuesOf(y);
  };
  const each = [2 ** 59, 2 ** 60, 1.3e19, 2 ** 100, 2 ** 124, 1.5 * 2 ** 124].map(Math.fround);
  for (const value of each) {
    const alone = of(new Array<number>(16).fill(value));
    const beside = of(Array.from({ length: 16 }, (_, k) => (k % 2 === 0 ? value : 3e38)));
    expect([value, beside[0], beside[14]]).toEqual([value, alone[0], alone[0]]);
  }
});
