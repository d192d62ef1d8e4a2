/** What the scripts of this folder share: the embedded runner with two threads, as a front door would register it. */
import { registerRunner } from "../../../src/graph/index.ts";
import { type LocalRunner, localRunner } from "../../../src/local/index.ts";

const runner: LocalRunner = localRunner({ threads: 2, memoryLimitBytes: 512 * 2 ** 20 });
registerRunner(async () => runner);

export { runner };
