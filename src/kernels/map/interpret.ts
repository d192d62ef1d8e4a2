/**
 * The interpreter: runs a kernel node by node over small tiles, without WebAssembly. It is the fall-back for every
 * (op, dtype) without a lowering and the oracle of those that have one.
 */
import { allocate, DTYPES, type DType, type TypedArray } from "../../dtype/index.ts";
import type { KernelCall, KernelNode } from "../../graph/index.ts";
import type { NDArray } from "../../ndarray/index.ts";
import { complexStep, hasComplex } from "../complex/steps.ts";
import { forEachOuter, type LoopNest, loopNest } from "./loop.ts";
import {
  type Binary,
  binaryFunction,
  castFunction,
  compareFunction,
  type Element,
  hasWildNaN,
  type Unary,
  unaryFunction,
} from "./scalar-ops.ts";

/** Elements per tile: all node values of a small kernel stay in the cache. */
const TILE = 2048;

type Cells = Element[]; // how a typed array of any dtype looks to the loops below

function unaryLoop(f: Unary, out: Cells, a: Cells, n: number): void {
  for (let i = 0; i < n; i++) out[i] = f(a[i] as Element);
}
function binaryLoop(f: Binary, out: Cells, a: Cells, b: Cells, n: number): void {
  for (let i = 0; i < n; i++) out[i] = f(a[i] as Element, b[i] as Element);
}
function whereLoop(out: Cells, c: Cells, a: Cells, b: Cells, n: number): void {
  for (let i = 0; i < n; i++) out[i] = (c[i] !== 0 ? a[i] : b[i]) as Element;
}
function memberLoop(set: ReadonlySet<Element>, out: Cells, a: Cells, n: number): void {
  for (let i = 0; i < n; i++) out[i] = set.has(a[i] as Element) ? 1 : 0;
}

function canonicalLoop(x: Cells, n: number): void {
  for (let i = 0; i < n; i++) if (Number.isNaN(x[i])) x[i] = Number.NaN;
}

/** A kernel made ready for tiles of up to `tile` elements. */
export interface Program {
  readonly tile: number;
  /** Tile of each input slot, to be filled before `run`; null where no node reads the slot. */
  readonly inputs: readonly (TypedArray | null)[];
  /** Tile of each output after `run`; may be an input's tile. */
  readonly outputs: readonly TypedArray[];
  run(n: number): void;
}

function stepOf(
  node: KernelNode,
  nodes: readonly KernelNode[],
  values: readonly TypedArray[],
  self: TypedArray,
  call: KernelCall,
): ((n: number) => void) | null {
  const cells = (id: number): Cells => values[id] as unknown as Cells; // loops are written once for all dtypes
  const dtypeOf = (id: number): DType => (nodes[id] as KernelNode).dtype; // operands precede users
  const out = self as unknown as Cells;
  switch (node.op) {
    case "in":
      return null;
    case "param":
      self.fill(call.params[node.slot] as never); // a number or bigint by dtype, as KernelCall promises
      return null;
    case "cast": {
      const f = castFunction(dtypeOf(node.a), node.dtype);
      return (n) => unaryLoop(f, out, cells(node.a), n);
    }
    case "where":
      return (n) => whereLoop(out, cells(node.c), cells(node.a), cells(node.b), n);
    case "conj":
    case "real":
    case "imag":
    case "complex":
      return complexStep(node, nodes, values, self, call);
    case "in-set": {
      const set = new Set<Element>(call.sets[node.set]);
      set.delete(Number.NaN);
      return (n) => memberLoop(set, out, cells(node.a), n);
    }
    case "lt":
    case "le":
    case "gt":
    case "ge":
    case "eq":
    case "ne": {
      const f = compareFunction(node.op);
      return (n) => binaryLoop(f, out, cells(node.a), cells(node.b), n);
    }
    default: {
      if ("b" in node) {
        const f = binaryFunction(node.op, dtypeOf(node.a));
        return (n) => binaryLoop(f, out, cells(node.a), cells(node.b), n);
      }
      const f = unaryFunction(node.op, dtypeOf(node.a));
      return (n) => unaryLoop(f, out, cells(node.a), n);
    }
  }
}

