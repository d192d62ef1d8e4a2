/** Limits of V8's inlining are set for a process, unless somebody set them or forbade it. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

const MODULE = join(import.meta.dirname, "../../src/config/inlining.ts");
/** Sets a flag by itself, which ends a process whose flags are frozen. */
const BY_ITSELF = `(await import("node:v8")).setFlagsFromString("--max-inlined-bytecode-size=1000");`;
const INLINE_MORE = `(await import(${JSON.stringify(MODULE)})).inlineMore();`;

function run(code: string, flags: readonly string[]): string {
  const env = { ...process.env, NODE_OPTIONS: "" };
  const script = `${code}\nconsole.log("went on");`;
  return execFileSync(process.execPath, [...flags, "--no-warnings", "--input-type=module", "--eval", script], {
    env,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
}

test.each([
  { flags: [] },
  { flags: ["--freeze-flags-after-init"] },
  { flags: ["--max-inlined-bytecode-size-cumulative=500"] },
])("a process with $flags goes on", ({ flags }) => {
  expect(run(INLINE_MORE, flags)).toBe("went on\n");
});

test("a process whose flags are frozen ends where one is set", () => {
  expect(() => run(BY_ITSELF, ["--freeze-flags-after-init"])).toThrow();
});
