/**
 * The expression IR: what one fused kernel computes. Types, and the plain-data form that travels and is hashed.
 *
 * A kernel is a DAG of nodes in topological order (operands before users), without duplicates. All dtypes are explicit:
 * an implicit promotion is a `cast` node made by whoever built the kernel; operands of one arithmetic node agree in
 * dtype. Missing values are explicit too: nodata tests are `eq` nodes, masks are bool nodes, missing floats are NaN.
 */
import type { DType, ReductionName, Scalar } from "../dtype/index.ts";

/** Index of a node in {@link Kernel.nodes}. */
export type NodeId = number;

/**
 * One operand. `not` is logical on bool and bitwise on integers. `round` is half to even. `mantissa` and `exponent` are
 * the parts of C's `frexp`; `spacing` is the distance to the next float away from 0; `i0` is the Bessel function.
 */
export type UnaryOp =
  | "neg"
  | "abs"
  | "not"
  | "sqrt"
  | "square"
  | "sign"
  | "floor"
  | "ceil"
  | "trunc"
  | "round"
  | "exp"
  | "exp2"
  | "expm1"
  | "log"
  | "log2"
  | "log10"
  | "log1p"
  | "sin"
  | "cos"
  | "tan"
  | "asin"
  | "acos"
  | "atan"
  | "sinh"
  | "cosh"
  | "tanh"
  | "asinh"
  | "acosh"
  | "atanh"
  | "cbrt"
  | "i0"
  | "deg2rad"
  | "rad2deg"
  | "mantissa"
  | "exponent"
  | "spacing"
  | "signbit"
  | "isnan"
  | "isinf"
  | "isfinite";

/** Unary operations whose result is bool. */
export const PREDICATES: ReadonlySet<string> = new Set<UnaryOp>(["isnan", "isinf", "isfinite", "signbit"]);

/**
 * Two operands of one dtype. `and or xor` are logical on bool, bitwise on integers; `min max` propagate NaN. `mod` takes
 * the divisor's sign, `fmod` the dividend's. `ldexp` is a·2^b; `index` is `a` where 0 ≤ a < b and fails elsewhere.
 */
export type BinaryOp =
  | "add"
  | "sub"
  | "mul"
  | "div"
  | "floordiv"
  | "mod"
  | "fmod"
  | "pow"
  | "min"
  | "max"
  | "atan2"
  | "hypot"
  | "copysign"
  | "nextafter"
  | "logaddexp"
  | "logaddexp2"
  | "ldexp"
  | "index"
  | "and"
  | "or"
  | "xor"
  | "shl"
  | "shr";

/**
 * One complex operand: its conjugate, or a part (`abs` gives a part's dtype too). The node `complex` joins two parts of
 * float32 or float64. Arithmetic, comparisons (by real, then by imaginary part) and elementary functions take complex
 * numbers as they take floats, where NumPy has them.
 */
export type ComplexOp = "conj" | "real" | "imag";

/** Two operands of one dtype, bool result; NaN compares false except under `ne`. */
export type CompareOp = "lt" | "le" | "gt" | "ge" | "eq" | "ne";

/** One node; `dtype` is the dtype of its value. */
export type KernelNode =
  /** Element of input `slot`. */
  | { readonly op: "in"; readonly slot: number; readonly dtype: DType }
  /** Scalar known at run time: literals, nodata, scale, offset. Its value is `params[slot]` of the call. */
  | { readonly op: "param"; readonly slot: number; readonly dtype: DType }
  /** Cast with the rules of `castScalar` (dtype room). */
  | { readonly op: "cast"; readonly a: NodeId; readonly dtype: DType }
  | { readonly op: UnaryOp; readonly a: NodeId; readonly dtype: DType }
  | { readonly op: ComplexOp; readonly a: NodeId; readonly dtype: DType }
  | { readonly op: BinaryOp; readonly a: NodeId; readonly b: NodeId; readonly dtype: DType }
  | { readonly op: "complex"; readonly a: NodeId; readonly b: NodeId; readonly dtype: DType }
  | { readonly op: CompareOp; readonly a: NodeId; readonly b: NodeId; readonly dtype: "bool" }
  /** `c ? a : b`, element by element; `c` is bool, `a` and `b` agree in dtype. */
  | { readonly op: "where"; readonly c: NodeId; readonly a: NodeId; readonly b: NodeId; readonly dtype: DType }
  /** True where `a` equals a member of `sets[set]` of the call (NaN never). The set's values have `a`'s dtype. */
  | { readonly op: "in-set"; readonly a: NodeId; readonly set: number; readonly dtype: "bool" };

/** Reductions; the `nan*` family and masks skip, the others propagate NaN as NumPy does. */
export type ReduceOp = ReductionName;

/** Where the elements of one block lie in the whole reduced range: what argmin and argmax count in. */
export interface ReducePlace {
  /** Index of the block's first element. */
  readonly first: number;
  /** What one step along each reduced axis adds, in the order of `reduced`. */
  readonly weights: readonly number[];
}

