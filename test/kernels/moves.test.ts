/** Copies between segments and ordinary memory, against a loop over elements. */
import { expect, test } from "vitest";
import { seededRandom } from "../../src/base/index.ts";
import { DTYPES, type DType } from "../../src/dtype/index.ts";
import { copyParts, copyStrided, createSegment, fill } from "../../src/kernels/index.ts";
import { contiguousStride, NDArray, sizeOf } from "../../src/ndarray/index.ts";

const SEGMENTS = [createSegment(4 << 20), createSegment(4 << 20)] as const;
const TYPES: readonly DType[] = ["uint8", "uint16", "float32", "float64", "int64", "complex64", "complex128"];

function bytesOf({ buffer, byteOffset, byteLength }: NDArray["data"]): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** All bytes of a block's memory after a copy of `from`, element by element. */
function expected(to: NDArray, from: NDArray): Uint8Array {
  const { itemsize } = DTYPES[to.dtype];
  const out = bytesOf(to.data).slice();
  const source = bytesOf(from.data);
  const walk = (k: number, t: number, f: number): void => {
    if (k === to.ndim)
      for (let b = 0; b < itemsize; b++) out[t * itemsize + b] = source[f * itemsize + b] as number; // within both
    else
      for (let i = 0; i < (to.shape[k] as number); i++)
        walk(k + 1, t + i * (to.stride[k] as number), f + i * (from.stride[k] as number));
  };
  walk(0, to.offset, from.offset);
  return out;
}

/** Random bytes at `at` of a segment, or in ordinary memory. */
function memory(random: { next(): number }, where: 0 | 1 | 2, dtype: DType, at: number, size: number): NDArray {
  const segment = where === 2 ? undefined : SEGMENTS[where];
  const x = segment
    ? NDArray.view(dtype, segment.buffer, at * DTYPES[dtype].itemsize, [size])
    : NDArray.zeros(dtype, [size]);
  const bytes = bytesOf(x.data);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Math.floor(random.next() * 256);
  return x;
}

test("rows of any length, distance and place arrive as they are, and nothing else changes", () => {
  const random = seededRandom(7);
  const below = (n: number): number => Math.floor(random.next() * n);
  for (let round = 0; round < 60; round++) {
    const dtype = TYPES[below(TYPES.length)] as DType;
    const places = [below(3), below(3)] as [0 | 1 | 2, 0 | 1 | 2];
    const columns = round % 3 === 0 ? 1 + below(40) : 1 + below(6000);
    const shape = [1 + below(3), 1 + below(4), columns];
    const pitch = [columns + below(9), columns + below(9)] as const;
    const [to, from] = places.map((where, side) => {
      const p = pitch[side] as number; // two sides
      const start = below(40);
      const whole = memory(random, where, dtype, side * 100_000, start + p * 12);
      const flip = side === 1 && below(3) === 0; // rows from the last one to the first
      const rows = shape[1] as number;
      return new NDArray(dtype, whole.data, shape, [4 * p, flip ? -p : p, 1], start + (flip ? (rows - 1) * p : 0));
    }) as [NDArray, NDArray];
    const want = expected(to, from);
    copyStrided(to, from);
    expect(Buffer.compare(bytesOf(to.data), want), `${dtype} (${shape.join()}) from ${places.join(" to ")}`).toBe(0);
  }
});

test("rows longer than a call moves, close behind their source modulo a page too", () => {
  const segment = createSegment(20 << 20);
  const bytes = new Uint8Array(segment.buffer);
  const random = seededRandom(3);
  for (let i = 0; i < 9 << 20; i += 997) bytes[i] = Math.floor(random.next() * 256);
  const size = (8 << 20) + 345;
  for (const apart of [0, 1, 63, 64, 4095]) {
    const to = (10 << 20) + apart;
    bytes.fill(1, to - 1, to + size + 1);
    copyStrided(NDArray.view("uint8", segment.buffer, to, [size]), NDArray.view("uint8", segment.buffer, 0, [size]));
    expect(Buffer.compare(bytes.subarray(to, to + size), bytes.subarray(0, size)), `${apart}`).toBe(0);
    expect([bytes[to - 1], bytes[to + size]]).toEqual([1, 1]);
  }
});

test("blocks whose elements take turns, of every width and number, wherever they lie", () => {
  const random = seededRandom(11);
  const below = (n: number): number => Math.floor(random.next() * n);
  for (const dtype of TYPES)
    for (let count = 2; count <= 9; count++) {
      const shape = [1 + below(3), 1 + below(70)];
      const size = sizeOf(shape);
      const isApart = below(4) === 0;
      const out = memory(random, isApart ? 2 : 1, dtype, 3, size * count + 2);
      const stride = contiguousStride([...shape, count]).slice(0, 2);
      const parts = Array.from({ length: count }, (_, k) => {
        const from = memory(random, isApart ? 2 : 0, dtype, 7 + k * 500, size);
        return {
          to: new NDArray(dtype, out.data, shape, stride, 1 + k),
          from: new NDArray(dtype, from.data, shape, contiguousStride(shape), 0),
        };
      });
      const want = bytesOf(out.data).slice();
      for (const part of parts) {
        const one = expected(part.to, part.from);
        const { itemsize } = DTYPES[dtype];
        for (let i = 0; i < size; i++) {
          const at = (part.to.offset + i * count) * itemsize;
          want.set(one.subarray(at, at + itemsize), at);
        }
      }
      copyParts(parts);
      expect(Buffer.compare(bytesOf(out.data), want), `${count} of ${dtype} (${shape.join()})`).toBe(0);
    }
});

test("large blocks are filled to their ends, whatever the bytes of the value", () => {
  const [segment] = SEGMENTS;
  for (const [dtype, values] of [
    ["uint8", [0, 200]],
    ["uint16", [0, 0x0101, 0x0102]],
    ["float32", [0, 1.5, Number.NaN]],
    ["int64", [-1n, 123_456_789_012n]],
  ] as const)
    for (const value of values)
      for (const [at, size] of [
        [3, 40_000],
        [700, 16_384],
        [0, 70_001],
      ] as const) {
        const whole = NDArray.view(dtype, segment.buffer, 0, [at + size + 3]);
        whole.data.fill((dtype === "int64" ? 7n : 7) as never); // an element of the dtype
        fill(new NDArray(dtype, whole.data, [size], [1], at), value);
        const list = Array.from(whole.data as Uint8Array);
        expect(list.slice(at, at + size).every((v) => Object.is(v, value))).toBe(true);
        expect([...list.slice(0, at), ...list.slice(at + size)].every((v) => Number(v) === 7)).toBe(true);
      }
});
