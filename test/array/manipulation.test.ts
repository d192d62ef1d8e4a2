import { expect, test } from "vitest";
import type { ChunkedArray } from "../../src/array/index.ts";
import * as array from "../../src/array/index.ts";
import { describeDask, describeNumpy, dtype, tuple } from "../oracle/numpy-live.ts";
import { useInlineRunner } from "../run-inline.ts";
import { block, type Case, disagreements } from "./agree.ts";

useInlineRunner();

const SHAPES = [[6, 4, 5], [24], [], [0, 3], [1, 7, 1]] as const;
/** Cuts of any shape: whole, in small pieces, uneven. */
const CUTS = [
  () => -1 as const,
  (shape: readonly number[]) => shape.map((n) => Math.max(1, Math.ceil(n / 3))),
  (shape: readonly number[]) => shape.map((n) => (n > 2 ? [1, n - 2, 1] : [n])),
] as const;

type Unary = readonly [
  name: string,
  make: (x: ChunkedArray) => array.UnknownArray | ChunkedArray | readonly ChunkedArray[],
  python: string,
];

const ANY_SHAPE: readonly Unary[] = [
  ["ravel", (x) => array.ravel(x), "lambda x: np.ravel(x)"],
  ["flatten", (x) => x.flatten(), "lambda x: x.flatten()"],
  ["reshape -1", (x) => array.reshape(x, -1), "lambda x: x.reshape(-1)"],
  ["expandDims 0", (x) => array.expandDims(x, 0), "lambda x: np.expand_dims(x, 0)"],
  ["expandDims -1", (x) => array.expandDims(x, -1), "lambda x: np.expand_dims(x, -1)"],
  ["expandDims list", (x) => array.expandDims(x, [0, 2]), "lambda x: np.expand_dims(x, (0, 2))"],
  ["squeeze", (x) => array.squeeze(x), "lambda x: np.squeeze(x)"],
  ["squeeze 0", (x) => array.squeeze(x, 0), "lambda x: np.squeeze(x, 0)"],
  ["transpose", (x) => array.transpose(x), "lambda x: np.transpose(x)"],
  ["permuteDims", (x) => array.permuteDims(x, [2, 0, 1]), "lambda x: np.permute_dims(x, (2, 0, 1))"],
  ["matrixTranspose", (x) => array.matrixTranspose(x), "lambda x: np.matrix_transpose(x)"],
  ["mT", (x) => x.mT, "lambda x: x.mT"],
  ["swapaxes", (x) => array.swapaxes(x, 0, -1), "lambda x: np.swapaxes(x, 0, -1)"],
  ["moveaxis", (x) => array.moveaxis(x, 0, -1), "lambda x: np.moveaxis(x, 0, -1)"],
  ["moveaxis lists", (x) => array.moveaxis(x, [0, 1], [-1, 0]), "lambda x: np.moveaxis(x, [0, 1], [-1, 0])"],
  ["rollaxis", (x) => array.rollaxis(x, 2), "lambda x: np.rollaxis(x, 2)"],
  ["rollaxis start", (x) => array.rollaxis(x, 0, 2), "lambda x: np.rollaxis(x, 0, 2)"],
  ["flip", (x) => array.flip(x), "lambda x: np.flip(x)"],
  ["flip 0", (x) => array.flip(x, 0), "lambda x: np.flip(x, 0)"],
  ["flip list", (x) => array.flip(x, [0, 2]), "lambda x: np.flip(x, (0, 2))"],
  ["flipud", (x) => array.flipud(x), "lambda x: np.flipud(x)"],
  ["fliplr", (x) => array.fliplr(x), "lambda x: np.fliplr(x)"],
  ["rot90", (x) => array.rot90(x), "lambda x: np.rot90(x)"],
  ["rot90 2", (x) => array.rot90(x, 2), "lambda x: np.rot90(x, 2)"],
  ["rot90 -1 axes", (x) => array.rot90(x, -1, { axes: [1, 2] }), "lambda x: np.rot90(x, -1, (1, 2))"],
  ["rot90 3", (x) => array.rot90(x, 3), "lambda x: np.rot90(x, 3)"],
  ["roll flat", (x) => array.roll(x, 7), "lambda x: np.roll(x, 7)"],
  ["roll 0", (x) => array.roll(x, -2, 0), "lambda x: np.roll(x, -2, 0)"],
  ["roll both", (x) => array.roll(x, [1, 9], { axis: [0, 1] }), "lambda x: np.roll(x, (1, 9), (0, 1))"],
  ["roll twice one axis", (x) => array.roll(x, [1, 2], { axis: 0 }), "lambda x: np.roll(x, (1, 2), 0)"],
  ["repeat flat", (x) => array.repeat(x, 3), "lambda x: np.repeat(x, 3)"],
  ["repeat 0", (x) => array.repeat(x, 2, { axis: 0 }), "lambda x: np.repeat(x, 2, 0)"],
  ["repeat none", (x) => array.repeat(x, 0, -1), "lambda x: np.repeat(x, 0, -1)"],
  ["tile 2", (x) => array.tile(x, 2), "lambda x: np.tile(x, 2)"],
  ["tile 2 1 3", (x) => array.tile(x, [2, 1, 3, 1]), "lambda x: np.tile(x, (2, 1, 3, 1))"],
  ["tile 0", (x) => array.tile(x, [0, 1]), "lambda x: np.tile(x, (0, 1))"],
  ["broadcastTo", (x) => array.broadcastTo(x, [2, ...x.shape]), "lambda x: np.broadcast_to(x, (2, *x.shape))"],
  ["broadcastTo bad", (x) => array.broadcastTo(x, [...x.shape, 9]), "lambda x: np.broadcast_to(x, (*x.shape, 9))"],
  ["atleast1d", (x) => array.atleast1d(x), "lambda x: np.atleast_1d(x)"],
  ["atleast2d", (x) => array.atleast2d(x), "lambda x: np.atleast_2d(x)"],
  ["atleast3d", (x) => array.atleast3d(x), "lambda x: np.atleast_3d(x)"],
  ["concatenate", (x) => array.concatenate([x, x], 0), "lambda x: np.concatenate([x, x], 0)"],
  ["concat flat", (x) => array.concat([x, x], { axis: null }), "lambda x: np.concat([x, x], axis=None)"],
  ["stack", (x) => array.stack([x, x], { axis: -1 }), "lambda x: np.stack([x, x], -1)"],
  ["vstack", (x) => array.vstack([x, x]), "lambda x: np.vstack([x, x])"],
  ["hstack", (x) => array.hstack([x, x]), "lambda x: np.hstack([x, x])"],
  ["dstack", (x) => array.dstack([x, x]), "lambda x: np.dstack([x, x])"],
  [
    "block",
    (x) =>
      array.block([
        [x, x],
        [x, x],
      ]),
    "lambda x: np.block([[x, x], [x, x]])",
  ],
  ["append", (x) => array.append(x, x), "lambda x: np.append(x, x)"],
  ["append 0", (x) => array.append(x, x, { axis: 0 }), "lambda x: np.append(x, x, 0)"],
  ["unstack", (x) => array.unstack(x), "lambda x: np.unstack(x)"],
  ["view u8", (x) => array.view(x, "uint8"), "lambda x: x.view('u1')"],
  ["view i64", (x) => x.view("int64"), "lambda x: x.view('i8')"],
  ["view f32", (x) => x.view("float32"), "lambda x: x.view('f4')"],
  ["copy", (x) => array.copy(x), "lambda x: np.copy(x)"],
  [
    "shuffle",
    (x) =>
      array.shuffle(
        x,
        [
          [1, 0],
          [2, 2],
        ],
        { axis: 0 },
      ),
    "lambda x: np.take(x, [1, 0, 2, 2], 0)",
  ],
  ["tril", (x) => array.tril(x), "lambda x: np.tril(x)"],
  ["triu 1", (x) => array.triu(x, 1), "lambda x: np.triu(x, 1)"],
  ["diag", (x) => array.diag(x), "lambda x: np.diag(x)"],
  ["diag -2", (x) => array.diag(x, { k: -2 }), "lambda x: np.diag(x, -2)"],
  ["diag 3", (x) => array.diag(x, 3), "lambda x: np.diag(x, 3)"],
  ["diagonal", (x) => array.diagonal(x), "lambda x: np.diagonal(x)"],
  ["diagonal 1", (x) => array.diagonal(x, { offset: 1, axis1: 1, axis2: 2 }), "lambda x: np.diagonal(x, 1, 1, 2)"],
  ["diagonal -2", (x) => array.diagonal(x, -2), "lambda x: np.diagonal(x, -2)"],
  ["nonzero", (x) => array.nonzero(x) as unknown as ChunkedArray[], "lambda x: np.nonzero(x)"],
  ["flatnonzero", (x) => array.flatnonzero(x), "lambda x: np.flatnonzero(x)"],
  ["argwhere", (x) => array.argwhere(x), "lambda x: np.argwhere(x)"],
  ["zerosLike", (x) => array.zerosLike(x), "lambda x: np.zeros_like(x)"],
  ["onesLike", (x) => array.onesLike(x, { dtype: "bool" }), "lambda x: np.ones_like(x, dtype=bool)"],
  ["fullLike", (x) => array.fullLike(x, 7), "lambda x: np.full_like(x, 7)"],
  ["fullLike shape", (x) => array.fullLike(x, 7, { shape: [2, 3] }), "lambda x: np.full_like(x, 7, shape=(2, 3))"],
];

