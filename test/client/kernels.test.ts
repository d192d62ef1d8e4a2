/** Kernel modules: read as text, called here, and what cannot travel. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, expect, test } from "vitest";
import { arange } from "../../src/array/index.ts";
import { kernels } from "../../src/client/index.ts";
import { functionText, kernelOrigin, readKernelModule } from "../../src/graph/index.ts";
import { useInlineRunner } from "../run-inline.ts";
import * as phenology from "./modules/phenology.ts";

useInlineRunner();

const URL_HERE = new URL("./modules/phenology.ts", import.meta.url);
const module = kernels<typeof phenology>(URL_HERE);
const folder = mkdtempSync(join(tmpdir(), "rsdat-kernels-"));
const before = process.argv[1];
afterEach(() => {
  process.argv[1] = before as string;
});

function written(name: string, text: string): URL {
  const path = join(folder, name);
  writeFileSync(path, text);
  return pathToFileURL(path);
}

/** What a function's text means where nothing but the text is known. */
function elsewhere(fn: (...args: never[]) => unknown): (...args: unknown[]) => unknown {
  return new Function(`return (${functionText(fn)}\n);`)() as (...args: unknown[]) => unknown; // a function expression
}

test("functions are called here, and mean the same elsewhere", () => {
  expect([module.twice(3), module.named(4)]).toEqual([15, 10]);
  expect([elsewhere(module.twice)(3), elsewhere(module.named)(4)]).toEqual([phenology.twice(3), phenology.named(4)]);
  expect(elsewhere(module.digest)("a")).toBe(phenology.digest("a"));
});

test("they run on blocks of arrays", async () => {
  const x = arange(6, { chunks: 2, dtype: "float64" }).mapBlocks(module.onBlock);
  expect((await x.compute()).toArray()).toEqual([0, 5, 10, 15, 20, 25]);
});

test("a module is known by its text", () => {
  const [a, b] = [kernelOrigin(module.twice), kernelOrigin(module.digest)];
  expect(a?.module.hash).toMatch(/^[0-9a-f]{64}$/);
  expect(b?.module.hash).toBe(a?.module.hash);
  const changed = readKernelModule("export const f = (x) => x + 1;", "m.js");
  expect(changed.hash).not.toBe(readKernelModule("export const f = (x) => x + 2;", "m.js").hash);
});

test("exports in every form", () => {
  const text =
    "const a = 1; export { a, a as 'other name' }; export let b = 2, c = 3; export async function d() {} export class E {} export default a + b;";
  const read = readKernelModule(text, "m.js");
  expect(read.names.toSorted()).toEqual(["E", "a", "b", "c", "d", "default", "other name"]);
  const made = new Function(`return ${read.text}`)() as Record<string, unknown>;
  expect([made["a"], made["other name"], made["b"], made["c"], made["default"]]).toEqual([1, 1, 2, 3, 3]);
});

test("the pipeline's own file is refused", () => {
  const url = written("pipeline.mjs", "export const f = (x) => x;");
  process.argv[1] = join(folder, "pipeline.mjs");
  expect(() => kernels(url)).toThrow(
    expect.objectContaining({ code: "argument", message: expect.stringContaining("pipeline itself") }),
  );
});

test("what does not travel is named", () => {
  const cases: [string, string, RegExp][] = [
    ['import { g } from "./other.js"; export const f = g;', "closure", /"\.\/other\.js"/],
    ['export * from "numjs";', "closure", /"numjs"/],
    ['export { g } from "./g.js";', "closure", /"\.\/g\.js"/],
    ["export const f = () => undeclared;", "closure", /undeclared/],
    ["export const f = await 1;", "argument", /waits/],
    ["export const f = import.meta.url;", "argument", /import\.meta/],
    ["export const { f } = {};", "argument", /pattern/],
    ["export const f = ;", "argument", /no JavaScript module/],
  ];
  cases.forEach(([text, code, message], i) => {
    expect(() => kernels(written(`bad-${i}.mjs`, text)), text).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });
  expect(() => kernels(new URL("./nowhere.js", import.meta.url))).toThrow(
    expect.objectContaining({ code: "argument" }),
  );
  const some = kernels<Record<string, () => unknown>>(written("some.mjs", "export const known = () => 1;"));
  expect(() => some["unknown"]).toThrow(/exports no unknown; it exports known/);
});
