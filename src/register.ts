/**
 * Loaded by every door of the package before the library: names the runner that serves while no Client is connected, and
 * where warnings go. Both are loaded only when they are needed.
 */
import { onWarning } from "./base/index.ts";
import { type Runner, registerRunner } from "./graph/index.ts";

let embedded: Promise<Runner> | null = null;

registerRunner(() => {
  embedded ??= import("./local/index.ts").then(({ localRunner }) => localRunner());
  return embedded;
});

onWarning((name, message) => {
  void import("./config/index.ts").then(({ createLogger }) => createLogger("rsdat").warning(`${name}: ${message}`));
});
