/**
 * The only list of lowerings: for each operation and dtype the vector code, or nothing, and then the interpreter runs
 * it. `lowerable` and `lowerNode` read the same table.
 */
import { UnsupportedError } from "../../base/index.ts";
import { DTYPES, type DType } from "../../dtype/index.ts";
import type { BinaryOp, CompareOp, Kernel, KernelNode, NodeId, UnaryOp } from "../../graph/index.ts";
import { demoteToOdd, narrowHalf, widenHalf } from "../math/half.ts";
import { isApproximate, lowerHalfByLane, lowerMath1, lowerMath2 } from "../math/lower.ts";
import {
  bitselect,
  laneSelect,
  shiftRight,
  type Vector,
  type Vector1Name,
  type Vector2Name,
  vector1,
  vector2,
} from "../wasm/builder.ts";
import { lowerCast } from "./cast.ts";
import { checkedIndex } from "./checked-index.ts";
import { divide, integerPower, shiftLanes } from "./integer-lanes.ts";
import { floatPattern, type LaneCode, type Lanes, pattern, shapeOf, type V, type Width, widthOf } from "./lanes.ts";
import { SET_SEARCH_MAX, type SortedSet, searchSet } from "./set-search.ts";

/** dtype that computes for `dtype`: datetimes are int64; null where there are no lanes. */
export function nativeDType(dtype: DType): DType | null {
  const d = DTYPES[dtype];
  if (d.kind === "c" || dtype === "float16") return null;
  return d.kind === "M" || d.kind === "m" ? "int64" : dtype;
}

/** dtype of lanes as they are loaded and stored: float16 lies in 16 bits and computes in float32; null for complex. */
export function storedDType(dtype: DType): DType | null {
  return dtype === "float16" ? dtype : nativeDType(dtype);
}

/** dtype in which lanes of a stored dtype compute. */
function computing(dtype: DType): DType | null {
  return dtype === "float16" ? "float32" : nativeDType(dtype);
}

type Kind = "bool" | "int" | "big" | "float";

function kindOf(dtype: DType): Kind {
  const d = DTYPES[dtype];
  return d.kind === "b" ? "bool" : d.kind === "f" ? "float" : d.itemsize === 8 ? "big" : "int";
}

/** Vector code of an operation over equal lists of vectors of one dtype; the result has that dtype unless stated. */
type Lower2 = (code: LaneCode, a: Lanes, b: Lanes) => Lanes;
type Lower1 = (code: LaneCode, a: Lanes) => Lanes;

function native2(op: string): Lower2 {
  return (code, a, b) => ({ ...a, v: code.map2(`${shapeOf(a.dtype)}.${op}` as Vector2Name, a.v, b.v) }); // the table lists shapes that have it
}

function native1(op: string): Lower1 {
  return (code, a) => ({ ...a, v: code.map1(`${shapeOf(a.dtype)}.${op}` as Vector1Name, a.v) }); // the table lists shapes that have it
}

function bits(op: "and" | "or" | "xor"): Lower2 {
  return (code, a, b) => {
    if (a.dtype !== "bool") return { ...a, v: code.map2(`v128.${op}`, a.v, b.v) };
    const m = code.sameWidth(a, b);
    return { dtype: "bool", width: m.width, v: code.map2(`v128.${op}`, m.a, m.b) };
  };
}

const same: Lower1 = (_code, a) => a;

function isUnsigned(dtype: DType): boolean {
  return DTYPES[dtype].kind === "u";
}

const multiply: Lower2 = (code, a, b) => {
  if (a.width !== 1) return native2("mul")(code, a, b);
  const wide = (x: Lanes): V[] => code.widenOnce(x.v, 1, false);
  return { ...a, v: code.narrowOnce(code.map2("i16x8.mul", wide(a), wide(b)), 2) };
};

/** Smaller (or larger) of two; floats: `b` where it wins or is NaN, as the interpreter has it. */
function extreme(op: "min" | "max"): Lower2 {
  return (code, a, b) => {
    const kind = kindOf(a.dtype);
    if (kind === "bool") return bits(op === "min" ? "and" : "or")(code, a, b);
    if (kind === "int") return native2(`${op}_${isUnsigned(a.dtype) ? "u" : "s"}`)(code, a, b);
    if (kind === "big") {
      const wins = op === "min" ? compare("lt")(code, b, a) : compare("lt")(code, a, b);
      return { ...a, v: code.select(wins.v, b.v, a.v) };
    }
    const shape = shapeOf(a.dtype) as "f32x4" | "f64x2";
    return {
      ...a,
      v: a.v.map((x, k) => {
        const y = b.v[k] as V; // equal counts
        // All bits set are a NaN, which results are stored as the one NaN of.
        return code.let(vector2("v128.or", vector2(`${shape}.p${op}`, x, y), code.isNaN(shape, y)));
      }),
    };
  };
}

