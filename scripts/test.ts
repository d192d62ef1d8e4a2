/** `npm test`: every project but the long and the package's own; `npm test -- --project NAME` runs those that are named. */
import { spawnSync } from "node:child_process";

/** Named one by one: Vitest runs a project that any pattern lets in, so two exclusions would let each other's in. */
const PROJECTS = ["unit", "tidy", "sim", "interop", "e2e", "slurm"];

const given = process.argv.slice(2);
const isChosen = given.some((argument) => argument === "--project" || argument.startsWith("--project="));
const projects = isChosen ? [] : PROJECTS.map((name) => `--project=${name}`);
const { status } = spawnSync("vitest", ["run", ...projects, ...given], { stdio: "inherit" });
process.exitCode = status ?? 1;
