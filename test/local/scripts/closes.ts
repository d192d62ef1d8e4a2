/** Closes the runner by `await using`. */
import { arange } from "../../../src/array/index.ts";
import { runner } from "./common.ts";

await using _closed = runner;
console.log(
  `sum ${(
    await arange(1000, { chunks: [100] })
      .sum()
      .compute()
  ).item()}`,
);
