/**
 * Loaded by every door of the package before the library: names the runner that serves while no Client is connected, the
 * cluster that a Client without an address starts, the arrays that it finds published, and where warnings go. All are
 * loaded only when they are needed.
 */
import { onWarning } from "./base/index.ts";
import { type Runner, registerArrays, registerLocalCluster, registerRunner } from "./graph/index.ts";

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
