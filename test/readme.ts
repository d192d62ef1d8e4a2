/** The fenced blocks of README.md, and which test runs each: `test/e2e/readme.test.ts` fails on a block that none claims. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "./find-peers.ts";

/** A fenced block. */
export interface ReadmeBlock {
  readonly language: string;
  /** Nearest heading above it, without its marks. */
  readonly heading: string;
  /** Its place in the file, from 1: the line after the opening fence. */
  readonly line: number;
  readonly code: string;
}

/** Files of tests that run blocks. */
export type ReadmeOwner = "test/e2e/readme.test.ts" | "test/slurm/submit.test.ts";

/** All blocks in order; `languages` and `heading` choose among them. */
export function readmeBlocks(wanted: { readonly owner?: ReadmeOwner; readonly language?: string } = {}): ReadmeBlock[] {
  const blocks: ReadmeBlock[] = [];
  let heading = "";
  let open: { readonly language: string; readonly line: number; readonly code: string[] } | null = null;
  for (const [index, text] of readFileSync(join(ROOT, "README.md"), "utf8").split("\n").entries()) {
    const fence = /^```(\w*)\s*$/.exec(text);
    if (open && fence) {
      const { language, line, code } = open;
      blocks.push({ language, heading, line, code: code.map((each) => `${each}\n`).join("") });
      open = null;
    } else if (open) open.code.push(text);
    else if (fence) open = { language: fence[1] ?? "", line: index + 2, code: [] };
    else heading = /^#+\s+(.*)$/.exec(text)?.[1] ?? heading;
  }
  if (open) throw new Error(`README.md: the block at line ${open.line} does not end`);
  const { owner, language } = wanted;
  return blocks.filter(
    (block) => (!owner || ownerOf(block) === owner) && (language === undefined || block.language === language),
  );
}

/** The test that runs a block; null: none does, which is an error. */
export function ownerOf({ language, heading, code }: ReadmeBlock): ReadmeOwner | null {
  if (language !== "js" && language !== "sh") return null;
  const needsSlurm = heading === "As a batch job" || code.includes("SlurmCluster");
  return needsSlurm ? "test/slurm/submit.test.ts" : "test/e2e/readme.test.ts";
}

/** A folder that looks like a fresh clone, made of links into this one: what runs there leaves this one's `out/` alone. */
export function linkedClone(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), "rsdat-clone-"));
  for (const name of readdirSync(ROOT))
    if (name !== "out" && name !== ".git") symlinkSync(join(ROOT, name), join(path, name));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}
