/**
 * Runs a kernel over a loop nest: compiled where it has a vector form, else by the interpreter. Operands in segments
 * are used in place; others pass through tiles in scratch memory.
 */
import { DTYPES, type DType, viewOf } from "../../dtype/index.ts";
import type { Kernel, KernelCall } from "../../graph/index.ts";
import type { NDArray } from "../../ndarray/index.ts";
import { type BlockLayout, blockLayout, paddedSetSizes } from "../block.ts";
import { splitCall } from "../complex/split.ts";
import { isApproximate } from "../math/lower.ts";
import { memoryOf } from "../segment.ts";
import {
  countRun,
  hasModule,
  kernelFor,
  moduleOf,
  type NamedModule,
  SCRATCH,
  type Scratch,
  scratch,
} from "../wasm/runtime.ts";
import type { WasmKernel, WasmMemory } from "../wasm/webassembly.ts";
import { type Access, type AccessKind, accessKind } from "./access.ts";
import { copyRow, interpretNest } from "./interpret.ts";
import { kernelText } from "./ir.ts";
import { forEachOuter, type LoopNest } from "./loop.ts";
import { emitMap, type MapShape } from "./module.ts";
import { itemIsByte, refusal, storedDType } from "./op-table.ts";
import { SET_MEMBERS_MAX, writeSorted } from "./set-search.ts";
import { isAcross, SQUARE, STAGE_BYTES, type Stage, stageOf, stagePitch } from "./staging.ts";
import { runByTable } from "./table.ts";

/** Elements per call of a compiled kernel: a running call neither switches tiers nor sees a cancellation. */
const CALL_ELEMENTS = 1 << 20;
/** Elements per tile when operands are copied. */
const COPY_ELEMENTS = 1 << 14;
/** Rows and columns from which on staging pays. */
const STAGE_MIN = 16;
/** Loop nests of fewer elements are not worth a compilation. Tests set 0, or Infinity: the interpreter runs all. */
export const compileFrom: { elements: number } = { elements: 512 };

/** True when `total` elements are run by the module of `key`: it is at hand, or worth making. */
export function isCompiled(key: string, total: number): boolean {
  return total >= compileFrom.elements || (compileFrom.elements !== Number.POSITIVE_INFINITY && hasModule(key));
}

/** A function has at most so many locals, and compiling it should not take seconds. */
const ELEMENTARY_MAX = 48;

const approximate = new WeakMap<Kernel, boolean>();

/** True for a kernel whose vector code and interpreter differ by rounding errors: then blocks of any size are compiled. */
export function isNeverInterpreted(kernel: Kernel): boolean {
  let found = approximate.get(kernel);
  if (found === undefined) {
    found = kernel.nodes.some((n) => isApproximate(n.op) && DTYPES[n.dtype].kind === "f");
    approximate.set(kernel, found);
  }
  return found;
}

/** True when `total` elements of `kernel` are run by the module of `key`. */
export function isKernelCompiled(kernel: Kernel, key: () => string, total: number): boolean {
  if (total >= compileFrom.elements) return true;
  return isCompiled(key(), isNeverInterpreted(kernel) ? Number.MAX_VALUE : total);
}

/** How a kernel runs, and why. */
export interface Support {
  readonly way: "wasm" | "interpreted";
  /** The first operation without a vector form. */
  readonly reason?: string;
}

const known = new WeakMap<KernelCall, Support>();

/** How `call` runs on blocks of worthwhile size; `explain()` shows it. */
export function supports(call: KernelCall): Support {
  let found = known.get(call);
  if (found === undefined) {
    found = supportOf(call);
    known.set(call, found);
  }
  return found;
}

function supportOf(call: KernelCall): Support {
  const split = splitCall(call);
  if (split) return supports(split);
  const sizes = call.sets.map((s) => s.length);
  for (const node of call.kernel.nodes) {
    const reason = refusal(call.kernel, node, sizes);
    if (reason !== null) return { way: "interpreted", reason };
  }
  const elementary = call.kernel.nodes.reduce((n, { op }) => n + (op === "pow" ? 3 : isApproximate(op) ? 1 : 0), 0);
  if (elementary > ELEMENTARY_MAX)
    return { way: "interpreted", reason: `more than ${ELEMENTARY_MAX} elementary functions, a pow counted thrice` };
  return { way: "wasm" };
}

