/** Selection without WebAssembly: the oracle of the networks, and the way for dtypes without lanes. */
import { allocate, type TypedArray } from "../../dtype/index.ts";
import type { SelectSpec } from "../../graph/index.ts";
import type { Element } from "../map/scalar-ops.ts";
import { finisherOf, missingOf, type Ranks, ranksOf } from "./quantile.ts";

/** Elements of one column in any order, and their mask. */
export interface Column {
  readonly values: TypedArray;
  readonly mask: TypedArray | null;
}

/** Results of one column after another; ranks are worked out once per number of valid elements. */
export function columnSelector(spec: SelectSpec): (column: Column, store: (k: number, x: Element) => void) => void {
  const ranks = new Map<number, readonly Ranks[]>();
  const finish = finisherOf(spec);
  const missing = missingOf(spec);
  const quantiles = spec.op === "median" ? [0] : spec.q.map((_, k) => k);
  const ranksFor = (n: number): readonly Ranks[] => {
    const known = ranks.get(n) ?? quantiles.map((k) => ranksOf(spec, k, n));
    ranks.set(n, known);
    return known;
  };
  return ({ values, mask }, store) => {
    const valid = allocate(spec.from, values.length);
    let n = 0;
    for (let i = 0; i < values.length; i++) {
      const x = values[i] as Element;
      if ((mask === null || mask[i] !== 0) && !Number.isNaN(x)) valid[n++] = x as never; // of its own dtype
    }
    if (n === 0 || (!spec.skipna && n < values.length)) {
      for (const k of quantiles) store(k, missing);
      return;
    }
    const sorted = valid.subarray(0, n).sort();
    ranksFor(n).forEach(({ low, high, weight }, k) => {
      store(k, finish(sorted[low] as Element, sorted[high] as Element, weight));
    });
  };
}
