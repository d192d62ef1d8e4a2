/**
 * Lines of a block in order, and the order of their elements: -inf … inf, NaN last, -0 equal to 0, stable. `descending`
 * is the opposite order, stable too. Wide rows are sorted by networks in vector lanes, long lines by digits.
 */
import { allocate, DTYPES, type DType, type TypedArray, viewOf } from "../../dtype/index.ts";
import { contiguousStride, NDArray, sizeOf } from "../../ndarray/index.ts";
import type { BlockFacts, BlockKernel } from "../blocks.ts";
import { convert, copyStrided } from "../copy.ts";
import { isCompiled } from "../map/engine.ts";
import { memoryOf } from "../segment.ts";
import { countRun, kernelOf, SCRATCH, scratch } from "../wasm/runtime.ts";
import { orderByDigitCode, sortByDigitCode } from "./digits.ts";
import { FEW, leadingOf } from "./leading.ts";
import { complexOrder, IndexSorter, keysOf, sortByDigits, sortBytes } from "./sort-keys.ts";
import { emitRowSort, SORT_WORD, type SortDType } from "./sort-module.ts";

/** Parameters of `sort` and `argsort`. */
interface SortParams {
  readonly axis: number;
  readonly descending: boolean;
}

/** Bytes of a column in scratch, and of a tile of rows. */
const COLUMN_BYTES = 384 << 10;
const TILE_BYTES = 384 << 10;
/** Lines from which on digits pay. */
const LONG = 1024;
/** Shortest rows for networks. */
const NETWORK_FROM = 4;

/** Where a line's elements are in a block in C order. */
interface Lines {
  readonly n: number;
  readonly step: number;
  readonly count: number;
  /** Index of the first element of line `i`. */
  readonly first: (i: number) => number;
}

/** Lines of a block in C order along `axis`. */
function linesOf(block: NDArray, axis: number): Lines {
  const n = block.shape[axis] as number; // axis < rank
  const inner = sizeOf(block.shape.slice(axis + 1));
  const count = n === 0 ? 0 : block.size / n;
  return { n, step: inner, count, first: (i) => block.offset + Math.floor(i / inner) * n * inner + (i % inner) };
}

/** dtype in which rows are sorted; two bytes become four. */
function networkDType(dtype: DType): SortDType | null {
  const { kind, itemsize } = DTYPES[dtype];
  if ((kind !== "f" && kind !== "i" && kind !== "u") || itemsize === 1) return null;
  if (itemsize === 2) return kind === "f" ? "float32" : "int32";
  return dtype as SortDType; // floats and integers of four and eight bytes
}

function sort(x: NDArray, out: NDArray, { axis, descending }: SortParams): void {
  if (out.size === 0) return;
  copyStrided(out, x);
  const lines = linesOf(out, axis);
  if (!sortByNetwork(out, axis, lines)) sortPlainly(out, lines);
  if (descending) reverse(out, lines);
}

/** Rows by networks; false where there is no network for them. */
function sortByNetwork(out: NDArray, axis: number, { n, step, count }: Lines): boolean {
  const dtype = networkDType(out.dtype);
  if (dtype === null) return false;
  const width = DTYPES[dtype].itemsize;
  const lanes = 16 / width;
  const columnBytes = 16 * ((n + 7) & ~7);
  if (n < NETWORK_FROM || count < lanes || columnBytes > COLUMN_BYTES || n * width * lanes > TILE_BYTES) return false;
  const own = scratch();
  const memory = step === 1 && dtype === out.dtype ? memoryOf(out.data.buffer) : undefined;
  const memories = memory === undefined || memory === own.memory ? [own.memory] : [memory, own.memory];
  const key = `sort ${dtype} ${memories.length}`;
  if (!isCompiled(key, out.size)) return false;
  countRun("wasm");
  const run = kernelOf(key, memories, () => emitRowSort(dtype, memories.length));
  const sortRows = (address: number, rows: number): void => {
    const words = [address, n * width, SCRATCH.rows, columnBytes];
    own.i32.set(words, (SCRATCH.block + SORT_WORD.rows) / 4);
    if (rows >= lanes) run(SCRATCH.block, Math.floor(rows / lanes), n);
    if (rows % lanes === 0) return;
    own.i32[(SCRATCH.block + SORT_WORD.rows) / 4] = address + (rows - lanes) * n * width; // over rows that are in order
    run(SCRATCH.block, 1, n);
  };
  if (memory !== undefined) {
    sortRows(out.data.byteOffset + out.offset * width, count);
    return true;
  }
  const most = Math.floor(TILE_BYTES / (n * width));
  const tile = viewOf(dtype, own.buffer, SCRATCH.rows + COLUMN_BYTES, most * n);
  const rows = rowsView(out, axis);
  for (const part of parts(rows, most)) {
    const size = sizeOf(part.shape.slice(0, -1));
    const block = new NDArray(dtype, tile, part.shape, contiguousStride(part.shape));
    convert(block, part);
    sortRows(tile.byteOffset, Math.max(lanes, size)); // too few rows: those below are sorted along
    convert(part, block);
  }
  return true;
}

