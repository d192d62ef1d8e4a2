/** Rows of elementwise kernels. */
import type { DType } from "../../src/dtype/index.ts";
import type { NodeId } from "../../src/graph/index.ts";
import { copyStrided, runMap } from "../../src/kernels/index.ts";
import type { CallBuilder } from "../../src/kernels/map/ir.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { jaxPeer, numpyTsPeer, plainPeer } from "./local.ts";
import { type Bound, callOf, EXACT, type LocalPeer, type Row, type Source } from "./row.ts";

type Build = (b: CallBuilder, inputs: readonly NodeId[]) => NodeId;

/** A fused kernel of named inputs. */
export function bindMap(source: Source, names: readonly string[], out: DType, build: Build): Bound {
  const operands = names.map((n) => source.get(n));
  const call = callOf(
    operands.map((x) => x.dtype),
    build,
  );
  const { shape } = operands[0] as NDArray; // there is one
  const result = source.empty(out, shape);
  return { result, run: () => runMap(call, operands, [result], shape) };
}

function map(
  o: Pick<Row, "id" | "peers"> & Partial<Pick<Row, "near" | "views" | "local">>,
  names: readonly string[],
  out: DType,
  build: Build,
): Row {
  return {
    near: EXACT,
    views: true,
    ...o,
    bind: (source) => bindMap(source, names, out, build),
    reads: names,
  };
}

export function ndvi(b: CallBuilder, x: NodeId, y: NodeId): NodeId {
  return b.binary("div", b.binary("sub", x, y), b.binary("add", x, y));
}

/** NDVI of two uint16 with nodata 0. */
export const maskedNdvi: Build = (b, [n, r]) => {
  const [nir, red] = [n as NodeId, r as NodeId];
  const zero = b.param(0, "uint16");
  const missing = b.binary("or", b.compare("eq", nir, zero), b.compare("eq", red, zero));
  return b.where(missing, b.param(Number.NaN, "float32"), ndvi(b, b.cast(nir, "float32"), b.cast(red, "float32")));
};

export const plainNdvi: Build = (b, [x, y]) => ndvi(b, x as NodeId, y as NodeId);

/** max(sqrt(abs(2.5a − b)) / 2 + ab, ¾). */
const chain: Build = (b, [p, q]) => {
  const [u, v] = [p as NodeId, q as NodeId];
  const root = b.unary("sqrt", b.unary("abs", b.binary("sub", b.binary("mul", b.param(2.5, "float32"), u), v)));
  const sum = b.binary("add", b.binary("div", root, b.param(2, "float32")), b.binary("mul", u, v));
  return b.binary("max", sum, b.param(0.75, "float32"));
};

/** sqrt(exp(−a)) + log(b). */
export const explog: Build = (b, [p, q]) =>
  b.binary("add", b.unary("sqrt", b.unary("exp", b.unary("neg", p as NodeId))), b.unary("log", q as NodeId));

/** EVI of three uint16 with scale, offset and nodata, quantised to int16. */
const evi: Build = (b, inputs) => {
  const f = (x: number): NodeId => b.param(x, "float32");
  const zero = b.param(0, "uint16");
  const masks = inputs.map((x) => b.compare("eq", x, zero));
  const missing = masks.reduce((x, y) => b.binary("or", x, y));
  const [n, r, l] = inputs.map((x) => b.binary("sub", b.binary("mul", b.cast(x, "float32"), f(1e-4)), f(0.1))) as [
    NodeId,
    NodeId,
    NodeId,
  ];
  const below = b.binary(
    "add",
    b.binary("sub", b.binary("add", n, b.binary("mul", f(6), r)), b.binary("mul", f(7.5), l)),
    f(1),
  );
  const value = b.binary("div", b.binary("mul", f(2.5), b.binary("sub", n, r)), below);
  const whole = b.unary("round", b.binary("mul", value, f(1e4)));
  const clipped = b.binary("max", b.binary("min", whole, f(32767)), f(-32767));
  return b.where(missing, b.param(-32768, "int16"), b.cast(clipped, "int16"));
};

const cast =
  (dtype: DType): Build =>
  (b, [x]) =>
    b.cast(x as NodeId, dtype);

const chosen: Build = (b, [p, q]) => {
  const [u, v, half] = [p as NodeId, q as NodeId, b.param(0.5, "float32")];
  return b.where(b.binary("and", b.compare("gt", u, half), b.compare("le", v, half)), u, v);
};

const bits: Build = (b, [x]) =>
  b.compare("ne", b.binary("and", x as NodeId, b.param(0b10_1000, "uint16")), b.param(0, "uint16"));

const near = (relative: number, absolute = 0): Pick<Row, "near"> => ({ near: { relative, absolute } });
const F32 = near(1e-6, 1e-6);

/** A copy between views. */
function copyRow(id: string, peers: Row["peers"], name: string, view: (x: NDArray) => NDArray): Row {
  return {
    id,
    peers,
    near: EXACT,
    views: false,
    bind: (source) => {
      const from = view(source.get(name));
      const result = source.empty(from.dtype, from.shape);
      return { result, run: () => copyStrided(result, from) };
    },
    reads: [name],
  };
}

const whole = (x: NDArray): NDArray => x;
const mirrored = (x: NDArray): NDArray => {
  const [down, right] = x.stride as [number, number]; // a plane
  return new NDArray(x.dtype, x.data, x.shape, [down, -right], x.offset + ((x.shape[1] as number) - 1) * right);
};

