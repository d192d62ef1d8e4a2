import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { array, type ChunkedArray, type Operand } from "../../src/array/index.ts";
import { isRsdatError } from "../../src/base/index.ts";
import type { DType } from "../../src/dtype/index.ts";
import { useInlineRunner } from "../run-inline.ts";
import { hashOf, values } from "./values.ts";

type Expected = { readonly dtype: string; readonly shape: number[]; readonly sha: string } | null;
const { cases } = JSON.parse(readFileSync(new URL("./cases.json", import.meta.url), "utf8")) as {
  cases: Record<string, Expected>;
};
const NAMES = Object.keys(cases);
const REDUCTIONS = new Set([
  "sum",
  "mean",
  "min",
  "max",
  "std",
  "var",
  "any",
  "all",
  "nansum",
  "nanmean",
  "nanmin",
  "nanmax",
]);
const CHUNKINGS = [[-1], [[3, 4]]] as const;
useInlineRunner();

function call(x: ChunkedArray, op: string, y: Operand): ChunkedArray {
  // the cases name methods
  return (x[op as "add"] as (o: Operand) => ChunkedArray)(y);
}

async function check(name: string, make: () => ChunkedArray): Promise<string | null> {
  const want = cases[name] as Expected; // names come from the cases
  try {
    const lazy = make();
    if (!want) return `${name}: NumPy refuses, we give ${lazy.dtype}`;
    if (lazy.dtype !== want.dtype) return `${name}: dtype ${lazy.dtype}, NumPy ${want.dtype}`;
    const got = await lazy.compute();
    if (got.shape.join() !== want.shape.join()) return `${name}: shape ${got.shape}, NumPy ${want.shape}`;
    return hashOf(got, name.split("/")[0] ?? "") === want.sha ? null : `${name}: values differ`;
  } catch (error) {
    return !want && isRsdatError(error, "dtype") ? null : `${name}: ${String(error)}`;
  }
}

/** NumPy's float32 var is less exact than ours (kernels.md §7), so its bits are no measure. */
const UNLIKE = /^(std|var)\/float32/;

test.each(CHUNKINGS)(
  "elementwise results equal NumPy's, chunks %j",
  async (chunks) => {
    const wrong: string[] = [];
    for (const name of NAMES) {
      const [op, x, y] = name.split("/") as [string, DType, DType];
      if (REDUCTIONS.has(op)) continue;
      const lazy = array(values(x), { chunks });
      const scalar = Number(y);
      const answer = await check(name, () =>
        call(lazy, op, Number.isNaN(scalar) ? array(values(y, [11], 5), { chunks: chunks === -1 ? -1 : [5] }) : scalar),
      );
      if (answer) wrong.push(answer);
    }
    expect(wrong).toEqual([]);
  },
  60_000,
); // hundreds of kernels are compiled

test.each(CHUNKINGS)("reductions equal NumPy's, chunks %j", async (chunks) => {
  const wrong: string[] = [];
  for (const name of NAMES) {
    const [op, x, axis] = name.split("/") as [string, DType, string];
    if (!REDUCTIONS.has(op) || UNLIKE.test(name)) continue;
    // Sums of float64 combine in a tree per chunking; only one chunk promises NumPy's bits. The integers' mean and var are such sums too.
    if (chunks !== -1 && /^(std|var)/.test(name)) continue;
    const lazy = array(values(x), { chunks });
    const reduce = lazy[op as "sum"].bind(lazy);
    const answer = await check(name, () => reduce(axis === "None" ? null : Number(axis)));
    if (answer) wrong.push(answer);
  }
  expect(wrong).toEqual([]);
});