/** Write parameters and sets of a call into the block. */
export function writeLiterals(
  call: KernelCall,
  layout: BlockLayout,
  sets: readonly number[],
  { buffer }: Scratch,
): void {
  for (const [slot, dtype] of call.kernel.params.entries()) {
    writeLiteral(buffer, layout.param(slot), dtype, call.params[slot] as number | bigint);
  }
  call.kernel.sets.forEach((dtype, k) => {
    const members = call.sets[k] ?? [];
    const start = layout.set(k);
    if (itemIsByte(dtype)) {
      const table = new Uint8Array(buffer, start, 32).fill(0);
      for (const m of members) {
        const byte = Number(m) & 255;
        if (Number(m) === byte || (dtype === "int8" && Number(m) === (byte << 24) >> 24))
          table[byte >> 3] = (table[byte >> 3] as number) | (1 << (byte & 7));
      }
      return;
    }
    const size = sets[k] as number; // one per set
    if (size > SET_MEMBERS_MAX) {
      writeSorted(buffer, start, dtype, { members, size });
      return;
    }
    for (let i = 0; i < size; i++) {
      const none = DTYPES[dtype].kind === "f" ? Number.NaN : undefined; // an empty set of floats holds NaN, which equals nothing
      writeLiteral(buffer, start + 8 * i, dtype, members[Math.min(i, members.length - 1)] ?? none ?? 0);
    }
  });
}

function writeLiteral(buffer: ArrayBufferLike, at: number, dtype: DType, value: number | bigint): void {
  viewOf(dtype, buffer, at, 1)[0] = value as never; // KernelCall promises the dtype's element type
}

/** One operand of a run. */
interface Operand {
  readonly block: NDArray;
  readonly itemsize: number;
  /** Steps in elements: along the last axis, along the one before. */
  readonly step: number;
  readonly rowStep: number;
  readonly memory: WasmMemory | null;
  /** Moves tiles of an input that runs across memory. */
  readonly stage: Stage | null;
  /** Place of its tile in scratch; set for operands without memory and for staged ones. */
  tile: number;
  /** Operand whose tile this one shares (in place), or itself. */
  shares: number;
}

interface Run {
  readonly call: KernelCall;
  readonly operands: readonly Operand[];
  readonly outs: number;
  readonly run: WasmKernel;
  readonly layout: BlockLayout;
  readonly scratch: Scratch;
  readonly copied: readonly number[];
}

function operandsOf(nest: LoopNest, blocks: readonly NDArray[], outs: number): Operand[] {
  const depth = nest.shape.length;
  const square = (nest.shape[depth - 2] ?? 1) >= STAGE_MIN && (nest.shape[depth - 1] ?? 1) >= STAGE_MIN;
  const operands = blocks.map((block, k): Operand => {
    const s = nest.strides[k] as readonly number[]; // one per operand
    const memory = memoryOf(block.data.buffer) ?? null;
    const itemsize = DTYPES[block.dtype].itemsize;
    const step = depth === 0 ? 1 : (s[depth - 1] as number);
    const rowStep = depth < 2 ? 0 : (s[depth - 2] as number);
    const staged = k >= outs && square && memory !== null && isAcross(step, rowStep, itemsize);
    return {
      block,
      itemsize,
      step,
      rowStep,
      memory,
      stage: staged ? stageOf(block.dtype, memory, step, rowStep) : null,
      tile: 0,
      shares: k,
    };
  });
  operands.forEach((x, k) => {
    if (x.memory !== null) return;
    const first = operands.findIndex(
      (y, j) =>
        j < k &&
        y.block.data === x.block.data &&
        nest.offsets[j] === nest.offsets[k] &&
        nest.strides[j]?.join() === nest.strides[k]?.join(),
    );
    if (first >= 0) x.shares = first;
  });
  return operands;
}

function accessesOf(
  operands: readonly Operand[],
  outs: number,
): { readonly shape: readonly Access[]; readonly memories: readonly WasmMemory[] } {
  const memories: WasmMemory[] = [];
  for (const x of operands) if (x.memory !== null && !memories.includes(x.memory)) memories.push(x.memory);
  const own = scratch().memory;
  const at = memories.indexOf(own);
  if (at >= 0) memories.splice(at, 1);
  memories.push(own);
  const shape = operands.map(
    (x, k): Access => ({
      dtype: storedDType(x.block.dtype) as DType, // the kernel is lowerable
      kind:
        x.memory !== null && x.stage === null ? accessKind(x.step, k < outs) : x.step === 0 && k >= outs ? "s" : "c",
      memory: x.memory === null || x.stage !== null ? memories.length - 1 : memories.indexOf(x.memory),
    }),
  );
  return { shape, memories };
}