function compareBool(code: LaneCode, op: CompareOp, a: Lanes, b: Lanes): Lanes {
  const m = code.sameWidth(a, b);
  const not = (v: Vector): Vector => vector1("v128.not", v);
  const f: Readonly<Record<CompareOp, (x: Vector, y: Vector) => Vector>> = {
    eq: (x, y) => not(vector2("v128.xor", x, y)),
    ne: (x, y) => vector2("v128.xor", x, y),
    lt: (x, y) => vector2("v128.andnot", y, x),
    gt: (x, y) => vector2("v128.andnot", x, y),
    le: (x, y) => vector2("v128.or", not(x), y),
    ge: (x, y) => vector2("v128.or", x, not(y)),
  };
  return { dtype: "bool", width: m.width, v: m.a.map((x, k) => code.let(f[op](x, m.b[k] as V))) };
}

function compare(op: CompareOp): Lower2 {
  return (code, a, b) => {
    const kind = kindOf(a.dtype);
    if (kind === "bool") return compareBool(code, op, a, b);
    let [x, y] = [a.v, b.v];
    const equality = op === "eq" || op === "ne";
    const unsigned = isUnsigned(a.dtype);
    if (kind === "big" && unsigned && !equality) {
      // unsigned order is signed order with the top bit flipped
      const top = code.splat(8, pattern(8, 1n << 63n));
      [x, y] = [code.map2("v128.xor", x, top), code.map2("v128.xor", y, top)];
    }
    const suffix = kind === "float" || equality ? "" : unsigned && kind === "int" ? "_u" : "_s";
    return { dtype: "bool", width: a.width, v: code.map2(`${shapeOf(a.dtype)}.${op}${suffix}` as Vector2Name, x, y) }; // all exist
  };
}

const sign: Lower1 = (code, a) => {
  const zero: Lanes = { ...a, v: code.splat(a.width, new Uint8Array(16)) };
  const [above, below] = [compare("gt")(code, a, zero), compare("lt")(code, a, zero)];
  if (kindOf(a.dtype) !== "float")
    return { ...a, v: native2("sub")(code, { ...a, v: below.v }, { ...a, v: above.v }).v };
  const dtype = a.dtype as "float32" | "float64"; // float16 has no lanes
  const one = (x: number): Vector => code.f.constant(floatPattern(dtype, x));
  return {
    ...a,
    v: a.v.map((x, k) => {
      const signs = vector2(
        "v128.or",
        vector2("v128.and", above.v[k] as V, one(1)),
        vector2("v128.and", below.v[k] as V, one(-1)),
      );
      return code.let(laneSelect(a.width, x, signs, vector2(`${shapeOf(dtype)}.ne` as Vector2Name, x, x)));
    }),
  };
};

function factor(op: "deg2rad" | "rad2deg"): Lower1 {
  return (code, a) => {
    const pi = a.dtype === "float64" ? Math.PI : Math.fround(Math.PI);
    const x = floatPattern(a.dtype as "float32" | "float64", op === "deg2rad" ? pi / 180 : 180 / pi);
    return native2("mul")(code, a, { ...a, v: code.splat(a.width, x) });
  };
}

function classify(op: "isnan" | "isinf" | "isfinite"): Lower1 {
  return (code, a) => {
    const mask = (v: readonly V[]): Lanes => ({ dtype: "bool", width: a.width, v });
    if (kindOf(a.dtype) !== "float")
      return mask(code.splat(a.width, new Uint8Array(16).fill(op === "isfinite" ? 255 : 0)));
    const shape = shapeOf(a.dtype) as "f32x4" | "f64x2";
    if (op === "isnan") return mask(code.map2(`${shape}.ne`, a.v, a.v));
    const inf = code.splat(a.width, floatPattern(a.dtype as "float32" | "float64", Number.POSITIVE_INFINITY));
    return mask(code.map2(op === "isinf" ? `${shape}.eq` : `${shape}.lt`, code.map1(`${shape}.abs`, a.v), inf));
  };
}

