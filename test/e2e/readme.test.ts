/** Every block of README.md, run as shown in a clone; those that need Slurm are run by test/slurm/submit.test.ts. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { ROOT, run } from "../peers.ts";
import { linkedClone, ownerOf, type ReadmeBlock, readmeBlocks } from "../readme.ts";

const HERE = "test/e2e/readme.test.ts";
const SLURM = "test/slurm/submit.test.ts";
const clone = linkedClone();
afterAll(() => clone[Symbol.dispose]());

/** A shell as a reader has it, after `npm install`: `node` is the clone's own. */
const env = { PATH: `${join(ROOT, "node_modules", ".bin")}${delimiter}${process.env["PATH"]}` };
const shell = (command: string): Promise<string> =>
  run("sh", ["-e", "-c", command], { cwd: clone.path, env, timeoutMs: 600_000 });

/** What each script prints, by something that it alone contains. */
const PRINTS: readonly (readonly [mark: string, output: RegExp])[] = [
  ["mean NDVI", /^plan: [\s\S]*\nmean NDVI -0\.06\d+\n$/],
  ["ndvi-labelled", /^out\/ndvi-labelled\.tif EPSG:31985\n$/],
  ["LocalCluster", /^499999500000n\n42\n1999998n\n$/],
];

const titled = (blocks: readonly ReadmeBlock[]): (readonly [string, ReadmeBlock])[] =>
  blocks.map((block) => [`line ${block.line}, under ${block.heading}`, block]);

test("every block is run by some test", () => {
  const blocks = readmeBlocks();
  expect(blocks.length).toBeGreaterThan(5);
  expect(blocks.filter((block) => ownerOf(block) === null)).toEqual([]);
});

test("those for Slurm are the ones that its test names", () => {
  const source = readFileSync(join(ROOT, SLURM), "utf8");
  const text = readFileSync(join(ROOT, "README.md"), "utf8");
  // snippet("sh", "What works by hand"): the first block of that language after the words.
  const named = [...source.matchAll(/snippet\("(\w+)", "([^"]+)"\)/g)].map(([, language, mark = ""]) => {
    const line = text.slice(0, text.indexOf(mark)).split("\n").length;
    return readmeBlocks().find((block) => block.language === language && block.line > line)?.line;
  });
  const owned = readmeBlocks({ owner: SLURM }).map((block) => block.line);
  expect(owned.filter((line) => !named.includes(line))).toEqual([]);
});

describe("JavaScript", () => {
  test.each(titled(readmeBlocks({ owner: HERE, language: "js" })))("%s", async (_, { code }) => {
    const expected = PRINTS.filter(([mark]) => code.includes(mark));
    expect(expected, "say in PRINTS what it prints").toHaveLength(1);
    writeFileSync(join(clone.path, "pipeline.js"), code);
    expect(await shell("node pipeline.js")).toMatch(expected[0]?.[1] as RegExp);
  });

  test("each expected output has its script", () => {
    const code = readmeBlocks({ owner: HERE, language: "js" }).map((block) => block.code);
    expect(PRINTS.filter(([mark]) => !code.some((each) => each.includes(mark)))).toEqual([]);
  });
});

describe("shell", () => {
  // `npm test` runs this file: here it shall only prove that it starts, by one small file.
  const shown = (code: string): string => code.replace(/^npm test\b/m, "npm test -- test/base/module-url.test.ts");

  test.each(titled(readmeBlocks({ owner: HERE, language: "sh" })))("%s", async (_, { code }) => {
    const said = await shell(shown(code));
    for (const line of code.trim().split("\n")) {
      const out = / --out (\S+)/.exec(line)?.[1] ?? "out";
      if (line.startsWith("npm start")) expect(existsSync(join(clone.path, out, "summary.json"))).toBe(true);
      else expect(line).toMatch(/^npm test /);
    }
    expect(said).toMatch(/\d+ valid, \d+ missing, mean -0\.06/);
  });
});