describeNumpy("manipulation", (numpy) => {
  for (const [name, make, python] of ANY_SHAPE)
    test(name, async () => {
      const cases: Record<string, Case> = {};
      for (const shape of SHAPES)
        CUTS.forEach((cut, c) => {
          const values = block(shape);
          cases[`(${shape}) cut ${c}`] = {
            make: () => make(array.array(values, { chunks: cut(shape) })),
            python,
            args: [values],
          };
        });
      expect(await disagreements(numpy, cases)).toEqual([]);
    });

  test("reshape pairs blocks whatever the shapes and cuts", async () => {
    const to = [
      [24, 5],
      [6, 20],
      [120],
      [5, 24],
      [3, 2, 4, 5],
      [6, 2, 10],
      [8, 15],
      [2, 3, 20],
      [-1, 8],
      [1, 120, 1],
      [6, 4, 5, 1],
      [7, -1],
      [5, 5],
      [-1, -1],
      [12, 10],
      [3, 40],
      [10, 3, 4],
    ];
    const cuts = [-1, [2, 3, 2], [1, 2, 5], [6, 1, 2], [[1, 3, 2], [4], [2, 2, 1]], [1, 1, 1]] as const;
    const values = block([6, 4, 5], "int16");
    const cases: Record<string, Case> = {};
    for (const shape of to)
      for (const chunks of cuts)
        cases[`${shape} from ${JSON.stringify(chunks)}`] = {
          make: () => array.array(values, { chunks: chunks as array.ChunkedArray["chunks"] }).reshape(...shape),
          python: "lambda x, s: x.reshape(s)",
          args: [values, tuple(...shape)],
        };
    expect(await disagreements(numpy, cases)).toEqual([]);
  });

  test("rows of another kind: promotion, lists of repeats, broadcasting together", async () => {
    const [a, b] = [block([3, 4], "uint8"), block([3, 4], "float32")];
    const [x, y] = [array.array(a, { chunks: [2, 2] }), array.array(b, { chunks: [3, 1] })];
    const column = array.array(block([3, 1], "int16"), { chunks: 2 });
    expect(
      await disagreements(numpy, {
        promoted: {
          make: () => array.concatenate([x, y], 1),
          python: "lambda a, b: np.concatenate([a, b], 1)",
          args: [a, b],
        },
        dtype: {
          make: () => array.stack([x, y], { dtype: "float64" }),
          python: "lambda a, b: np.stack([a, b], dtype='f8')",
          args: [a, b],
        },
        repeats: {
          make: () => array.repeat(x, [0, 2, 1], 0),
          python: "lambda a: np.repeat(a, [0, 2, 1], 0)",
          args: [a],
        },
        badRepeats: { make: () => array.repeat(x, [1, 2], 0), python: "lambda a: np.repeat(a, [1, 2], 0)", args: [a] },
        together: {
          make: () => array.broadcastArrays(x, column, array.array(2)),
          python: "lambda a, c: np.broadcast_arrays(a, c, 2)",
          args: [a, block([3, 1], "int16")],
        },
        nested: {
          make: () => array.block([[x], [array.array(a).add(1)]]),
          python: "lambda a: np.block([[a], [a + 1]])",
          args: [a],
        },
        unequal: {
          make: () => array.concatenate([x, column], 0),
          python: "lambda a, c: np.concatenate([a, c], 0)",
          args: [a, block([3, 1])],
        },
        unequalStack: {
          make: () => array.stack([x, column]),
          python: "lambda a, c: np.stack([a, c])",
          args: [a, block([3, 1])],
        },
        vectors: {
          make: () => array.hstack([column.ravel(), x.slice(0)]),
          python: "lambda a, c: np.hstack([c.ravel(), a[0]])",
          args: [a, block([3, 1], "int16")],
        },
        emptyJoin: {
          make: () => array.concatenate([x.slice([0, 0]), y], 0),
          python: "lambda a, b: np.concatenate([a[:0], b], 0)",
          args: [a, b],
        },
        shapes: {
          make: () => array.array(array.broadcastShapes([3, 1], [4], 1)),
          python: "lambda: np.array(np.broadcast_shapes((3, 1), (4,), 1))",
          args: [],
        },
        cast: {
          make: () => array.astype(x, "float16"),
          python: "lambda a, t: a.astype(t)",
          args: [a, dtype("float16")],
        },
      }),
    ).toEqual([]);
  });
});

