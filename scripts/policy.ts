/** `node scripts/policy.ts`: writes docs/policy.json, the figures that placement and order may not get worse than. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { CASES, figuresOf } from "../test/sim/policy.ts";

const rows = CASES.map((row) => {
  const figures = { ...row, ...figuresOf(row) };
  process.stdout.write(`${JSON.stringify(figures)}\n`);
  return figures;
});
const text = rows.map(
  (row) =>
    `  ${JSON.stringify(row).replaceAll('":', '": ').replaceAll(',"', ', "').replace("{", "{ ").replace("}", " }")}`,
);
writeFileSync(join(import.meta.dirname, "..", "docs", "policy.json"), `[\n${text.join(",\n")}\n]\n`);
