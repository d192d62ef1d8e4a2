/** What the sweep measures: the first call of each row of the tests' grid that takes 16 MB, and why others are left out. */
import type { DType } from "../../src/dtype/index.ts";
import type { Call, Row } from "../../test/array/grid/row.ts";
import { REAL } from "../../test/array/grid/row.ts";
import { FAMILIES } from "../../test/array/grid/rows.ts";
import type { Profile } from "../../test/array/grid/values.ts";

/** dtypes of the inputs, each of 16 MB. */
export const DTYPES_SWEPT: readonly DType[] = ["float32", "uint16"];

/** Forms of the input: a plane of 2048 rows, or the same in one axis. */
export type Form = "plane" | "line";

/** Functions that 16 MB measure nothing of, or that would take minutes on either side. */
export const LEFT_OUT: Readonly<Record<string, string>> = {
  cov: "takes a variable per row: 2048 variables",
  corrcoef: "takes a variable per row: 2048 variables",
  diag: "touches 2048 elements",
  diagonal: "touches 2048 elements",
  trace: "touches 2048 elements",
  outer: "of two lines of 4 million elements",
  meshgrid: "of two lines of 4 million elements",
  applyAlongAxis: "calls a function per lane on both sides",
  frompyfunc: "calls a function per element on both sides",
  empty: "NumPy leaves the memory as it was; here nothing is left unset",
  push: "NumPy has none",
  resultType: "computes nothing",
  shape: "computes nothing",
};
/** Neither side has a fast product of integers: planes of this size take half a minute on both. */
const isIntegerProduct = (name: string, dtype: DType): boolean =>
  dtype === "uint16" && ["matmul", "dot", "tensordot", "einsum"].includes(name);
/** Matrices of 2048 rows take minutes in decompositions; bench/kernels has the rows of products. */
const isDecomposition = (name: string): boolean => name.startsWith("linalg.") && !/norm/i.test(name);

/** The same reason for several functions. */
function because(reason: string, ...names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, reason]));
}

/** Why a T1 function may take more than 1.5 of NumPy's time. */
export const REASONS: Readonly<Record<string, string>> = {
  ...because(
    "NumPy's loops of elementary functions have 512-bit vectors (AVX-512) and allow 4 units in the last place; ours have 256 bits and allow 2",
    ..."exp exp2 expm1 log log2 log10 log1p sin cos tan arcsin arccos arctan arctan2 power hypot".split(" "),
    ..."sinh cosh tanh arcsinh arccosh arctanh cbrt".split(" "),
  ),
  ...because(
    "one pass over 16 MB in vectors of 256 bits against 512, and up to 0.1 ms of building and planning",
    ..."abs add subtract multiply divide negative sign square sqrt floor ceil round around clip minimum maximum".split(
      " ",
    ),
    ..."isnan isinf isfinite isnull notnull equal notEqual less lessEqual greater greaterEqual".split(" "),
    ..."logicalAnd logicalOr logicalNot bitwiseAnd bitwiseOr bitwiseNot invert leftShift rightShift".split(" "),
    ..."max min nanmax nanmin argmax argmin nanargmax nanargmin any all countNonzero".split(" "),
    ..."reshape ravel squeeze expandDims flip flipud roll pad diff".split(" "),
    ..."absolute positive astype real imag conj trueDivide reciprocal rint trunc fix fmin fmax".split(" "),
    ..."bitwiseXor logicalXor signbit iscomplex ptp reshapeBlockwise atleast3d broadcastArrays delete insert".split(
      " ",
    ),
  ),
  ...because(
    "float32 sums accumulate in float64, more exact than NumPy's",
    ..."sum mean average vdot linalg.norm".split(" "),
  ),
  ...because(
    "NumPy takes zeroed pages from the system, or fills what is in the cache",
    ..."zeros ones full zerosLike onesLike emptyLike fullLike eye tri".split(" "),
  ),
  ...because(
    "copies of rows, and up to 0.1 ms of building and planning; NumPy's result lies in what is still in the cache",
    ..."rechunk take shuffle indices ediff1d fft.fftshift fft.ifftshift".split(" "),
  ),
  ...because(
    "a user's JavaScript loop beside one vectorised operation",
    ..."mapBlocks mapOverlap blockwise reduction applyAlongAxis".split(" "),
  ),
  frexp: "two results of shifts and masks in 128 bits; AVX-512 has an instruction for each",
  "fft.ihfft": "computed in float64 and rounded once, more exact than NumPy's float32",
  nanToNum: "one pass over 16 MB in vectors of 256 bits against 512",
  ...because(
    "OpenBLAS multiplies and adds 512 bits at once; ours has 256 and no fused step",
    ..."dot matmul tensordot".split(" "),
  ),
  ...because("sorts by digits; NumPy sorts with AVX-512", ..."unique union1d argsort".split(" ")),
  ...because(
    "selects twice, once to count and once to keep; NumPy's condition is one pass",
    ..."extract compress".split(" "),
  ),
};

