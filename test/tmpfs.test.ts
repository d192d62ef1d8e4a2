import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { describePeer } from "./peers.ts";
import { mountTmpfs } from "./tmpfs.ts";

describePeer("a small file system", "tmpfs", () => {
  test("takes what fits, refuses what does not, and goes away", () => {
    let path = "";
    {
      using disk = mountTmpfs(1 << 20);
      path = disk.path;
      writeFileSync(join(path, "fits"), Buffer.alloc(1 << 19));
      expect(() => writeFileSync(join(path, "too-much"), Buffer.alloc(1 << 20))).toThrow(/ENOSPC/);
    }
    expect(existsSync(path)).toBe(false);
  });
});
