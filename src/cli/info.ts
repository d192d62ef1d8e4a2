/** `rsdat info`: what is installed, and what this process was allotted. */
import { Command } from "commander";
import { formatBytes } from "../base/index.ts";
import { allottedCpus, allottedMemoryBytes, memoryLimitBytes, packageVersion } from "../config/index.ts";

/** The command, ready to be added. */
export function infoCommand(): Command {
  const info = new Command("info").description("Versions, and what this machine offers");
  info
    .command("versions")
    .description("versions, as JSON")
    .action(() => {
      print({
        rsdat: packageVersion(),
        node: process.versions.node,
        v8: process.versions.v8,
        platform: `${process.platform} ${process.arch}`,
      });
    });
  info
    .command("limits")
    .description("CPUs and memory that this process may take, and who says so; as JSON")
    .action(() => {
      const [cpus, memory] = [allottedCpus(), allottedMemoryBytes()];
      print({
        threads: cpus.value,
        threadsFrom: cpus.source,
        memory: formatBytes(memory.value),
        memoryFrom: memory.source,
        memoryLimit: formatBytes(memoryLimitBytes()),
      });
    });
  return info;
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}