/** Run `call` over `nest`, whose operands are `outs` and then `inputs`; rows in order, so outputs may repeat along rows. */
export function runNest(call: KernelCall, given: LoopNest, outs: readonly NDArray[], inputs: readonly NDArray[]): void {
  const nest = rowsAlongMemory(given, outs.length, [...outs, ...inputs]);
  const total = nest.shape.reduce((n, size) => n * size, 1);
  if (total === 0 || runByTable(call, nest, { outs, inputs, run: runNest })) return;
  const run = supports(call).way === "wasm" ? prepare(call, nest, [...outs, ...inputs], outs.length, total) : null;
  if (run === null) {
    countRun("interpreted");
    return interpretNest(call, nest, outs, inputs);
  }
  countRun("wasm");
  const depth = nest.shape.length;
  const size = { rows: nest.shape[depth - 2] ?? 1, columns: nest.shape[depth - 1] ?? 1 };
  const tile = tileOf(run, size);
  forEachOuter(nest, Math.max(0, depth - 2), (at) => runPlane(run, size, tile, at));
}

/** The nest with the axis along which an input that runs across memory is contiguous as its rows, so that it is staged. */
function rowsAlongMemory(nest: LoopNest, outs: number, blocks: readonly NDArray[]): LoopNest {
  const last = nest.shape.length - 1;
  if (last < 2 || nest.strides.slice(0, outs).some((s) => s.includes(0))) return nest; // repeated outputs need the given order
  for (let k = outs; k < blocks.length; k++) {
    const s = nest.strides[k] as readonly number[]; // one per operand
    const size = DTYPES[(blocks[k] as NDArray).dtype].itemsize;
    const row = s.findIndex(
      (step, axis) =>
        axis < last && (nest.shape[axis] as number) >= STAGE_MIN && isAcross(s[last] as number, step, size),
    );
    if (row < 0 || row === last - 1) continue;
    const move = (of: readonly number[]): number[] => [
      ...of.filter((_, axis) => axis !== row && axis !== last),
      of[row] as number,
      of[last] as number,
    ];
    return { shape: move(nest.shape), strides: nest.strides.map(move), offsets: nest.offsets };
  }
  return nest;
}

/**
 * Compile the kernel of `call` ahead of its use, for operands (outputs, then inputs) of these access kinds that all lie
 * in one segment: the usual pattern. The dispatching thread does it once and posts the module; other patterns are
 * compiled where they occur. Null where the interpreter runs the kernel.
 */
export function compileKernel(call: KernelCall, kinds?: readonly AccessKind[]): NamedModule | null {
  if (splitCall(call) || supports(call).way !== "wasm") return null; // how parts lie is known when they run
  const { kernel } = call;
  const dtypes = [...kernel.outputs.map((id) => kernel.nodes[id]?.dtype as DType), ...kernel.inputs]; // ids are in range
  const shape = dtypes.map(
    (dtype, k): Access => ({ dtype: storedDType(dtype) as DType, kind: kinds?.[k] ?? "c", memory: 0 }), // lowerable
  );
  const { key: keyOf, map } = moduleShape(call, shape, kernel.outputs.length, 2);
  const key = keyOf();
  return { key, module: moduleOf(key, () => emitMap(kernel, map)) };
}

/** Cache key and module shape for operands of these accesses. */
function moduleShape(
  call: KernelCall,
  shape: readonly Access[],
  outs: number,
  memories: number,
): { readonly variant: string; readonly key: () => string; readonly map: MapShape } {
  const sizes = call.sets.map((s) => s.length);
  const sets = paddedSetSizes(call.kernel, sizes);
  const variant = `${shape.map((x) => x.kind + x.memory).join("")}/${memories} ${sets.join()}`;
  const key = (): string => `map ${kernelText(call.kernel)} ${variant}`;
  return { variant, key, map: { outs: shape.slice(0, outs), inputs: shape.slice(outs), sets, memories } };
}

function prepare(
  call: KernelCall,
  nest: LoopNest,
  blocks: readonly NDArray[],
  outs: number,
  total: number,
): Run | null {
  const operands = operandsOf(nest, blocks, outs);
  const { shape, memories } = accessesOf(operands, outs);
  const { variant, key, map } = moduleShape(call, shape, outs, memories.length);
  if (!isKernelCompiled(call.kernel, key, total)) return null;
  const layout = blockLayout(call.kernel, operands.length, map.sets);
  if (layout.bytes > SCRATCH.stage) return null;
  const own = scratch();
  const run = kernelFor(call.kernel, variant, memories, { key, emit: () => emitMap(call.kernel, map) });
  writeLiterals(call, layout, map.sets, own);
  const copied = operands.flatMap((x, k) => (x.memory === null ? [k] : []));
  return { call, operands, outs, run, layout, scratch: own, copied };
}

