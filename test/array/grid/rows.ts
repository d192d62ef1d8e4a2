/** All rows of the grid, and every one's place in the compatibility table. */
import { CREATION } from "./creation.ts";
import { ELEMENTWISE } from "./elementwise.ts";
import { FUNCTIONS } from "./functions.ts";
import { MANIPULATION } from "./manipulation.ts";
import { ORDERING } from "./ordering.ts";
import { PRODUCT_ROWS } from "./products.ts";
import { REDUCTIONS } from "./reductions.ts";
import type { Row } from "./row.ts";

/** Inputs per dtype and call in the unit tests, by family; test/long runs all. */
export const INPUTS = { simple: 2, other: 3 } as const;

/** Rows by the number of their inputs. */
export const FAMILIES: readonly (readonly [rows: readonly Row[], inputs: number])[] = [
  [ELEMENTWISE, INPUTS.simple],
  [REDUCTIONS, INPUTS.simple],
  [CREATION, INPUTS.other],
  [MANIPULATION, INPUTS.other],
  [ORDERING, INPUTS.other],
  [PRODUCT_ROWS, INPUTS.other],
  [FUNCTIONS, INPUTS.other],
];
