/**
 * Running sums and products, and forward fills, along one axis of a block. NumPy's order: each element is added to the
 * sum of those before it, in the result's dtype. Bytes per element: read and written once; a tile in scratch between.
 */
import { castScalar, DTYPES, type DType, viewOf } from "../../dtype/index.ts";
import type { Plain } from "../../graph/index.ts";
import { contiguousStride, NDArray, sizeOf } from "../../ndarray/index.ts";
import type { BlockKernel } from "../blocks.ts";
import { convert } from "../copy.ts";
import { isCompiled, runNest } from "../map/engine.ts";
import { CallBuilder } from "../map/ir.ts";
import { forEachOuter, type LoopNest, loopNest } from "../map/loop.ts";
import { nativeDType } from "../map/op-table.ts";
import type { Element } from "../map/scalar-ops.ts";
import { memoryOf } from "../segment.ts";
import { countRun, kernelOf, SCRATCH, scratch } from "../wasm/runtime.ts";
import type { WasmKernel, WasmMemory } from "../wasm/webassembly.ts";
import { emitScan, SCAN_ROWS, SCAN_WORD, type ScanDType } from "./scan-module.ts";

/** Parameters of `scan`. */
interface ScanParams {
  readonly axis: number;
  readonly op: "add" | "mul";
}

/** Rows this wide and wider are added to each other; narrower ones are scanned one by one. */
const WIDE = 32;
/** Bytes and most columns of a tile. */
const TILE_BYTES = 1 << 18;
const TILE_COLUMNS = 1 << 10;
const TILE_COLUMNS_ALONE = 1 << 14;

/** What does not change what it is combined with: -0 keeps both zeros. */
function neutral(op: "add" | "mul", dtype: DType): Element {
  if (DTYPES[dtype].kind === "f") return op === "add" ? -0 : 1;
  return castScalar(op === "add" ? 0 : 1, dtype);
}

/** Complex blocks as their parts: one more axis, of size 2. */
function parts(x: NDArray): NDArray {
  const dtype = x.dtype === "complex64" ? "float32" : "float64";
  return new NDArray(dtype, x.data, [...x.shape, 2], [...x.stride.map((s) => 2 * s), 1], 2 * x.offset);
}

function scan(x: NDArray, out: NDArray, { axis, op }: ScanParams): void {
  if (out.size === 0) return;
  if (DTYPES[out.dtype].components === 2) {
    convert(out, x);
    if (op === "mul") return multiplyComplex(out, axis);
    return scan(parts(out), parts(out), { axis, op });
  }
  const inner = sizeOf(out.shape.slice(axis + 1));
  const module = moduleOf(out.dtype, op);
  if (module === null || !isCompiled(module.key, out.size)) return scanPlainly(x, out, { axis, op });
  if (inner >= WIDE && nativeDType(x.dtype) !== null) scanAcross(x, out, { axis, op });
  else scanRows(x, out, { axis, op }, module);
}

/** Rows of many elements: each is the one before plus its own. */
function scanAcross(x: NDArray, out: NDArray, { axis, op }: ScanParams): void {
  const b = new CallBuilder();
  const sum = b.binary(op, b.input(out.dtype), b.cast(b.input(x.dtype), out.dtype));
  const call = b.build([sum, sum]);
  const n = out.shape[axis] as number;
  const others = out.shape.flatMap((_, k) => (k === axis ? [] : [k]));
  const at = (y: NDArray): NDArray =>
    new NDArray(
      y.dtype,
      y.data,
      others.map((k) => y.shape[k] as number),
      others.map((k) => y.stride[k] as number),
      y.offset,
    );
  const nest = loopNest(at(out).shape, [at(out), at(x)], "given");
  const depth = Math.max(0, nest.shape.length - 1);
  const columns = nest.shape.length === 0 ? 1 : (nest.shape[depth] as number);
  const length = Math.min(columns, ACROSS);
  const acc = new NDArray(out.dtype, viewOf(out.dtype, scratch().buffer, SCRATCH.rows, length), [length]);
  const start = neutral(op, out.dtype);
  const [rowOut, rowX] = [out.stride[axis] as number, x.stride[axis] as number];
  forEachOuter(nest, depth, (from) => {
    const [stepOut, stepX] = nest.strides.map((s) => s[depth] ?? 0) as [number, number];
    for (let c = 0; c < columns; c += ACROSS) {
      const m = Math.min(ACROSS, columns - c);
      acc.data.fill(start as never); // of its own dtype
      runNest(
        call,
        {
          shape: [n, m],
          strides: [
            [0, 1],
            [rowOut, stepOut],
            [0, 1],
            [rowX, stepX],
          ],
          offsets: [0, (from[0] as number) + c * stepOut, 0, (from[1] as number) + c * stepX],
        },
        [acc, out],
        [acc, x],
      );
    }
  });
}

/** Columns whose sums are kept at once. */
const ACROSS = 4096;

interface ScanModule {
  readonly key: string;
  /** The kernel that reads rows in one memory and writes them in another. */
  readonly run: (source: WasmMemory, target: WasmMemory) => WasmKernel;
}

