/** Who vouches for user code in a graph: the mac of its text and arguments. */
import { expect, test } from "vitest";
import { arange } from "../../src/array/index.ts";
import {
  buildGraph,
  decodeGraph,
  encodeGraph,
  signGraph,
  type TaskSpec,
  verifyTaskSpec,
} from "../../src/graph/index.ts";

function specs(signed: boolean): TaskSpec[] {
  const x = arange(6, { dtype: "float64", chunks: 2 }).mapBlocks((b) => b, { args: { k: 1, nan: Number.NaN } });
  const graph = buildGraph([x.node]);
  // As a scheduler does: it reads the bytes, and has no token.
  const there = decodeGraph(encodeGraph(signed ? signGraph(graph, "secret") : graph));
  return [0, 1, 2].map((i) => there.expand(i).spec);
}

function changed(
  spec: TaskSpec,
  change: (step: Extract<TaskSpec["steps"][number], { do: "call" }>) => object,
): TaskSpec {
  const steps = spec.steps.map((step) => (step.do === "call" ? { ...step, ...change(step) } : step));
  return { ...spec, steps };
}

test("every task of a signed graph is vouched for, whoever expanded it", () => {
  for (const spec of specs(true)) {
    expect(verifyTaskSpec(spec, "secret")).toBe(true);
    expect(verifyTaskSpec(spec, "other")).toBe(false);
  }
  for (const spec of specs(false)) expect(verifyTaskSpec(spec, "secret")).toBe(false);
});

test("the mac is of this text and these arguments", () => {
  const [spec] = specs(true) as [TaskSpec];
  expect(
    verifyTaskSpec(
      changed(spec, () => ({ text: "(b) => steal(b)" })),
      "secret",
    ),
  ).toBe(false);
  expect(
    verifyTaskSpec(
      changed(spec, (step) => ({
        args: [...(step.args as readonly unknown[]).slice(0, -1), { k: 2, nan: Number.NaN }],
      })),
      "secret",
    ),
  ).toBe(false);
  expect(
    verifyTaskSpec(
      changed(spec, () => ({ args: null })),
      "secret",
    ),
  ).toBe(false);
  expect(
    verifyTaskSpec(
      changed(spec, () => ({ mac: null })),
      "secret",
    ),
  ).toBe(false);
  // Outside a graph the mac of a whole spec is asked for.
  expect(
    verifyTaskSpec(
      changed(spec, () => ({ block: false })),
      "secret",
    ),
  ).toBe(false);
});
