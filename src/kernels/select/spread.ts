/**
 * Selection over all elements of many blocks: `count-digits` counts one level of digits of one block, under the branches
 * that the sums of the levels before leave; `finish-digits` finds the elements from the sums of all levels.
 */
import { invariant } from "../../base/index.ts";
import type { KernelCall, Plain, SelectSpec } from "../../graph/index.ts";
import type { NDArray } from "../../ndarray/index.ts";
import type { BlockKernel } from "../blocks.ts";
import { columnScanner } from "./deep.ts";
import { countDigits, levelsOfKey, RankSearch } from "./keys.ts";
import { finisherOf, missingOf, ranksOf } from "./quantile.ts";

/** Parameters of both kernels. */
export interface SpreadParams {
  readonly call: KernelCall;
  readonly spec: SelectSpec;
  /** Elements of the whole array. */
  readonly total: number;
}

/** Most branches of a level after the first. */
export function branchesOf(spec: SelectSpec): number {
  return spec.op === "median" ? 2 : Math.max(1, 2 * spec.q.length);
}

interface Wanted {
  readonly search: RankSearch;
  /** Valid elements; 0 where the result is missing. */
  readonly n: number;
}

function countsOf(sums: NDArray, branch: number): Float64Array {
  const digits = sums.shape[1] as number; // (branches, digits)
  const [down, along] = sums.stride as readonly [number, number];
  invariant(along === 1, "sums are in C order");
  const at = sums.offset + branch * down;
  return (sums.data as Float64Array).subarray(at, at + digits); // sums are float64
}

/** The search after the levels whose sums are known. */
function searchOf({ spec, total }: SpreadParams, sums: readonly NDArray[]): Wanted {
  const [first, ...rest] = sums as readonly [NDArray, ...NDArray[]]; // called with at least one
  const counts = countsOf(first, 0);
  const valid = counts.reduce((n, c) => n + c, 0);
  const n = !spec.skipna && valid < total ? 0 : valid;
  const quantiles = spec.op === "median" ? 1 : spec.q.length;
  const ranks = new Set<number>();
  for (let k = 0; n > 0 && k < quantiles; k++) {
    const { low, high } = ranksOf(spec, k, n);
    ranks.add(low).add(high);
  }
  const search = new RankSearch(spec.from, ranks);
  if (n === 0) return { search, n };
  search.narrow([counts]);
  for (const level of rest) search.narrow(search.prefixes.map((_, b) => countsOf(level, b)));
  return { search, n };
}

function paramsOf(params: Plain): SpreadParams {
  return params as unknown as SpreadParams; // the array room makes them
}

export const spreadKernels: Readonly<Record<string, BlockKernel>> = {
  "count-digits": {
    run: ([block, ...sums], out, params) => {
      const { call, spec } = paramsOf(params);
      const x = block as NDArray; // the first input
      const counts = out.data as Float64Array; // the layer is float64
      counts.fill(0, out.offset, out.offset + out.size);
      const wanted = sums.length === 0 ? null : searchOf(paramsOf(params), sums);
      const prefixes = wanted === null ? [0] : wanted.n === 0 ? [] : wanted.search.prefixes;
      const digits = out.shape.at(-1) as number; // (…, branches, digits)
      const branches = prefixes.map((prefix, b) => ({
        prefix,
        counts: counts.subarray(out.offset + b * digits, out.offset + (b + 1) * digits),
      }));
      if (branches.length === 0 || x.size === 0) return;
      const scan = columnScanner({ call, spec, views: [x], depths: x.shape, depthStrides: [x.stride] });
      scan([x.offset], (values, valid, n) =>
        countDigits(spec.from, values.data, valid, { n, level: sums.length, branches }),
      );
    },
    scratch: () => 1 << 20,
  },
  "finish-digits": {
    run: (sums, out, params) => {
      const { spec } = paramsOf(params);
      invariant(sums.length === levelsOfKey(spec.from), "sums of all levels");
      const { search, n } = searchOf(paramsOf(params), sums);
      const finish = finisherOf(spec);
      for (let k = 0; k < out.size; k++) {
        const { low, high, weight } = n === 0 ? { low: 0, high: 0, weight: 0 } : ranksOf(spec, k, n);
        const x = n === 0 ? missingOf(spec) : finish(search.element(low), search.element(high), weight);
        out.data[out.offset + k] = x as never; // of the result's dtype
      }
    },
  },
};
