/** Strided copy in plain TypeScript: the fall-back and oracle of `kernels.copyStrided`. */
import { invariant } from "../base/index.ts";
import { DTYPES, type DType, type TypedArray } from "../dtype/index.ts";
import { NDArray } from "./ndarray.ts";
import { contiguousStride } from "./shape.ts";

/** Copy all elements of `from` to `to`; same shape and dtype, no overlap. */
export function copyBlock(to: NDArray, from: NDArray): void {
  invariant(
    to.dtype === from.dtype && to.ndim === from.ndim && to.shape.every((n, k) => n === from.shape[k]),
    `copy of ${from.dtype} (${from.shape.join(", ")}) into ${to.dtype} (${to.shape.join(", ")})`,
  );
  if (to.size === 0) return;
  const c = DTYPES[to.dtype].components;
  if (to.isContiguous && from.isContiguous) {
    to.data.set(from.data.subarray(from.offset * c, (from.offset + from.size) * c) as never, to.offset * c);
    return;
  }
  const nest = loops(to, from);
  const { itemsize } = DTYPES[to.dtype];
  const width = Math.min(4, itemsize);
  // In words, so that every bit of every element stays as it is.
  const scale = itemsize / width;
  walk(words(to.data, width), words(from.data, width), { nest, scale }, 0, to.offset * scale, from.offset * scale);
}

/** One loop: how often, and the strides of both sides in elements. */
interface Loop {
  readonly n: number;
  readonly to: number;
  readonly from: number;
}

/** Loops over all elements, outer first: without axes of one element, and with axes joined that follow on each other on both sides. */
function loops(to: NDArray, from: NDArray): readonly Loop[] {
  const out: Loop[] = [];
  to.shape.forEach((n, k) => {
    if (n === 1) return;
    const [t, f] = [to.stride[k] as number, from.stride[k] as number]; // one per axis
    const last = out.at(-1);
    if (last && last.to === t * n && last.from === f * n) out[out.length - 1] = { n: last.n * n, to: t, from: f };
    else out.push({ n, to: t, from: f });
  });
  return out;
}

type Words = Uint8Array | Uint16Array | Uint32Array;

function words({ buffer, byteOffset, byteLength }: TypedArray, width: number): Words {
  if (width === 1) return new Uint8Array(buffer, byteOffset, byteLength);
  return width === 2
    ? new Uint16Array(buffer, byteOffset, byteLength / 2)
    : new Uint32Array(buffer, byteOffset, byteLength / 4);
}

function walk(
  to: Words,
  from: Words,
  o: { readonly nest: readonly Loop[]; readonly scale: number },
  depth: number,
  t: number,
  f: number,
): void {
  const { nest, scale } = o;
  const loop = nest[depth] ?? { n: 1, to: 1, from: 1 };
  if (depth >= nest.length - 1) row(to, from, { loop, scale }, t, f);
  else
    for (let i = 0; i < loop.n; i++) walk(to, from, o, depth + 1, t + i * loop.to * scale, f + i * loop.from * scale);
}

function row(
  to: Words,
  from: Words,
  { loop, scale }: { readonly loop: Loop; readonly scale: number },
  t: number,
  f: number,
): void {
  if (loop.to === 1 && loop.from === 1) {
    to.set(from.subarray(f, f + loop.n * scale), t);
    return;
  }
  const [ts, fs] = [loop.to * scale, loop.from * scale];
  // One loop per width: a loop that has seen arrays of several classes is slow for all of them.
  for (let w = 0; w < scale; w++)
    if (to instanceof Uint32Array) row32(to, from as Uint32Array, { n: loop.n, ts, fs }, t + w, f + w);
    else if (to instanceof Uint16Array) row16(to, from as Uint16Array, { n: loop.n, ts, fs }, t, f);
    else row8(to, from as Uint8Array, { n: loop.n, ts, fs }, t, f);
}

interface Row {
  readonly n: number;
  readonly ts: number;
  readonly fs: number;
}

function row8(to: Uint8Array, from: Uint8Array, { n, ts, fs }: Row, t: number, f: number): void {
  for (let i = 0; i < n; i++) to[t + i * ts] = from[f + i * fs] as number; // both hold n elements
}
function row16(to: Uint16Array, from: Uint16Array, { n, ts, fs }: Row, t: number, f: number): void {
  for (let i = 0; i < n; i++) to[t + i * ts] = from[f + i * fs] as number; // both hold n elements
}
function row32(to: Uint32Array, from: Uint32Array, { n, ts, fs }: Row, t: number, f: number): void {
  for (let i = 0; i < n; i++) to[t + i * ts] = from[f + i * fs] as number; // both hold n elements
}

/** `block` itself when in C order from offset 0, else a copy in ordinary memory that is. */
export function ascontiguous<D extends DType>(block: NDArray<D>): NDArray<D> {
  if (block.isContiguous) {
    const c = DTYPES[block.dtype].components;
    if (block.offset === 0 && block.data.length === block.size * c) return block;
    return new NDArray(
      block.dtype,
      block.data.subarray(block.offset * c, (block.offset + block.size) * c),
      block.shape,
      contiguousStride(block.shape),
    );
  }
  const out = NDArray.zeros(block.dtype, block.shape);
  copyBlock(out, block);
  return out;
}
