/** Tens of millions of tasks on threads of this process: none is lost between a thread that ends one and the owner that sleeps. */
import { expect, test } from "vitest";
import { array } from "../../src/index.ts";
import "../../src/register.ts";

const BLOCKS = 100_000;
const ROUNDS = Number(process.env["RSDAT_THREAD_ROUNDS"] ?? 400);

test(`${ROUNDS} sums of ${BLOCKS} blocks on threads`, async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const sum = await array.ones(BLOCKS, { chunks: 1 }).add(round).sum().compute();
    expect(sum.item()).toBe(BLOCKS * (1 + round));
  }
});
