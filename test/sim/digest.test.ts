/** Ten seeds of the last long run again: the lives that docs/sim-digest.json records are those that these machines live. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../peers.ts";
import { BLOCK, type DigestRecord, digestOfBlock } from "./digest.ts";

const RECORD = JSON.parse(readFileSync(join(ROOT, "docs", "sim-digest.json"), "utf8")) as DigestRecord;
/** Blocks of ten seeds; the long run has all. */
const COUNT = Number(process.env["RSDAT_DIGEST_BLOCKS"] ?? 1);

test("S-P6: lives of the last long run are lived again, trace by trace", { timeout: 240_000 + COUNT * 5_000 }, () => {
  const first = COUNT >= RECORD.blocks.length ? 0 : Math.floor(Math.random() * (RECORD.blocks.length - COUNT + 1));
  const blocks = Array.from({ length: Math.min(COUNT, RECORD.blocks.length) }, (_, i) => first + i);
  const again = new Map(blocks.map((block) => [`seeds from ${block * BLOCK + 1}`, digestOfBlock(block)]));
  expect(again, "the machines do something else than in the last long run: node scripts/sim-digest.ts").toEqual(
    new Map(blocks.map((block) => [`seeds from ${block * BLOCK + 1}`, RECORD.blocks[block]])),
  );
});
