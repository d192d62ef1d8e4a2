/** TIFF predictors 2 and 3 in place. Sources: TIFF 6.0 section 14; Adobe TIFF Technical Note 3; libtiff `tif_predict.c`. */
import type { PredictorShape } from "./byte-kernels.ts";

/** Integer arrays that wrap as the predictor needs; 8-byte items are pairs of words. */
type Words = Uint8Array | Uint16Array | Uint32Array;

/** Run `body` over `data` as unsigned words of `bytes`; data at an odd place goes through an aligned copy. */
function withWords(data: Uint8Array, bytes: 1 | 2 | 4, body: (words: Words) => void): void {
  if (bytes === 1) {
    body(data);
    return;
  }
  const make = (d: Uint8Array): Words =>
    bytes === 2
      ? new Uint16Array(d.buffer, d.byteOffset, d.length >> 1)
      : new Uint32Array(d.buffer, d.byteOffset, d.length >> 2);
  if (data.byteOffset % bytes === 0) {
    body(make(data));
    return;
  }
  const copy = new Uint8Array(data);
  body(make(copy));
  data.set(copy);
}

/** See `ByteKernels.predictor2Decode`. */
export function predictor2Decode(data: Uint8Array, shape: PredictorShape): void {
  const { rows, width, samples, itemsize } = shape;
  const row = width * samples;
  if (itemsize === 8) withWords(data, 4, (w) => sums64(w, rows, row, samples));
  else
    withWords(data, itemsize, (w) => {
      for (let r = 0; r < rows; r++) sums(w, r * row + samples, (r + 1) * row, samples);
    });
}

function sums(w: Words, start: number, end: number, samples: number): void {
  if (samples === 1) {
    let sum = start <= end && start > 0 ? w[start - 1]! : 0;
    for (let i = start; i < end; i++) {
      sum += w[i]!;
      w[i] = sum;
      sum = w[i]!;
    }
  } else for (let i = start; i < end; i++) w[i] = w[i]! + w[i - samples]!;
}

function sums64(w: Words, rows: number, row: number, samples: number): void {
  for (let r = 0; r < rows; r++) {
    for (let i = r * row + samples, end = (r + 1) * row; i < end; i++) {
      const low = w[2 * i]! + w[2 * (i - samples)]!;
      w[2 * i] = low;
      w[2 * i + 1] = w[2 * i + 1]! + w[2 * (i - samples) + 1]! + (low > 0xffffffff ? 1 : 0);
    }
  }
}

/** See `ByteKernels.predictor2Encode`. */
export function predictor2Encode(data: Uint8Array, shape: PredictorShape): void {
  const { rows, width, samples, itemsize } = shape;
  const row = width * samples;
  if (itemsize === 8) withWords(data, 4, (w) => differences64(w, rows, row, samples));
  else
    withWords(data, itemsize, (w) => {
      for (let r = 0; r < rows; r++) {
        for (let i = (r + 1) * row - 1, end = r * row + samples; i >= end; i--) w[i] = w[i]! - w[i - samples]!;
      }
    });
}

function differences64(w: Words, rows: number, row: number, samples: number): void {
  for (let r = 0; r < rows; r++) {
    for (let i = (r + 1) * row - 1, end = r * row + samples; i >= end; i--) {
      const low = w[2 * i]! - w[2 * (i - samples)]!;
      w[2 * i] = low;
      w[2 * i + 1] = w[2 * i + 1]! - w[2 * (i - samples) + 1]! - (low < 0 ? 1 : 0);
    }
  }
}

/** See `ByteKernels.predictor3Decode`. */
export function predictor3Decode(data: Uint8Array, shape: PredictorShape): void {
  const { rows, width, samples, itemsize } = shape;
  const count = width * samples;
  const rowBytes = count * itemsize;
  const planes = new Uint8Array(rowBytes);
  for (let r = 0; r < rows; r++) {
    const row = data.subarray(r * rowBytes, (r + 1) * rowBytes);
    sums(row, samples, rowBytes, samples);
    planes.set(row);
    for (let b = 0; b < itemsize; b++) {
      const plane = (itemsize - 1 - b) * count; // most significant first, items little-endian
      for (let i = 0, at = b; i < count; i++, at += itemsize) row[at] = planes[plane + i]!;
    }
  }
}

/** See `ByteKernels.predictor3Encode`. */
export function predictor3Encode(data: Uint8Array, shape: PredictorShape): void {
  const { rows, width, samples, itemsize } = shape;
  const count = width * samples;
  const rowBytes = count * itemsize;
  const items = new Uint8Array(rowBytes);
  for (let r = 0; r < rows; r++) {
    const row = data.subarray(r * rowBytes, (r + 1) * rowBytes);
    items.set(row);
    for (let b = 0; b < itemsize; b++) {
      const plane = (itemsize - 1 - b) * count;
      for (let i = 0, at = b; i < count; i++, at += itemsize) row[plane + i] = items[at]!;
    }
    for (let i = rowBytes - 1; i >= samples; i--) row[i] = row[i]! - row[i - samples]!;
  }
}
