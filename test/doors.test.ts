/** The package's doors are what `npm run doors` writes. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { entryFiles, packageExports } from "../scripts/doors.ts";
import { ROOT } from "./find-peers.ts";

test("bin/entry exports exactly what the sources export", async () => {
  const files = await entryFiles();
  expect(readdirSync(join(ROOT, "bin", "entry")).map((name) => `bin/entry/${name}`)).toEqual(Object.keys(files).sort());
  for (const [path, text] of Object.entries(files)) expect(readFileSync(join(ROOT, path), "utf8")).toBe(text);
});

test("package.json exports the doors and nothing else", () => {
  expect(JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")).exports).toEqual(packageExports());
});
