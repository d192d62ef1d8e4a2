import fc from "fast-check";
import { expect, test } from "vitest";
import { plainByteKernels } from "../../../src/io/codecs/index.ts";
import {
  createZarr,
  finishZarr,
  planZarrRead,
  readZarrSync,
  writeZarrObjectSync,
  type ZarrTarget,
} from "../../../src/io/zarr/index.ts";
import { copyBlock, NDArray } from "../../../src/ndarray/index.ts";

const context = { kernels: plainByteKernels };
const URL_ = "memory://zarr-regions/a.zarr";
const FILL = -7;

interface Axis {
  readonly size: number;
  readonly chunk: number;
  readonly start: number;
  readonly stop: number;
}

const axis: fc.Arbitrary<Axis> = fc
  .tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 11 }), fc.nat(), fc.nat())
  .map(([size, chunk, a, b]) => {
    const [start, stop] = [a % (size + 1), b % (size + 1)].sort((x, y) => x - y) as [number, number]; // two in, two out
    return { size, chunk, start, stop };
  });

function numbered(shape: readonly number[]): NDArray {
  const block = NDArray.zeros("int16", shape);
  for (let i = 0; i < block.data.length; i++) block.data[i] = i + 1;
  return block;
}

/** Part of a block, by its own arithmetic: offset and strides of NumPy's basic slices. */
function part(block: NDArray, start: readonly number[], shape: readonly number[]): NDArray {
  const offset = start.reduce((sum, s, k) => sum + s * block.stride[k]!, block.offset);
  return new NDArray(block.dtype, block.data, shape, block.stride, offset);
}

async function create(axes: readonly Axis[], data?: NDArray): Promise<ZarrTarget> {
  const spec = {
    shape: axes.map((a) => a.size),
    chunks: axes.map((a) => a.chunk),
    dtype: "int16",
    fill: FILL,
  } as const;
  return createZarr(URL_, { arrays: { v: { ...spec, ...(data ? { data } : {}) } } }, { mode: "w" });
}

test("any region of any chunking is that slice of the array", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(axis, { maxLength: 4 }), async (axes) => {
      const data = numbered(axes.map((a) => a.size));
      const target = await create(axes, data);
      await finishZarr(target);
      const source = target.arrays["v"]!;
      const region = axes.map(({ start, stop }) => ({ start, stop }));
      const into = NDArray.zeros(
        "int16",
        axes.map((a) => a.stop - a.start),
      );
      const stats = readZarrSync(source, region, into, context);
      expect(into.toArray()).toEqual(
        part(
          data,
          axes.map((a) => a.start),
          into.shape,
        ).toArray(),
      );
      // Pieces by hand: chunks from that of the first element to that of the last, per axis.
      const pieces =
        into.size === 0
          ? 0
          : axes.reduce((n, a) => n * (Math.floor((a.stop - 1) / a.chunk) - Math.floor(a.start / a.chunk) + 1), 1);
      expect([planZarrRead(source, region).pieces, stats.requests]).toEqual([pieces, pieces]);
    }),
    { numRuns: 200 },
  );
});

test("parts of chunks written one after another add up, fill elsewhere", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(axis, axis), { minLength: 1, maxLength: 5 }), async (writes) => {
      const [first] = writes[0]!;
      const axes = [first, { ...first, chunk: first.size }];
      const target = { ...(await create(axes)), isFresh: false };
      const want = NDArray.zeros("int16", [first.size, first.size]);
      want.data.fill(FILL as never);
      writes.forEach(([y, x], n) => {
        const size = Math.min(first.chunk, first.size);
        const [rows, columns] = [
          Math.min(y.stop, size) - Math.min(y.start, size),
          Math.min(x.stop, first.size) - Math.min(x.start, first.size),
        ];
        if (rows <= 0 || columns <= 0) return;
        const block = NDArray.zeros("int16", [rows, columns]);
        block.data.fill(n as never);
        const at = [y.start, x.start];
        writeZarrObjectSync(target, "v", { chunkIndex: [0, 0], block, at }, context);
        copyBlock(part(want, at, block.shape), block);
      });
      const into = NDArray.zeros("int16", want.shape);
      readZarrSync(
        target.arrays["v"]!,
        want.shape.map((stop) => ({ start: 0, stop })),
        into,
        context,
      );
      expect(into.toArray()).toEqual(want.toArray());
    }),
    { numRuns: 100 },
  );
});

test("a region outside the array is refused by name", async () => {
  const target = await create([{ size: 4, chunk: 2, start: 0, stop: 4 }]);
  const read = (start: number, stop: number) => () => planZarrRead(target.arrays["v"]!, [{ start, stop }]);
  for (const [start, stop] of [
    [0, 5],
    [-1, 2],
    [3, 2],
    [0.5, 2],
  ] as const) {
    expect(read(start, stop)).toThrow(expect.objectContaining({ code: "selection" }));
  }
  expect(read(4, 4)().pieces).toBe(0);
});
