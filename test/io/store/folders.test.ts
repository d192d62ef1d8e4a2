/** Folders are made as deep as needed, and refused in the words of the file system. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { makeFolders } from "../../../src/io/store/file-store.ts";
import { describePeer } from "../../peers.ts";
import { mountTmpfs } from "../../tmpfs.ts";

const folder = mkdtempSync(join(tmpdir(), "rsdat-folders-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("those above are made too, and one that is there is kept", () => {
  const path = join(folder, "a", "b", "c");
  makeFolders(path);
  makeFolders(path);
  expect(statSync(path).isDirectory()).toBe(true);
});

test("a file is no folder", () => {
  writeFileSync(join(folder, "file"), "");
  expect(() => makeFolders(join(folder, "file"))).toThrow("EEXIST");
  expect(() => makeFolders(join(folder, "file", "below"))).toThrow("ENOTDIR");
});

test.runIf(process.platform === "linux")("a file system without new folders does not keep us for ever", () => {
  expect(() => makeFolders("/proc/rsdat/x")).toThrow("no folder can be made in /proc");
});

describePeer("a read-only file system", "tmpfs", () => {
  test("is called so", () => {
    using disk = mountTmpfs(2 ** 20);
    execFileSync("mount", ["-o", "remount,ro", disk.path]);
    expect(() => makeFolders(join(disk.path, "a", "b"))).toThrow("EROFS");
  });
});
