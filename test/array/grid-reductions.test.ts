/** Reductions against NumPy: a part of the product of inputs; all of it in test/long. */
import { REDUCTIONS } from "./grid/reductions.ts";
import { INPUTS } from "./grid/rows.ts";
import { gridTests } from "./grid/tests.ts";

gridTests("reductions are NumPy's", REDUCTIONS, { inputs: INPUTS.simple });
