/** `npm run test:sim -- --seed N --runs N`: the simulation, with its seed and number of runs in the environment. */
import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({
  options: { seed: { type: "string" }, runs: { type: "string" } },
  allowPositionals: true,
});
for (const [name, value] of Object.entries(values)) {
  if (!/^\d+$/.test(value)) throw new Error(`--${name} takes a whole number, not ${value}`);
}
const { status } = spawnSync("vitest", ["run", "--project", "sim", ...positionals], {
  stdio: "inherit",
  env: {
    ...process.env,
    ...(values.seed === undefined ? {} : { RSDAT_SIM_SEED: values.seed }),
    ...(values.runs === undefined ? {} : { RSDAT_SIM_RUNS: values.runs }),
  },
});
process.exitCode = status ?? 1;
