/** Rows of products, linear algebra and Fourier transforms. */
import type { DType } from "../../../src/dtype/index.ts";
import type { Measure } from "./compare.ts";
import { both, type Call, hasRank, isFilled, isPlain, type Row } from "./row.ts";
import type { Profile } from "./values.ts";

const CONTRACTED = "the operands' along free axes; partial products of the contracted one are added in a fixed tree";
const LINE = "one block along the transformed axis, refused otherwise";

const NUMERIC: readonly DType[] = ["bool", "int8", "uint16", "int64", "float32", "float64", "complex64", "complex128"];
const FLOAT: readonly DType[] = ["float32", "float64"];
const CLOSE: Measure = { relative: 1e-13 };

type More = Pick<Call, "dtypes" | "profiles" | "other" | "measure">;

function one(id: string, numpy: string, ours: Call["ours"], more: More = {}): Call {
  const names = more.other ? "x, y" : "x";
  return { id, numpy: `lambda ${names}: ${numpy}`, ours, dtypes: NUMERIC, measure: CLOSE, ...more };
}

const planes = both(hasRank(2, 2), isPlain);
const lines = both(hasRank(1, 1), isPlain);
const plain = both(isPlain);

const PRODUCTS: readonly Row[] = [
  {
    name: "matmul",
    chunks: CONTRACTED,
    calls: [
      one("x, y.T", "np.matmul(x, y.T)", (f, x, y) => f("matmul", x, f("transpose", y)), {
        other: "same",
        profiles: planes,
      }),
      one("vectors", "np.matmul(x, y)", (f, x, y) => f("matmul", x, y), {
        other: "same",
        profiles: both(isPlain, hasRank(0, 2)),
      }),
    ],
  },
  {
    name: "dot",
    chunks: CONTRACTED,
    calls: [
      one("vectors", "np.dot(x, y)", (f, x, y) => f("dot", x, y), {
        other: "same",
        profiles: both(isPlain, hasRank(0, 2)),
      }),
      one("planes", "np.dot(x, y.T)", (f, x, y) => f("dot", x, f("transpose", y)), { other: "same", profiles: planes }),
    ],
  },
  {
    name: "vdot",
    chunks: CONTRACTED,
    calls: [one("x, y", "np.vdot(x, y)", (f, x, y) => f("vdot", x, y), { other: "same", profiles: plain })],
  },
  {
    name: "outer",
    chunks: "the operands'",
    calls: [
      one("x, y", "np.outer(x, y)", (f, x, y) => f("outer", x, y), { other: "same", profiles: lines, measure: "bits" }),
    ],
  },
  {
    name: "tensordot",
    chunks: CONTRACTED,
    calls: [
      one("1", "np.tensordot(x, y.T, 1)", (f, x, y) => f("tensordot", x, f("transpose", y), 1), {
        other: "same",
        profiles: planes,
      }),
      one("2", "np.tensordot(x, y, 2)", (f, x, y) => f("tensordot", x, y, 2), { other: "same", profiles: planes }),
      one("axes", "np.tensordot(x, y, ([0], [0]))", (f, x, y) => f("tensordot", x, y, [[0], [0]]), {
        other: "same",
        profiles: planes,
      }),
    ],
  },
  {
    name: "einsum",
    chunks: CONTRACTED,
    calls: [
      one("ij,kj->ik", 'np.einsum("ij,kj->ik", x, y)', (f, x, y) => f("einsum", "ij,kj->ik", x, y), {
        other: "same",
        profiles: planes,
        dtypes: ["int64", "float32", "float64", "complex128"],
      }),
      one("ij->j", 'np.einsum("ij->j", x)', (f, x) => f("einsum", "ij->j", x), {
        profiles: planes,
        dtypes: ["int64", "float32", "float64", "complex128"],
      }),
    ],
  },
  {
    name: "trace",
    chunks: "one block",
    calls: [
      one("0", "np.trace(x)", (f, x) => f("trace", x), { profiles: both(hasRank(2), isPlain) }),
      one("1", "np.trace(x, 1)", (f, x) => f("trace", x, 1), { profiles: planes }),
    ],
  },
];

/** A square matrix that is far from singular, of whatever comes. */
const SQUARE = "(lambda m: m @ m.T + 40 * np.eye(m.shape[0], dtype=m.dtype))(x)";
const square: Call["ours"] = (f, x) =>
  f("add", f("matmul", x, f("transpose", x)), f("multiply", f("eye", x.shape[0], { dtype: x.dtype }), 40));

/** What a decomposition gives, in order. */
function factors(of: unknown): readonly [Lazy, Lazy, Lazy] {
  return of as readonly [Lazy, Lazy, Lazy]; // decompositions give lists with names
}
type Lazy = Parameters<Call["ours"]>[1];

/** Q·R. */
function remade(f: Parameters<Call["ours"]>[0], of: unknown): Lazy {
  const [q, r] = factors(of);
  return f("matmul", q, r);
}

function solver(
  name: string,
  numpy: string,
  ours: (s: (m: unknown) => unknown, ...given: Parameters<Call["ours"]>) => unknown,
): Row {
  return {
    name: `linalg.${name}`,
    chunks: "one block",
    calls: [
      {
        ...one(
          "x",
          numpy.replaceAll("SQUARE", SQUARE),
          (f, x, y) => ours((m) => m, f, x, y) as ReturnType<Call["ours"]>,
          {
            profiles: both(hasRank(2, 2), isPlain, isFilled),
            dtypes: FLOAT,
            measure: { relative: 1e-11 },
          },
        ),
      },
    ],
  };
}

