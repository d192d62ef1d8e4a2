/**
 * The packed tarball as a stranger meets it: installed into an empty folder, the README's script run by plain Node,
 * and one clear line under a Node that is too old.
 */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, relative } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readDoors } from "../../scripts/doors.ts";
import { ROOT } from "../find-peers.ts";
import { run } from "../peers.ts";

/** Runtime packages, the library itself included, and their unpacked size: raise them only with a reason. */
const PACKAGES_MAX = 75;
const UNPACKED_BYTES_MAX = 40 * 2 ** 20;
const LICENCES = /^(MIT|ISC|BSD-[23]-Clause|0BSD|Apache-2\.0|CC0-1\.0|Zlib)$/;

const folder = mkdtempSync(join(tmpdir(), "rsdat-package-"));
const modules = join(folder, "node_modules");

/** The machine's own Node when it is older than the package needs; null where there is none. */
function oldNode(): string | null {
  for (const path of (process.env["PATH"] ?? "").split(delimiter).map((each) => join(each, "node"))) {
    if (path.includes("node_modules") || !existsSync(path)) continue;
    const { stdout } = spawnSync(path, ["--version"], { encoding: "utf8" });
    if (Number(/^v(\d+)/.exec(stdout)?.[1] ?? 24) < 24) return path;
  }
  return null;
}

/** npm and its children must not see the settings of the `npm test` around us, but for where the user's own are. */
const cleanEnv: Record<string, string> = {
  ...Object.fromEntries(
    Object.keys(process.env).flatMap((name) => (/^npm_(?!config_(userconfig|cache)$)/i.test(name) ? [[name, ""]] : [])),
  ),
  PATH: (process.env["PATH"] ?? "")
    .split(delimiter)
    .filter((path) => !path.includes("node_modules"))
    .join(delimiter),
};

const inFolder = (command: string, ...args: string[]) =>
  run(command, args, { cwd: folder, env: cleanEnv, timeoutMs: 240_000 });

/** The first JavaScript of the README that imports the package. */
function readmeScript(): string {
  const blocks = readFileSync(join(ROOT, "README.md"), "utf8").matchAll(/```(?:js|ts|javascript)\n([\s\S]*?)```/g);
  const script = [...blocks].map(([, code = ""]) => code).find((code) => code.includes('from "rsdat"'));
  if (!script) throw new Error("README.md has no script that imports rsdat");
  return script;
}

/** The script's last line is NumPy's mean, as a float32 (test/oracle/scene_ndvi.py). */
function expectMean(out: string): void {
  const { unmasked_mean } = JSON.parse(readFileSync(join(ROOT, "test", "oracle", "scene_ndvi.json"), "utf8"));
  const [, mean] = /\nmean NDVI (-?[\d.e-]+)\n$/.exec(out) ?? [];
  expect(mean, out).toBeDefined();
  expect(Math.abs(Number(mean) / unmasked_mean - 1)).toBeLessThan(2 ** -23);
}

function sizeOf(path: string): number {
  const stat = statSync(path);
  return stat.isDirectory() ? readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0) : stat.size;
}

/** Folders of all runtime packages: what was installed but Node itself. */
async function runtimePackages(): Promise<string[]> {
  const out = await inFolder("npm", "ls", "--all", "--parseable");
  const folders = out.trim().split("\n").slice(1);
  return folders.filter((path) => !/^node(-bin-setup)?(\/|$)/.test(relative(modules, path)));
}