/**
 * What a reduction is, from values to the result; shared by the partial, combining and final steps.
 *
 * A *partial* block is float64 of shape `[components, …kept extents]`. Components by op (integers sit bit for bit in the
 * 8-byte slot as int64 or uint64, by the kind of `from`; bool counts as int64):
 *   sum, nansum: sum, n;  mean, nanmean: sum (float64), n;  min, max, nanmin, nanmax: value, n (value undefined where n = 0);
 *   var, std, nanvar, nanstd: n, mean, M2;  any, all: value (0 or 1), n;  count: n;  prod, nanprod: value, n;
 *   argmin and its kin: value, n, index (int64 bit for bit; the first of equals, and the first NaN where NaN propagates).
 * `n` (float64) counts the elements that took part: all of them, less NaN for the nan* family, less those whose mask is false.
 * Where it is known beforehand (`total`), `sum, n` and `value, n` are `sum` and `value` alone.
 */
export interface ReduceSpec {
  readonly op: ReduceOp;
  /** dtype of the values that enter. */
  readonly from: DType;
  /** dtype of the result. */
  readonly dtype: DType;
  /** Delta degrees of freedom of var and std. */
  readonly ddof: number;
  /** Fewer elements than this give `empty`. 0: NumPy's answer for nothing (sum 0, mean NaN). */
  readonly minCount: number;
  /** Result where fewer than `minCount` elements took part. */
  readonly empty: Scalar | null;
  /**
   * Elements in the range of one result, where partials carry no `n`: every block has elements, and all of them take part
   * or nobody asks how many did. Not for moments, indices and `count`.
   */
  readonly total?: number;
}

/** Text that only equal specs have. */
export function specText({ op, from, dtype, ddof, minCount, empty, total }: ReduceSpec): string {
  const none = Object.is(empty, -0) ? "-0" : `${typeof empty} ${empty}`;
  return `${op} ${from} ${dtype} ${ddof} ${minCount} ${none}${total === undefined ? "" : ` of ${total}`}`;
}

/** Components of a partial block of a reduction. */
export function partialComponents({ op, total }: Pick<ReduceSpec, "op" | "total">): readonly string[] {
  const all = REDUCE_COMPONENTS[op];
  return total !== undefined && all.length === 2 ? all.slice(0, 1) : all;
}

/** Components of a partial block of `op` that carries all. */
export const REDUCE_COMPONENTS: Readonly<Record<ReduceOp, readonly string[]>> = {
  sum: ["sum", "n"],
  nansum: ["sum", "n"],
  mean: ["sum", "n"],
  nanmean: ["sum", "n"],
  min: ["value", "n"],
  max: ["value", "n"],
  nanmin: ["value", "n"],
  nanmax: ["value", "n"],
  var: ["n", "mean", "m2"],
  std: ["n", "mean", "m2"],
  any: ["value", "n"],
  all: ["value", "n"],
  count: ["n"],
  nanvar: ["n", "mean", "m2"],
  nanstd: ["n", "mean", "m2"],
  prod: ["value", "n"],
  nanprod: ["value", "n"],
  argmin: ["value", "n", "index"],
  argmax: ["value", "n", "index"],
  nanargmin: ["value", "n", "index"],
  nanargmax: ["value", "n", "index"],
};

/** How a quantile between two elements is found: NumPy's thirteen `method`s. */
export type QuantileMethod =
  | "inverted_cdf"
  | "averaged_inverted_cdf"
  | "closest_observation"
  | "interpolated_inverted_cdf"
  | "hazen"
  | "weibull"
  | "linear"
  | "median_unbiased"
  | "normal_unbiased"
  | "lower"
  | "higher"
  | "midpoint"
  | "nearest";

/** What a selection is: ranks of the elements along whole axes. */
export interface SelectSpec {
  /** `median` is the mean of the two middle elements, as NumPy's; `quantile` interpolates by `method`. */
  readonly op: "median" | "quantile";
  /** Quantiles in [0, 1]; empty for `median`. */
  readonly q: readonly number[];
  /** The result has an axis of quantiles, its first: `q` was given as a list. */
  readonly isList: boolean;
  readonly method: QuantileMethod;
  /** NaN (and elements whose mask is false) are left out; otherwise one NaN makes the result NaN. */
  readonly skipna: boolean;
  /** dtype of the values that enter, and of the result. */
  readonly from: DType;
  readonly dtype: DType;
  /** Result where no element took part; null: NaN. */
  readonly empty: Scalar | null;
}

/** A kernel without its literals, so that ten thousand thresholds share one compiled module. */
export interface Kernel {
  /** dtype of each input slot. */
  readonly inputs: readonly DType[];
  /** dtype of each parameter slot. */
  readonly params: readonly DType[];
  /** dtype of each set. */
  readonly sets: readonly DType[];
  readonly nodes: readonly KernelNode[];
  /** Nodes whose values are stored (map), in output order; for a reduction: the value, and its mask if there is one. */
  readonly outputs: readonly NodeId[];
}

/** A kernel with its literals: what a layer holds and a task runs. 64-bit literals are bigint. */
export interface KernelCall {
  readonly kernel: Kernel;
  readonly params: readonly (number | bigint)[];
  readonly sets: readonly (readonly (number | bigint)[])[];
}
