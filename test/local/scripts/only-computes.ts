/** Nothing but the run keeps the process alive. */
import { arange } from "../../../src/array/index.ts";
import "./common.ts";

process.on("exit", (code) => console.log(`exit ${code}`));
console.log(
  `sum ${(
    await arange(20_000_000, { chunks: [200_000] })
      .sum()
      .compute()
  ).item()}`,
);
