/** TIFF predictors 2 and 3 in place. Sources: TIFF 6.0 section 14; Adobe TIFF Technical Note 3; libtiff `tif_predict.c`. */
import type { PredictorShape } from "./byte-kernels.ts";
import { shuffle, unshuffle } from "./shuffle.ts";

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
      for (let r = 0; r < rows; r++) {
        const [start, end] = [r * row + samples, (r + 1) * row];
        // One loop per array class, so that each is compiled for its own.
        if (w instanceof Uint8Array) sums8(w, start, end, samples);
        else if (w instanceof Uint16Array) sums16(w, start, end, samples);
        else sums32(w, start, end, samples);
      }
    });
}

function sums8(w: Uint8Array, start: number, end: number, samples: number): void {
  if (samples === 1 && start < end) {
    let sum = w[start - 1]!;
    for (let i = start; i < end; i++) {
      sum = (sum + w[i]!) & 0xff;
      w[i] = sum;
    }
  } else for (let i = start; i < end; i++) w[i] = w[i]! + w[i - samples]!;
}

function sums16(w: Uint16Array, start: number, end: number, samples: number): void {
  if (samples === 1 && start < end) {
    let sum = w[start - 1]!;
    for (let i = start; i < end; i++) {
      sum = (sum + w[i]!) & 0xffff;
      w[i] = sum;
    }
  } else for (let i = start; i < end; i++) w[i] = w[i]! + w[i - samples]!;
}

function sums32(w: Uint32Array, start: number, end: number, samples: number): void {
  for (let i = start; i < end; i++) w[i] = (w[i]! + w[i - samples]!) | 0;
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
    sums8(row, samples, rowBytes, samples);
    reversePlanes(row, planes, count);
    unshuffle(planes, row, itemsize);
  }
}

/** The file has the most significant plane first, memory the least significant byte. */
function reversePlanes(from: Uint8Array, to: Uint8Array, count: number): void {
  for (let at = 0, end = from.length - count; at < from.length; at += count, end -= count) {
    to.set(from.subarray(at, at + count), end);
  }
}

/** See `ByteKernels.predictor3Encode`. */
export function predictor3Encode(data: Uint8Array, shape: PredictorShape): void {
  const { rows, width, samples, itemsize } = shape;
  const count = width * samples;
  const rowBytes = count * itemsize;
  const planes = new Uint8Array(rowBytes);
  for (let r = 0; r < rows; r++) {
    const row = data.subarray(r * rowBytes, (r + 1) * rowBytes);
    shuffle(row, planes, itemsize);
    reversePlanes(planes, row, count);
    for (let i = rowBytes - 1; i >= samples; i--) row[i] = row[i]! - row[i - samples]!;
  }
}
