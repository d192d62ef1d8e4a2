/** Where blocks may go that find no room: the folder, and how many bytes of them. */
import { mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { isRsdatError } from "../../src/base/index.ts";
import { config, spillSetting } from "../../src/config/index.ts";
import { describePeer } from "../peers.ts";
import { mountTmpfs } from "../tmpfs.ts";

const folder = mkdtempSync(join(tmpdir(), "rsdat-test-spill-setting-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("the folder that was named, else temporary-directory; at most four fifths of what is free", () => {
  const { bavail, bsize } = statfsSync(folder);
  const found = spillSetting(folder);
  expect(found?.folder).toBe(folder);
  // Others use the disk meanwhile.
  expect((found?.limitBytes ?? 0) / (bavail * bsize)).toBeGreaterThan(0.7);
  expect((found?.limitBytes ?? 0) / (bavail * bsize)).toBeLessThan(0.9);
  using _set = config.set({ "temporary-directory": folder, "rsdat.spill.limit": "1MiB" });
  expect(spillSetting()).toEqual({ folder, limitBytes: 2 ** 20 });
});

test("0 spills nothing", () => {
  using _set = config.set({ "rsdat.spill.limit": 0 });
  expect(spillSetting(folder)).toBeNull();
});

test("a folder that was named and is not there is an error that says which", () => {
  const missing = join(folder, "missing");
  for (const ask of [
    () => spillSetting(missing),
    () => {
      using _set = config.set({ "temporary-directory": missing });
      return spillSetting();
    },
  ]) {
    try {
      ask();
      expect.unreachable();
    } catch (error) {
      if (!isRsdatError(error, "config")) throw error;
      expect(error.message).toContain(missing);
    }
  }
});

describePeer("a file system in memory", "tmpfs", () => {
  test("is taken only where somebody names it", () => {
    using disk = mountTmpfs(2 ** 20);
    expect(spillSetting(disk.path)?.folder).toBe(disk.path);
    const before = process.env["TMPDIR"];
    process.env["TMPDIR"] = disk.path;
    try {
      using _set = config.set({ "temporary-directory": null });
      expect(spillSetting()).toBeNull();
    } finally {
      if (before === undefined) delete process.env["TMPDIR"];
      else process.env["TMPDIR"] = before;
    }
  });
});
