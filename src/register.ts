/**
 * Loaded by every door of the package before the library: names the runner that serves while no Client is connected, the
 * cluster that a Client without an address starts, the arrays that it finds published, and where warnings go. All are
 * loaded only when they are needed.
 */
import { onWarning } from "./base/index.ts";
import { onAccounting, type Runner, registerArrays, registerLocalCluster, registerRunner } from "./graph/index.ts";

let embedded: Promise<Runner> | null = null;

registerRunner(() => {
  embedded ??= import("./local/index.ts").then(({ localRunner }) => localRunner());
  return embedded;
});

registerLocalCluster((wish) => import("./cluster/index.ts").then(({ LocalCluster }) => LocalCluster.start(wish)));

registerArrays(() => import("./array/index.ts").then(({ heldArray }) => heldArray));

onWarning((name, message) => {
  void import("./config/index.ts").then(({ createLogger }) => createLogger("rsdat").warning(`${name}: ${message}`));
});

onAccounting(async (accounting) => {
  const [{ config, createLogger }, { appendAccounting }] = await Promise.all([
    import("./config/index.ts"),
    import("./report/index.ts"),
  ]);
  try {
    appendAccounting(config.path("rsdat.accounting") ?? "accounting.jsonl", accounting);
  } catch (error) {
    // The results are there; that their accounting is not is worth a line, not a failure.
    createLogger("rsdat").warning(String(error));
  }
});
