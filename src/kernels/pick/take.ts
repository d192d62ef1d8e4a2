/** Elements along an axis from several blocks: long rows at once, short ones element by element. */
import { dtypeInfo } from "../../dtype/index.ts";
import { contiguousStride, NDArray, sizeOf } from "../../ndarray/index.ts";
import { copyStrided } from "../copy.ts";
import { moveListed } from "../moves.ts";
import { pickPattern } from "./along.ts";

/** Rows of fewer elements are picked element by element. */
const ROW_MIN = 24;

/**
 * Element i of `out` along `axis` is element `picks[2 i + 1]` of `inputs[picks[2 i]]`; inputs agree along all other axes.
 * `out` is in C order.
 */
export function takePicks(picks: Int32Array, axis: number, inputs: readonly NDArray[], out: NDArray): void {
  if (out.size === 0) return;
  const inner = sizeOf(out.shape.slice(axis + 1));
  const isRow = (x: NDArray): boolean =>
    new NDArray(x.dtype, x.data, x.shape.slice(axis + 1), x.stride.slice(axis + 1)).isContiguous;
  if (inner < ROW_MIN) for (const [number, x] of inputs.entries()) takeElements(picks, { axis, number }, x, out);
  else if (inputs.every(isRow)) takeRows(picks, axis, inputs, out);
  else takeSlabs(picks, axis, inputs, out);
}

/** Places in an input of the elements before the axis, in C order. */
function outerPlaces(x: NDArray, axis: number): Int32Array {
  const shape = x.shape.slice(0, axis);
  const out = new Int32Array(sizeOf(shape));
  let count = 0;
  const walk = (k: number, at: number): void => {
    if (k === axis) out[count++] = at;
    else for (let i = 0; i < (shape[k] as number); i++) walk(k + 1, at + i * (x.stride[k] as number));
  };
  if (out.length > 0) walk(0, x.offset);
  return out;
}

function takeElements(
  picks: Int32Array,
  { axis, number }: { readonly axis: number; readonly number: number },
  x: NDArray,
  out: NDArray,
): void {
  const n = picks.length / 2;
  const tail = new NDArray(x.dtype, x.data, x.shape.slice(axis + 1), x.stride.slice(axis + 1), 0);
  const within = outerPlaces(tail, tail.ndim);
  const inner = within.length;
  const step = x.stride[axis] as number; // an axis of the input
  const [targets, sources]: [number[], number[]] = [[], []];
  for (let i = 0; i < n; i++) {
    if (picks[2 * i] !== number) continue;
    const from = (picks[2 * i + 1] as number) * step; // i < n
    for (let w = 0; w < inner; w++) {
      targets.push(i * inner + w);
      sources.push(from + (within[w] as number)); // w < inner
    }
  }
  pickPattern(out, x, {
    rows: outerPlaces(x, axis),
    length: n * inner,
    targets: Int32Array.from(targets),
    sources: Int32Array.from(sources),
  });
}

function takeRows(picks: Int32Array, axis: number, inputs: readonly NDArray[], out: NDArray): void {
  const n = picks.length / 2;
  const inner = sizeOf(out.shape.slice(axis + 1));
  const { itemsize } = dtypeInfo(out.dtype);
  const places = inputs.map((x) => outerPlaces(x, axis));
  const outer = sizeOf(out.shape.slice(0, axis));
  const starts = new Uint32Array(outer * n);
  for (let o = 0, k = 0; o < outer; o++)
    for (let i = 0; i < n; i++) {
      const number = picks[2 * i] as number; // i < n
      const x = inputs[number] as NDArray; // picks name inputs
      const at = (places[number]?.[o] as number) + (picks[2 * i + 1] as number) * (x.stride[axis] as number);
      starts[k++] = x.data.byteOffset + at * itemsize;
    }
  const bytes = inner * itemsize;
  const to = out.data.byteOffset + out.offset * itemsize;
  const buffer = inputs[0]?.data.buffer ?? out.data.buffer;
  if (inputs.every((x) => x.data.buffer === buffer) && moveListed(out.data.buffer, buffer, { to, bytes, starts }))
    return;
  const target = new Uint8Array(out.data.buffer, to, outer * n * bytes);
  starts.forEach((start, k) => {
    const x = inputs[picks[2 * (k % n)] as number] as NDArray; // picks name inputs
    target.set(new Uint8Array(x.data.buffer, start, bytes), k * bytes);
  });
}

function takeSlabs(picks: Int32Array, axis: number, inputs: readonly NDArray[], out: NDArray): void {
  const n = picks.length / 2;
  const stride = contiguousStride(out.shape);
  const cut = (x: NDArray, strides: readonly number[], start: number, count: number): NDArray =>
    new NDArray(
      x.dtype,
      x.data,
      x.shape.map((extent, k) => (k === axis ? count : extent)),
      strides,
      x.offset + start * (strides[axis] as number),
    );
  for (let i = 0; i < n; ) {
    const [number, start] = [picks[2 * i] as number, picks[2 * i + 1] as number]; // i < n
    let count = 1;
    while (i + count < n && picks[2 * (i + count)] === number && picks[2 * (i + count) + 1] === start + count) count++;
    const x = inputs[number] as NDArray; // picks name inputs
    copyStrided(cut(out, stride, i, count), cut(x, x.stride, start, count));
    i += count;
  }
}
