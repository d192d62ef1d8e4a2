/** The version of this package. */
import { readFileSync } from "node:fs";

let known: string | undefined;

/** `version` of rsdat's package.json. */
export function packageVersion(): string {
  // package.json lies two folders above both src/config and dist/config, and its fields are ours.
  known ??= (JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string })
    .version;
  return known;
}
