import { beforeAll, beforeEach, expect, test } from "vitest";
import { castScalar, DTYPES, type DType, type TypedArray, viewOf } from "../../src/dtype/index.ts";
import type { BinaryOp, CompareOp, KernelCall, UnaryOp } from "../../src/graph/index.ts";
import { interpretMap, runMap } from "../../src/kernels/index.ts";
import { compileFrom } from "../../src/kernels/map/engine.ts";
import { CallBuilder } from "../../src/kernels/map/ir.ts";
import type { NDArray } from "../../src/ndarray/index.ts";
import { describePeer, runPython } from "../peers.ts";
import { bitsOf, blockOf, emptyBlock, LAYOUTS, resetSegments, valuesOf } from "./layouts.ts";

compileFrom.elements = 0;

interface Grid {
  readonly numpy: string;
  /** First operand, second, and non-negative exponents for integer `pow`. */
  readonly arrays: Readonly<Record<string, readonly string[]>>;
  readonly results: readonly {
    readonly op: string;
    readonly dtype: DType;
    readonly out: DType;
    readonly bytes: string;
  }[];
}

const COMPARES = new Set(["lt", "le", "gt", "ge", "eq", "ne"]);
const UNARIES = new Set(
  "neg abs not sqrt square sign floor ceil trunc round isnan isinf isfinite signbit deg2rad rad2deg".split(" "),
);

function decode(dtype: DType, text: string): TypedArray {
  const bytes = new Uint8Array(Buffer.from(text, "base64"));
  return viewOf(dtype, bytes.buffer, 0, bytes.length / DTYPES[dtype].itemsize);
}

/** The call that computes `op`, and whether it reads the second array and the index pattern of the generator. */
function callOf(
  op: string,
  dtype: DType,
  b: TypedArray,
): { readonly call: KernelCall; readonly reads: "a" | "ab" | "ab3" } {
  const k = new CallBuilder();
  const a = k.input(dtype);
  if (op.startsWith("cast-")) return { call: k.build([k.cast(a, op.slice(5) as DType)]), reads: "a" };
  if (UNARIES.has(op)) return { call: k.build([k.unary(op as UnaryOp, a)]), reads: "a" };
  if (op === "in-set") return { call: k.build([k.inSet(a, [...(b.slice(0, 5) as never)])]), reads: "a" };
  const second = k.input(dtype);
  if (op === "where") return { call: k.build([k.where(k.input("bool"), a, second)]), reads: "ab3" };
  const node = COMPARES.has(op) ? k.compare(op as CompareOp, a, second) : k.binary(op as BinaryOp, a, second);
  return { call: k.build([node]), reads: "ab" };
}

/** NumPy's value where it is defined; out-of-range casts to integers follow ToIntN by `castScalar`. */
function expected(
  op: string,
  from: DType,
  to: DType,
  [a, b]: readonly [TypedArray, TypedArray],
  numpy: TypedArray,
): (number | bigint)[] {
  // A NaN has no sign here: processors disagree about that of a computed one.
  if (op === "signbit") return Array.from(numpy as Uint8Array, (x, i) => (Number.isNaN(a[i]) ? 0 : x));
  if (op === "copysign")
    return Array.from(numpy as Float64Array, (x, i) => (Number.isNaN(b[i]) ? Math.abs(a[i] as number) : x));
  const wild = op.startsWith("cast-") && DTYPES[from].kind === "f" && "iu".includes(DTYPES[to].kind);
  return Array.from(numpy as Float64Array, (x, i) => (wild ? castScalar(a[i] as number, to) : x));
}

/** Minima and maxima may give either zero. */
function show(op: string, x: number | bigint): string {
  return bitsOf((op === "min" || op === "max") && x === 0 ? 0 : x);
}