beforeAll(async () => {
  const packed = await run("npm", ["pack", "--silent", "--pack-destination", folder], { timeoutMs: 120_000 });
  const tarball = packed.trim().split("\n").at(-1) ?? "";
  await inFolder("npm", "install", "--no-audit", "--no-fund", `./${tarball}`, "node@24");
}, 600_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the installed package", () => {
  test("holds what it needs and nothing else", () => {
    const names = readdirSync(join(modules, "rsdat")).sort();
    expect(names).toEqual(["LICENSE", "NOTICE", "README.md", "bin", "dist", "package.json"]);
  });

  test("runs the README's script by `npx node pipeline.js`", async () => {
    cpSync(join(ROOT, "examples", "data"), join(folder, "examples", "data"), { recursive: true });
    writeFileSync(join(folder, "pipeline.js"), readmeScript());
    writeFileSync(
      join(folder, "package.json"),
      readFileSync(join(folder, "package.json"), "utf8").replace("{", '{"type":"module",'),
    );
    expectMean(await inFolder("npx", "node", "pipeline.js"));
  });

  test("opens at every door, and at no other", async () => {
    const names = Object.keys(readDoors()).map((subpath) => join("rsdat", subpath));
    const script = `
      for (const name of ${JSON.stringify(names)}) {
        if (Object.keys(await import(name)).length === 0) throw new Error(name + " exports nothing");
      }
      const inside = await import("rsdat/dist/index.js").catch((error) => error.code);
      console.log(inside);`;
    const out = await inFolder("npx", "node", "--input-type=module", "-e", script);
    expect(out.trim()).toBe("ERR_PACKAGE_PATH_NOT_EXPORTED");
  });

  test("gives the command line", async () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
    expect(await inFolder("npx", "node", "node_modules/.bin/rsdat", "--version")).toContain(version);
  });

  test("types are found by a compiler", async () => {
    writeFileSync(
      join(folder, "typed.ts"),
      'import * as rsdat from "rsdat";\nexport const names: string[] = Object.keys(rsdat);\n',
    );
    const tsc = join(ROOT, "node_modules", ".bin", "tsc");
    const flags = ["--noEmit", "--strict", "--module", "nodenext", "--target", "esnext", "--skipLibCheck"];
    expect(await run(tsc, [...flags, "typed.ts"], { cwd: folder })).toBe("");
  });

  test("is small, and of free licences", async () => {
    const folders = await runtimePackages();
    expect(folders.length).toBeGreaterThan(1);
    expect(folders.length).toBeLessThanOrEqual(PACKAGES_MAX);
    expect(folders.reduce((sum, path) => sum + sizeOf(path), 0)).toBeLessThan(UNPACKED_BYTES_MAX);
    const odd = folders.flatMap((path) => {
      const { name, license } = JSON.parse(readFileSync(join(path, "package.json"), "utf8"));
      const parts = String(license)
        .replace(/[()]/g, "")
        .split(/ AND | OR /);
      return parts.every((part) => LICENCES.test(part)) ? [] : [`${name}: ${license}`];
    });
    expect(odd).toEqual([]);
  });

  test("works without any install script, and without optional packages", async () => {
    rmSync(modules, { recursive: true });
    await inFolder("npm", "install", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund");
    expect(existsSync(join(modules, "koffi"))).toBe(false);
    const out = await run(process.execPath, ["pipeline.js"], { cwd: folder, env: cleanEnv });
    expectMean(out);
  });
});

describe("under a Node that is too old", () => {
  const old = oldNode();
  const absent = old === null && !process.env["CI"];

  test.skipIf(absent)("the command and the import end in one line that names the version needed", () => {
    if (old === null) throw new Error("with CI=true a Node older than 24 must be on the PATH");
    const env = { ...process.env, ...cleanEnv, PATH: `${dirname(old)}${delimiter}${cleanEnv["PATH"]}` };
    const attempts = [
      ["node_modules/.bin/rsdat", "--version"],
      ["--input-type=module", "-e", 'import { array } from "rsdat"; console.log(array);'],
      ...Object.keys(readDoors()).map((subpath) => [
        "--input-type=module",
        "-e",
        `import "${join("rsdat", subpath)}";`,
      ]),
    ];
    for (const args of attempts) {
      const { status, stdout, stderr } = spawnSync(old, args, { cwd: folder, env, encoding: "utf8" });
      expect(status).toBe(1);
      expect(stdout).toBe("");
      expect(stderr).toMatch(/^rsdat needs Node\.js 24 or later[^\n]*\n$/);
    }
  });
});