/** The block with `axis` last. */
function rowsView(x: NDArray, axis: number): NDArray {
  return x.transpose([...x.shape.keys()].filter((k) => k !== axis).concat(axis));
}

/** A block cut along its leading axes into parts of at most `most` rows. */
function* parts(x: NDArray, most: number): Generator<NDArray> {
  const rows = sizeOf(x.shape.slice(0, -1));
  if (rows <= most) {
    yield x;
    return;
  }
  const [size = 1, ...rest] = x.shape;
  const each = sizeOf(rest.slice(0, -1));
  const step = Math.max(1, Math.floor(most / each));
  for (let i = 0; i < size; i += step) {
    const m = Math.min(step, size - i);
    const at = x.offset + i * (x.stride[0] as number);
    if (each <= most) yield new NDArray(x.dtype, x.data, [m, ...rest], x.stride, at);
    else yield* parts(new NDArray(x.dtype, x.data, rest, x.stride.slice(1), at), most);
  }
}

/** Line by line: bytes by counting, long lines by digits, others as typed arrays; what has no keys of 32 bits by its order. */
function sortPlainly(out: NDArray, lines: Lines): void {
  countRun("interpreted");
  const { kind, components } = DTYPES[out.dtype];
  const line = allocate(out.dtype, lines.n);
  const sorted = allocate(out.dtype, lines.n);
  const { itemsize } = DTYPES[out.dtype];
  const isLong = lines.n >= LONG;
  const byOrder = components === 2 || kind === "M" || kind === "m" || (itemsize === 8 && isLong);
  const sorter = byOrder ? new IndexSorter(lines.n) : null;
  for (let i = 0; i < lines.count; i++) {
    readLine(out, lines, i, line);
    if (sorter === null) {
      if (itemsize === 1) sortBytes(out.dtype, line);
      else if (!isLong) line.sort();
      else if (!sortByDigitCode(out.dtype, line)) sortByDigits(out.dtype, line);
      writeLine(out, lines, i, line);
    } else {
      const order = orderOf(out.dtype, line, { descending: false, count: null }, sorter);
      for (let k = 0; k < lines.n; k++)
        for (let c = 0; c < components; c++)
          sorted[k * components + c] = line[(order[k] as number) * components + c] as never; // one class
      writeLine(out, lines, i, sorted);
    }
  }
}

function readLine(x: NDArray, lines: Lines, i: number, line: TypedArray): void {
  const { components } = DTYPES[x.dtype];
  const at = lines.first(i) * components;
  if (lines.step === 1) return void line.set(x.data.subarray(at, at + lines.n * components) as never); // one class
  for (let k = 0; k < lines.n; k++)
    for (let c = 0; c < components; c++)
      line[k * components + c] = x.data[at + k * lines.step * components + c] as never; // one class
}

function writeLine(x: NDArray, lines: Lines, i: number, line: TypedArray): void {
  const { components } = DTYPES[x.dtype];
  const at = lines.first(i) * components;
  if (lines.step === 1) return void x.data.set(line as never, at); // one class
  for (let k = 0; k < lines.n; k++)
    for (let c = 0; c < components; c++)
      x.data[at + k * lines.step * components + c] = line[k * components + c] as never; // one class
}

