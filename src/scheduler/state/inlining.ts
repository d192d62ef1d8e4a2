import { setFlagsFromString } from "node:v8";

/**
 * Let V8 put small functions into the loops that call them as far as the machine's loops go, for all of this process: by its
 * own limits, meant for pages, each task costs some fifty calls. Whoever makes a machine calls it first
 * (docs/decisions/0051); measured by `npm run bench -- runtime core`.
 */
export function inlineMore(): void {
  setFlagsFromString("--max-inlined-bytecode-size=1000");
  setFlagsFromString("--max-inlined-bytecode-size-cumulative=8000");
  setFlagsFromString("--max-inlined-bytecode-size-absolute=10000");
}
