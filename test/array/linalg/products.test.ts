import { expect, test } from "vitest";
import { array, type ChunkedArray, fromArray } from "../../../src/array/index.ts";
import { einsum } from "../../../src/array/linalg/einsum.ts";
import { cross, dot, inner, matmul, outer, tensordot, vdot, vecdot } from "../../../src/array/linalg/products.ts";
import type { DType } from "../../../src/dtype/index.ts";
import { NDArray } from "../../../src/ndarray/index.ts";
import { describeNumpy, type NumpyLive, type PythonArgument, tuple } from "../../oracle/numpy-live.ts";
import { useInlineRunner } from "../../run-inline.ts";
import { numbers, relativeRms } from "../complex/values.ts";

useInlineRunner();

const DTYPES: readonly DType[] = [
  "bool",
  "int8",
  "uint16",
  "int32",
  "int64",
  "uint64",
  "float16",
  "float32",
  "float64",
  "complex64",
  "complex128",
];
const BOUND: Partial<Record<DType, number>> = {
  float16: 2e-3,
  float32: 1e-6,
  complex64: 1e-6,
  float64: 1e-14,
  complex128: 1e-14,
};

async function same(
  numpy: NumpyLive,
  lazy: ChunkedArray,
  name: string,
  args: readonly PythonArgument[],
  more: Record<string, PythonArgument> = {},
): Promise<void> {
  const [got, want] = [await lazy.compute(), await numpy.call(name, args, more)];
  const note = [
    name,
    ...args.filter((a): a is NDArray => a instanceof NDArray).map((a) => `${a.dtype}(${a.shape})`),
  ].join(" ");
  expect([note, got.dtype, got.shape]).toEqual([note, want.dtype, want.shape]);
  const bound = BOUND[got.dtype];
  if (bound === undefined) expect([note, got.toArray()]).toEqual([note, want.toArray()]);
  else expect([note, relativeRms(got, want)]).toEqual([note, expect.toSatisfy((v: number) => v <= bound)]);
}

const lazy = (x: NDArray, chunk: number): ChunkedArray => fromArray(x, { chunks: chunk });

