/** The nanny's rules, with commands that stand for workers. */
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Logger, silentLogger } from "../../src/base/index.ts";
import { type NannyOptions, runNanny } from "../../src/worker/index.ts";

const REGISTERED = 'process.send({ notice: "registered" });';

/** A command that counts its runs in a file, does `work`, and exits with `code` until run `last`, then with 0. */
function counting(code: number, last: number, work = REGISTERED): { readonly command: string[]; runs(): number } {
  const file = join(mkdtempSync(join(tmpdir(), "rsdat-nanny-")), "runs");
  writeFileSync(file, "");
  const name = JSON.stringify(file);
  const program = `const fs = require("node:fs"); fs.appendFileSync(${name}, "x"); const runs = fs.readFileSync(${name}).length;
    ${work}
    process.exitCode = runs >= ${last} ? 0 : ${code}; process.disconnect();`;
  return { command: [process.execPath, "-e", program], runs: () => readFileSync(file, "utf8").length };
}

const never = new AbortController().signal;
const run = (command: readonly string[], options: Partial<NannyOptions> = {}): Promise<number> =>
  runNanny({ command, logger: silentLogger, signal: never, ...options });

test("a worker that dies is started again until it ends well", async () => {
  const { command, runs } = counting(3, 3);
  expect(await run(command)).toBe(0);
  expect(runs()).toBe(3);
});

test("and given up after its bound", async () => {
  const { command, runs } = counting(3, 99);
  expect(await run(command, { restartsMax: 2 })).toBe(1);
  expect(runs()).toBe(3);
});

test("one that never registered said why, and would say it again: it is not started again", async () => {
  const { command, runs } = counting(3, 99, "");
  expect(await run(command)).toBe(3);
  expect(runs()).toBe(1);
});

test("one that ended well is not started again, unless its lifetime was over and it is to be", async () => {
  const told = `${REGISTERED} process.send({ notice: "lifetime" });`;
  const once = counting(0, 1, told);
  expect(await run(once.command)).toBe(0);
  expect(once.runs()).toBe(1);
  // The third run ends well for another reason.
  const thrice = counting(0, 1, `if (runs < 3) { ${told} }`);
  expect(await run(thrice.command, { restartsAfterLifetime: true })).toBe(0);
  expect(thrice.runs()).toBe(3);
});

test("one that takes more memory than it may is killed and started again", async () => {
  // The first run takes 300 MB and waits for ever; the second ends.
  const greedy = `${REGISTERED} if (runs === 1) { globalThis.held = Buffer.alloc(300e6, 1); setInterval(() => {}, 1000); return; }`;
  const wrapped = counting(0, 1, "");
  const [, , program = ""] = wrapped.command;
  const command = [
    process.execPath,
    "-e",
    `(() => { ${program.replace("process.exitCode", `${greedy} process.exitCode`)} })()`,
  ];
  const warnings: string[] = [];
  const logger: Logger = { ...silentLogger, warning: (message) => void warnings.push(message) };
  expect(await run(command, { memoryMaxBytes: 200e6, monitorIntervalMs: 20, logger })).toBe(0);
  expect(wrapped.runs()).toBe(2);
  expect(warnings[0]).toMatch(/takes \d+.* MiB of memory, over 19\d.* MiB; it is killed/);
  expect(warnings[1]).toMatch(/died with .* of memory.*starting it again \(1 of 5\)/);
});

test("a worker that was asked to leave is not started again", async () => {
  const leave = new AbortController();
  const running = run([process.execPath, "-e", "setInterval(() => {}, 1000)"], { signal: leave.signal });
  setTimeout(() => leave.abort(), 200);
  expect(await running).toBe(128);
});
