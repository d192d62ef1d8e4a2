/** Our side of bench/kernels: the same rows as peer.py, over blocks in one shared segment. */
import { DTYPES, type DType } from "../../src/dtype/index.ts";
import type { KernelCall, NodeId, ReduceOp } from "../../src/graph/index.ts";
import { createSegment, finalizePartial, runMap, runReduce } from "../../src/kernels/index.ts";
import { CallBuilder } from "../../src/kernels/ir.ts";
import { NDArray } from "../../src/ndarray/index.ts";

/** One row: `run` once, its result, and how closely it must agree (0: bit for bit, NaN = NaN). */
export interface Row {
  readonly id: string;
  readonly target: number;
  readonly run: () => void;
  readonly result: NDArray;
  readonly tolerance: number;
}

/** Inputs by file name. */
export type Inputs = Readonly<Record<string, NDArray>>;

const INPUTS: Readonly<Record<string, DType>> = {
  nir: "uint16",
  red: "uint16",
  scl: "uint8",
  a: "float32",
  b: "float32",
  holes: "float32",
  da: "float64",
  db: "float64",
  big: "int64",
};

/** Blocks of `side` × `side` in one segment, and the function that makes more. */
export function makeInputs(side: number): {
  readonly inputs: Inputs;
  readonly empty: (dtype: DType, shape: readonly number[]) => NDArray;
} {
  const { buffer } = createSegment(side * side * 120 + (1 << 20));
  let at = 0;
  const empty = (dtype: DType, shape: readonly number[]): NDArray => {
    const block = NDArray.view(dtype, buffer, at, shape);
    at = (at + block.nbytes + 127) & ~63;
    return block;
  };
  let state = 1;
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >>> 0) / 2 ** 32;
  };
  const value: Readonly<Record<string, () => number | bigint>> = {
    nir: () => (random() < 0.1 ? 0 : Math.floor(random() * 10000)),
    red: () => (random() < 0.1 ? 0 : Math.floor(random() * 10000)),
    scl: () => Math.floor(random() * 12),
    a: random,
    b: random,
    holes: () => (random() < 0.2 ? Number.NaN : random()),
    da: random,
    db: random,
    big: () => BigInt(Math.floor(random() * 2 ** 52)) * 1000n,
  };
  const inputs = Object.fromEntries(
    Object.entries(INPUTS).map(([name, dtype]) => {
      const block = empty(dtype, [side, side]);
      const next = value[name] as () => number; // one generator per input
      for (let i = 0; i < block.size; i++) block.data[i] = next();
      return [name, block];
    }),
  );
  return { inputs, empty };
}

function callOf(dtypes: readonly DType[], build: (b: CallBuilder, inputs: NodeId[]) => NodeId): KernelCall {
  const b = new CallBuilder();
  return b.build([
    build(
      b,
      dtypes.map((d) => b.input(d)),
    ),
  ]);
}

function ratio(b: CallBuilder, x: NodeId, y: NodeId): NodeId {
  return b.binary("div", b.binary("sub", x, y), b.binary("add", x, y));
}

function maskedNdvi(b: CallBuilder, [n, r]: NodeId[]): NodeId {
  const [nir, red] = [n as NodeId, r as NodeId];
  const nodata = b.param(0, "uint16");
  const missing = b.binary("or", b.compare("eq", nir, nodata), b.compare("eq", red, nodata));
  return b.where(missing, b.param(Number.NaN, "float32"), ratio(b, b.cast(nir, "float32"), b.cast(red, "float32")));
}

