/**
 * Functions of one narrow input by table: each of the 65 536 (or 256) values is computed once by the kernel itself, and
 * every element looks its own up. A value's bits depend on that value alone, so they are the kernel's.
 * Bytes per element moved: those of input and outputs; the table stays in the second-level cache.
 */
import { DTYPES, type DType } from "../../dtype/index.ts";
import type { Kernel, KernelCall, KernelNode } from "../../graph/index.ts";
import { NDArray } from "../../ndarray/index.ts";
import { hostCode } from "../host.ts";
import { isApproximate } from "../math/lower.ts";
import { memoryOf } from "../segment.ts";
import {
  type Address,
  FunctionBuilder,
  type I32,
  i32,
  loadScalar,
  scalar2,
  scalarCompare,
  type Value,
} from "../wasm/builder.ts";
import { encodeModule } from "../wasm/encoder.ts";
import { countRun, kernelOf, SCRATCH, scratch } from "../wasm/runtime.ts";
import type { WasmMemory } from "../wasm/webassembly.ts";
import type { LoopNest } from "./loop.ts";

/** From so many times the table's size on the table pays. */
const TIMES = 4;
/** Elements per call, as elsewhere. */
const CALL_ELEMENTS = 1 << 20;
/** Elements per iteration. */
const UNROLL = 8;
const WIDE = 1 << 16;
const BYTE = 1 << 8;
/** Where the tables lie behind the two ramps: one for each output. */
const RAMP_BYTES = 2 * WIDE;
const RAMPS_BYTES = RAMP_BYTES + 4096;
const TABLE_BYTES = 8 * WIDE;
const OUTPUTS_MAX = 2;

const worthwhile = new WeakMap<Kernel, boolean>();

/** True for a kernel of one narrow input that has an operation of many instructions. */
function isWorthwhile(kernel: Kernel): boolean {
  let found = worthwhile.get(kernel);
  if (found === undefined) {
    const [dtype, ...rest] = kernel.inputs;
    found =
      dtype !== undefined &&
      rest.length === 0 &&
      DTYPES[dtype].itemsize <= 2 &&
      kernel.outputs.length <= OUTPUTS_MAX &&
      kernel.outputs.every((id) => DTYPES[(kernel.nodes[id] as KernelNode).dtype].itemsize <= 8) && // ids are in range
      kernel.nodes.every((node) => !fails(node)) &&
      kernel.nodes.some((n) => isFloat(n) && (isApproximate(n.op) || hostCode(n.op, "float64") !== undefined));
    worthwhile.set(kernel, found);
  }
  return found;
}

function isFloat({ dtype }: KernelNode): boolean {
  return DTYPES[dtype].kind === "f";
}

/** True for an operation that refuses some values: ones that no element has must not be computed. */
function fails(node: KernelNode): boolean {
  return node.op === "index" || (node.op === "pow" && !isFloat(node));
}

/** How a kernel runs over a loop nest of its own. */
type RunNest = (call: KernelCall, nest: LoopNest, outs: readonly NDArray[], inputs: readonly NDArray[]) => void;

/**
 * Run `call` by table; false where it takes another way: the kernel is cheap, the elements too few, or an operand is not
 * a stretch of a segment.
 */
export function runByTable(
  call: KernelCall,
  nest: LoopNest,
  {
    outs,
    inputs,
    run,
  }: { readonly outs: readonly NDArray[]; readonly inputs: readonly NDArray[]; readonly run: RunNest },
): boolean {
  if (!isWorthwhile(call.kernel) || nest.shape.length !== 1) return false;
  const [total = 0] = nest.shape;
  const input = inputs[0] as NDArray; // worthwhile kernels have one
  const { itemsize } = DTYPES[input.dtype];
  const size = itemsize === 1 ? BYTE : WIDE;
  const blocks = [input, ...outs];
  if (total < TIMES * size || nest.strides.some((s) => s[0] !== 1)) return false;
  if (blocks.some((x) => memoryOf(x.data.buffer) === undefined)) return false;
  // The second look-up would find what the first has written.
  const start = (x: NDArray, k: number): number =>
    x.data.byteOffset + (nest.offsets[k] as number) * DTYPES[x.dtype].itemsize;
  if (
    outs.length > 1 &&
    outs.some((x, k) => x.data.buffer === input.data.buffer && start(x, k) === start(input, outs.length))
  )
    return false;
  const tables = tablesOf(call, input.dtype, size, run);
  for (const [k, out] of outs.entries()) {
    const at = [nest.offsets[outs.length] as number, nest.offsets[k] as number]; // operands are outputs, then inputs
    lookUp(input, out, tables[k] as number, { at, total });
  }
  countRun("wasm");
  return true;
}

