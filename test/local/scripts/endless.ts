/** Runs until it is interrupted. */
import { arange } from "../../../src/array/index.ts";
import "./common.ts";

await arange(10, { chunks: [5] }).compute();
console.log("running");
for (;;)
  await arange(20_000_000, { chunks: [200_000] })
    .sum()
    .compute();