/** All rows. */
export function makeRows(
  side: number,
  inputs: Inputs,
  empty: (dtype: DType, shape: readonly number[]) => NDArray,
): Row[] {
  const shape = [side, side];
  const block = (name: string): NDArray => inputs[name] as NDArray; // names of INPUTS
  const same = (_b: CallBuilder, [x]: NodeId[]): NodeId => x as NodeId;
  const map = (
    id: string,
    target: number,
    names: readonly (string | NDArray)[],
    out: DType,
    build: (b: CallBuilder, inputs: NodeId[]) => NodeId,
  ): Row => {
    const operands = names.map((x) => (typeof x === "string" ? block(x) : x));
    const call = callOf(
      operands.map((x) => x.dtype),
      build,
    );
    const result = empty(out, shape);
    return { id, target, result, tolerance: 0, run: () => runMap(call, operands, [result], shape) };
  };
  const reduce = (
    id: string,
    target: number,
    op: ReduceOp,
    names: readonly string[],
    axes: readonly number[],
    out: DType,
    build = same,
  ): Row => {
    const operands = names.map(block);
    const call = callOf(
      operands.map((x) => x.dtype),
      build,
    );
    const from = call.kernel.nodes[call.kernel.outputs[0] as number]?.dtype as DType;
    const spec = { op, from, dtype: out, ddof: 0, minCount: 0, empty: null };
    const kept = axes.length === 2 ? [] : [side];
    const partial = empty("float64", [op === "std" ? 3 : 2, ...kept]);
    const result = empty(out, kept);
    const run = (): void => {
      runReduce(call, spec, operands, shape, axes, partial);
      finalizePartial(spec, partial, result);
    };
    return {
      id,
      target,
      result,
      tolerance: DTYPES[out].kind === "f" && op !== "max" && op !== "nanmax" && out !== "float64" ? 2e-4 : 0,
      run,
    };
  };
  const [x, y] = [0, 1];
  const { a } = inputs as { readonly a: NDArray };
  return [
    map("ndvi-u16-nodata", 0.12, ["nir", "red"], "float32", maskedNdvi),
    map("ndvi-f32", 0.35, ["a", "b"], "float32", (b, i) => ratio(b, i[x] as NodeId, i[y] as NodeId)),
    map("ndvi-f64", 0.35, ["da", "db"], "float64", (b, i) => ratio(b, i[x] as NodeId, i[y] as NodeId)),
    map("chain-f32", 0.27, ["a", "b"], "float32", (b, [p, q]) => {
      const [u, v] = [p as NodeId, q as NodeId];
      const root = b.unary("sqrt", b.unary("abs", b.binary("sub", b.binary("mul", b.param(2.5, "float32"), u), v)));
      const sum = b.binary("add", b.binary("div", root, b.param(2, "float32")), b.binary("mul", u, v));
      return b.binary("max", sum, b.param(0.75, "float32"));
    }),
    map("where-f32", 0.1, ["a", "b"], "float32", (b, [p, q]) => {
      const [u, v, half] = [p as NodeId, q as NodeId, b.param(0.5, "float32")];
      return b.where(b.binary("and", b.compare("gt", u, half), b.compare("le", v, half)), u, v);
    }),
    map("isin-u8", 0.03, ["scl"], "bool", (b, [p]) => b.inSet(p as NodeId, [4, 5, 6, 7, 11])),
    map("cast-u16-f32", 1.25, ["nir"], "float32", (b, [p]) => b.cast(p as NodeId, "float32")),
    map("cast-f32-f64", 1.25, ["a"], "float64", (b, [p]) => b.cast(p as NodeId, "float64")),
    map("add-f32", 1.3, ["a", "b"], "float32", (b, i) => b.binary("add", i[x] as NodeId, i[y] as NodeId)),
    map("add-i64", 1.4, ["big"], "int64", (b, [p]) => b.binary("add", p as NodeId, p as NodeId)),
    map("copy-f32", 1.3, ["a"], "float32", same),
    map("reversed-f32", 0.4, [new NDArray("float32", a.data, shape, [side, -1], a.offset + side - 1)], "float32", same),
    map("transpose-f32", 0.18, [a.transpose()], "float32", same),
    reduce("sum-f32", 1, "sum", ["a"], [0, 1], "float32"),
    reduce("sum-f32-axis0", 1, "sum", ["a"], [0], "float32"),
    reduce("sum-f32-axis1", 1, "sum", ["a"], [1], "float32"),
    reduce("sum-f64", 0.65, "sum", ["da"], [0, 1], "float64"),
    reduce("sum-u16", 0.3, "sum", ["nir"], [0, 1], "uint64"),
    reduce("max-f32", 1.5, "max", ["a"], [0, 1], "float32"),
    reduce("nanmax-f32", 0.9, "nanmax", ["holes"], [0, 1], "float32"),
    reduce("std-f32", 0.65, "std", ["a"], [0, 1], "float32"),
    reduce("mean-ndvi-f32", 0.3, "mean", ["a", "b"], [0, 1], "float32", (b, i) =>
      ratio(b, i[x] as NodeId, i[y] as NodeId),
    ),
    reduce("nanmean-f32", 0.07, "nanmean", ["holes"], [0, 1], "float32"),
    reduce("nanmean-f32-axis0", 0.07, "nanmean", ["holes"], [0], "float32"),
    reduce("nanmean-f32-axis1", 0.07, "nanmean", ["holes"], [1], "float32"),
    reduce("nanmean-ndvi-u16", 0.3, "nanmean", ["nir", "red"], [0, 1], "float32", maskedNdvi),
  ];
}
