/**
 * Memory that nobody counts: `threads JOB INPUT OUTPUT` runs a job of memory.ts in this process; `node` is a scheduler and
 * a worker for another process, whose address is printed. Told the same limit as memory.ts.
 */
import { parseBytes } from "rsdat";
import { startWithoutAdmission, useThreadsWithoutAdmission } from "rsdat/testing";

const [role = "", job = "", input = "", output = ""] = process.argv.slice(2);
const options = { threads: 2, memoryLimitBytes: parseBytes("512MiB") };
if (role === "node") {
  const { address, close } = await startWithoutAdmission(options);
  console.log(`listening at ${address}`);
  process.once("SIGTERM", () => void close().then(() => process.exit()));
} else {
  useThreadsWithoutAdmission(options);
  process.argv.splice(2, Number.POSITIVE_INFINITY, job, "threads", input, output);
  await import("./memory.ts");
}