function moduleOf(dtype: DType, op: "add" | "mul"): ScanModule | null {
  const native = nativeDType(dtype);
  const signed = native === "uint64" ? "int64" : native === "uint32" ? "int32" : native;
  if (signed !== "float32" && signed !== "float64" && signed !== "int32" && signed !== "int64") return null;
  const own: ScanDType = signed;
  const key = `scan ${own} ${op}`;
  const run = (source: WasmMemory, target: WasmMemory): WasmKernel => {
    const last = scratch().memory;
    const memories = [...new Set([source, target])].filter((m) => m !== last);
    memories.push(last);
    const at = { source: memories.indexOf(source), target: memories.indexOf(target), memories: memories.length };
    return kernelOf(`${key} ${Object.values(at).join()}`, memories, () => emitScan(own, op, at));
  };
  return { key, run };
}

/** Lines along an axis as rows: operand 0 is the result, operand 1 the block that is scanned. */
interface Rows {
  readonly x: NDArray;
  readonly out: NDArray;
  readonly axis: number;
  readonly nest: LoopNest;
  readonly start: Element;
}

/** Rows of the nest's leading axes: where they are if possible, else a tile of rows and columns at a time. */
function scanRows(x: NDArray, out: NDArray, { axis, op }: ScanParams, module: ScanModule): void {
  countRun("wasm");
  const lead = out.shape.flatMap((_, k) => (k === axis ? [] : [k]));
  const rowsOf = (y: NDArray): NDArray =>
    new NDArray(
      y.dtype,
      y.data,
      lead.map((k) => y.shape[k] as number),
      lead.map((k) => y.stride[k] as number),
      y.offset,
    );
  const nest = loopNest(rowsOf(out).shape, [rowsOf(out), rowsOf(x)], "given");
  const rows: Rows = { x, out, axis, nest, start: neutral(op, out.dtype) };
  const [source, target] = [memoryOf(x.data.buffer), memoryOf(out.data.buffer)];
  const direct = nativeDType(x.dtype) === nativeDType(out.dtype) && x.stride[axis] === 1 && out.stride[axis] === 1;
  if (direct && source !== undefined && target !== undefined) scanDirect(rows, module.run(source, target));
  else scanTiles(rows, module.run(scratch().memory, scratch().memory));
}

/** Rows of contiguous elements in segments. */
function scanDirect({ x, out, axis, nest, start }: Rows, run: WasmKernel): void {
  const { buffer, i32 } = scratch();
  const width = DTYPES[out.dtype].itemsize;
  const depth = Math.max(0, nest.shape.length - 1);
  const carries = viewOf(out.dtype, buffer, SCRATCH.means, CARRIES);
  carries.fill(start as never); // of its own dtype
  const steps = nest.strides.map((s) => s[depth] ?? 0) as [number, number];
  forEachOuter(nest, depth, (from) => {
    const total = nest.shape[depth] ?? 1;
    for (let r = 0; r < total; r += CARRIES) {
      const [to, at] = [0, 1].map((k) => (from[k] as number) + r * (steps[k] as number)) as [number, number];
      const words = [x.data.byteOffset + width * at, width * steps[1], out.data.byteOffset + width * to];
      i32.set([...words, width * steps[0], SCRATCH.means], (SCRATCH.block + SCAN_WORD.source) / 4);
      run(SCRATCH.block, Math.min(CARRIES, total - r), out.shape[axis] as number);
    }
  });
}

/** Rows per call. */
const CARRIES = 1024;

/** Any strides, dtypes and memory: tiles are converted into scratch, scanned there, and stored. */
function scanTiles({ x, out, axis, nest, start }: Rows, run: WasmKernel): void {
  const { buffer, i32 } = scratch();
  const n = out.shape[axis] as number;
  const width = DTYPES[out.dtype].itemsize;
  const columns = Math.min(n, sizeOf(nest.shape) < SCAN_ROWS ? TILE_COLUMNS_ALONE : TILE_COLUMNS);
  const pitch = ((columns * width + 63) & ~63) + 64; // rows a power of two apart would share sets of the cache
  const most = Math.max(1, Math.floor(TILE_BYTES / pitch));
  const cut = cutRows(nest.shape, most);
  const perRow = pitch / width;
  const tile = viewOf(out.dtype, buffer, SCRATCH.rows, most * perRow);
  forEachOuter({ ...nest, shape: nest.shape.slice(0, cut.axis) }, cut.axis, (from) => {
    const size = nest.shape[cut.axis] ?? 1;
    for (let i = 0; i < size; i += cut.step) {
      const shape = [Math.min(cut.step, size - i), ...nest.shape.slice(cut.axis + 1)];
      const rows = sizeOf(shape);
      const carries = viewOf(out.dtype, buffer, SCRATCH.means, rows);
      carries.fill(start as never); // of its own dtype
      const tileRows = contiguousStride(shape).map((s) => s * perRow);
      for (let c = 0; c < n; c += columns) {
        const m = Math.min(columns, n - c);
        const part = (y: NDArray, k: number): NDArray => {
          const strides = (nest.strides[k] as readonly number[]).slice(cut.axis);
          const along = y.stride[axis] as number;
          const first = (from[k] as number) + i * (strides[0] ?? 0) + c * along;
          return new NDArray(y.dtype, y.data, [...shape, m], [...(strides.length === 0 ? [0] : strides), along], first);
        };
        const block = new NDArray(out.dtype, tile, [...shape, m], [...tileRows, 1]);
        convert(block, part(x, 1));
        const words = [SCRATCH.rows, pitch, SCRATCH.rows, pitch, SCRATCH.means];
        i32.set(words, (SCRATCH.block + SCAN_WORD.source) / 4);
        run(SCRATCH.block, rows, m);
        for (let r = 0; r < rows; r++) carries[r] = tile[r * perRow + m - 1] as never; // one dtype
        convert(part(out, 0), block);
      }
    }
  });
}

