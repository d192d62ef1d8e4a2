/** Closes nothing: must end with 0 right after its last await. */
import { arange } from "../../../src/array/index.ts";
import "./common.ts";

const sum = await arange(1000, { chunks: [100] })
  .sum()
  .compute();
console.log(`sum ${sum.item()}`);
