/** The nanny's bound, with commands that die at once. */
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { silentLogger } from "../../src/base/index.ts";
import { runNanny } from "../../src/worker/index.ts";

/** A command that counts its runs in a file and exits with `code` until run `last`, then with 0. */
function counting(code: number, last: number): { readonly command: string[]; runs(): number } {
  const file = join(mkdtempSync(join(tmpdir(), "rsdat-nanny-")), "runs");
  writeFileSync(file, "");
  const program = `const fs = require("node:fs"); fs.appendFileSync(${JSON.stringify(file)}, "x"); process.exit(fs.readFileSync(${JSON.stringify(file)}).length >= ${last} ? 0 : ${code})`;
  return { command: [process.execPath, "-e", program], runs: () => readFileSync(file, "utf8").length };
}

const never = new AbortController().signal;

test("a worker that dies is started again until it ends well", async () => {
  const { command, runs } = counting(3, 3);
  expect(await runNanny({ command, logger: silentLogger, signal: never })).toBe(0);
  expect(runs()).toBe(3);
});

test("and given up after its bound", async () => {
  const { command, runs } = counting(3, 99);
  expect(await runNanny({ command, restartsMax: 2, logger: silentLogger, signal: never })).toBe(1);
  expect(runs()).toBe(3);
});

test("a worker that was asked to leave is not started again", async () => {
  const leave = new AbortController();
  const running = runNanny({
    command: [process.execPath, "-e", "setInterval(() => {}, 1000)"],
    logger: silentLogger,
    signal: leave.signal,
  });
  setTimeout(() => leave.abort(), 200);
  expect(await running).toBe(128);
});
