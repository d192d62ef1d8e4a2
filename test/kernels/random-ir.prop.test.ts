import fc from "fast-check";
import { beforeEach, expect, test } from "vitest";
import { allocate, castScalar, DTYPES, type DType, type TypedArray } from "../../src/dtype/index.ts";
import type { BinaryOp, CompareOp, KernelCall, NodeId, UnaryOp } from "../../src/graph/index.ts";
import { interpretMap, kernelStats, runMap, runReduce } from "../../src/kernels/index.ts";
import { compileFrom } from "../../src/kernels/map/engine.ts";
import { CallBuilder } from "../../src/kernels/map/ir.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { blockOf, emptyBlock, LAYOUTS, type Place, resetSegments, valuesOf } from "./layouts.ts";

compileFrom.elements = 0;

const DTYPE: readonly DType[] = [
  "bool",
  "int8",
  "uint8",
  "int16",
  "uint16",
  "int32",
  "uint32",
  "int64",
  "uint64",
  "float16",
  "float32",
  "float64",
];
const UNARY: readonly UnaryOp[] = [
  "neg",
  "abs",
  "not",
  "sqrt",
  "square",
  "sign",
  "floor",
  "ceil",
  "trunc",
  "round",
  "isnan",
  "isinf",
  "isfinite",
  "signbit",
  "deg2rad",
];
const BINARY: readonly BinaryOp[] = [
  ...(["add", "sub", "mul", "div", "min", "max", "and", "or", "xor"] as const),
  ...(["floordiv", "mod", "fmod", "copysign", "shl", "shr"] as const),
];
const COMPARE: readonly CompareOp[] = ["lt", "le", "gt", "ge", "eq", "ne"];
const PLACES: readonly Place[] = [0, 1, "ordinary"];

/** One step of a random kernel; numbers choose among what is possible at that point. */
interface Move {
  readonly what: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

const moves: fc.Arbitrary<Move[]> = fc.array(
  fc.record({ what: fc.nat(99), a: fc.nat(999), b: fc.nat(999), c: fc.nat(999) }),
  { minLength: 1, maxLength: 12 },
);

function allowed(op: UnaryOp | BinaryOp, dtype: DType): boolean {
  const kind = DTYPES[dtype].kind;
  if (op === "not" || op === "and" || op === "or" || op === "xor") return kind !== "f";
  if (op === "shl" || op === "shr") return kind === "i" || kind === "u";
  if (op === "sqrt" || op === "div" || op === "deg2rad" || op === "copysign") return kind === "f";
  if (kind === "b")
    return ["abs", "square", "add", "mul", "min", "max", "isnan", "isinf", "isfinite", "floor", "round"].includes(op);
  return true;
}

function pick<T>(from: readonly T[], n: number): T {
  return from[n % from.length] as T;
}

/** A valid call of up to 12 nodes over `dtypes`; the last nodes are outputs. */
function grow(dtypes: readonly DType[], steps: readonly Move[]): { readonly call: KernelCall; readonly outs: DType[] } {
  const k = new CallBuilder();
  const ids: NodeId[] = dtypes.map((d) => k.input(d));
  const near = (id: NodeId, n: number): NodeId => {
    const same = ids.filter((x) => k.dtypeOf(x) === k.dtypeOf(id));
    return pick(same, n);
  };
  for (const { what, a, b, c } of steps) {
    const x = pick(ids, a);
    const dtype = k.dtypeOf(x);
    if (what < 20) ids.push(k.cast(x, pick(DTYPE, b)));
    else if (what < 40) {
      const op = pick(
        UNARY.filter((o) => allowed(o, dtype)),
        b,
      );
      ids.push(k.unary(op, x));
    } else if (what < 65)
      ids.push(
        k.binary(
          pick(
            BINARY.filter((o) => allowed(o, dtype)),
            b,
          ),
          x,
          near(x, c),
        ),
      );
    else if (what < 78) ids.push(k.compare(pick(COMPARE, b), x, near(x, c)));
    else if (what < 86) ids.push(k.param(castScalar(pick([0, 1, -3.5, 250, 70000, 3e9], b), dtype), dtype));
    else if (what < 91)
      ids.push(
        k.inSet(
          x,
          [1, 2, 200, -1].slice(0, (b % 4) + 1).map((v) => castScalar(v, dtype)),
        ),
      );
    else {
      const truth = k.cast(x, "bool");
      if (!ids.includes(truth)) ids.unshift(truth); // not at the end, where outputs are taken
      ids.push(k.where(near(truth, c), x, near(x, b)));
    }
  }
  const outputs = ids.slice(-Math.min(2, steps.length));
  return { call: k.build(outputs), outs: outputs.map((id) => k.dtypeOf(id)) };
}

/** Values with many edges, from a seed. */
function valuesFor(dtype: DType, n: number, seed: number): TypedArray {
  const out = allocate(dtype, n);
  const edges = [
    0,
    1,
    -1,
    127,
    128,
    255,
    256,
    -128,
    32767,
    -32768,
    65535,
    2147483647,
    -2147483648,
    4294967295,
    0.5,
    -0.5,
    1.5,
    2.5,
    Number.NaN,
    Infinity,
    -Infinity,
    -0,
    1e300,
    1e-40,
    3e9,
    -3e9,
    1e19,
    9007199254740994,
  ];
  let state = seed | 1;
  for (let i = 0; i < n; i++) {
    state = Math.imul(state, 1103515245) + 12345;
    const r = (state >>> 8) % 3;
    const x =
      r === 0 ? pick(edges, state >>> 12) : r === 1 ? ((state >>> 10) % 200) - 100 : (state >>> 4) / 1000 - 100000;
    out[i] = castScalar(x, dtype) as never;
  }
  return out;
}

beforeEach(resetSegments);

/** First element whose bytes differ, NaNs included; -1 when none does. */
function sameBits(a: TypedArray, b: TypedArray): number {
  const bytes = (x: TypedArray): Uint8Array => new Uint8Array(x.buffer, x.byteOffset, x.byteLength);
  const [x, y] = [bytes(a), bytes(b)];
  return Math.floor(x.findIndex((v, i) => v !== y[i]) / a.BYTES_PER_ELEMENT);
}

test("random kernels: compiled = interpreted, bit for bit, in every layout and memory", () => {
  const before = kernelStats();
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(...DTYPE), { minLength: 1, maxLength: 3 }),
      moves,
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 0, max: 40 }),
      fc.array(fc.nat(999), { minLength: 8, maxLength: 8 }),
      (dtypes, steps, rows, columns, choice) => {
        resetSegments();
        const { call, outs } = grow(dtypes, steps);
        const shape = [rows, columns];
        const inputs = dtypes.map((d, k) => {
          const [layout, place] = [pick(LAYOUTS, choice[k] as number), pick(PLACES, choice[k + 1] as number)];
          if ((choice[k + 2] as number) % 5 === 0) {
            // broadcast along one axis
            const row = blockOf(d, valuesFor(d, columns, k + 1), [columns], layout, place);
            return new NDArray(d, row.data, shape, [0, row.stride[0] as number], row.offset);
          }
          if ((choice[k + 2] as number) % 5 === 1) {
            const column = blockOf(d, valuesFor(d, rows, k + 1), [rows], layout, place);
            return new NDArray(d, column.data, shape, [column.stride[0] as number, 0], column.offset);
          }
          return blockOf(d, valuesFor(d, rows * columns, k + 1), shape, layout, place);
        });
        const got = outs.map((d, k) =>
          emptyBlock(d, shape, pick(LAYOUTS, choice[7 - k] as number), pick(PLACES, choice[6 - k] as number)),
        );
        const want = outs.map((d) => NDArray.zeros(d, shape));
        runMap(call, inputs, got, shape);
        interpretMap(call, inputs, want, shape);
        got.forEach((g, k) => {
          const [a, b] = [valuesOf(g), valuesOf(want[k] as NDArray)];
          const at = sameBits(a, b);
          expect(
            at,
            `output ${k} [${at}]: compiled ${a[at]}, interpreted ${b[at]}\n${JSON.stringify(call, (_, v) => (typeof v === "bigint" ? `${v}n` : v))}`,
          ).toBe(-1);
        });
      },
    ),
    { numRuns: Number(process.env["RSDAT_RUNS"] ?? 400) },
  );
  expect(kernelStats().wasm).toBeGreaterThan(before.wasm + 100);
});

