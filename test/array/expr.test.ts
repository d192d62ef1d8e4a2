import { describe, expect, test } from "vitest";
import type { ChunkedArray } from "../../src/array/index.ts";
import { array, exprArray as expr } from "../../src/array/index.ts";
import { buildGraph } from "../../src/graph/index.ts";
import { useInlineRunner } from "../run-inline.ts";

useInlineRunner();
const x = array([3, -2, 7]);
const y = array([2, 5, 4]);
const value = async (a: ChunkedArray): Promise<unknown> => (await a.compute()).toArray({ bigint: false });

describe("values", () => {
  test.each([
    ["sum and precedence", () => expr`${x} + ${y} * 2`, [7, 8, 15]],
    ["unary minus binds looser than **", () => expr`-${x} ** 2`, [-9, -4, -49]],
    ["** is right associative", () => expr`${array([2])} ** 3 ** 2`, [512]],
    ["floor division and remainder follow Python", () => expr`${x} // ${y} * 10 + ${x} % ${y}`, [11, -7, 13]],
    ["comparison and logic", () => expr`${x} > 0 && !(${y} == 2)`, [false, false, true]],
    ["bits", () => expr`(${x} & 3) | (${y} << 1)`, [7, 10, 11]],
    ["choice", () => expr`${x} > 0 ? ${x} : -1`, [3, -1, 7]],
    ["functions", () => expr`max(abs(${x}), ${y}, 4)`, [4, 5, 7]],
    ["clip, round, where", () => expr`where(${x} < 0, 0, clip(round(${x} / 2), 0, 3))`, [2, 0, 3]],
    ["constants", () => expr`isnan(nan + ${x}) && ${x} < inf`, [true, true, true]],
  ])("%s", async (_, make, want) => {
    expect(await value(make())).toEqual(want);
  });

  test("NDVI of uint16 is one layer over its two inputs, float64 as NumPy's", async () => {
    const nir = array([3000, 10], { dtype: "uint16" });
    const red = array([1000, 30], { dtype: "uint16" });
    const ndvi = expr`(${nir} - ${red}) / (${nir} + ${red})`;
    expect(ndvi.dtype).toBe("float64");
    const graph = buildGraph([ndvi.node]);
    expect(graph.taskCount).toBe(1);
    expect(await value(ndvi)).toEqual([0.5, 65516 / 40]);
  });

  test("method chains build the same fused kernel as the expression", () => {
    const chain = x.sub(y).div(x.add(y));
    const tree = expr`(${x} - ${y}) / (${x} + ${y})`;
    const kernel = (a: ChunkedArray): unknown => {
      const layer = buildGraph([a.node]).layers.at(-1);
      return layer?.kind === "blockwise" ? layer.call.kernel.nodes.length : null;
    };
    expect(kernel(chain)).toBe(kernel(tree));
    expect(buildGraph([chain.node]).taskCount).toBe(1);
  });
});

describe("errors are thrown where the expression is built and point at the place", () => {
  test.each([
    ["mixing & with a comparison", () => expr`${x} & 8 == 0`, /parentheses.*segment 1, column 1/s],
    ["the same on the left", () => expr`${x} == 8 & 1`, /parentheses/],
    ["a missing operand", () => expr`${x} + `, /expected a value before the end/],
    ["an unknown function", () => expr`foo(${x})`, /unknown function foo.*segment 0, column 0/s],
    ["an unknown name", () => expr`${x} + nir`, /unknown name nir/],
    ["a wrong count of arguments", () => expr`atan2(${x})`, /takes 2 arguments, got 1/],
    ["an unknown character", () => expr`${x} @ 2`, /unexpected character "@"/],
    ["an unclosed parenthesis", () => expr`(${x} + 1`, /expected "\)" before the end/],
  ])("%s", (_, make, message) => {
    expect(make).toThrow(message);
    expect(make).toThrow(expect.objectContaining({ code: "expr-syntax" }));
  });

  test("parenthesised forms of the refused mixture work", async () => {
    expect(await value(expr`(${x} & 1) == 1`)).toEqual([true, false, true]);
    expect(await value(expr`${x} & (${y} == 2)`)).toEqual([1, 0, 0]);
  });

  test("nesting is bounded", () => {
    const deep = Object.assign([`${"(".repeat(5000)}1`], { raw: [] }) as unknown as TemplateStringsArray;
    expect(() => expr(deep)).toThrow(/nested more than/);
  });
});