/** Axis along which rows are cut into tiles of at most `most` rows, and how many of its indices a tile takes. */
function cutRows(shape: readonly number[], most: number): { readonly axis: number; readonly step: number } {
  let axis = Math.max(0, shape.length - 1);
  while (axis > 0 && sizeOf(shape.slice(axis)) <= most) axis--;
  return { axis, step: Math.max(1, Math.floor(most / sizeOf(shape.slice(axis + 1)))) };
}

type Cells = Element[]; // how a typed array of any dtype looks to the loops below

/** Any dtype, one element after another; the array's class rounds or wraps each sum. */
function scanPlainly(x: NDArray, out: NDArray, { axis, op }: ScanParams): void {
  countRun("interpreted");
  convert(out, x);
  const cells = out.data as unknown as Cells;
  const { big } = DTYPES[out.dtype];
  const bool = out.dtype === "bool";
  const combine = (a: Element, b: Element): Element => {
    if (big) return op === "add" ? (a as bigint) + (b as bigint) : (a as bigint) * (b as bigint);
    if (bool) return op === "add" ? Number(a) | Number(b) : Number(a) & Number(b);
    if (op === "add") return Number(a) + Number(b);
    return DTYPES[out.dtype].kind === "f" ? Number(a) * Number(b) : Math.imul(Number(a), Number(b));
  };
  alongAxis(out, axis, (first, step, n) => {
    for (let i = 1, at = first + step; i < n; i++, at += step)
      cells[at] = combine(cells[at - step] as Element, cells[at] as Element);
  });
}

function multiplyComplex(out: NDArray, axis: number): void {
  const cells = out.data as Float64Array; // or Float32Array: both hold numbers and round what they are given
  const round = out.dtype === "complex64" ? Math.fround : (v: number): number => v;
  alongAxis(out, axis, (first, step, n) => {
    for (let i = 1, at = first + step; i < n; i++, at += step) {
      const [a, b] = [cells[2 * (at - step)] as number, cells[2 * (at - step) + 1] as number];
      const [c, d] = [cells[2 * at] as number, cells[2 * at + 1] as number];
      cells[2 * at] = round(round(a * c) - round(b * d));
      cells[2 * at + 1] = round(round(a * d) + round(b * c));
    }
  });
}

/** Calls `visit(first, step, n)` for every line of a block in C order along `axis`. */
function alongAxis(out: NDArray, axis: number, visit: (first: number, step: number, n: number) => void): void {
  const n = out.shape[axis] as number;
  const inner = sizeOf(out.shape.slice(axis + 1));
  const outer = sizeOf(out.shape.slice(0, axis));
  for (let o = 0; o < outer; o++) for (let i = 0; i < inner; i++) visit(out.offset + o * n * inner + i, inner, n);
}

/** Fill NaN with the last number before it, at most `limit` in a row; `reverse`: with the next one. */
function push(out: NDArray, { axis, limit, reverse }: PushParams): void {
  const cells = out.data as Float64Array; // or another float array: all hold numbers
  alongAxis(out, axis, (first, step, n) => {
    let last = Number.NaN;
    let since = 0;
    for (let i = 0; i < n; i++) {
      const at = first + (reverse ? n - 1 - i : i) * step;
      const v = cells[at] as number;
      if (!Number.isNaN(v)) {
        last = v;
        since = 0;
      } else if (limit === null || since < limit) {
        cells[at] = last;
        since++;
      }
    }
  });
}

/** Parameters of `push`. */
interface PushParams {
  readonly axis: number;
  readonly limit: number | null;
  readonly reverse: boolean;
}

export const scanKernels: Readonly<Record<string, BlockKernel>> = {
  scan: {
    run: ([x], out, params: Plain) => {
      scan(x as NDArray, out, params as unknown as ScanParams); // one input; the array room makes the parameters
    },
  },
  push: {
    run: ([x], out, params: Plain) => {
      convert(out, x as NDArray); // one input
      if (DTYPES[out.dtype].kind === "f") push(out, params as unknown as PushParams); // the array room makes them
    },
  },
};