/**
 * Make `call` ready to run over tiles.
 * @throws {UnsupportedError} an operation without meaning for its dtype
 */
export function prepareProgram(call: KernelCall, tile: number = TILE): Program {
  const { nodes, inputs, outputs } = call.kernel;
  const values: TypedArray[] = [];
  const slots: (TypedArray | null)[] = inputs.map(() => null);
  const steps: ((n: number) => void)[] = [];
  for (const node of nodes) {
    const known = node.op === "in" ? slots[node.slot] : undefined;
    const self = known ?? allocate(node.dtype, tile);
    if (node.op === "in") slots[node.slot] = self;
    values.push(self);
    const step = hasComplex(node, nodes)
      ? complexStep(node, nodes, values, self, call)
      : stepOf(node, nodes, values, self, call);
    if (step !== null) steps.push(step);
  }
  for (const id of outputs) {
    const cells = values[id] as unknown as Cells; // one loop for all dtypes
    const { components } = DTYPES[(nodes[id] as KernelNode).dtype]; // ids are in range
    if (hasWildNaN(call.kernel, id)) steps.push((n) => canonicalLoop(cells, n * components));
  }
  return {
    tile,
    inputs: slots,
    outputs: outputs.map((id) => values[id] as TypedArray), // ids are in range by construction
    run: (n) => {
      for (const step of steps) step(n);
    },
  };
}

/** Copy `n` components with strides between typed arrays of one class. */
export function copyRow(
  to: TypedArray,
  t: number,
  ts: number,
  from: TypedArray,
  f: number,
  fs: number,
  n: number,
): void {
  if (ts === 1 && fs === 1 && n > 16) {
    to.set(from.subarray(f, f + n) as never, t); // same dtype, so same class
    return;
  }
  const [out, src] = [to as unknown as Cells, from as unknown as Cells]; // one loop for all dtypes
  for (let i = 0; i < n; i++) out[t + i * ts] = src[f + i * fs] as Element;
}

/** As {@link copyRow}, for elements of `components` each. */
function copyElements(
  components: 1 | 2,
  [to, t, ts]: readonly [TypedArray, number, number],
  [from, f, fs]: readonly [TypedArray, number, number],
  n: number,
): void {
  if (components === 1) return copyRow(to, t, ts, from, f, fs, n);
  if (ts === 1 && fs === 1) return copyRow(to, 2 * t, 1, from, 2 * f, 1, 2 * n);
  for (let part = 0; part < 2; part++) copyRow(to, 2 * t + part, 2 * ts, from, 2 * f + part, 2 * fs, n);
}

/** Run `call` over `nest` whose operands are `outs` and then `inputs`, row by row in order. */
export function interpretNest(
  call: KernelCall,
  nest: LoopNest,
  outs: readonly NDArray[],
  inputs: readonly NDArray[],
): void {
  const depth = Math.max(0, nest.shape.length - 1);
  const n = nest.shape[depth] ?? 1;
  const program = prepareProgram(call, Math.min(n, TILE));
  const step = (operand: number): number => nest.strides[operand]?.[depth] ?? 1;
  forEachOuter(nest, depth, (at) => {
    for (let i = 0; i < n; i += program.tile) {
      const m = Math.min(program.tile, n - i);
      inputs.forEach((x, k) => {
        const s = step(outs.length + k);
        const tile = program.inputs[k];
        const from = (at[outs.length + k] as number) + i * s;
        if (tile) copyElements(DTYPES[x.dtype].components, [tile, 0, 1], [x.data, from, s], m);
      });
      program.run(m);
      outs.forEach((x, k) => {
        const s = step(k);
        const to = (at[k] as number) + i * s;
        copyElements(DTYPES[x.dtype].components, [x.data, to, s], [program.outputs[k] as TypedArray, 0, 1], m);
      });
    }
  });
}

/** Run `call` for every element of `shape` without WebAssembly; operands are seen at `shape`. */
export function interpretMap(
  call: KernelCall,
  inputs: readonly NDArray[],
  outs: readonly NDArray[],
  shape: readonly number[],
): void {
  interpretNest(call, loopNest(shape, [...outs, ...inputs]), outs, inputs);
}