function reverse(x: NDArray, lines: Lines): void {
  const { components } = DTYPES[x.dtype];
  const cells = x.data as unknown as (number | bigint)[]; // one loop for all classes
  for (let i = 0; i < lines.count; i++) {
    const first = lines.first(i);
    for (let a = 0, b = lines.n - 1; a < b; a++, b--) {
      for (let c = 0; c < components; c++) {
        const [p, q] = [(first + a * lines.step) * components + c, (first + b * lines.step) * components + c];
        [cells[p], cells[q]] = [cells[q] as number, cells[p] as number];
      }
    }
  }
}

/** Order of a line, or of its first `count`. */
function orderOf(
  dtype: DType,
  line: TypedArray,
  { descending, count }: { readonly descending: boolean; readonly count: number | null },
  sorter: IndexSorter,
): Uint32Array {
  if (DTYPES[dtype].components === 2) return complexOrder(line as Float64Array, descending); // or Float32Array
  const keys = keysOf(dtype, line, descending);
  return count === null ? sorter.sort(keys) : sorter.smallest(keys, count);
}

/** True for dtypes whose elements JavaScript compares as they are. */
function isOfNumbers(dtype: DType): boolean {
  const { kind, big, components } = DTYPES[dtype];
  return components === 1 && !big && kind !== "M" && kind !== "m";
}

interface Ordering {
  readonly axis: number;
  readonly descending: boolean;
  /** So many elements of the order are wanted. */
  readonly count: number;
}

/** Gives the first `count` of the order of a line like `like`, until it is asked again. */
function ordererOf(dtype: DType, like: TypedArray, { descending, count }: Ordering): (line: TypedArray) => Uint32Array {
  const n = like.length / DTYPES[dtype].components;
  if (count <= FEW && 4 * count <= n && count > 0 && isOfNumbers(dtype)) {
    const take = leadingOf({ dtype, descending, buffer: like.buffer });
    const best = new Uint32Array(count);
    return (line) => take(line, best);
  }
  const sorter = new IndexSorter(n);
  return (line) => orderOf(dtype, line, { descending, count }, sorter);
}

/** Calls `visit(line number, its elements)` for every line of `x`; the elements are there until the next line. */
function forEachLine(x: NDArray, axis: number, visit: (i: number, line: TypedArray) => void): void {
  const own = x.isContiguous && x.offset === 0 ? x : new NDArray(x.dtype, allocate(x.dtype, x.size), x.shape);
  if (own !== x) copyStrided(own, x);
  const lines = linesOf(own, axis);
  const copy = allocate(x.dtype, lines.n);
  const isStretch = lines.step === 1 && DTYPES[x.dtype].components === 1;
  for (let i = 0; i < lines.count; i++) {
    const line = isStretch ? own.data.subarray(lines.first(i), lines.first(i) + lines.n) : copy;
    if (!isStretch) readLine(own, lines, i, line);
    visit(i, line);
  }
}

/** Calls `visit(line number, its elements, the first of their order)` for every line of `x`. */
function forEachOrder(
  x: NDArray,
  ordering: Ordering,
  visit: (i: number, line: TypedArray, order: Uint32Array) => void,
): void {
  let orderLine: ((line: TypedArray) => Uint32Array) | null = null;
  forEachLine(x, ordering.axis, (i, line) => {
    orderLine ??= ordererOf(x.dtype, line, ordering);
    visit(i, line, orderLine(line));
  });
}

/** The words of an int64 block: indices are written without a bigint each. */
export function indexWords(out: NDArray): Int32Array {
  return new Int32Array(out.data.buffer, out.data.byteOffset + 8 * out.offset, 2 * out.size);
}

