/** Elementwise functions against NumPy: a part of the product of inputs; all of it in test/long. */

import { ELEMENTWISE } from "./grid/elementwise.ts";
import { INPUTS } from "./grid/rows.ts";
import { gridTests } from "./grid/tests.ts";

gridTests("elementwise functions are NumPy's", ELEMENTWISE, { inputs: INPUTS.simple });
