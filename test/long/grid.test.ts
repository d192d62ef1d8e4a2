/** The whole product: every function on every dtype, every kind of input and every chunking, against NumPy. */
import { FAMILIES } from "../array/grid/rows.ts";
import { gridTests } from "../array/grid/tests.ts";

gridTests(
  "every function on every input is NumPy's",
  FAMILIES.flatMap(([rows]) => rows),
  { inputs: "all" },
);
