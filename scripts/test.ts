/** `npm test`: every project but the long and the package's own; `npm test -- --project NAME` runs those that are named. */
import { spawnSync } from "node:child_process";

const given = process.argv.slice(2);
const isChosen = given.some((argument) => argument === "--project" || argument.startsWith("--project="));
// Vitest runs a project that any of the names lets in: beside a chosen one, an exclusion would let all others in.
const projects = isChosen ? [] : ["--project=!long", "--project=!package"];
const { status } = spawnSync("vitest", ["run", ...projects, ...given], { stdio: "inherit" });
process.exitCode = status ?? 1;
