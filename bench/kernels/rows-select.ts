/** Rows of medians and quantiles over time. */
import type { NodeId, SelectSpec } from "../../src/graph/index.ts";
import { runSelect } from "../../src/kernels/index.ts";
import { CallBuilder } from "../../src/kernels/map/ir.ts";
import type { NDArray } from "../../src/ndarray/index.ts";
import { EXACT, type Row } from "./row.ts";
import { maskedNdvi } from "./rows-map.ts";

interface Selection {
  readonly inputs: readonly string[];
  readonly q: number | null;
  readonly skipna: boolean;
}

/** A one-pixel difference of the last bit: interpolation. */
const NEAR = { relative: 2.4e-7 } as const;

/** Nodes of the value and, if there is one, of the mask of the elements that take part. */
type Build = (b: CallBuilder, inputs: readonly NodeId[]) => readonly NodeId[];

function select(
  id: string,
  peers: Row["peers"],
  { inputs, q, skipna }: Selection,
  build: Build = (_, [x]) => [x as number],
): Row {
  return {
    id,
    peers,
    near: q === null ? EXACT : NEAR,
    views: false,
    bind: (source) => {
      const operands = inputs.map((n) => source.get(n));
      const [depth, ...pixels] = (operands[0] as NDArray).shape as [number, number, number]; // cubes
      const b = new CallBuilder();
      const outputs = build(
        b,
        operands.map((x) => b.input(x.dtype)),
      );
      const spec: SelectSpec = {
        op: q === null ? "median" : "quantile",
        q: q === null ? [] : [q],
        isList: false,
        method: "linear",
        skipna,
        from: b.dtypeOf(outputs[0] as number),
        dtype: "float32",
        empty: null,
      };
      const call = b.build(outputs);
      const result = source.empty("float32", pixels);
      return { result, run: () => runSelect(call, spec, operands, [depth, ...pixels], [0], result) };
    },
    reads: inputs,
  };
}

/** The same numbers against both peers on the axis they like best. */
const BEST = { "NumPy best layout": {}, "bottleneck best layout": {} } as const;

export const SELECT_ROWS: readonly Row[] = [
  select(
    "nanmedian-f32-24",
    { NumPy: { must: 0.035, aim: 0.02 }, bottleneck: { must: 0.08, aim: 0.04 }, ...BEST },
    { inputs: ["t24"], q: null, skipna: true },
  ),
  select(
    "nanmedian-f32-120",
    { NumPy: { must: 0.05, aim: 0.028 }, bottleneck: { must: 0.18, aim: 0.1 }, ...BEST },
    { inputs: ["t120"], q: null, skipna: true },
  ),
  select(
    "nanmedian-f32-365",
    { NumPy: { must: 0.07, aim: 0.04 }, bottleneck: { must: 0.27, aim: 0.15 }, ...BEST },
    { inputs: ["t365"], q: null, skipna: true },
  ),
  select(
    "nanmedian-u16-nodata-24",
    { NumPy: { must: 0.02, aim: 0.008 } },
    { inputs: ["nir24"], q: null, skipna: true },
    (b, [x]) => {
      const value = x as number; // one input
      return [value, b.compare("ne", value, b.param(0, "uint16"))];
    },
  ),
  select("nanquantile-f32-24", { NumPy: { must: 0.01, aim: 0.002 } }, { inputs: ["t24"], q: 0.9, skipna: true }),
  select("nanquantile-f32-120", { NumPy: { must: 0.02, aim: 0.008 } }, { inputs: ["t120"], q: 0.9, skipna: true }),
  select("quantile-f32-24", { NumPy: { must: 0.08, aim: 0.04 } }, { inputs: ["full24"], q: 0.9, skipna: false }),
  select("quantile-f32-120", { NumPy: { must: 0.1, aim: 0.05 } }, { inputs: ["full120"], q: 0.9, skipna: false }),
  select(
    "ndvi-nanmedian-24",
    { NumPy: { must: 0.05, aim: 0.02 }, bottleneck: { must: 0.1, aim: 0.04 } },
    { inputs: ["nir24", "red24"], q: null, skipna: true },
    (b, inputs) => [maskedNdvi(b, inputs)],
  ),
];