describeNumpy("products against NumPy", (numpy) => {
  test.each(DTYPES)("matmul of %s: all ranks, broadcast batches, chunks that differ", async (dtype) => {
    for (const [s, t] of [
      [[3], [3]],
      [[3], [3, 4]],
      [[5, 3], [3]],
      [
        [5, 3],
        [3, 4],
      ],
      [
        [2, 5, 3],
        [3, 4],
      ],
      [
        [2, 5, 3],
        [2, 3, 4],
      ],
      [
        [4, 1, 5, 3],
        [2, 3, 4],
      ],
      [[3], [2, 3, 4]],
      [
        [17, 19],
        [19, 23],
      ],
      [
        [2, 0],
        [0, 3],
      ],
      [
        [0, 4],
        [4, 3],
      ],
    ]) {
      const [a, b] = [numbers(dtype, s as number[]), numbers(dtype, t as number[], 7)];
      for (const [p, q] of [
        [100, 100],
        [2, 3],
        [7, 5],
      ] as const)
        await same(numpy, matmul(lazy(a, p), lazy(b, q)), "np.matmul", [a, b]);
    }
  });

  test("mixed dtypes promote, views and transposes are taken as they are", async () => {
    for (const [s, t] of [
      ["int8", "float32"],
      ["uint8", "int8"],
      ["float32", "complex64"],
      ["int64", "float32"],
      ["float64", "complex64"],
      ["bool", "int16"],
    ] as const) {
      const [a, b] = [numbers(s, [6, 5]), numbers(t, [5, 4], 3)];
      await same(numpy, matmul(lazy(a, 4), lazy(b, 2)), "np.matmul", [a, b]);
    }
    const a = numbers("float64", [8, 6]);
    await same(numpy, matmul(lazy(a, 3).T, lazy(a, 5).slice("::-1")), "lambda a: a.T @ a[::-1]", [a]);
  });

  test("a large product of many blocks is within float32's bound", async () => {
    const [a, b] = [numbers("float32", [130, 300]), numbers("float32", [300, 90], 3)];
    await same(numpy, matmul(lazy(a, 64), lazy(b, 50)), "np.matmul", [a, b]);
    const [x, y] = [numbers("complex64", [130, 300]), numbers("complex64", [300, 90], 3)];
    await same(numpy, matmul(lazy(x, 64), lazy(y, 50)), "np.matmul", [x, y]);
  });

  test.each(["float64", "complex64", "int16", "bool"] as const)(
    "dot, inner, outer, vdot, vecdot, cross of %s",
    async (dtype) => {
      const shapes: [number[], number[]][] = [
        [[4], [4]],
        [[3, 4], [4]],
        [
          [3, 4],
          [4, 2],
        ],
        [
          [2, 3, 4],
          [5, 4, 2],
        ],
        [[], [3]],
      ];
      for (const [s, t] of shapes) {
        const [a, b] = [numbers(dtype, s), numbers(dtype, t, 9)];
        await same(numpy, dot(lazy(a, 2), lazy(b, 3)), "np.dot", [a, b]);
      }
      const [a, b] = [numbers(dtype, [3, 4]), numbers(dtype, [5, 4], 2)];
      await same(numpy, inner(lazy(a, 2), lazy(b, 3)), "np.inner", [a, b]);
      await same(numpy, outer(lazy(a, 2), lazy(b, 3)), "np.outer", [a, b]);
      await same(numpy, vdot(lazy(a, 2), lazy(numbers(dtype, [4, 3]), 3)), "np.vdot", [a, numbers(dtype, [4, 3])]);
      await same(numpy, vdot(lazy(a, 2), lazy(a, 3)), "np.vdot", [a, a]);
      await same(numpy, vecdot(lazy(a, 2), lazy(numbers(dtype, [2, 1, 4], 5), 3)), "np.vecdot", [
        a,
        numbers(dtype, [2, 1, 4], 5),
      ]);
      const [u, v] = [numbers(dtype, [3, 4]), numbers(dtype, [3, 4], 6)];
      await same(numpy, vecdot(u, v, { axis: 0 }), "np.vecdot", [u, v], { axis: 0 });
      if (dtype !== "bool")
        await same(numpy, cross(lazy(u, 2), lazy(v, 3), { axis: 0 }), "np.linalg.cross", [u, v], { axis: 0 });
    },
  );

  test("tensordot by number and by lists of axes", async () => {
    for (const dtype of ["float32", "complex128", "int32"] as const) {
      const [a, b] = [numbers(dtype, [3, 4, 5]), numbers(dtype, [4, 3, 2], 4)];
      await same(
        numpy,
        tensordot(lazy(a, 2), lazy(b, 3), {
          axes: [
            [1, 0],
            [0, 1],
          ],
        }),
        "np.tensordot",
        [a, b],
        { axes: tuple([1, 0], [0, 1]) },
      );
      await same(numpy, tensordot(lazy(a, 2), lazy(b, 3), { axes: 0 }), "np.tensordot", [a, b], { axes: 0 });
      await same(numpy, tensordot(lazy(a, 2), lazy(b, 3), { axes: [0, -2] }), "np.tensordot", [a, b], {
        axes: tuple(0, -2),
      });
      const c = numbers(dtype, [4, 5, 2, 2], 8);
      await same(numpy, tensordot(lazy(a, 2), lazy(c, 3)), "np.tensordot", [a, c]);
    }
  });

  test.each([
    "ij,jk->ik",
    "ij,jk",
    "ij->ji",
    "ij->j",
    "ij->",
    "ii->i",
    "ii",
    "iji->j",
    "ij,ij->ij",
    "ij,ij->",
    "ij,kj->ikj",
    "i,j->ij",
    "bij,bjk->bik",
    "...ij,...jk->...ik",
    "...i->...",
    "ij,jk,kl->il",
    "ij,jk,kl",
    "ijk,jil,li->k",
    "a,ab,abc->abc",
    "ij,j...->i...",
  ])("einsum %s", async (text) => {
    const sizes: Record<string, number> = { i: 4, j: 3, k: 5, l: 2, a: 2, b: 3, c: 4 };
    for (const dtype of ["float64", "complex64", "int8", "bool"] as const) {
      const args = (text.split("->")[0] as string).split(",").map((term, k) =>
        numbers(
          dtype,
          term
            .replace("...", ".")
            .split("")
            .map((c) => (c === "." ? 2 : (sizes[c] as number))),
          k + 1,
        ),
      );
      for (const chunk of [100, 2])
        await same(numpy, einsum(text, ...args.map((x) => lazy(x, chunk))), "np.einsum", [text, ...args]);
    }
  });
});

test("misuse is refused with the shapes", () => {
  const [a, b] = [
    array([
      [1, 2],
      [3, 4],
    ]),
    array([1, 2, 3]),
  ];
  expect(() => matmul(a, b)).toThrow(expect.objectContaining({ code: "shape" }));
  expect(() => matmul(a, array(2))).toThrow(expect.objectContaining({ code: "shape" }));
  expect(() => tensordot(a, b, { axes: 3 })).toThrow(expect.objectContaining({ code: "axis" }));
  expect(() => tensordot(a, b, { axes: [[0, 1], 0] })).toThrow(expect.objectContaining({ code: "axis" }));
  expect(() => tensordot(a, b, { axes: [1, 0] })).toThrow(expect.objectContaining({ code: "shape" }));
  expect(() => vdot(a, b)).toThrow(expect.objectContaining({ code: "shape" }));
  expect(() => cross(a, a)).toThrow(expect.objectContaining({ code: "shape" }));
  expect(() => einsum("ij,j->i", a, b)).toThrow(expect.objectContaining({ code: "shape" }));
  expect(() => einsum("ij->ik", a)).toThrow(/k in the result/);
  expect(() => einsum("i?->i", b)).toThrow(/subscripts/);
  expect(() => einsum("ij", b)).toThrow(expect.objectContaining({ code: "shape" }));
});