/** The value, or 0 where it is NaN: processors disagree about the sign of a computed NaN, so it has none here. */
function withoutNaN(code: LaneCode, a: Lanes): readonly V[] {
  if (kindOf(a.dtype) !== "float") return a.v;
  const eq = `${shapeOf(a.dtype)}.eq` as Vector2Name; // floats have it
  return a.v.map((x) => code.let(vector2("v128.and", x, vector2(eq, x, x))));
}

const signbit: Lower1 = (code, a) => {
  const zero = code.splat(a.width, new Uint8Array(16));
  if (isUnsigned(a.dtype)) return { dtype: "bool", width: a.width, v: zero };
  const ints = (["", "i8x16", "i16x8", "", "i32x4", "", "", "", "i64x2"] as const)[a.width] as "i32x4"; // any of the four
  return { dtype: "bool", width: a.width, v: code.map2(`${ints}.lt_s`, withoutNaN(code, a), zero) };
};

const copySign: Lower2 = (code, a, b) => {
  const sign = code.f.constant(pattern(a.width, 1n << BigInt(8 * a.width - 1)));
  const signs = withoutNaN(code, b);
  return { ...a, v: a.v.map((x, k) => code.let(bitselect(signs[k] as V, x, sign))) }; // equal counts
};

const ALL: readonly Kind[] = ["bool", "int", "big", "float"];
const NUMBERS: readonly Kind[] = ["int", "big", "float"];
const INTS: readonly Kind[] = ["int", "big"];

type Entry<L> = readonly (readonly [kinds: readonly Kind[], lower: L])[];

const UNARY: Readonly<Partial<Record<UnaryOp, Entry<Lower1>>>> = {
  neg: [[NUMBERS, native1("neg")]],
  abs: [
    [["float"], native1("abs")],
    [INTS, (code, a) => (isUnsigned(a.dtype) ? a : native1("abs")(code, a))],
    [["bool"], same],
  ],
  not: [[ALL.slice(0, 3), (code, a) => ({ ...a, v: code.map1("v128.not", a.v) })]],
  sqrt: [[["float"], native1("sqrt")]],
  square: [
    [NUMBERS, (code, a) => multiply(code, a, a)],
    [["bool"], same],
  ],
  sign: [
    [["float"], sign],
    [INTS, (code, a) => (isUnsigned(a.dtype) ? lowerCast(code, lowerCast(code, a, "bool"), a.dtype) : sign(code, a))],
  ],
  floor: [
    [["float"], native1("floor")],
    [ALL.slice(0, 3), same],
  ],
  ceil: [
    [["float"], native1("ceil")],
    [ALL.slice(0, 3), same],
  ],
  trunc: [
    [["float"], native1("trunc")],
    [ALL.slice(0, 3), same],
  ],
  round: [
    [["float"], native1("nearest")],
    [ALL.slice(0, 3), same],
  ],
  deg2rad: [[["float"], factor("deg2rad")]],
  rad2deg: [[["float"], factor("rad2deg")]],
  isnan: [[ALL, classify("isnan")]],
  isinf: [[ALL, classify("isinf")]],
  isfinite: [[ALL, classify("isfinite")]],
  signbit: [[NUMBERS, signbit]],
};

const BINARY: Readonly<Partial<Record<BinaryOp, Entry<Lower2>>>> = {
  add: [
    [NUMBERS, native2("add")],
    [["bool"], bits("or")],
  ],
  sub: [[NUMBERS, native2("sub")]],
  mul: [
    [NUMBERS, multiply],
    [["bool"], bits("and")],
  ],
  div: [[["float"], native2("div")]],
  floordiv: [[INTS, divide("floordiv", multiply)]],
  mod: [[INTS, divide("mod", multiply)]],
  fmod: [[INTS, divide("fmod", multiply)]],
  pow: [[INTS, integerPower(multiply)]],
  shl: [[INTS, shiftLanes("shl")]],
  shr: [[INTS, shiftLanes("shr")]],
  copysign: [[["float"], copySign]],
  min: [[ALL, extreme("min")]],
  max: [[ALL, extreme("max")]],
  index: [[["big"], checkedIndex(compare)]],
  and: [[ALL.slice(0, 3), bits("and")]],
  or: [[ALL.slice(0, 3), bits("or")]],
  xor: [[ALL.slice(0, 3), bits("xor")]],
};

const COMPARE: Readonly<Record<CompareOp, Lower2>> = {
  lt: compare("lt"),
  le: compare("le"),
  gt: compare("gt"),
  ge: compare("ge"),
  eq: compare("eq"),
  ne: compare("ne"),
};

