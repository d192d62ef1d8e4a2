import { expect, test } from "vitest";
import type { ChunkedArray } from "../../src/array/index.ts";
import * as array from "../../src/array/index.ts";
import { isRsdatError } from "../../src/base/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { describeNumpy, type PythonArgument, dtype as pyDType, tuple } from "../oracle/numpy-live.ts";
import { useInlineRunner } from "../run-inline.ts";
import { block, type Case, disagreements, type Made } from "./agree.ts";

useInlineRunner();

const NUMBERS = [
  "int8",
  "int16",
  "int32",
  "int64",
  "uint8",
  "uint16",
  "uint32",
  "uint64",
  "float16",
  "float32",
  "float64",
] as const;

function cases(
  rows: readonly (readonly [make: () => Made, python: string, ...args: PythonArgument[]])[],
): Record<string, Case> {
  return Object.fromEntries(
    rows.map(([make, python, ...args]) => [
      `${python} of ${args.map((a) => (a instanceof NDArray ? `(${a.shape})` : JSON.stringify(a)))}`,
      { make, python, args },
    ]),
  );
}

describeNumpy("creation", (numpy) => {
  test("arange: forms, dtypes, lengths and float steps", async () => {
    const rows: [() => Made, string, ...PythonArgument[]][] = [
      [() => array.arange(5), "lambda: np.arange(5)"],
      [() => array.arange(0.1, 5, 0.1).slice("7:40:3"), "lambda: np.arange(0.1, 5, 0.1)[7:40:3]"],
      [() => array.linspace(0, 1, { num: 99 }).slice("::-7"), "lambda: np.linspace(0, 1, 99)[::-7]"],
      [() => array.arange(0), "lambda: np.arange(0)"],
      [() => array.arange(-3), "lambda: np.arange(-3)"],
      [() => array.arange(2, 9, 3), "lambda: np.arange(2, 9, 3)"],
      [() => array.arange(9, 2, -3), "lambda: np.arange(9, 2, -3)"],
      [() => array.arange(2, 9, { chunks: 2 }), "lambda: np.arange(2, 9)"],
      [() => array.arange(2.5), "lambda: np.arange(2.5)"],
      [() => array.arange(2, { dtype: "bool" }), "lambda: np.arange(2, dtype=bool)"],
      [() => array.arange(3, { dtype: "bool" }), "lambda: np.arange(3, dtype=bool)"],
    ];
    for (const [a, b, s] of [
      [0, 1, 0.1],
      [0, 2, 0.3],
      [1, 1.3, 0.1],
      [0.5, 10, 0.7],
      [10, 0, -0.1],
      [1e9, 1e9 + 3, 0.25],
      [-1, 1, 1 / 3],
      [0, 1000, 0.1],
    ] as const) {
      rows.push([() => array.arange(a, b, s, { chunks: 7 }), "lambda a, b, s: np.arange(a, b, s)", a, b, s]);
      for (const dtype of NUMBERS)
        if (Math.abs(b) < 100 || !/8|16/.test(dtype))
          rows.push([
            () => array.arange(a, b, s, { chunks: 5, dtype }),
            "lambda a, b, s, t: np.arange(a, b, s, dtype=t)",
            a,
            b,
            s,
            pyDType(dtype),
          ]);
    }
    expect(await disagreements(numpy, cases(rows))).toEqual([]);
  });

  test("linspace: endpoint, dtype, count, spacing", async () => {
    const rows: [() => Made, string, ...PythonArgument[]][] = [];
    for (const [a, b] of [
      [0, 1],
      [0.1, 0.7],
      [5, -3],
      [2, 2],
      [-1e300, 1e300],
      [0, 1e-320],
    ] as const)
      for (const num of [0, 1, 2, 7, 50])
        for (const endpoint of [true, false])
          rows.push([
            () => array.linspace(a, b, num, { endpoint, chunks: 3 }),
            "lambda a, b, n, e: np.linspace(a, b, n, endpoint=e)",
            a,
            b,
            num,
            endpoint,
          ]);
    for (const dtype of ["int16", "uint8", "float32", "float16", "int64"] as const)
      rows.push([
        () => array.linspace(0, 10, 8, { dtype }),
        "lambda t: np.linspace(0, 10, 8, dtype=t)",
        pyDType(dtype),
      ]);
    rows.push([() => array.linspace(-3, 3, { num: 8, dtype: "int32" }), "lambda: np.linspace(-3, 3, 8, dtype='i4')"]);
    rows.push([() => array.linspace(0, 1, -1), "lambda: np.linspace(0, 1, -1)"]);
    expect(await disagreements(numpy, cases(rows))).toEqual([]);
    const [, step] = array.linspace(0, 1, 5, { retstep: true });
    expect(step).toBe(0.25);
    expect(array.linspace(0, 1, { num: 1, retstep: true })[1]).toBe(
      Number((await numpy.call("lambda: np.linspace(0, 1, 1, retstep=True)[1]", [])).item()),
    );
  });

  test("filled arrays, their kin, grids and triangles", async () => {
    const v = block([5], "int16");
    const row = block([4], "float32");
    const rows: [() => Made, string, ...PythonArgument[]][] = [
      [() => array.zeros([2, 3], { chunks: 2 }), "lambda: np.zeros((2, 3))"],
      [() => array.ones(4, { dtype: "uint8" }), "lambda: np.ones(4, 'u1')"],
      [() => array.empty([0, 2]), "lambda: np.empty((0, 2))"],
      [() => array.full([2, 2], 7), "lambda: np.full((2, 2), 7)"],
      [() => array.full(3, 1.5), "lambda: np.full(3, 1.5)"],
      [() => array.full([], true), "lambda: np.full((), True)"],
      [() => array.full([3, 4], row, { chunks: [2, 3] }), "lambda r: np.full((3, 4), r)", row],
      [() => array.eye(4), "lambda: np.eye(4)"],
      [() => array.eye(4, 6, { k: 1, chunks: 2, dtype: "int16" }), "lambda: np.eye(4, 6, 1, 'i2')"],
      [() => array.eye(3, { k: -1, dtype: "bool" }), "lambda: np.eye(3, k=-1, dtype=bool)"],
      [() => array.identity(3, { dtype: "complex64" }), "lambda: np.identity(3, 'c8')"],
      [() => array.tri(4, 6, { k: -1, chunks: 3 }), "lambda: np.tri(4, 6, -1)"],
      [() => array.tri(3, { dtype: "int8" }), "lambda: np.tri(3, dtype='i1')"],
      [() => array.meshgrid(v, row), "lambda v, r: np.meshgrid(v, r)", v, row],
      [
        () => array.meshgrid(v, row, [1, 2], { indexing: "ij" }),
        "lambda v, r: np.meshgrid(v, r, [1, 2], indexing='ij')",
        v,
        row,
      ],
      [
        () => array.meshgrid(v, row, [1, 2], { sparse: true }),
        "lambda v, r: np.meshgrid(v, r, [1, 2], sparse=True)",
        v,
        row,
      ],
      [() => array.meshgrid(array.array(v, { chunks: 2 })), "lambda v: np.meshgrid(v)", v],
      [() => array.indices([3, 4], { chunks: 2 }), "lambda: np.indices((3, 4))"],
      [() => array.indices([3, 4], { dtype: "float32" }), "lambda: np.indices((3, 4), 'f4')"],
      [() => array.indices([3, 4], { sparse: true }), "lambda: np.indices((3, 4), sparse=True)"],
      [
        () => array.fromfunction((i, j) => i.mul(2).add(j), [3, 4], { chunks: 2 }),
        "lambda: np.fromfunction(lambda i, j: i * 2 + j, (3, 4))",
      ],
      [
        () => array.fromfunction((i) => i.mul(i), [4], { dtype: "int16" }),
        "lambda: np.fromfunction(lambda i: i * i, (4,), dtype='i2')",
      ],
    ];
    for (const k of [-2, 0, 1, 9])
      for (const [n, m] of [
        [4, 4],
        [3, 6],
        [5, 2],
        [0, 3],
      ] as const) {
        rows.push([
          () => array.trilIndices(n, k, { m, chunks: 2 }),
          "lambda n, k, m: np.tril_indices(n, k, m)",
          n,
          k,
          m,
        ]);
        rows.push([() => array.triuIndices(n, { k, m }), "lambda n, k, m: np.triu_indices(n, k, m)", n, k, m]);
        const x = block([n, m]);
        rows.push([() => array.trilIndicesFrom(x, k), "lambda x, k: np.tril_indices_from(x, k)", x, k]);
        rows.push([() => array.triuIndicesFrom(x, { k }), "lambda x, k: np.triu_indices_from(x, k)", x, k]);
        rows.push([
          () => array.tril(array.array(x, { chunks: Math.max(1, n - 1) }), k),
          "lambda x, k: np.tril(x, k)",
          x,
          k,
        ]);
        rows.push([
          () => array.diagonal(array.array(x, { chunks: [2, 1] }), k),
          "lambda x, k: np.diagonal(x, k)",
          x,
          k,
        ]);
      }
    expect(await disagreements(numpy, cases(rows))).toEqual([]);
  });

  test("values in memory: nesting, dtypes, blocks, lists of arrays", async () => {
    const x = block([2, 3], "uint16");
    expect(
      await disagreements(
        numpy,
        cases([
          [
            () =>
              array.array([
                [1, 2],
                [3, 4],
              ]),
            "lambda: np.array([[1, 2], [3, 4]])",
          ],
          [() => array.asarray([1, 2.5]), "lambda: np.asarray([1, 2.5])"],
          [() => array.asanyarray([true, false]), "lambda: np.asanyarray([True, False])"],
          [() => array.array([true, 2]), "lambda: np.array([True, 2])"],
          [() => array.array(3), "lambda: np.array(3)"],
          [() => array.array([]), "lambda: np.array([])"],
          [() => array.array([[], []]), "lambda: np.array([[], []])"],
          [() => array.array([2n ** 63n, 1n]), "lambda: np.array([2**63, 1])"],
          [() => array.array(Uint8Array.of(1, 2)), "lambda: np.array([1, 2], 'u1')"],
          [() => array.array([1, 2], { dtype: "float16" }), "lambda: np.array([1, 2], 'f2')"],
          [() => array.array(x, { chunks: 1, dtype: "float32" }), "lambda x: np.array(x, 'f4')", x],
          [() => array.array([x, array.array(x).astype("int32")]), "lambda x: np.array([x, x.astype('i4')])", x],
          [() => array.array([[1], [2, 3]]), "lambda: np.array([[1], [2, 3]])"],
        ]),
      ),
    ).toEqual([]);
  });

  test("pieces of an array know their place: tuple of shapes", async () => {
    const want = await numpy.call("lambda s: np.broadcast_to(np.arange(4), s)", [tuple(3, 4)]);
    expect(
      (await array.broadcastTo(array.arange(4, { chunks: 3 }), [3, 4], { chunks: [2, null] }).compute()).toArray(),
    ).toEqual(want.toArray());
  });
});

