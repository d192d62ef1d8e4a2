/** Moves pixels from a decoded tile into a block; element classes do not matter, only their width. Pure. */
import { type DType, dtypeInfo, type TypedArray } from "../../dtype/index.ts";
import type { NDArray } from "../../ndarray/index.ts";

/** Where the wanted pixels lie in a tile: `first` and the steps count elements. */
export interface TileBox {
  readonly rows: number;
  readonly cols: number;
  readonly first: number;
  readonly rowStep: number;
  readonly colStep: number;
}

/** Where they go: element `first` of the block's data, then strides in elements. */
export interface BlockBox {
  readonly first: number;
  readonly rowStep: number;
  readonly colStep: number;
}

/** Copy one band's box from `tile` (bytes of items in native order) to `block`. */
export function scatterBand(tile: Uint8Array, from: TileBox, block: NDArray, to: BlockBox): void {
  const { itemsize } = dtypeInfo(block.dtype);
  if (from.colStep === 1 && to.colStep === 1) {
    const target = bytesOf(block.data);
    copyRows(tile, target, {
      rows: from.rows,
      rowBytes: from.cols * itemsize,
      from: from.first * itemsize,
      fromStep: from.rowStep * itemsize,
      to: to.first * itemsize,
      toStep: to.rowStep * itemsize,
    });
    return;
  }
  const aligned = tile.byteOffset % Math.min(itemsize, 4) === 0 ? tile : new Uint8Array(tile);
  const [source, target] = [unsigned(aligned, itemsize), unsigned(bytesOf(block.data), itemsize)];
  if (source instanceof Uint8Array && target instanceof Uint8Array) step8(source, from, target, to);
  else if (source instanceof Uint16Array && target instanceof Uint16Array) step16(source, from, target, to);
  else if (source instanceof Uint32Array && target instanceof Uint32Array) {
    if (itemsize === 4) step32(source, from, target, to);
    else step64(source, from, target, to);
  }
}

/** Set a box of the block to `value`. */
export function fillBand(
  block: NDArray,
  to: BlockBox,
  box: { readonly rows: number; readonly cols: number; readonly value: number | bigint },
): void {
  const { data } = block;
  for (let r = 0; r < box.rows; r++) {
    const start = to.first + r * to.rowStep;
    if (to.colStep === 1) data.fill(box.value as never, start, start + box.cols);
    else for (let c = 0; c < box.cols; c++) data[start + c * to.colStep] = box.value as never;
  }
}

/** A value of `dtype` from the text in a source's meta. */
export function fillValue(text: string, dtype: DType): number | bigint {
  return dtypeInfo(dtype).big ? BigInt(text) : Number(text);
}

/** The bytes behind a typed array. */
export function bytesOf(data: TypedArray): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

interface Rows {
  readonly rows: number;
  readonly rowBytes: number;
  readonly from: number;
  readonly fromStep: number;
  readonly to: number;
  readonly toStep: number;
}

function copyRows(source: Uint8Array, target: Uint8Array, at: Rows): void {
  const { rows, rowBytes, fromStep, toStep } = at;
  if (fromStep === rowBytes && toStep === rowBytes) {
    target.set(source.subarray(at.from, at.from + rows * rowBytes), at.to);
    return;
  }
  for (let r = 0, f = at.from, t = at.to; r < rows; r++, f += fromStep, t += toStep)
    target.set(source.subarray(f, f + rowBytes), t);
}

function unsigned(bytes: Uint8Array, itemsize: number): Uint8Array | Uint16Array | Uint32Array {
  if (itemsize === 1) return bytes;
  if (itemsize === 2) return new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 1);
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2);
}

function step8(source: Uint8Array, from: TileBox, target: Uint8Array, to: BlockBox): void {
  const { rows, cols, colStep } = from;
  for (let r = 0; r < rows; r++) {
    let f = from.first + r * from.rowStep;
    let t = to.first + r * to.rowStep;
    for (let c = 0; c < cols; c++, f += colStep, t += to.colStep) target[t] = source[f]!;
  }
}

function step16(source: Uint16Array, from: TileBox, target: Uint16Array, to: BlockBox): void {
  const { rows, cols, colStep } = from;
  for (let r = 0; r < rows; r++) {
    let f = from.first + r * from.rowStep;
    let t = to.first + r * to.rowStep;
    for (let c = 0; c < cols; c++, f += colStep, t += to.colStep) target[t] = source[f]!;
  }
}

function step32(source: Uint32Array, from: TileBox, target: Uint32Array, to: BlockBox): void {
  const { rows, cols, colStep } = from;
  for (let r = 0; r < rows; r++) {
    let f = from.first + r * from.rowStep;
    let t = to.first + r * to.rowStep;
    for (let c = 0; c < cols; c++, f += colStep, t += to.colStep) target[t] = source[f]!;
  }
}

/** Pairs of words, so that no NaN payload is touched. */
function step64(source: Uint32Array, from: TileBox, target: Uint32Array, to: BlockBox): void {
  const { rows, cols, colStep } = from;
  for (let r = 0; r < rows; r++) {
    let f = 2 * (from.first + r * from.rowStep);
    let t = 2 * (to.first + r * to.rowStep);
    for (let c = 0; c < cols; c++, f += 2 * colStep, t += 2 * to.colStep) {
      target[t] = source[f]!;
      target[t + 1] = source[f + 1]!;
    }
  }
}
