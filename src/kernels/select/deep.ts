/** Selection along columns too deep to be sorted in the cache: some passes over the values, each counting digits. */
import { allocate, DTYPES } from "../../dtype/index.ts";
import type { KernelCall, NodeId } from "../../graph/index.ts";
import { contiguousStride, NDArray, sizeOf } from "../../ndarray/index.ts";
import { CallBuilder } from "../map/ir.ts";
import { loopNest } from "../map/loop.ts";
import { runMap } from "../map/map.ts";
import type { Element } from "../map/scalar-ops.ts";
import { forEachRun, type SelectJob } from "./job.ts";
import { type Branch, countDigits, digitsOf, RankSearch } from "./keys.ts";
import { finisherOf, missingOf, type Ranks, ranksOf } from "./quantile.ts";

/** Elements of a tile. */
const TILE = 1 << 15;

/** The value, and (unless all are) which elements are valid: unmasked and not NaN. */
function validCall(call: KernelCall): { readonly call: KernelCall; readonly hasMask: boolean } {
  const b = new CallBuilder();
  const [value, mask] = b.import(call) as [NodeId, NodeId?];
  let valid = mask === undefined ? null : b.cast(mask, "bool");
  if (DTYPES[b.dtypeOf(value)].kind === "f") {
    const number = b.compare("eq", value, value); // NaN differs from itself
    valid = valid === null ? number : b.binary("and", valid, number);
  }
  return { call: b.build(valid === null ? [value] : [value, valid]), hasMask: valid !== null };
}

/** What a pass sees: `n` values and their mask. */
type Visit = (values: NDArray, valid: Uint8Array | null, n: number) => void;

/** Calls `visit` with tile after tile of one pixel's column; `at` holds the views' offsets there. */
export function columnScanner(
  job: Pick<SelectJob, "call" | "spec" | "views" | "depths" | "depthStrides">,
): (at: readonly number[], visit: Visit) => void {
  const { call, hasMask } = validCall(job.call);
  const dtype = job.spec.from;
  const values = allocate(dtype, TILE);
  const valid = hasMask ? new Uint8Array(TILE) : null;
  const columns = job.views.map(
    (x, k) => new NDArray(x.dtype, x.data, job.depths, job.depthStrides[k] as readonly number[], 0),
  );
  const nest = loopNest(job.depths, columns); // the order of the elements does not matter
  let axis = nest.shape.length - 1; // cut along this axis; those after it fit a tile
  while (axis > 0 && sizeOf(nest.shape.slice(axis)) <= TILE) axis--;
  const inner = nest.shape.slice(axis + 1);
  const step = Math.max(1, Math.floor(TILE / sizeOf(inner)));
  const run = (at: readonly number[], visit: Visit, n: number): void => {
    const shape = [n, ...inner];
    const tile = new NDArray(dtype, values, shape, contiguousStride(shape));
    const outs = valid === null ? [tile] : [tile, new NDArray("bool", valid, shape, contiguousStride(shape))];
    const inputs = columns.map(
      (x, k) =>
        new NDArray(x.dtype, x.data, shape, (nest.strides[k] as readonly number[]).slice(axis), at[k] as number),
    );
    runMap(call, inputs, outs, shape);
    visit(tile, valid, n * sizeOf(inner));
  };
  return (start, visit) => {
    const walk = (k: number, at: readonly number[]): void => {
      const n = nest.shape[k] ?? 1;
      const by = k === axis ? step : 1;
      for (let i = 0; i < n; i += by) {
        const here = at.map((o, v) => o + i * (nest.strides[v]?.[k] ?? 0));
        if (k === axis) run(here, visit, Math.min(by, n - i));
        else walk(k + 1, here);
      }
    };
    walk(0, start);
  };
}

/** Runs `job` pixel by pixel. */
export function selectDeep(job: SelectJob): void {
  const { spec, depth, quantiles, out } = job;
  const scan = columnScanner(job);
  const finish = finisherOf(spec);
  const missing = missingOf(spec);
  const first = new Float64Array(digitsOf(spec.from));
  forEachRun(job, (at, width, steps) => {
    for (let p = 0; p < width; p++) {
      const here = at.map((o, k) => o + p * (steps[k] as number));
      const [to, ...views] = here as [number, ...number[]]; // operand 0 is the result
      first.fill(0);
      const pass = (level: number, branches: readonly Branch[]): void =>
        scan(views, (values, valid, n) => countDigits(spec.from, values.data, valid, { n, level, branches }));
      pass(0, [{ prefix: 0, counts: first }]);
      const n = first.reduce((sum, c) => sum + c, 0);
      const store = (k: number, x: Element): void => {
        out.data[k * job.pixels + to] = x as never; // of the result's dtype
      };
      if (n === 0 || (!spec.skipna && n < depth)) {
        for (let k = 0; k < quantiles; k++) store(k, missing);
        continue;
      }
      const wanted = Array.from({ length: quantiles }, (_, k): Ranks => ranksOf(spec, k, n));
      const ranks = new Set(wanted.flatMap((r) => [r.low, r.high]));
      const search = new RankSearch(spec.from, ranks);
      search.narrow([first]);
      while (!search.isDone) {
        const branches = search.prefixes.map((prefix) => ({ prefix, counts: new Float64Array(first.length) }));
        pass(search.level, branches);
        search.narrow(branches.map((b) => b.counts));
      }
      wanted.forEach(({ low, high, weight }, k) => {
        store(k, finish(search.element(low), search.element(high), weight));
      });
    }
  });
}