/** Addresses in scratch of every value's results. */
function tablesOf(call: KernelCall, dtype: DType, size: number, run: RunNest): number[] {
  const { buffer } = scratch();
  const isByte = size === BYTE;
  const ramp = SCRATCH.tables + (isByte ? RAMP_BYTES : 0);
  const bits = isByte ? new Uint8Array(buffer, ramp, size) : new Uint16Array(buffer, ramp, size);
  if (bits[1] !== 1) for (let i = 0; i < size; i++) bits[i] = i;
  const { kernel } = call;
  const places = kernel.outputs.map((_, k) => SCRATCH.tables + RAMPS_BYTES + k * TABLE_BYTES);
  const outs = kernel.outputs.map(
    (id, k) => NDArray.view((kernel.nodes[id] as KernelNode).dtype, buffer, places[k] as number, [size]), // one place per output
  );
  const nest = { shape: [size], strides: [...outs, ramp].map(() => [1]), offsets: [...outs, ramp].map(() => 0) };
  run(call, nest, outs, [NDArray.view(dtype, buffer, ramp, [size])]);
  return places;
}

function lookUp(
  input: NDArray,
  out: NDArray,
  table: number,
  { at, total }: { readonly at: readonly number[]; readonly total: number },
): void {
  const own = scratch();
  const memories: WasmMemory[] = [];
  for (const x of [input, out]) {
    const memory = memoryOf(x.data.buffer) as WasmMemory; // looked at before
    if (memory !== own.memory && !memories.includes(memory)) memories.push(memory);
  }
  memories.push(own.memory);
  const place = (x: NDArray): number => memories.indexOf(memoryOf(x.data.buffer) as WasmMemory);
  const [from, to] = [DTYPES[input.dtype].itemsize, DTYPES[out.dtype].itemsize] as [1 | 2, 1 | 2 | 4 | 8]; // worthwhile kernels
  const shape: LookUp = { from, to, memories: [place(input), place(out)], scratch: memories.length - 1 };
  const kernel = kernelOf(`table ${from} ${to} ${shape.memories.join()}/${memories.length}`, memories, () =>
    emitLookUp(shape),
  );
  const word = SCRATCH.block / 4;
  for (let k = 0; k < total; k += CALL_ELEMENTS) {
    own.i32[word] = input.data.byteOffset + ((at[0] as number) + k) * from;
    own.i32[word + 1] = out.data.byteOffset + ((at[1] as number) + k) * to;
    own.i32[word + 2] = table;
    kernel(SCRATCH.block, 1, Math.min(CALL_ELEMENTS, total - k));
  }
}

interface LookUp {
  readonly from: 1 | 2;
  readonly to: 1 | 2 | 4 | 8;
  /** Memories of input and output. */
  readonly memories: readonly [number, number];
  readonly scratch: number;
}

const LOADS = { 1: "i32.load8_u", 2: "i32.load16_u", 4: "i32.load", 8: "i64.load" } as const;
const STORES = { 1: "i32.store8", 2: "i32.store16", 4: "i32.store", 8: "i64.store" } as const;

/** Module of `k(block, 1, count)`: words of the block are the addresses of input, output and table. */
function emitLookUp({ from, to, memories, scratch: own }: LookUp): Uint8Array<ArrayBuffer> {
  const f = new FunctionBuilder(["i32", "i32", "i32"]);
  const block = f.param(0, "i32");
  const left = f.param(2, "i32");
  const word = (offset: number): I32 => loadScalar("i32.load", { memory: own, base: block, offset });
  const [source, target, table] = [f.let(word(0)), f.let(word(4)), f.let(word(8))];
  const scale = Math.log2(to);
  const one = (k: number): void => {
    const bits = loadScalar(LOADS[from], { memory: memories[0], base: source, offset: k * from });
    const base = scalar2("i32.add", table, scale === 0 ? bits : scalar2("i32.shl", bits, i32(scale)));
    const found: Value = loadScalar(LOADS[to], { memory: own, base, offset: 0 });
    const place: Address = { memory: memories[1], base: target, offset: k * to };
    f.storeScalar(STORES[to], place, found);
  };
  const step = (elements: number): void => {
    f.set(source, scalar2("i32.add", source, i32(elements * from)));
    f.set(target, scalar2("i32.add", target, i32(elements * to)));
    f.set(left, scalar2("i32.sub", left, i32(elements)));
  };
  for (const elements of [UNROLL, 1]) {
    const more = (): I32 => scalarCompare("i32.ge_u", left, i32(elements));
    f.if(more(), () =>
      f.doWhile(more, () => {
        for (let k = 0; k < elements; k++) one(k);
        step(elements);
      }),
    );
  }
  return encodeModule([f.finish()], own + 1);
}
