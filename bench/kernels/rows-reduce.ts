/** Rows of reductions, running sums, counts and sorts. */
import type { DType } from "../../src/dtype/index.ts";
import type { NodeId, Plain, ReduceOp } from "../../src/graph/index.ts";
import { REDUCE_COMPONENTS } from "../../src/graph/index.ts";
import { finalizePartial, runBlock, runReduce } from "../../src/kernels/index.ts";
import type { NDArray } from "../../src/ndarray/index.ts";
import { jaxPeer } from "./local.ts";
import { callOf, EXACT, type Row } from "./row.ts";
import { plainNdvi } from "./rows-map.ts";

const SUM = { near: { relative: 2e-4 } } as const;

interface Reduction {
  readonly op: ReduceOp;
  readonly inputs: readonly string[];
  readonly axes: readonly number[];
  readonly out: DType;
}

function reduce(
  o: Pick<Row, "id" | "peers"> & Partial<Pick<Row, "near" | "local">>,
  { op, inputs, axes, out }: Reduction,
  build = (_: Parameters<typeof plainNdvi>[0], [x]: readonly NodeId[]): NodeId => x as NodeId,
): Row {
  return {
    near: EXACT,
    views: true,
    ...o,
    bind: (source) => {
      const operands = inputs.map((n) => source.get(n));
      const call = callOf(
        operands.map((x) => x.dtype),
        build,
      );
      const from = call.kernel.nodes[call.kernel.outputs[0] as number]?.dtype as DType; // one output
      const spec = { op, from, dtype: out, ddof: 0, minCount: 0, empty: null };
      const { shape } = operands[0] as NDArray; // there is one
      const kept = shape.filter((_, k) => !axes.includes(k));
      const partial = source.empty("float64", [REDUCE_COMPONENTS[op].length, ...kept]);
      const result = source.empty(out, kept);
      return {
        result,
        run: () => {
          runReduce(call, spec, operands, shape, axes, partial);
          finalizePartial(spec, partial, result);
        },
      };
    },
    reads: inputs,
  };
}

const ALL = [0, 1] as const;

function block(
  o: Pick<Row, "id" | "peers"> & Partial<Pick<Row, "near">>,
  kernel: string,
  input: string,
  params: Plain,
  out: (x: NDArray) => readonly [DType, readonly number[]],
): Row {
  return {
    near: EXACT,
    views: false,
    ...o,
    bind: (source) => {
      const x = source.get(input);
      const result = source.empty(...out(x));
      return { result, run: () => runBlock(kernel, [x], result, params, { at: [0, 0], position: [0, 0] }) };
    },
    reads: [input],
  };
}

/** Counts of 256 equal bins of [0, 1]. */
const HISTOGRAM: Row = {
  id: "histogram-f32-256",
  peers: { NumPy: { must: 0.5, aim: 0.15 } },
  near: EXACT,
  views: false,
  bind: (source) => {
    const x = source.get("a");
    const edges = source.empty("float64", [257]);
    for (let k = 0; k <= 256; k++) edges.data[k] = k / 256;
    const result = source.empty("int64", [256]);
    return { result, run: () => runBlock("count-bins", [x, edges], result, null, { at: [0, 0], position: [0, 0] }) };
  },
  reads: ["a"],
};

export const REDUCE_ROWS: readonly Row[] = [
  reduce(
    {
      id: "sum-f32",
      peers: { NumPy: { must: 1, aim: 0.7 }, "jax-js": { must: 0.5, aim: 0.12 } },
      local: { "jax-js": (s) => jaxPeer("sum", s) },
      ...SUM,
    },
    { op: "sum", inputs: ["a"], axes: ALL, out: "float32" },
  ),
  reduce(
    { id: "sum-f32-axis0", peers: { NumPy: { must: 1, aim: 0.7 }, "NumPy best layout": {} }, ...SUM },
    { op: "sum", inputs: ["a"], axes: [0], out: "float32" },
  ),
  reduce(
    { id: "sum-f32-axis1", peers: { NumPy: { must: 1, aim: 0.7 }, "NumPy best layout": {} }, ...SUM },
    { op: "sum", inputs: ["a"], axes: [1], out: "float32" },
  ),
  reduce(
    { id: "sum-f64", peers: { NumPy: { must: 0.65, aim: 0.45 } }, near: { relative: 1e-12 } },
    { op: "sum", inputs: ["da"], axes: ALL, out: "float64" },
  ),
  reduce(
    { id: "sum-u16", peers: { NumPy: { must: 0.3, aim: 0.17 } } },
    { op: "sum", inputs: ["nir"], axes: ALL, out: "uint64" },
  ),
  reduce(
    { id: "mean-ndvi-f32", peers: { NumPy: { must: 0.3, aim: 0.18 } }, near: { relative: 1e-2, absolute: 1e-4 } },
    { op: "mean", inputs: ["a", "b"], axes: ALL, out: "float32" },
    plainNdvi,
  ),
  ...(["all", "axis0", "axis1"] as const).map((where) =>
    reduce(
      {
        id: `nanmean-f32-${where}`,
        peers: {
          NumPy: { must: 0.07, aim: 0.035 },
          bottleneck: { must: 0.08, aim: 0.04 },
          ...(where === "all" ? {} : { "NumPy best layout": {}, "bottleneck best layout": {} }),
        },
        ...SUM,
      },
      { op: "nanmean", inputs: ["holes"], axes: where === "all" ? ALL : [where === "axis0" ? 0 : 1], out: "float32" },
    ),
  ),
  reduce(
    { id: "nanstd-f32", peers: { NumPy: { aim: 0.07 }, bottleneck: { aim: 0.1 } }, ...SUM },
    { op: "nanstd", inputs: ["holes"], axes: ALL, out: "float32" },
  ),
  reduce(
    { id: "max-f32", peers: { NumPy: { must: 1.5, aim: 1 } } },
    { op: "max", inputs: ["a"], axes: ALL, out: "float32" },
  ),
  reduce(
    { id: "nanmax-f32", peers: { NumPy: { must: 0.9, aim: 0.6 }, bottleneck: { aim: 0.21 } } },
    { op: "nanmax", inputs: ["holes"], axes: ALL, out: "float32" },
  ),
  reduce(
    { id: "argmin-f32", peers: { NumPy: { must: 1, aim: 0.7 } } },
    { op: "argmin", inputs: ["a"], axes: ALL, out: "int64" },
  ),
  reduce(
    { id: "argmin-f32-axis0", peers: { NumPy: { must: 0.06, aim: 0.03 }, "NumPy best layout": {} } },
    { op: "argmin", inputs: ["a"], axes: [0], out: "int64" },
  ),
  reduce(
    { id: "std-f32", peers: { NumPy: { must: 0.65, aim: 0.45 } }, ...SUM },
    { op: "std", inputs: ["a"], axes: ALL, out: "float32" },
  ),
  ...([1, 0] as const).map((axis) =>
    block(
      {
        id: `cumsum-f32-axis${axis}`,
        peers: { NumPy: axis === 1 ? { must: 0.18, aim: 0.1 } : { must: 0.04, aim: 0.015 } },
      },
      "scan",
      "a",
      { op: "add", axis },
      (x) => ["float32", x.shape],
    ),
  ),
  block({ id: "bincount-u16", peers: { NumPy: { must: 0.15, aim: 0.1 } } }, "bincount", "qa", null, () => [
    "int64",
    [65536],
  ]),
  HISTOGRAM,
  block({ id: "sort-f32-rows", peers: { NumPy: { aim: 4 } } }, "sort", "a", { axis: 1 }, (x) => ["float32", x.shape]),
];