test("likenesses keep chunks, misuse says what was expected", () => {
  const x = array.zeros([6, 4], { chunks: [4, 3], dtype: "int16" });
  expect(array.onesLike(x).chunks).toEqual(x.chunks);
  expect(array.zerosLike(x, { shape: [3] }).chunks).toEqual([[3]]);
  const thrown = (f: () => unknown): unknown => {
    try {
      return f();
    } catch (error) {
      return error;
    }
  };
  for (const [code, f] of [
    ["shape", () => array.zeros([-1])],
    ["dtype", () => array.full([2], 300, { dtype: "uint8" })],
    ["dtype", () => array.fullLike(array.zeros(2, { dtype: "uint8" }), -1)],
    ["argument", () => array.arange(0, 1, 0)],
    ["argument", () => array.linspace(0, 1, 2.5)],
    ["argument", () => array.meshgrid([1], { indexing: "yx" } as never)],
    ["broadcast", () => array.broadcastTo([1, 2], [3])],
    ["shape", () => array.diag(array.zeros([2, 2, 2]))],
    ["axis", () => array.tril(5)],
    ["argument", () => array.fromfunction((() => "x") as never, [2])],
  ] as const)
    expect(isRsdatError(thrown(f), code), `${String(f)}: ${String(thrown(f))}`).toBe(true);
  expect((array.eye(5, { chunks: 2 }) as ChunkedArray).chunks).toEqual([
    [2, 2, 1],
    [2, 2, 1],
  ]);
});