describePeer("elementwise kernels equal NumPy", ["numpy"], () => {
  let grid: Grid;
  beforeAll(async () => {
    grid = JSON.parse(await runPython(["test/kernels/make_elementwise.py"])) as Grid;
  });
  beforeEach(resetSegments);

  function operands(op: string, dtype: DType): readonly [TypedArray, TypedArray] {
    const [a, b, exponents] = grid.arrays[dtype] ?? [];
    return [decode(dtype, a ?? ""), decode(dtype, (op === "pow" ? exponents : b) ?? "")];
  }

  function inputsOf(
    reads: string,
    dtype: DType,
    [a, b]: readonly TypedArray[],
    n: number,
    make: (dtype: DType, x: TypedArray) => NDArray,
  ): NDArray[] {
    const third = Uint8Array.from({ length: n }, (_, i) => (i % 3 === 0 ? 1 : 0));
    const all = [make(dtype, a as TypedArray), make(dtype, b as TypedArray), make("bool", third)];
    return all.slice(0, reads.length);
  }

  test("whole grid, interpreter and engine", () => {
    const failures: string[] = [];
    for (const { op, dtype, out, bytes } of grid.results) {
      const [a, b] = operands(op, dtype);
      const want = expected(op, dtype, out, [a, b], decode(out, bytes));
      const { call, reads } = callOf(op, dtype, b);
      const n = a.length;
      for (const [way, run, place] of [
        ["interpreter", interpretMap, "ordinary"],
        ["engine", runMap, 0],
        ["copied", runMap, "ordinary"],
      ] as const) {
        resetSegments();
        const inputs = inputsOf(reads, dtype, [a, b], n, (d, x) => blockOf(d, x, [n], "contiguous", place));
        const target = emptyBlock(out, [n], "contiguous", place);
        run(call, inputs, [target], [n]);
        const got = valuesOf(target);
        const wrong = want.findIndex((x, i) => show(op, x) !== show(op, got[i] as number | bigint));
        if (wrong >= 0)
          failures.push(
            `${way} ${op} ${dtype} -> ${out}: f(${a[wrong]}, ${b[wrong]}) = ${got[wrong]}, NumPy ${want[wrong]}`,
          );
      }
    }
    expect(failures).toEqual([]);
  });

  test("lengths 0 to 67 in every layout and memory", () => {
    const failures: string[] = [];
    for (const { op, dtype, out, bytes } of grid.results.filter((r) =>
      ["add", "lt", "where", "cast-float32", "cast-uint8"].includes(r.op),
    )) {
      const [a, b] = operands(op, dtype);
      const want = expected(op, dtype, out, [a, b], decode(out, bytes));
      const { call, reads } = callOf(op, dtype, b);
      for (let n = 0; n <= 67; n++) {
        resetSegments();
        const layout = LAYOUTS[n % LAYOUTS.length] as (typeof LAYOUTS)[number];
        const inputs = inputsOf(reads, dtype, [a, b], n, (d, x) => blockOf(d, x, [n], layout, (n % 2) as 0 | 1));
        const target = emptyBlock(
          out,
          [n],
          LAYOUTS[(n * 7) % LAYOUTS.length] as (typeof LAYOUTS)[number],
          n % 3 === 0 ? 0 : 1,
        );
        const canary = Uint8Array.from(
          new Uint8Array(target.data.buffer, target.data.byteOffset + target.data.byteLength, DTYPES[out].itemsize),
        );
        runMap(call, inputs, [target], [n]);
        const got = valuesOf(target);
        for (let i = 0; i < n; i++) {
          if (show(op, want[i] as number) !== show(op, got[i] as number)) {
            failures.push(`${op} ${dtype} ${layout} n=${n} at ${i}: ${got[i]}, NumPy ${want[i]}`);
            break;
          }
        }
        expect(
          new Uint8Array(target.data.buffer, target.data.byteOffset + target.data.byteLength, DTYPES[out].itemsize),
        ).toEqual(canary);
      }
    }
    expect(failures).toEqual([]);
  });
});
