/** What a person sees of a lazy array: its line of text, its picture, its layers. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { arange, ones, visualize } from "../../src/array/index.ts";

/** Elements of a well-formed document by name; throws where tags do not match or text is not escaped. */
function elements(xml: string): Map<string, number> {
  const counts = new Map<string, number>();
  const open: string[] = [];
  for (const [, close, name, attributes, empty] of xml.matchAll(/<(\/?)([a-z]+)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/g)) {
    if (close) expect(open.pop()).toBe(name);
    else {
      counts.set(name as string, (counts.get(name as string) ?? 0) + 1); // matched
      if (!empty) open.push(name as string); // matched
    }
    expect(attributes ?? "").not.toMatch(/NaN|undefined|Infinity/);
  }
  expect(open).toEqual([]);
  expect(xml.replace(/<[^<>]*>/g, "")).not.toMatch(/[<>]|&(?!amp;|lt;|gt;|quot;)/);
  return counts;
}

const x = ones([100, 60], { chunks: [40, 30], dtype: "uint16" });

describe("an array's text", () => {
  test("names shape, dtype, chunks, blocks, bytes and layers", () => {
    const sum = x.add(1).sum(0);
    expect(String(sum)).toBe("ChunkedArray<sum, shape=(60), dtype=uint64, chunks=(30), 2 blocks, 480 B, 4 layers>");
    expect(inspect(sum)).toBe(String(sum));
  });
});

describe("an array's picture", () => {
  test("is an SVG document that cuts the box where blocks end and tells the same facts", () => {
    const svg = x.toSvg();
    // Face, two cuts across (40, 80 of 100) and one down (30 of 60).
    expect(elements(svg).get("path")).toBe(1 + 2 + 1);
    for (const text of ["11.72 KiB", "2.34 KiB", "(100, 60)", "(40, 30)", "6 blocks", "1 layer", "uint16"])
      expect(svg).toContain(text);
  });

  test("has depth for a third axis, and draws what has no extent", () => {
    // Three faces; cuts on both sides of the front edge of each axis.
    expect(elements(ones([4, 10, 10], { chunks: [2, 5, 10] }).toSvg()).get("path")).toBe(3 + 1 + 1 + 1);
    for (const shape of [[], [0], [1], [0, 5], [1, 1, 1, 1]]) elements(ones(shape).toSvg());
  });
});

describe("the layers' picture", () => {
  const y = x.sub(arange(60, { chunks: 30 })).T;

  test("has a box per layer and a line per input", async () => {
    const svg = await y.visualize();
    expect(elements(svg).get("rect")).toBe(1 + 4); // ground; full, arange, sub, transpose
    expect(elements(svg).get("path")).toBe(3);
  });

  test("of the graph that would run shows what fused", async () => {
    const svg = await y.add(1).visualize({ optimizeGraph: true });
    expect(elements(svg).get("rect")).toBe(1 + 3); // ground; what is read, one kernel
    expect(svg).toContain("fuses transpose");
  });

  test("is written where asked, as dot too", async () => {
    const folder = mkdtempSync(join(tmpdir(), "rsdat-picture-"));
    try {
      const text = await visualize([y, x], { filename: join(folder, "graph.dot") });
      expect(readFileSync(join(folder, "graph.dot"), "utf8")).toBe(text);
      expect(text).toMatch(/^digraph layers \{\n/);
      expect(text.match(/ -> /g)).toHaveLength(3);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
