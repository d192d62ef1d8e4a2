/**
 * Wide mode: V8 widens pairs of 128-bit instructions to 256 bits, which its optimising compiler does on demand
 * (`--experimental-wasm-revectorize`). 1.3 to 1.9 times on computing kernels with one memory, nothing on streaming ones.
 * The bits are the same, which a self-test makes sure of: one kernel per family, compiled at once by the optimising
 * compiler, against the interpreter on random bit patterns. The flag holds for the whole process.
 */
import { setFlagsFromString } from "node:v8";
import { allocate, DTYPES, type DType, type TypedArray } from "../dtype/index.ts";
import type { NodeId, ReduceOp, ReduceSpec } from "../graph/index.ts";
import { NDArray } from "../ndarray/index.ts";
import { compileFrom } from "./map/engine.ts";
import { CallBuilder } from "./map/ir.ts";
import { runMap } from "./map/map.ts";
import { componentCount } from "./reduce/partial.ts";
import { runReduce } from "./reduce/reduce.ts";
import { createSegment } from "./segment.ts";

/** Whether kernels are widened: `off` until asked for, `refused` when the self-test failed. */
export interface WideMode {
  readonly state: "off" | "on" | "refused";
  /** The first kernel that differed. */
  readonly reason?: string;
}

let mode: WideMode = { state: "off" };

/** Whether kernels of this process are widened, as far as this thread has asked. */
export function wideMode(): WideMode {
  return mode;
}

/**
 * Versions of V8 on which the suites of this room and of the array, compiled by the optimising compiler alone, and ten million arguments of each elementary
 * function gave the same bits in both modes (docs/decisions/0032). test/kernels/modes.test.ts looks at the version it runs on.
 */
const PROVEN: RegExp = /^13\.6\./;

/**
 * Widen kernels compiled from here on where this version of V8 was proven to keep the bits; elsewhere nothing changes. `version` is `process.versions.v8`. It
 * takes no time, as the self-test of {@link enableWide} does. Call it before the first kernel is compiled.
 */
export function enableProvenWide(version: string): WideMode {
  if (mode.state === "off" && PROVEN.test(version)) {
    setFlagsFromString("--experimental-wasm-revectorize");
    mode = { state: "on" };
  }
  return mode;
}

/** Elements per self-tested kernel: whole iterations, and a rest. */
const ELEMENTS = 1003;

/**
 * Widen kernels compiled from here on, if the self-test passes. Call it before the first kernel is compiled, in one
 * thread; threads started later compile the same way.
 */
export function enableWide(): WideMode {
  if (mode.state !== "off") return mode;
  setFlagsFromString("--experimental-wasm-revectorize");
  const reason = selfTest();
  if (reason === null) mode = { state: "on" };
  else {
    setFlagsFromString("--no-experimental-wasm-revectorize");
    mode = { state: "refused", reason };
  }
  return mode;
}

/** Name of the first kernel whose compiled bits differ from the interpreter's, or null. */
function selfTest(): string | null {
  const before = compileFrom.elements;
  setFlagsFromString("--no-liftoff"); // straight to the compiler that widens
  try {
    return FAMILIES.find((f) => !sameBits(f))?.name ?? null;
  } finally {
    setFlagsFromString("--liftoff");
    compileFrom.elements = before;
  }
}

interface Family {
  readonly name: string;
  readonly inputs: readonly DType[];
  readonly build: (b: CallBuilder, inputs: readonly NodeId[]) => NodeId;
  readonly reduce?: ReduceOp;
}

function chain(b: CallBuilder, [x, y]: readonly NodeId[]): NodeId {
  const [p, q] = [x as NodeId, y as NodeId]; // two inputs, as below
  const ratio = b.binary("div", b.binary("sub", p, q), b.binary("add", p, q));
  const root = b.unary("sqrt", b.unary("abs", b.binary("mul", ratio, p)));
  return b.where(b.compare("lt", p, q), b.binary("max", root, q), b.unary("floor", ratio));
}

const same = (_b: CallBuilder, [x]: readonly NodeId[]): NodeId => x as NodeId;

