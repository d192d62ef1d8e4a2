/**
 * Which two order statistics a quantile lies between, and how it is interpolated: NumPy 2.4's `_quantile` step by step,
 * in the same precision. Source: `numpy/lib/_function_base_impl.py` (`_QuantileMethods`, `_get_indexes`, `_lerp`);
 * Hyndman and Fan, "Sample Quantiles in Statistical Packages" (1996).
 */
import { castScalar, DTYPES } from "../../dtype/index.ts";
import type { QuantileMethod, SelectSpec } from "../../graph/index.ts";
import { type Element, roundEven } from "../map/scalar-ops.ts";

/** Ranks (from 0) of the neighbours among the elements that take part, and the weight of the upper one. */
export interface Ranks {
  readonly low: number;
  readonly high: number;
  readonly weight: number;
}

/** Methods that give an element and interpolate nothing. */
export const DISCRETE_METHODS: ReadonlySet<QuantileMethod> = new Set([
  "inverted_cdf",
  "closest_observation",
  "lower",
  "higher",
  "nearest",
]);

/** How a selection ends: with an element, with the mean of two, or between two. */
export type Ending = "element" | "middle" | "between";

export function endingOf(spec: SelectSpec): Ending {
  if (spec.op === "median") return "middle";
  return DISCRETE_METHODS.has(spec.method) ? "element" : "between";
}

/** True where a single quantile of floats is interpolated in their own dtype; everything else is, in float64. */
export function isNarrow(spec: SelectSpec): boolean {
  return DTYPES[spec.from].kind === "f" && !(spec.op === "quantile" && spec.isList);
}

/** Parameters (alpha, beta) of the continuous methods. */
const PLOTTING: Readonly<Partial<Record<QuantileMethod, readonly [number, number]>>> = {
  interpolated_inverted_cdf: [0, 1],
  hazen: [0.5, 0.5],
  weibull: [0, 0],
  median_unbiased: [1 / 3, 1 / 3],
  normal_unbiased: [3 / 8, 3 / 8],
};

/** Virtual index of quantile `q` among `n` elements. */
function virtualIndex(method: QuantileMethod, n: number, q: number): number {
  const plotting = PLOTTING[method];
  if (plotting !== undefined) {
    const [alpha, beta] = plotting;
    return n * q + (alpha + q * (1 - alpha - beta)) - 1;
  }
  const v = (n - 1) * q;
  switch (method) {
    case "inverted_cdf":
    case "averaged_inverted_cdf":
      return n * q - 1;
    case "closest_observation":
      return n * q - 1 - 0.5;
    case "lower":
      return Math.floor(v);
    case "higher":
      return Math.ceil(v);
    case "nearest":
      return roundEven(v);
    case "midpoint":
      return 0.5 * (Math.floor(v) + Math.ceil(v));
    default:
      return v;
  }
}

function single(rank: number, n: number): Ranks {
  const low = Math.min(n - 1, Math.max(0, rank));
  return { low, high: low, weight: 0 };
}

/** Ranks of quantile number `k` of `spec` (the median: 0) among `n` elements, at least one. */
export function ranksOf(spec: SelectSpec, k: number, n: number): Ranks {
  if (spec.op === "median") return { low: (n - 1) >> 1, high: n >> 1, weight: 0 };
  const { method } = spec;
  const v = virtualIndex(method, n, spec.q[k] as number); // k < q.length
  const below = Math.floor(v);
  if (method === "inverted_cdf") return single(v === below ? below : below + 1, n);
  if (method === "closest_observation") return single(v === below && Math.abs(below % 2) === 1 ? below : below + 1, n);
  if (DISCRETE_METHODS.has(method)) return single(v, n);
  // Beyond the ends NumPy takes the first element, or the last (index -1, which enters the weight).
  const [low, high, from] = v >= n - 1 ? [n - 1, n - 1, -1] : v < 0 ? [0, 0, 0] : [below, below + 1, below];
  let weight = v - from;
  if (method === "averaged_inverted_cdf") weight = weight === 0 ? 0.5 : 1;
  if (method === "midpoint") weight = v % 1 === 0 ? 0 : 0.5;
  return { low, high, weight };
}

/** The result between elements `a` and `b`, before it is stored as the result's dtype. */
export function finisherOf(spec: SelectSpec): (a: Element, b: Element, weight: number) => Element {
  const ending = endingOf(spec);
  if (ending === "element") return (a) => a;
  const { kind, big } = DTYPES[spec.from];
  const own = (x: number): number => Number(castScalar(x, spec.from));
  const round = kind === "f" ? own : (x: number): number => x;
  if (ending === "middle") {
    const add = spec.from === "float16" ? (x: number): number => x : round; // NumPy's mean of float16 adds wider
    return (a, b) => (a === b ? Number(a) + 0 : add(Number(a) + Number(b)) * 0.5 + 0);
  }
  const wide = isNarrow(spec) ? round : (x: number): number => x;
  return (a, b, t) => {
    const step = big ? Number((b as bigint) - (a as bigint)) : round(Number(b) - Number(a));
    return t >= 0.5 ? wide(Number(b) - wide(step * wide(1 - t))) : wide(Number(a) + wide(step * wide(t)));
  };
}

/** What is stored where values are missing: nothing took part, or (without `skipna`) some did not. */
export function missingOf(spec: SelectSpec): Element {
  const d = DTYPES[spec.dtype];
  if (d.kind === "f" && (spec.empty === null || !spec.skipna)) return Number.NaN;
  return castScalar(spec.empty ?? 0, spec.dtype);
}
