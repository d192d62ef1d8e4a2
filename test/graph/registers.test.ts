import { expect, test } from "vitest";
import { planRegisters, type Step } from "../../src/graph/index.ts";

const kernel = { inputs: [], params: [], sets: [], nodes: [], outputs: [] };

function reduceStep(onto?: number): Step {
  const spec = { op: "sum", from: "float64", dtype: "float64", ddof: 0, minCount: 0, empty: null } as const;
  const call = { kernel, params: [], sets: [] };
  const base = { do: "reduce", dtype: "float64", shape: [2, 1, 100], call, spec } as const;
  const rest = { inputs: [0], axes: [], loop: [1, 100], reduced: [0] };
  return { ...base, ...rest, ...(onto === undefined ? {} : { onto }) };
}

function lastStep(inputs: readonly number[]): Step {
  const spec = { op: "sum", from: "float64", dtype: "float64", ddof: 0, minCount: 0, empty: null } as const;
  return { do: "combine", dtype: "float64", shape: [100], inputs, spec, final: true };
}

test("a partial that a reduction goes on from is overwritten, unless something reads it later", () => {
  const one = 2 * 100 * 8 + 64;
  const chain = planRegisters(1, [reduceStep(), reduceStep(1), reduceStep(2), lastStep([3])]);
  expect(chain).toEqual({ offsets: [0, 0, 0, -1], bytes: one });
  const shared = planRegisters(1, [reduceStep(), reduceStep(1), lastStep([1, 2])]);
  expect(shared).toEqual({ offsets: [0, one, -1], bytes: 2 * one });
});
