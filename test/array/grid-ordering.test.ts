/** Selection, sorting, scans, counting, products, transforms and user functions against NumPy; all inputs in test/long. */
import { FUNCTIONS } from "./grid/functions.ts";
import { ORDERING } from "./grid/ordering.ts";
import { PRODUCT_ROWS } from "./grid/products.ts";
import { INPUTS } from "./grid/rows.ts";
import { gridTests } from "./grid/tests.ts";

gridTests("selection, sorting, products and user functions are NumPy's", [...ORDERING, ...PRODUCT_ROWS, ...FUNCTIONS], {
  inputs: INPUTS.other,
});
