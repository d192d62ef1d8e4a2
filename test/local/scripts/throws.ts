/** An error of its own after a run, while another run is under way. */
import { arange } from "../../../src/array/index.ts";
import "./common.ts";

await arange(10, { chunks: [5] }).compute();
void arange(50_000_000, { chunks: [500_000] })
  .sum()
  .compute();
throw new Error("the script's own");
