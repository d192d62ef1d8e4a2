/** Single elements copied from computed places, whatever their dtype: by the width of an element. */
import { dtypeInfo } from "../dtype/index.ts";
import { type NDArray, sizeOf } from "../ndarray/index.ts";

/**
 * `out[i] = x[sources[i]]` in C order of `out`, which is contiguous. `sources` count elements of `x.data`.
 * -1 keeps what `out` holds.
 */
export function pickElements(out: NDArray, x: NDArray, sources: Int32Array): void {
  const { itemsize } = dtypeInfo(out.dtype);
  const [to, from] = [out.data, x.data];
  if (itemsize === 1) pick(bytes1(to), bytes1(from), out.offset, sources);
  else if (itemsize === 2) pick(bytes2(to), bytes2(from), out.offset, sources);
  else if (itemsize === 4) pick(bytes4(to), bytes4(from), out.offset, sources);
  else pickWords(bytes4(to), bytes4(from), out.offset, sources, itemsize / 4);
}

/** Place in `x.data` of each element of `x` with `indices` along `axis`, in C order of that shape. */
export function sourcesOf(x: NDArray, axis: number, indices: Int32Array): Int32Array {
  const shape = x.shape.map((n, k) => (k === axis ? indices.length : n));
  const out = new Int32Array(sizeOf(shape));
  let count = 0;
  const walk = (k: number, at: number): void => {
    const n = shape[k] as number; // k < ndim
    const step = x.stride[k] as number;
    const last = k === shape.length - 1;
    for (let i = 0; i < n; i++) {
      const next = at + (k === axis ? (indices[i] as number) : i) * step;
      if (last) out[count++] = next;
      else walk(k + 1, next);
    }
  };
  if (out.length > 0) walk(0, x.offset);
  return out;
}

type Bytes = { readonly buffer: ArrayBufferLike; readonly byteOffset: number; readonly byteLength: number };

function bytes1(a: Bytes): Uint8Array {
  return new Uint8Array(a.buffer, a.byteOffset, a.byteLength);
}

function bytes2(a: Bytes): Uint16Array {
  return new Uint16Array(a.buffer, a.byteOffset, a.byteLength / 2);
}

function bytes4(a: Bytes): Uint32Array {
  return new Uint32Array(a.buffer, a.byteOffset, a.byteLength / 4);
}

function pick<T extends Uint8Array | Uint16Array | Uint32Array>(
  to: T,
  from: T,
  start: number,
  sources: Int32Array,
): void {
  for (let i = 0; i < sources.length; i++) {
    const at = sources[i] as number; // i < length
    if (at >= 0) to[start + i] = from[at] as number; // sources lie in x
  }
}

/** 64-bit and complex elements in words: a float64 might not keep the bits of a NaN, a bigint would be allocated. */
function pickWords(to: Uint32Array, from: Uint32Array, start: number, sources: Int32Array, words: number): void {
  for (let i = 0; i < sources.length; i++) {
    const at = sources[i] as number; // i < length
    if (at < 0) continue;
    for (let w = 0; w < words; w++) to[(start + i) * words + w] = from[at * words + w] as number; // sources lie in x
  }
}
