import { setFlagsFromString } from "node:v8";

/** Versions of V8 for which these limits were measured (docs/decisions/0051); others keep their own. */
const MEASURED = /^13\.6\./;
/** Whoever gives one of these limits knows better, and whoever freezes flags wants none set. */
const GIVEN = /--(?:max[-_]inlined[-_]bytecode[-_]size|freeze[-_]flags)/;

/**
 * Let V8 put functions into the loops that call them as far as a scheduler's loops go, in all of this process: by its own limits,
 * meant for pages, each task costs some fifty calls. Whoever makes a scheduler's machine calls it first. Nothing changes where
 * Node was started with such a limit, by argument or `NODE_OPTIONS`.
 */
export function inlineMore(): void {
  const given = [...process.execArgv, process.env["NODE_OPTIONS"] ?? ""].join(" ");
  if (!MEASURED.test(process.versions.v8) || GIVEN.test(given)) return;
  setFlagsFromString("--max-inlined-bytecode-size=1000");
  setFlagsFromString("--max-inlined-bytecode-size-cumulative=8000");
  setFlagsFromString("--max-inlined-bytecode-size-absolute=10000");
}
