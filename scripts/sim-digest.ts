/** `node scripts/sim-digest.ts`: lives 10,000 simulated lives of clusters and writes their digests, docs/sim-digest.json. */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { BLOCK, type DigestRecord, digestOfBlock } from "../test/sim/digest.ts";

const ROOT = join(import.meta.dirname, "..");
const LIVES = Number(process.argv[2] ?? 10_000);

const began = performance.now();
const blocks = Array.from({ length: LIVES / BLOCK }, (_, block) => {
  if (block % 100 === 99) process.stdout.write(`${(block + 1) * BLOCK} lives\n`);
  return digestOfBlock(block);
});
const record: DigestRecord = {
  commit: execFileSync("git", ["rev-parse", "HEAD"], { cwd: ROOT, encoding: "utf8" }).trim(),
  command: "node scripts/sim-digest.ts",
  seeds: `1-${LIVES}`,
  seconds: Math.round((performance.now() - began) / 1000),
  blocks: [],
};
const rows = Array.from({ length: Math.ceil(blocks.length / 12) }, (_, i) =>
  blocks
    .slice(i * 12, i * 12 + 12)
    .map((digest) => JSON.stringify(digest))
    .join(", "),
);
const head = JSON.stringify(record, null, 2).replace('"blocks": []', `"blocks": [\n    ${rows.join(",\n    ")}\n  ]`);
writeFileSync(join(ROOT, "docs", "sim-digest.json"), `${head}\n`);
