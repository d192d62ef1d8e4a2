import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const ROOT = new URL("../../", import.meta.url).href;

/** State of wide mode in a process that made an executor with these options: the setting is the process's. */
async function stateAfter(options: string): Promise<string> {
  const script = `
    import { createExecutor } from "${ROOT}src/executor/index.ts";
    import { wideMode } from "${ROOT}src/kernels/index.ts";
    await using executor = createExecutor({ threads: 1, budgetBytes: 2 ** 20, ${options} });
    console.log(wideMode().state);
  `;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", script]);
  return stdout.trim();
}

test("kernels are widened where it is asked for", { timeout: 240_000 }, async () => {
  expect(await stateAfter("wide: true")).toBe("on");
  expect(await stateAfter("")).toBe("off");
  expect(await stateAfter('wide: "proven"')).toBe(/^13\.6\./.test(process.versions.v8) ? "on" : "off");
});