test("random reductions: layout, memory and fusion leave the bits alone", () => {
  const ops = ["sum", "mean", "min", "max", "std", "any", "all", "nansum", "nanmean", "nanmin"] as const;
  fc.assert(
    fc.property(
      fc.constantFrom(...ops),
      fc.constantFrom(...DTYPE),
      moves,
      fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 300 })),
      fc.integer({ min: 1, max: 7 }),
      fc.nat(999),
      (op, dtype, steps, shape, axisBits, choice) => {
        resetSegments();
        const grown = grow([dtype], steps);
        const from = grown.outs[0] as DType;
        const call: KernelCall = {
          ...grown.call,
          kernel: { ...grown.call.kernel, outputs: grown.call.kernel.outputs.slice(0, 1) },
        };
        const reduced = [0, 1, 2].filter((k) => (axisBits >> k) & 1);
        const kept = shape.filter((_, k) => !reduced.includes(k));
        const spec = { op, from, dtype: "float64", ddof: 0, minCount: 0, empty: null } as const;
        const values = valuesFor(dtype, shape[0] * shape[1] * shape[2], 5);
        const partial = (block: NDArray, place: Place): TypedArray => {
          const out = emptyBlock("float64", [op === "std" ? 3 : 2, ...kept], "contiguous", place);
          runReduce(call, spec, [block], shape, reduced, out);
          return new BigUint64Array(
            Float64Array.from(valuesOf(out) as Float64Array, (x) => (Number.isNaN(x) ? Number.NaN : x)).buffer,
          );
        };
        compileFrom.elements = Number.POSITIVE_INFINITY;
        const want = partial(blockOf(dtype, values, shape, "contiguous", "ordinary"), "ordinary");
        compileFrom.elements = 0;
        const got = partial(
          blockOf(dtype, values, shape, pick(LAYOUTS, choice), pick(PLACES, choice)),
          pick(PLACES, choice >> 2),
        );
        const zero = op.endsWith("min") || op.endsWith("max"); // either zero may stand in a partial
        const show = (x: bigint): bigint => (zero && x === 1n << 63n && DTYPES[from].kind === "f" ? 0n : x);
        expect(Array.from(got as BigUint64Array, show)).toEqual(Array.from(want as BigUint64Array, show));
      },
    ),
    { numRuns: Number(process.env["RSDAT_RUNS"] ?? 300) },
  );
});