export const MAP_ROWS: readonly Row[] = [
  map(
    {
      id: "ndvi-u16-nodata",
      peers: {
        NumPy: { must: 0.12, aim: 0.075 },
        numexpr: { must: 0.1, aim: 0.05 },
        numba: { must: 2.2, aim: 1.4 },
        "plain JavaScript": { must: 0.3, aim: 0.16 },
        "numpy-ts": { must: 0.1, aim: 0.006 },
      },
      local: { "plain JavaScript": plainPeer, "numpy-ts": (s) => numpyTsPeer("ndvi-u16", s) },
    },
    ["nir", "red"],
    "float32",
    maskedNdvi,
  ),
  map(
    {
      id: "ndvi-f32",
      peers: {
        NumPy: { must: 0.35, aim: 0.25 },
        numexpr: { must: 0.25, aim: 0.15 },
        numba: { must: 1.25, aim: 1 },
        "jax-js": { must: 0.5, aim: 0.3 },
        "numpy-ts": { must: 0.1, aim: 0.02 },
      },
      local: { "jax-js": (s) => jaxPeer("ndvi", s), "numpy-ts": (s) => numpyTsPeer("ndvi", s) },
    },
    ["a", "b"],
    "float32",
    plainNdvi,
  ),
  map(
    {
      id: "ndvi-f64",
      peers: { NumPy: { must: 0.35, aim: 0.25 }, numexpr: { must: 0.25, aim: 0.15 }, numba: { must: 1.25, aim: 1 } },
    },
    ["da", "db"],
    "float64",
    plainNdvi,
  ),
  {
    ...map(
      { id: "ndvi-f32-16M", peers: { "memory copy": { must: 1.3, aim: 1.05 } }, views: false },
      ["la", "lb"],
      "float32",
      plainNdvi,
    ),
    local: { "memory copy": (source) => copyPeer(source) },
  },
  map(
    {
      id: "chain-f32",
      peers: { NumPy: { must: 0.27, aim: 0.17 }, numexpr: { must: 0.12, aim: 0.07 }, numba: { must: 2.2, aim: 1.5 } },
    },
    ["a", "b"],
    "float32",
    chain,
  ),
  map({ id: "evi-u16-i16", peers: { NumPy: { must: 0.1, aim: 0.065 } } }, ["nir", "red", "blue"], "int16", evi),
  map(
    {
      id: "explog-f32",
      peers: { NumPy: { must: 1.8, aim: 1.2 }, numexpr: { must: 0.45, aim: 0.3 }, "jax-js": { must: 0.5, aim: 0.2 } },
      local: { "jax-js": (s) => jaxPeer("explog", s) },
      ...F32,
    },
    ["a", "b"],
    "float32",
    explog,
  ),
  map(
    {
      id: "explog-f64",
      peers: { NumPy: { must: 2, aim: 1.3 }, numexpr: { must: 0.7, aim: 0.45 } },
      ...near(1e-14, 1e-15),
    },
    ["da", "db"],
    "float64",
    explog,
  ),
  map({ id: "log10-f32", peers: { NumPy: { must: 1.5, aim: 0.8 } }, ...F32 }, ["b"], "float32", (b, [x]) =>
    b.binary("mul", b.param(10, "float32"), b.unary("log10", x as NodeId)),
  ),
  map({ id: "isin-u8", peers: { NumPy: { must: 0.03, aim: 0.012 } } }, ["scl"], "bool", (b, [x]) =>
    b.inSet(x as NodeId, [4, 5, 6, 7, 11]),
  ),
  map({ id: "bit-u16", peers: { NumPy: { must: 0.8, aim: 0.6 } } }, ["qa"], "bool", bits),
  map({ id: "where-f32", peers: { NumPy: { must: 0.1, aim: 0.05 } } }, ["a", "b"], "float32", chosen),
  map({ id: "cast-u16-f32", peers: { NumPy: { must: 1.25, aim: 0.95 } } }, ["nir"], "float32", cast("float32")),
  map({ id: "cast-f32-f64", peers: { NumPy: { must: 1.25, aim: 0.95 } } }, ["a"], "float64", cast("float64")),
  map({ id: "cast-f32-i16", peers: { NumPy: { must: 1.25, aim: 0.95 } } }, ["signed"], "int16", cast("int16")),
  map({ id: "cast-f64-u8", peers: { NumPy: { must: 1.25, aim: 0.95 } } }, ["byte"], "uint8", cast("uint8")),
  map({ id: "add-f32", peers: { NumPy: { must: 1.3, aim: 1 } } }, ["a", "b"], "float32", (b, [x, y]) =>
    b.binary("add", x as NodeId, y as NodeId),
  ),
  map({ id: "add-i64", peers: { NumPy: { must: 1.4, aim: 1 } } }, ["big"], "int64", (b, [x]) =>
    b.binary("add", x as NodeId, x as NodeId),
  ),
  copyRow("copy-f32", { NumPy: { must: 1.3, aim: 1 } }, "a", whole),
  copyRow("copy-f32-large", { NumPy: { must: 1.3, aim: 1 } }, "huge", whole),
  copyRow("reversed-f32", { NumPy: { must: 0.4, aim: 0.25 } }, "a", mirrored),
  copyRow("transpose-f32", { NumPy: { must: 0.18, aim: 0.09 } }, "a", (x) => x.transpose()),
];

/** Copies as many bytes as the row moves. */
async function copyPeer(source: Source): Promise<LocalPeer> {
  const from = [source.get("la"), source.get("lb")];
  const to = source.empty("float32", (from[0] as NDArray).shape);
  const half = (x: NDArray): NDArray => new NDArray(x.dtype, x.data, [x.size / 2], [1], x.offset);
  const target = half(to);
  return {
    // one and a half planes: read and written they are as many bytes as two read and one written
    run: () => {
      copyStrided(to, from[0] as NDArray); // two of them
      copyStrided(target, half(from[1] as NDArray));
    },
    result: async () => null,
  };
}
