/**
 * Loaded by every door of the package before the library: names the runner that serves while no Client is connected, and
 * where warnings go. Both are loaded only when they are needed.
 */
import { onWarning } from "./base/index.ts";
import { registerRunner } from "./graph/index.ts";

registerRunner(async () => (await import("./local/index.ts")).localRunner());

onWarning((name, message) => {
  void import("./config/index.ts").then(({ createLogger }) => createLogger("rsdat").warning(`${name}: ${message}`));
});
