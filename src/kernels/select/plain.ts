/** Ranks along whole axes, one kept cell after another, in plain TypeScript: the oracle of the vector form. */
import { UnsupportedError } from "../../base/index.ts";
import { castScalar } from "../../dtype/index.ts";
import type { KernelCall, SelectSpec } from "../../graph/index.ts";
import { contiguousStride, NDArray } from "../../ndarray/index.ts";
import { runMap } from "../map.ts";

/** Rank the values of `call` over `views` (broadcast to `loop`) along `reduced`; `out` is in C order. */
export function runSelect(
  call: KernelCall,
  spec: SelectSpec,
  views: readonly NDArray[],
  loop: readonly number[],
  reduced: readonly number[],
  out: NDArray,
): void {
  const values = NDArray.zeros(spec.from, loop);
  const mask = call.kernel.outputs.length > 1 ? NDArray.zeros("bool", loop) : null;
  runMap(call, views, mask ? [values, mask] : [values], loop);
  const kept = loop.map((_, k) => k).filter((k) => !reduced.includes(k));
  const stride = contiguousStride(loop);
  const offsets = (axes: readonly number[]): number[] =>
    axes.reduce<number[]>(
      (all, k) =>
        all.flatMap((o) => Array.from({ length: loop[k] as number }, (_, i) => o + i * (stride[k] as number))),
      [0],
    );
  const [cells, along] = [offsets(kept), offsets(reduced)];
  const ranks = spec.op === "median" ? [0.5] : spec.q;
  cells.forEach((cell, c) => {
    const column = along
      .filter((o) => mask === null || mask.data[cell + o] === 1)
      .map((o) => Number(values.data[cell + o]))
      .filter((v) => !(spec.skipna && Number.isNaN(v)))
      .sort((a, b) => (Number.isNaN(a) ? 1 : Number.isNaN(b) ? -1 : a - b));
    ranks.forEach((q, r) => {
      const value = ranked(spec, column, q);
      out.data[out.offset + r * cells.length + c] = castScalar(value, spec.dtype) as never; // of the block's own class
    });
  });
}

function ranked(spec: SelectSpec, column: readonly number[], q: number): number | bigint {
  const n = column.length;
  if (n === 0) return (spec.empty as number | null) ?? Number.NaN;
  if (Number.isNaN(column[n - 1] as number)) return Number.NaN;
  if (spec.op === "median") return ((column[(n - 1) >> 1] as number) + (column[n >> 1] as number)) * 0.5;
  if (spec.method !== "linear") throw new UnsupportedError(`quantile by ${spec.method}`);
  const index = (n - 1) * q;
  const [a, b] = [column[Math.floor(index)] as number, column[Math.min(n - 1, Math.floor(index) + 1)] as number];
  const t = index - Math.floor(index);
  return t >= 0.5 ? b - (b - a) * (1 - t) : a + (b - a) * t;
}
