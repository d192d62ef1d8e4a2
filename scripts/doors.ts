/**
 * The package's doors: one plain JavaScript file in `bin/entry/` per sub-path of `bin/doors.json`, and `exports` of
 * package.json. A door must be readable by Node 20 to say which Node is needed, so it imports the library late and
 * therefore spells the public names out. `npm run doors` writes them; a test holds them against the sources.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

const ROOT = join(import.meta.dirname, "..");

/** The file in `bin/entry/` of a sub-path such as `.` or `./array`. */
function entryName(subpath: string): string {
  return subpath === "." ? "index.js" : `${basename(subpath)}.js`;
}

/** Public names that JavaScript keeps for itself: they are exported under another name's alias. */
const RESERVED: ReadonlySet<string> = new Set(["var", "delete", "in", "new", "with"]);

/** Sub-path of the package to module of `src/`, without ending. */
export function readDoors(): Record<string, string> {
  return JSON.parse(readFileSync(join(ROOT, "bin", "doors.json"), "utf8"));
}

/** What `exports` of package.json has to be. */
export function packageExports(): Record<string, { types: string; default: string }> {
  return Object.fromEntries(
    Object.entries(readDoors()).map(([subpath, module]) => [
      subpath,
      { types: `./dist/${module}.d.ts`, default: `./bin/entry/${entryName(subpath)}` },
    ]),
  );
}

/** The text of every entry file, by its path from the root; imports the sources to learn their names. */
export async function entryFiles(): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const [subpath, module] of Object.entries(readDoors())) {
    const door: object = await import(join(ROOT, "src", `${module}.ts`));
    const names = Object.keys(door).sort();
    files[`bin/entry/${entryName(subpath)}`] = `// Written by \`npm run doors\`; do not edit.
import { load } from "../load.js";

await load("register");
const door = await load("${module}");
export const {
${names
  .filter((name) => !RESERVED.has(name))
  .map((name) => `  ${name},\n`)
  .join("")}} = door;
${names
  .filter((name) => RESERVED.has(name))
  .map((name) => `const { ${name}: ${name}_ } = door;\nexport { ${name}_ as ${name} };\n`)
  .join("")}`;
  }
  return files;
}

if (import.meta.main) {
  const files = await entryFiles();
  rmSync(join(ROOT, "bin", "entry"), { recursive: true, force: true });
  mkdirSync(join(ROOT, "bin", "entry"));
  for (const [path, text] of Object.entries(files)) writeFileSync(join(ROOT, path), text);
  const path = join(ROOT, "package.json");
  const manifest: Record<string, unknown> = JSON.parse(readFileSync(path, "utf8"));
  manifest["exports"] = packageExports();
  writeFileSync(path, `${JSON.stringify(manifest, null, 2)}\n`);
}