const LINALG: readonly Row[] = [
  solver("inv", "np.linalg.inv(SQUARE)", (_, f, x, y) => f("linalg.inv", square(f, x, y))),
  solver("det", "np.linalg.det(SQUARE)", (_, f, x, y) => f("linalg.det", square(f, x, y))),
  solver("solve", "np.linalg.solve(SQUARE, x)", (_, f, x, y) => f("linalg.solve", square(f, x, y), x)),
  solver("cholesky", "np.linalg.cholesky(SQUARE)", (_, f, x, y) => f("linalg.cholesky", square(f, x, y))),
  solver("eigvalsh", "np.linalg.eigvalsh(SQUARE)", (_, f, x, y) => f("linalg.eigvalsh", square(f, x, y))),
  solver("svdvals", "np.linalg.svdvals(x)", (_, f, x) => f("linalg.svdvals", x)),
  solver("pinv", "np.linalg.pinv(SQUARE)", (_, f, x, y) => f("linalg.pinv", square(f, x, y))),
  solver("slogdet", "np.linalg.slogdet(SQUARE)", (_, f, x, y) => f("linalg.slogdet", square(f, x, y))),
  solver("matrixPower", "np.linalg.matrix_power(SQUARE, 3)", (_, f, x, y) =>
    f("linalg.matrixPower", square(f, x, y), 3),
  ),
  solver("qr", "np.linalg.qr(SQUARE)[1]", (_, f, x, y) => factors(f("linalg.qr", square(f, x, y)))[1]),
  solver("tsqr", "x.T", (_, f, x) => remade(f, f("linalg.tsqr", f("rechunk", f("transpose", x), { 0: 3, 1: -1 })))),
  solver("sfqr", "x", (_, f, x) => remade(f, f("linalg.sfqr", f("rechunk", x, { 0: -1, 1: 5 })))),
  solver("svd", "np.linalg.svd(SQUARE)[1]", (_, f, x, y) => factors(f("linalg.svd", square(f, x, y)))[1]),
  solver("eigh", "np.linalg.eigh(SQUARE)[0]", (_, f, x, y) => factors(f("linalg.eigh", square(f, x, y)))[0]),
  solver("eigvals", "np.sort_complex(np.linalg.eigvals(SQUARE)).real.astype(x.dtype)", (_, f, x, y) =>
    f("sort", f("real", f("linalg.eigvals", square(f, x, y)))),
  ),
  solver("lu", "x", (_, f, x) => {
    const [p, l, u] = factors(f("linalg.lu", x));
    return f("matmul", p, f("matmul", l, u));
  }),
  solver("solveTriangular", "np.linalg.solve(np.triu(SQUARE), x)", (_, f, x, y) =>
    f("linalg.solveTriangular", square(f, x, y), x),
  ),
  solver("lstsq", "np.linalg.lstsq(SQUARE, x)[0]", (_, f, x, y) => factors(f("linalg.lstsq", square(f, x, y), x))[0]),
  solver("matrixRank", "np.linalg.matrix_rank(SQUARE)", (_, f, x, y) => f("linalg.matrixRank", square(f, x, y))),
  solver("norm", "np.linalg.norm(x)", (_, f, x) => f("linalg.norm", x)),
  solver("vectorNorm", "np.linalg.vector_norm(x, axis=0)", (_, f, x) => f("linalg.vectorNorm", x, { axis: 0 })),
  solver("matrixNorm", "np.linalg.matrix_norm(x)", (_, f, x) => f("linalg.matrixNorm", x)),
];

const hasLine = (p: Profile): boolean => p.shape.length > 0 && isPlain(p) && isFilled(p);

function transform(name: string, dtypes: readonly DType[]): Row {
  const camel = name;
  return {
    name: `fft.${camel}`,
    chunks: LINE,
    calls: [
      one("last axis", `np.fft.${name}(x)`, (f, x) => f(`fft.${camel}`, f("rechunk", x, -1)), {
        dtypes,
        profiles: hasLine,
        measure: { relative: 1e-12 },
      }),
    ],
  };
}

const FFT_TYPES: readonly DType[] = ["int16", "float32", "float64", "complex64", "complex128"];
const FFT_REAL: readonly DType[] = ["int16", "float32", "float64"];

const FOURIER: readonly Row[] = [
  ...["fft", "ifft", "fftn", "ifftn", "hfft", "irfft", "irfftn"].map((name) => transform(name, FFT_TYPES)),
  ...["rfft", "rfftn", "ihfft"].map((name) => transform(name, FFT_REAL)),
  ...["fftshift", "ifftshift"].map(
    (name): Row => ({
      name: `fft.${name}`,
      chunks: "as roll",
      calls: [one("x", `np.fft.${name}(x)`, (f, x) => f(`fft.${name}`, x), { measure: "bits", profiles: hasRank(1) })],
    }),
  ),
  ...["fftfreq", "rfftfreq"].map(
    (name): Row => ({
      name: `fft.${name}`,
      chunks: "as asked",
      calls: [
        one("of the size", `np.fft.${name}(x.size, 0.25)`, (f, x) => f(`fft.${name}`, x.size, { d: 0.25 }), {
          profiles: isFilled,
          dtypes: ["float64"],
          measure: { ulp: 1 },
        }),
      ],
    }),
  ),
];

export const PRODUCT_ROWS: readonly Row[] = [...PRODUCTS, ...LINALG, ...FOURIER];