function entryOf<L>(entry: Entry<L> | undefined, dtype: DType): L | undefined {
  return entry?.find(([kinds]) => kinds.includes(kindOf(dtype)))?.[1];
}

/** Vector code of an operation of one operand on a native dtype. */
function lower1Of(op: UnaryOp, dtype: DType): Lower1 | undefined {
  return entryOf(UNARY[op], dtype) ?? (kindOf(dtype) === "float" ? (lowerMath1(op) ?? undefined) : undefined);
}

/** Vector code of an operation of two operands on a native dtype. */
function lower2Of(op: BinaryOp, dtype: DType): Lower2 | undefined {
  return entryOf(BINARY[op], dtype) ?? (kindOf(dtype) === "float" ? (lowerMath2(op) ?? undefined) : undefined);
}

/** Why `node` has no vector form, or null when it has. `setSizes` counts the members of each set. */
export function refusal(kernel: Kernel, node: KernelNode, setSizes: readonly number[]): string | null {
  if (computing(node.dtype) === null) return `${node.op} of ${node.dtype}`;
  if (node.op === "in" || node.op === "param" || node.op === "where") return null;
  if (node.op === "conj" || node.op === "real" || node.op === "imag" || node.op === "complex")
    return `${node.op} of complex numbers`;
  const given = (kernel.nodes[node.a] as KernelNode).dtype; // operands precede users
  const dtype = computing(given);
  if (dtype === null) return `${node.op} of ${given}`;
  switch (node.op) {
    case "cast":
    case "lt":
    case "le":
    case "gt":
    case "ge":
    case "eq":
    case "ne":
      return null;
    case "in-set": {
      const fits = itemIsByte(dtype) || (setSizes[node.set] ?? 0) <= SET_SEARCH_MAX;
      return given !== "float16" && fits ? null : `set of ${setSizes[node.set]} members of ${given}`;
    }
    default: {
      if ("b" in node) {
        const b = kernel.nodes[node.b] as KernelNode; // operands precede users
        if (computing(b.dtype) !== dtype) return `${node.op} of ${given} and ${b.dtype}`;
        // A negative exponent must fail, which vectors cannot; constants were looked at when the kernel was built.
        if (node.op === "pow" && DTYPES[dtype].kind === "i" && b.op !== "param") return `pow of ${dtype} by an array`;
      }
      const found = "b" in node ? lower2Of(node.op, dtype) : lower1Of(node.op, dtype);
      return found === undefined ? `${node.op} of ${given}` : null;
    }
  }
}

/** True for dtypes whose sets are tables of 256 bits. */
export function itemIsByte(dtype: DType): boolean {
  return dtype === "uint8" || dtype === "int8";
}

/** Where the lanes of inputs, parameters and sets come from. */
export interface Sources {
  readonly input: (slot: number) => Lanes;
  readonly param: (slot: number, dtype: DType) => Lanes;
  /** Splat members of a set, or the two vectors of a byte set's table. */
  readonly set: (set: number, dtype: DType) => readonly V[];
  /** The set's members in memory where there are too many for vectors, else null. */
  readonly sorted: (set: number, dtype: DType) => SortedSet | null;
}

function member(code: LaneCode, a: Lanes, set: readonly V[]): Lanes {
  const mask = (v: readonly V[]): Lanes => ({ dtype: "bool", width: a.width, v });
  if (!itemIsByte(a.dtype)) {
    const eq = `${shapeOf(a.dtype)}.eq` as Vector2Name; // every shape has eq
    const none: Vector = code.f.constant(new Uint8Array(16));
    return mask(
      a.v.map((x) => code.let(set.map((s) => vector2(eq, x, s)).reduce((m, e) => vector2("v128.or", m, e), none))),
    );
  }
  // A byte's upper five bits name a byte of the table, its lower three a bit of that.
  const [low, high] = set as readonly [V, V]; // two vectors by Sources
  const bit = code.f.constant(Uint8Array.from({ length: 16 }, (_, k) => 1 << (k % 8)));
  const sixteen = code.f.constant(pattern(1, 16n));
  const zero = code.f.constant(new Uint8Array(16));
  return mask(
    a.v.map((x) => {
      const index = code.let(shiftRight("i8x16", x, 3));
      const byte = vector2(
        "v128.or",
        vector2("i8x16.swizzle", low, index),
        vector2("i8x16.swizzle", high, vector2("i8x16.sub", index, sixteen)),
      );
      const wanted = vector2("i8x16.swizzle", bit, vector2("v128.and", x, code.f.constant(pattern(1, 7n))));
      return code.let(vector2("i8x16.ne", vector2("v128.and", byte, wanted), zero));
    }),
  );
}