describeDask("blocks", (dask) => {
  test("shapes of blocks are Dask's where nothing is gained by others", async () => {
    const x = array.array(block([6, 4], "int16"), { chunks: [3, 2] });
    const chunksOf = async (python: string): Promise<unknown> => {
      const answer = await dask.ask(`lambda x: str(da.from_array(x, chunks=(3, 2))${python}.chunks)`, [
        block([6, 4], "int16"),
      ]);
      return JSON.parse(String(answer).replaceAll("(", "[").replaceAll(",)", "]").replaceAll(")", "]"));
    };
    // Dask cuts these into single rows; blocks of up to four times the largest are let be, which are fewer.
    expect(x.reshape(24).chunks).toEqual([[12, 12]]);
    expect(x.reshape(24).reshape(6, 4).chunks).toEqual([[3, 3], [4]]);
    expect(x.reshape(6, 2, 2).chunks).toEqual([[3, 3], [1, 1], [2]]);
    expect(x.reshape(6, 4, 1).chunks).toEqual([[3, 3], [2, 2], [1]]);
    expect(array.zeros([10980, 10980], { chunks: 1024, dtype: "uint16" }).ravel().numblocks).toEqual([32]);
    expect(x.repeat(2, 0).chunks).toEqual(await chunksOf(".repeat(2, 0)"));
    expect(array.tile(x, [1, 2]).chunks).toEqual([
      [3, 3],
      [2, 2, 2, 2],
    ]);
    expect(array.roll(x, 1, 0).chunks).toEqual(x.chunks);
    expect(array.flip(x).chunks).toEqual(x.chunks);
    expect(x.blocks(0, 1).chunks).toEqual([[3], [2]]);
    expect(x.blocks([0, 1]).shape).toEqual([3, 4]);
    expect((await x.blocks("::-1").compute()).toArray()).toEqual(
      (await array.concatenate([x.slice([3, 6]), x.slice([0, 3])]).compute()).toArray(),
    );
    const blockwise = array.reshapeBlockwise(x, 24);
    expect((await blockwise.compute()).toArray()).toEqual(
      (
        await dask.call("lambda x: da.reshape_blockwise(da.from_array(x, chunks=(3, 2)), 24)", [block([6, 4], "int16")])
      ).toArray(),
    );
    expect(
      (
        await array
          .reshapeBlockwise(blockwise, [6, 4], {
            chunks: [
              [3, 3],
              [2, 2],
            ],
          })
          .compute()
      ).toArray(),
    ).toEqual((await x.compute()).toArray());
  });
});

test("chunks as functions", () => {
  const [a, b] = [array.zeros([6, 4], { chunks: [3, 2] }), array.zeros([4], { chunks: 1 })];
  const { chunks, arrays } = array.unifyChunks(a, "ij", b, "j");
  expect(chunks).toEqual({ i: [3, 3], j: [2, 2] });
  expect(arrays.map((x) => x.chunks)).toEqual([
    [
      [3, 3],
      [2, 2],
    ],
    [[2, 2]],
  ]);
  expect(array.normalizeChunks([4, -1], { shape: [10, 3] })).toEqual([[4, 4, 2], [3]]);
  expect(array.normalizeChunks("auto", { shape: [1000], dtype: "uint8", limit: 250 })).toEqual([[250, 250, 250, 250]]);
  expect(() => array.unifyChunks(a, "i")).toThrow(/rank 2/);
  expect(() => array.unifyChunks(a, "ij", array.zeros(5), "j")).toThrow(/4 and 5/);
  expect(() => array.registerChunkType()).toThrow(/NDArrays/);
});
