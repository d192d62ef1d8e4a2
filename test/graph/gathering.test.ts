/** The order of graphs whose small tasks read blocks that several of them share. */
import { expect, test } from "vitest";
import { type ChunkedArray, matmul, random } from "../../src/array/index.ts";
import { planGraph } from "../../src/graph/index.ts";

const MIB = 2 ** 20;

/** A matrix of 16 rows times its transpose, in blocks of 8 rows and 1 MiB: each is read by three products of 512 bytes. */
function product(columns: number): ChunkedArray {
  const a = random.defaultRng(1).random([16, columns * (MIB / 64)], { chunks: [8, MIB / 64] });
  return matmul(a, a.transpose()).sum();
}

const plan = (x: ChunkedArray, workers = 1) => planGraph([x.node], { threads: 1, memoryBytes: 2 ** 30, workers }).plan;

test("blocks of a product's inputs live as long as their column: more columns need no more memory", () => {
  const [few, many] = [plan(product(8)), plan(product(64))];
  expect(few.leastBytes).toBeLessThan(7 * MIB); // two blocks, their transposes, and what a task works in
  expect(many.leastBytes - few.leastBytes).toBeLessThan(MIB / 8); // partial sums
});

test("a block is made where the other one of its products is, also behind a transpose", () => {
  expect(plan(product(64), 2).bytesMoved).toBeLessThan(128 * MIB * 0.05);
});

test("what is not small beside its inputs does not call for others: a map of two arrays is made pair by pair", () => {
  const [x, y] = [1, 2].map((seed) => random.defaultRng(seed).random([64, MIB / 8], { chunks: [1, -1] })) as [
    ChunkedArray,
    ChunkedArray,
  ];
  expect(
    plan(
      x
        .rechunk([1, MIB / 16])
        .add(y.rechunk([1, MIB / 16]))
        .sum(),
    ).leastBytes,
  ).toBeLessThan(5 * MIB);
});