function argsort(x: NDArray, out: NDArray, { axis, descending }: SortParams): void {
  const words = indexWords(out);
  const lines = linesOf(new NDArray(out.dtype, out.data, out.shape), axis);
  let sorter: IndexSorter | null = null;
  forEachLine(x, axis, (i, line) => {
    const first = lines.first(i);
    const places = orderByDigitCode(x.dtype, line, descending);
    if (places !== null && lines.step === 1) return void words.set(places, 2 * first);
    sorter ??= places === null ? new IndexSorter(lines.n) : null;
    const order = places ?? orderOf(x.dtype, line, { descending, count: null }, sorter as IndexSorter); // made where it is needed
    const step = places === null ? 1 : 2;
    for (let k = 0; k < lines.n; k++) {
      const at = 2 * (first + k * lines.step);
      words[at] = order[k * step] as number;
      words[at + 1] = 0;
    }
  });
}

/** Parameters of the `topk` family: `k` largest, descending, or `-k` smallest, ascending. */
interface TopParams {
  readonly axis: number;
  readonly k: number;
}

function topk(x: NDArray, out: NDArray, { axis, k }: TopParams): void {
  const lines = linesOf(out, axis);
  const { components } = DTYPES[out.dtype];
  forEachOrder(x, { axis, descending: k > 0, count: lines.n }, (i, line, order) => {
    const first = lines.first(i);
    for (let j = 0; j < lines.n; j++)
      for (let c = 0; c < components; c++)
        out.data[(first + j * lines.step) * components + c] = line[(order[j] as number) * components + c] as never; // one class
  });
}

/** Indices of the `topk`; `from` gives the index of element `j` of line `i`. */
function indicesOfTop(x: NDArray, out: NDArray, { axis, k }: TopParams, from: (i: number, j: number) => number): void {
  const words = indexWords(out);
  const lines = linesOf(new NDArray(out.dtype, out.data, out.shape), axis);
  forEachOrder(x, { axis, descending: k > 0, count: lines.n }, (i, _line, order) => {
    const first = lines.first(i);
    for (let j = 0; j < lines.n; j++) {
      const at = 2 * (first + j * lines.step);
      const index = from(i, order[j] as number);
      words[at] = index;
      words[at + 1] = Math.floor(index / 2 ** 32);
    }
  });
}

function pickTop(x: NDArray, indices: NDArray, out: NDArray, params: TopParams): void {
  const own = new NDArray("int64", allocate("int64", indices.size), indices.shape);
  copyStrided(own, indices);
  const lines = linesOf(own, params.axis);
  indicesOfTop(x, out, params, (i, j) => Number(own.data[lines.first(i) + j * lines.step]));
}

function lineBytes([x]: readonly BlockFacts[]): number {
  if (x === undefined) return 0;
  const longest = Math.max(1, ...x.shape);
  return sizeOf(x.shape) * DTYPES[x.dtype].itemsize + IndexSorter.bytes(longest) + 24 * longest;
}

export const sortKernels: Readonly<Record<string, BlockKernel>> = {
  sort: {
    // One input each; the array room makes the parameters.
    run: ([x], out, params) => sort(x as NDArray, out, params as unknown as SortParams),
    scratch: ([x]) => (x === undefined ? 0 : 48 * Math.max(1, ...x.shape)),
  },
  argsort: {
    run: ([x], out, params) => argsort(x as NDArray, out, params as unknown as SortParams),
    scratch: lineBytes,
  },
  topk: {
    run: ([x], out, params) => topk(x as NDArray, out, params as unknown as TopParams),
    scratch: lineBytes,
  },
  argtopk: {
    run: ([x], out, params, { position }) => {
      const p = params as unknown as TopParams & { readonly starts: readonly number[] };
      const start = p.starts[position[p.axis] as number] as number; // one per block
      indicesOfTop(x as NDArray, out, p, (_i, j) => start + j);
    },
    scratch: lineBytes,
  },
  "pick-topk": {
    run: ([x, indices], out, params) => pickTop(x as NDArray, indices as NDArray, out, params as unknown as TopParams), // two inputs
    scratch: (inputs) => lineBytes(inputs) + (inputs[0] === undefined ? 0 : 8 * sizeOf(inputs[0].shape)),
  },
};