interface Size {
  readonly rows: number;
  readonly columns: number;
}

/** Rows and columns per call; places the tiles of copied operands. */
function tileOf({ operands, copied }: Run, { rows, columns }: Size): Size {
  let elements = CALL_ELEMENTS;
  const staged = operands.filter((x) => x.stage !== null);
  const own = copied.filter((k) => operands[k]?.shares === k).map((k) => operands[k]?.itemsize as number);
  const perElement = own.reduce((sum, n) => sum + n, 0);
  const room = SCRATCH.rows - SCRATCH.copies - staged.length * STAGE_BYTES;
  if (copied.length > 0) elements = Math.min(COPY_ELEMENTS, Math.floor(room / perElement / 64) * 64 - 64);
  let at = SCRATCH.copies;
  for (const x of staged) {
    x.tile = at;
    at += STAGE_BYTES;
  }
  for (const x of operands) {
    if (x.memory !== null) continue;
    const first = operands[x.shares] as Operand;
    if (first !== x) x.tile = first.tile;
    else {
      x.tile = at;
      at += (elements * x.itemsize + 63) & ~63;
    }
  }
  if (staged.length > 0) return { rows: Math.min(rows, SQUARE), columns: Math.min(columns, SQUARE) };
  const width = Math.min(columns, elements);
  return { rows: Math.max(1, Math.min(rows, Math.floor(elements / width))), columns: width };
}

/** All tiles of one plane; `at` holds the operands' offsets. Rows stay in order within each group of columns. */
function runPlane(run: Run, size: Size, tile: Size, at: readonly number[]): void {
  const { operands } = run;
  for (let c = 0; c < size.columns; c += tile.columns) {
    const columns = Math.min(tile.columns, size.columns - c);
    for (let r = 0; r < size.rows; r += tile.rows) {
      const rows = Math.min(tile.rows, size.rows - r);
      for (const k of run.copied)
        copyTile(run, k, { rows, columns }, (at[k] as number) + offsetAt(operands[k] as Operand, r, c), "in");
      operands.forEach((x, k) => {
        place(run, k, (at[k] as number) + offsetAt(x, r, c), { rows, columns });
      });
      run.run(0, rows, columns);
      for (const k of run.copied)
        if (k < run.outs)
          copyTile(run, k, { rows, columns }, (at[k] as number) + offsetAt(operands[k] as Operand, r, c), "out");
    }
  }
}

/** Write address and steps of operand `k`, whose tile begins at element `first`, into the block. */
function place({ operands, outs, layout, scratch: own }: Run, k: number, first: number, { rows, columns }: Size): void {
  const x = operands[k] as Operand;
  const word = layout.operand(k) / 4;
  const address = x.block.data.byteOffset + first * x.itemsize;
  x.stage?.move(address, x.tile, rows, columns);
  const inScratch = x.memory === null || x.stage !== null;
  own.i32[word] = inScratch ? x.tile : address;
  const rowStep =
    x.stage !== null ? stagePitch(x.block.dtype) : x.memory === null ? tileRow(x, k < outs, columns) : x.rowStep;
  const step = inScratch ? 1 : x.step;
  own.i32[word + 1] = x.itemsize * rowStep;
  own.i32[word + 2] = x.itemsize * step;
}

function offsetAt(x: Operand, row: number, column: number): number {
  return row * x.rowStep + column * x.step;
}

/** Elements from row to row of a copied operand's tile. */
function tileRow(x: Operand, isOutput: boolean, columns: number): number {
  return x.rowStep === 0 ? 0 : x.step === 0 && !isOutput ? 1 : columns;
}

/** Move one tile of a copied operand. Outputs that share no input are only moved out. */
function copyTile(run: Run, k: number, { rows, columns }: Size, first: number, direction: "in" | "out"): void {
  const x = run.operands[k] as Operand;
  const isOutput = k < run.outs;
  if (
    direction === "in" &&
    (x.shares !== k || (isOutput && !run.operands.some((y, j) => j >= run.outs && y.shares === k)))
  )
    return;
  const width = x.step === 0 && !isOutput ? 1 : columns;
  const height = x.rowStep === 0 ? 1 : rows;
  const row = tileRow(x, isOutput, columns);
  const cells = viewOf(x.block.dtype, run.scratch.buffer, x.tile, (height - 1) * row + width);
  for (let r = 0; r < height; r++) {
    if (direction === "in") copyRow(cells, r * row, 1, x.block.data, first + r * x.rowStep, x.step, width);
    else copyRow(x.block.data, first + r * x.rowStep, x.step, cells, r * row, 1, width);
  }
}