/** One measurement. */
export interface Sweep {
  readonly name: string;
  readonly dtype: DType;
  readonly form: Form;
  readonly call: Call;
}

const FORMS: Readonly<Record<Form, Profile>> = {
  plane: { name: "bench", shape: [2048, 2048], pattern: "plain" },
  line: { name: "bench", shape: [2048 * 2048], pattern: "plain" },
};

function create(name: string, numpy: string, ours: Call["ours"]): Row {
  return { name, chunks: "", calls: [{ id: "16 MB", numpy: `lambda x: ${numpy}`, ours }] };
}

/** Every third row or so: what the grid's short lists would not measure. */
const PICKS = Array.from({ length: 2048 }, (_, i) => (7 * i) % 2048);

/** Creation takes no input; these make 16 MB. Selections of a few elements measure nothing; these take many. */
const CREATED: readonly Row[] = [
  create("take", "np.take(x, [(7 * i) % 2048 for i in range(2048)], 0)", (f, x) => f("take", x, PICKS, 0)),
  create("compress", "np.compress([i % 3 == 0 for i in range(2048)], x, 0)", (f, x) =>
    f(
      "compress",
      PICKS.map((_, i) => i % 3 === 0),
      x,
      0,
    ),
  ),
  create("zeros", "np.zeros(x.shape, x.dtype)", (f, x) => f("zeros", x.shape, { dtype: x.dtype })),
  create("ones", "np.ones(x.shape, x.dtype)", (f, x) => f("ones", x.shape, { dtype: x.dtype })),
  create("full", "np.full(x.shape, 7, x.dtype)", (f, x) => f("full", x.shape, 7, { dtype: x.dtype })),
  create("empty", "np.empty(x.shape, x.dtype)", (f, x) => f("empty", x.shape, { dtype: x.dtype })),
  create("arange", "np.arange(0, 2 ** 21)", (f) => f("arange", 0, 2 ** 21)),
  create("linspace", "np.linspace(0, 1, 2 ** 21)", (f) => f("linspace", 0, 1, { num: 2 ** 21 })),
  create("eye", "np.eye(2048, dtype=x.dtype)", (f, x) => f("eye", 2048, { dtype: x.dtype })),
  create("tri", "np.tri(2048, dtype=x.dtype)", (f, x) => f("tri", 2048, { dtype: x.dtype })),
  create("rechunk", "x.copy()", (f, x) => f("rechunk", x, 512)),
  create("indices", "np.indices((1024, 1024))", (f) => f("indices", [1024, 1024])),
];

const COUNTED: Row = {
  name: "bincount",
  chunks: "",
  calls: [
    {
      id: "16 MB",
      numpy: "lambda x: np.bincount(x.ravel(), minlength=10000)",
      ours: (f, x) => f("bincount", f("ravel", x), { minlength: 10_000 }),
      dtypes: ["uint16"],
    },
  ],
};

/** The rows of all families. */
const ROWS: readonly Row[] = [...CREATED, COUNTED, ...FAMILIES.flatMap(([rows]) => rows)];

/** All measurements of the functions that `has` knows. */
export function sweeps(has: (name: string) => boolean): Sweep[] {
  const seen = new Set<string>();
  const isFirst = ({ name }: Row): boolean => !seen.has(name) && Boolean(seen.add(name));
  return ROWS.filter(isFirst)
    .filter(({ name }) => has(name) && !(name in LEFT_OUT) && !isDecomposition(name))
    .flatMap(({ name, calls }) =>
      DTYPES_SWEPT.filter((dtype) => !isIntegerProduct(name, dtype)).flatMap((dtype) => {
        for (const form of ["plane", "line"] as const) {
          const call = calls.find((c) => (c.dtypes ?? REAL).includes(dtype) && (c.profiles?.(FORMS[form]) ?? true));
          if (call) return [{ name, dtype, form, call }];
        }
        return [];
      }),
    );
}
