/** The compatibility table tells of these sources, and every function that it must have is here and proven. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { compatibilityPage, unproven } from "./grid/page.ts";
import { FAMILIES } from "./grid/rows.ts";

const PAGE = join(import.meta.dirname, "..", "..", "docs", "compatibility.md");

test("docs/compatibility.md is what scripts/write-compatibility.ts writes", () => {
  expect(readFileSync(PAGE, "utf8")).toBe(compatibilityPage());
});

test.each(["1", "2", "3"] as const)("every function of tier %s is here and held against NumPy", (tier) => {
  expect(unproven(tier)).toEqual([]);
});

test("a function has one row, a row's calls have names of their own", () => {
  const rows = FAMILIES.flatMap(([list]) => list);
  expect(rows.map((r) => r.name).filter((name, k, all) => all.indexOf(name) !== k)).toEqual([]);
  for (const { name, calls } of rows)
    expect([name, new Set(calls.map((c) => c.id)).size]).toEqual([name, calls.length]);
});
