/** 100,000 mutated TIFFs; the short run of every day has 2,000. */
import { expect, test } from "vitest";
import { readMutations } from "../io/tiff/mutations.ts";

test("100,000 mutated TIFFs: a typed error or an answer, in bounded time and memory", async () => {
  const before = process.memoryUsage().rss;
  const { outcomes, slow, untyped } = await readMutations({ count: 100_000, seed: 1 });
  expect([untyped, slow]).toEqual([[], []]);
  expect(outcomes.get("read")).toBeGreaterThan(5000);
  expect(process.memoryUsage().rss - before).toBeLessThan(512 * 2 ** 20);
});