/** Vector code of one node, whose operands are lowered already. */
export function lowerNode(code: LaneCode, node: KernelNode, at: (id: NodeId) => Lanes, sources: Sources): Lanes {
  switch (node.op) {
    case "in":
      return sources.input(node.slot);
    case "param":
      return sources.param(node.slot, node.dtype);
    case "cast":
      return castNode(code, at(node.a), node.dtype);
    case "where": {
      const [c, a, b] = [at(node.c), at(node.a), at(node.b)];
      if (a.dtype !== "bool") return { ...a, v: code.select(code.mask(c, a.width), a.v, b.v) };
      const width = Math.min(a.width, b.width, c.width) as Width; // all are widths
      return { dtype: "bool", width, v: code.select(code.mask(c, width), code.mask(a, width), code.mask(b, width)) };
    }
    case "in-set": {
      const a = at(node.a);
      const sorted = sources.sorted(node.set, a.dtype);
      return sorted === null ? member(code, a, sources.set(node.set, a.dtype)) : searchSet(code, a, sorted);
    }
    case "conj":
    case "real":
    case "imag":
    case "complex":
      throw new UnsupportedError(`${node.op} has no vector form`); // refusal() was not null
    default: {
      const given = at(node.a);
      const a = computable(code, given);
      const b = "b" in node ? computable(code, at(node.b)) : null;
      const result = compute(code, node, { a, b, isHalf: given.dtype === "float16" });
      return node.dtype === "float16" ? narrowHalf(code, result) : result;
    }
  }
}

/** Lanes as they compute. */
function computable(code: LaneCode, a: Lanes): Lanes {
  return a.dtype === "float16" ? widenHalf(code, a) : a;
}

function castNode(code: LaneCode, given: Lanes, to: DType): Lanes {
  const a = computable(code, given);
  if (to !== "float16") return lowerCast(code, a, storedDType(to) as DType); // refusal() was null
  return narrowHalf(code, a.dtype === "float64" ? demoteToOdd(code, a) : lowerCast(code, a, "float32"));
}

interface Operands {
  readonly a: Lanes;
  readonly b: Lanes | null;
  readonly isHalf: boolean;
}

/** An operation on lanes that compute; refusal() was null. */
function compute(code: LaneCode, { op }: KernelNode, { a, b, isHalf }: Operands): Lanes {
  // What looks at the bits of a float16 is the host's.
  if (isHalf && (op === "nextafter" || op === "spacing")) return lowerHalfByLane(code, op, a, b);
  if (b === null) return (lower1Of(op as UnaryOp, a.dtype) as Lower1)(code, a);
  const comparison = Object.hasOwn(COMPARE, op) ? COMPARE[op as CompareOp] : null; // the record holds comparisons
  return comparison === null ? (lower2Of(op as BinaryOp, a.dtype) as Lower2)(code, a, b) : comparison(code, a, b);
}

/** Kernels of more nodes than this have too many values for more than eight elements an iteration. */
const FEW_NODES = 8;

/** A kernel of so few nodes is a load, an operation and a store. */
const SINGLE_NODES = 3;

/**
 * Elements per iteration: 32 where one operation moves wide and narrow values, so that the narrow ones fill two vectors;
 * 16 where 8-bit values fill their vectors or a small kernel moves narrow ones or nothing else; else 8.
 */
export function iterationOf(kernel: Kernel): 8 | 16 | 32 {
  const widths = kernel.nodes.map((n) => widthOf(n.dtype));
  const isSingle = kernel.nodes.length <= SINGLE_NODES && kernel.nodes.every((n) => !isApproximate(n.op));
  if (isSingle && Math.min(...widths) <= 2 && Math.max(...widths) >= 2 * Math.min(...widths)) return 32;
  if (kernel.nodes.every((n) => widthOf(n.dtype) === 1)) return 16;
  const isFew = kernel.nodes.length <= FEW_NODES;
  // The long chains of elementary functions run better side by side; their code in float64 is long enough.
  if (kernel.nodes.some((n) => isApproximate(n.op)))
    return isFew && kernel.nodes.every((n) => widthOf(n.dtype) <= 4) ? 16 : 8;
  const isNarrow = kernel.nodes.some((n) => (n.op === "in" || n.op === "cast") && widthOf(n.dtype) <= 2);
  return kernel.nodes.length <= (isNarrow ? FEW_NODES : 2) ? 16 : 8;
}
