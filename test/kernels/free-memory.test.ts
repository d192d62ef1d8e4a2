/** What was freed goes back to the system, where koffi and glibc are there; elsewhere nothing happens. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const ROOT = new URL("../../", import.meta.url).href;
const isGlibc = "glibcVersionRuntime" in (process.report.getReport() as { header: object }).header; // as Node's documentation has it

/**
 * MiB that a process gives back of 60 that were freed below a block that lives: when it is told to, or by itself after
 * `first`.
 */
async function givenBack(first: string, then = "giveBackFreeMemory();"): Promise<number> {
  const script = `
    const { giveBackAsFreed, giveBackFreeMemory } = await import("${ROOT}src/kernels/index.ts");
    ${first}
    let blocks = [];
    const round = () => { for (let k = 0; k < 16; k++) blocks.push(new Uint8Array(4 << 20).fill(1)); };
    const turn = () => new Promise((resolve) => setTimeout(resolve, 20));
    for (let k = 0; k < 3; k++) { round(); blocks = []; globalThis.gc(); await turn(); } // from now on they come from the heap
    round();
    const last = blocks.at(-1);
    const full = process.memoryUsage.rss();
    blocks = [];
    globalThis.gc();
    await turn();
    const before = ${then === "" ? "full" : "process.memoryUsage.rss()"};
    ${then}
    console.log((before - process.memoryUsage.rss()) / 2 ** 20, last[5]);`;
  const { stdout } = await promisify(execFile)(process.execPath, ["--expose-gc", "--input-type=module", "-e", script]);
  return Number.parseFloat(stdout);
}

test.runIf(isGlibc)("freed memory between blocks that live goes back", async () => {
  expect(await givenBack("")).toBeGreaterThan(30);
});

test.runIf(isGlibc)("where memory is scarce it goes back as it is freed", async () => {
  expect(await givenBack("giveBackAsFreed();", "")).toBeGreaterThan(50);
  expect(await givenBack("", "")).toBeLessThan(30);
});

test("without the package nothing happens", async () => {
  const hidden = `(await import("node:module")).registerHooks({ resolve(name, context, next) {
    if (name === "koffi") throw Object.assign(new Error("Cannot find module 'koffi'"), { code: "MODULE_NOT_FOUND" });
    return next(name, context);
  } });`;
  expect(await givenBack(hidden)).toBeLessThan(10);
  expect(await givenBack(`${hidden} giveBackAsFreed();`, "")).toBeLessThan(30);
});
