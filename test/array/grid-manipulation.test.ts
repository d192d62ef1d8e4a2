/** Creation, manipulation and indexing against NumPy: a part of the product of inputs; all of it in test/long. */
import { CREATION } from "./grid/creation.ts";
import { MANIPULATION } from "./grid/manipulation.ts";
import { INPUTS } from "./grid/rows.ts";
import { gridTests } from "./grid/tests.ts";

gridTests("creation and manipulation are NumPy's", [...CREATION, ...MANIPULATION], { inputs: INPUTS.other });
