// Plain JavaScript that Node 20 can read: it says which Node is needed before anything newer is parsed.
import { existsSync } from "node:fs";
import module from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";

const NEEDED = 24;

if (Number(process.versions.node.split(".")[0]) < NEEDED) {
  process.stderr.write(
    `rsdat needs Node.js ${NEEDED} or later, and this is ${process.versions.node}: run "npm install node@${NEEDED}", then start your script with "npx node"\n`,
  );
  process.exit(1);
}

// Compiled code is kept between runs: a start, of this process and of every thread and child, costs a third. The folder is
// the user's own, because whoever can write there decides what runs; where it cannot be made, Node goes on without.
process.env.NODE_COMPILE_CACHE ??= join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "rsdat", "compiled");
module.enableCompileCache(process.env.NODE_COMPILE_CACHE);

// In a clone the sources run as they are; the published package carries only what they compile to.
const isClone = existsSync(new URL("../src/index.ts", import.meta.url));

/** Imports a module of the library by its path in `src/`, without ending. */
export function load(module) {
  return import(new URL(isClone ? `../src/${module}.ts` : `../dist/${module}.js`, import.meta.url).href);
}
