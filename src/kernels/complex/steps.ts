/**
 * Complex nodes of a kernel, for the interpreter: loops over tiles whose complex values are interleaved parts. Complex
 * numbers never reach the vector code.
 */
import { UnsupportedError } from "../../base/index.ts";
import type { DType, TypedArray } from "../../dtype/index.ts";
import type { KernelCall, KernelNode } from "../../graph/index.ts";
import { castFunction } from "../map/scalar-ops.ts";
import { binaryOf, COMPARE, type Round, toRealOf, unaryOf } from "./arithmetic.ts";
import type { ComplexUnary, Pair } from "./parts.ts";
import * as parts from "./parts.ts";
import { isComplex, partType } from "./views.ts";

type Cells = number[]; // how a typed array of floats or small integers looks to the loops below
/** Computes the first `n` elements of a node's tile. */
type TileStep = (n: number) => void;

const FUNCTIONS: Readonly<Record<string, ComplexUnary>> = {
  sqrt: parts.sqrt,
  exp: parts.exp,
  exp2: parts.exp2,
  expm1: parts.expm1,
  log: parts.log,
  log2: parts.log2,
  log10: parts.log10,
  log1p: parts.log1p,
  sin: parts.sin,
  cos: parts.cos,
  tan: parts.tan,
  asin: parts.asin,
  acos: parts.acos,
  atan: parts.atan,
  sinh: parts.sinh,
  cosh: parts.cosh,
  tanh: parts.tanh,
  asinh: parts.asinh,
  acosh: parts.acosh,
  atanh: parts.atanh,
};

/** True for a node whose value or first operand is complex: one that {@link complexStep} runs. */
export function hasComplex(node: KernelNode, nodes: readonly KernelNode[]): boolean {
  return isComplex(node.dtype) || ("a" in node && isComplex((nodes[node.a] as KernelNode).dtype)); // operands precede users
}

function roundOf(dtype: DType): Round {
  return dtype === "complex64" ? Math.fround : (x) => x;
}

function unaryLoop(f: ComplexUnary, out: Cells, a: Cells, n: number): void {
  const pair: Pair = new Float64Array(2);
  for (let i = 0; i < 2 * n; i += 2) {
    f(a[i] as number, a[i + 1] as number, pair);
    out[i] = pair[0] as number;
    out[i + 1] = pair[1] as number;
  }
}

function realLoop(f: (x: number, y: number) => number, out: Cells, a: Cells, n: number): void {
  for (let i = 0; i < n; i++) out[i] = f(a[2 * i] as number, a[2 * i + 1] as number);
}

const [left, right, made] = [new Float64Array(2), new Float64Array(2), new Float64Array(2)];

function load(a: Cells, b: Cells, i: number): void {
  left[0] = a[i] as number;
  left[1] = a[i + 1] as number;
  right[0] = b[i] as number;
  right[1] = b[i + 1] as number;
}

function binaryLoop(f: (a: Pair, b: Pair, out: Pair) => void, out: Cells, a: Cells, b: Cells, n: number): void {
  for (let i = 0; i < 2 * n; i += 2) {
    load(a, b, i);
    f(left, right, made);
    out[i] = made[0] as number;
    out[i + 1] = made[1] as number;
  }
}

function compareLoop(f: (a: Pair, b: Pair) => boolean, out: Cells, a: Cells, b: Cells, n: number): void {
  for (let i = 0; i < n; i++) {
    load(a, b, 2 * i);
    out[i] = f(left, right) ? 1 : 0;
  }
}

function joinLoop(out: Cells, a: Cells, b: Cells, n: number): void {
  for (let i = 0; i < n; i++) {
    out[2 * i] = a[i] as number;
    out[2 * i + 1] = b[i] as number;
  }
}

function whereLoop(out: Cells, c: Cells, a: Cells, b: Cells, n: number): void {
  for (let i = 0; i < n; i++) {
    const from = c[i] !== 0 ? a : b;
    out[2 * i] = from[2 * i] as number;
    out[2 * i + 1] = from[2 * i + 1] as number;
  }
}

function castStep(from: DType, to: DType, out: Cells, cells: () => Cells): TileStep {
  if (!isComplex(to)) {
    if (to === "bool") return (n) => realLoop((x, y) => (x !== 0 || y !== 0 ? 1 : 0), out, cells(), n);
    // castFunction gives an element of `to`, which the typed array behind `out` takes.
    const f = castFunction(partType(from), to) as (x: number) => number;
    return (n) => realLoop(f, out, cells(), n);
  }
  if (isComplex(from))
    return (n) => {
      const a = cells();
      for (let i = 0; i < 2 * n; i++) out[i] = a[i] as number;
    };
  const f = castFunction(from, partType(to)) as (x: number) => number; // elements of `from`, which `cells` hold
  return (n) => {
    const a = cells();
    for (let i = 0; i < n; i++) {
      out[2 * i] = f(a[i] as number);
      out[2 * i + 1] = 0;
    }
  };
}

/**
 * The step of a node that has to do with complex numbers: its value is complex or its first operand.
 * @throws {UnsupportedError} the operation is not defined for them
 */
export function complexStep(
  node: KernelNode,
  nodes: readonly KernelNode[],
  values: readonly TypedArray[],
  self: TypedArray,
  call: KernelCall,
): TileStep | null {
  const cells = (id: number): Cells => values[id] as unknown as Cells; // floats, or what castFunction takes
  const out = self as unknown as Cells; // as above
  if (node.op === "in") return null;
  if (node.op === "param") {
    const value = Number(call.params[node.slot]);
    for (let i = 0; i < self.length; i += 2) out[i] = value; // the imaginary parts stay 0
    return null;
  }
  if (node.op === "where") return (n) => whereLoop(out, cells(node.c), cells(node.a), cells(node.b), n);
  if (node.op === "complex") return (n) => joinLoop(out, cells(node.a), cells(node.b), n);
  const dtype = (nodes[node.a] as KernelNode).dtype; // operands precede users
  if (node.op === "cast") return castStep(dtype, node.dtype, out, () => cells(node.a));
  if (node.op === "in-set") throw refused(node.op, dtype);
  if ("b" in node) {
    const compare = Object.hasOwn(COMPARE, node.op) ? COMPARE[node.op as keyof typeof COMPARE] : undefined; // own names only
    if (compare) return (n) => compareLoop(compare, out, cells(node.a), cells(node.b), n);
    const f = binaryOf(node.op, roundOf(dtype));
    if (!f) throw refused(node.op, dtype);
    return (n) => binaryLoop(f, out, cells(node.a), cells(node.b), n);
  }
  const toReal = toRealOf(node.op, partType(dtype));
  if (toReal) return (n) => realLoop(toReal, out, cells(node.a), n);
  const f = unaryOf(node.op, roundOf(dtype)) ?? FUNCTIONS[node.op];
  if (!f) throw refused(node.op, dtype);
  return (n) => unaryLoop(f, out, cells(node.a), n);
}

function refused(op: string, dtype: DType): Error {
  return new UnsupportedError(`operation ${op} is not defined for ${dtype}`, { details: { op, dtype } });
}