const FAMILIES: readonly Family[] = [
  { name: "float32 chain", inputs: ["float32", "float32"], build: chain },
  { name: "float64 chain", inputs: ["float64", "float64"], build: chain },
  {
    name: "masked ratio of uint16",
    inputs: ["uint16", "uint16"],
    build: (b, [x, y]) => {
      const [p, q] = [x as NodeId, y as NodeId];
      const none = b.param(0, "uint16");
      const missing = b.binary("or", b.compare("eq", p, none), b.compare("eq", q, none));
      const [f, g] = [b.cast(p, "float32"), b.cast(q, "float32")];
      return b.where(
        missing,
        b.param(Number.NaN, "float32"),
        b.binary("div", b.binary("sub", f, g), b.binary("add", f, g)),
      );
    },
  },
  {
    name: "integers",
    inputs: ["int32", "int32"],
    build: (b, [x, y]) => b.binary("max", b.binary("mul", x as NodeId, y as NodeId), b.unary("neg", x as NodeId)),
  },
  { name: "float32 to int16", inputs: ["float32"], build: (b, [x]) => b.cast(x as NodeId, "int16") },
  { name: "float32 to float64", inputs: ["float32"], build: (b, [x]) => b.cast(x as NodeId, "float64") },
  { name: "sum of float32", inputs: ["float32"], build: same, reduce: "sum" },
  { name: "sum of float64", inputs: ["float64"], build: same, reduce: "sum" },
  { name: "nanmean of float32", inputs: ["float32"], build: same, reduce: "nanmean" },
  { name: "max of float32", inputs: ["float32"], build: same, reduce: "max" },
  { name: "nanmin of float64", inputs: ["float64"], build: same, reduce: "nanmin" },
  { name: "sum of uint16", inputs: ["uint16"], build: same, reduce: "sum" },
];

function sameBits({ inputs, build, reduce }: Family): boolean {
  const b = new CallBuilder();
  const call = b.build([
    build(
      b,
      inputs.map((d) => b.input(d)),
    ),
  ]);
  const { buffer, start } = wideSegment();
  const blocks = inputs.map((d, k) => {
    const block = NDArray.view(d, buffer, start + 16384 * (k + 1), [ELEMENTS]);
    scramble(block, k, reduce);
    return block;
  });
  const dtype =
    reduce === undefined ? (call.kernel.nodes[call.kernel.outputs[0] as number]?.dtype as DType) : "float64"; // there is an output
  const shape = reduce === undefined ? [ELEMENTS] : [componentCount({ op: reduce })];
  const run = (out: NDArray, from: number): Uint8Array => {
    compileFrom.elements = from;
    if (reduce === undefined) runMap(call, blocks, [out], [ELEMENTS]);
    else runReduce(call, specOf(reduce, inputs[0] as DType), blocks, [ELEMENTS], [0], out);
    return canonical(out);
  };
  const want = run(NDArray.zeros(dtype, shape), Number.POSITIVE_INFINITY);
  const got = run(NDArray.view(dtype, buffer, start, shape), 0);
  return got.every((byte, k) => byte === want[k]);
}

function specOf(op: ReduceOp, from: DType): ReduceSpec {
  return { op, from, dtype: "float64", ddof: 0, minCount: 0, empty: null };
}

let segment: { readonly buffer: SharedArrayBuffer; readonly start: number } | null = null;

function wideSegment(): { readonly buffer: SharedArrayBuffer; readonly start: number } {
  segment ??= createSegment(65536);
  return segment;
}

/**
 * Bit patterns of all kinds of numbers, NaN and infinities among them. Floats to be reduced are small numbers, which
 * leave no reduction without a value, with some NaN where NaN is left out.
 */
function scramble(block: NDArray, seed: number, reduce: ReduceOp | undefined): void {
  let state = 12345 + seed;
  const words = new Uint32Array(block.data.buffer, block.data.byteOffset, block.data.byteLength >> 2);
  for (let k = 0; k < words.length; k++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    words[k] = state;
  }
  if (DTYPES[block.dtype].kind !== "f") return;
  for (let k = 0; k < block.size; k++) {
    const isHole = reduce?.startsWith("nan") && k % 7 === 3;
    const small = ((k * 7919) % 1009) / 8.3 - 60;
    if (reduce !== undefined || k % 2 === 0) block.data[k] = (isHole ? Number.NaN : small) as never; // floats take numbers
  }
}

/** Bytes of a block with all NaNs alike. */
function canonical(block: NDArray): Uint8Array {
  const copy: TypedArray = allocate(block.dtype, block.size);
  for (let k = 0; k < block.size; k++) {
    const x = block.data[block.offset + k] as number | bigint;
    copy[k] = (Number.isNaN(x) ? Number.NaN : x) as never; // of its own dtype
  }
  return new Uint8Array(copy.buffer, copy.byteOffset, copy.byteLength);
}
